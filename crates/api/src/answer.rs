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

/// Leaves the selected properties and the annotations.
pub(crate) fn select(object: &mut Map<String, Value>, selected: &[String]) {
    object.retain(|name, _| name.starts_with('@') || selected.iter().any(|wanted| wanted == name));
}
