//! A successful answer before it becomes HTTP: the dispatcher adds ids and OData's headers.

use axum::http::StatusCode;
use serde_json::{Map, Value};

/// What an operation answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: AnswerBody,
    /// The object's own URL, for answers that made or moved it.
    pub(crate) content_location: Option<String>,
}

#[derive(Debug)]
pub(crate) enum AnswerBody {
    Nothing,
    /// `$count`
    Text(String),
    /// A content type, and a text that is the same for everyone.
    Document(&'static str, &'static str),
    Json(Map<String, Value>),
}

impl Answer {
    pub(crate) fn ok(body: Map<String, Value>) -> Self {
        Self::with(StatusCode::OK, body)
    }

    pub(crate) fn with(status: StatusCode, body: Map<String, Value>) -> Self {
        Self { status, body: AnswerBody::Json(body), content_location: None }
    }

    pub(crate) fn count(count: u64) -> Self {
        Self {
            status: StatusCode::OK,
            body: AnswerBody::Text(count.to_string()),
            content_location: None,
        }
    }

    pub(crate) fn document(content_type: &'static str, text: &'static str) -> Self {
        let body = AnswerBody::Document(content_type, text);
        Self { status: StatusCode::OK, body, content_location: None }
    }

    pub(crate) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: AnswerBody::Nothing, content_location: None }
    }

    pub(crate) fn located_at(mut self, url: String) -> Self {
        self.content_location = Some(url);
        self
    }
}

/// Leaves the selected properties, those of them that a path such as `createdBy/user` names, and the annotations.
pub(crate) fn select(object: &mut Map<String, Value>, selected: &[String]) {
    // Whose properties are meant is known: a cast before them changes nothing.
    let paths: Vec<&str> = selected
        .iter()
        .map(|path| match path.split_once('/') {
            Some((cast, rest)) if cast.contains('.') => rest,
            _ => path.as_str(),
        })
        .collect();
    let first = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    object.retain(|name, _| {
        // `name@odata.nextLink` goes with `name`.
        let name = name.split('@').next().unwrap_or_default();
        name.is_empty() || paths.iter().any(|path| first(path) == name)
    });
    for (name, value) in object.iter_mut() {
        if paths.contains(&name.as_str()) || name.contains('@') {
            continue;
        }
        let below =
            paths.iter().filter_map(|path| path.strip_prefix(name.as_str())?.strip_prefix('/'));
        let below: Vec<String> = below.map(str::to_owned).collect();
        match value {
            Value::Object(inner) => select(inner, &below),
            Value::Array(items) => {
                items
                    .iter_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(|item| select(item, &below));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
