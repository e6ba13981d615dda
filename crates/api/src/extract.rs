//! JSON bodies, read with errors that name the property.

use axum::http::HeaderValue;
use bytes::Bytes;
use holdfast_domain::Timestamp;
use holdfast_graph_model::ErrorCode;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// What the service sets on rules, bulk jobs and bulk requests.
pub(crate) const SERVER_SET: [&str; 7] = [
    "id",
    "status",
    "error",
    "createdBy",
    "createdDateTime",
    "lastModifiedBy",
    "lastModifiedDateTime",
];

/// An object of a request's body. Properties are taken one by one; what is left over at [`JsonObject::finish`] is unknown.
#[derive(Debug)]
pub(crate) struct JsonObject {
    properties: Map<String, Value>,
    /// Where it lies in the body; empty for the body itself.
    place: String,
    /// The operation's code for malformed bodies.
    code: ErrorCode,
}

/// The body as an object; an absent one is an empty object, since bodies of actions may be.
pub(crate) fn body(
    content_type: Option<&HeaderValue>,
    bytes: &Bytes,
    code: ErrorCode,
) -> Result<JsonObject, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(JsonObject { properties: Map::new(), place: String::new(), code });
    }
    let media_type = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    if media_type.as_deref() != Some("application/json") {
        return Err(Problem::new(
            ErrorCode::UnsupportedMediaType,
            "The body must be sent with Content-Type: application/json.",
        ));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        Problem::new(
            code,
            format!(
                "The body is not valid JSON (line {}, column {}).",
                error.line(),
                error.column()
            ),
        )
    })?;
    JsonObject::from_value(value, String::new(), code)
}

impl JsonObject {
    pub(crate) fn from_value(
        value: Value,
        place: String,
        code: ErrorCode,
    ) -> Result<Self, Problem> {
        match value {
            Value::Object(properties) => Ok(Self { properties, place, code }),
            _ => {
                let what =
                    if place.is_empty() { "The body".to_owned() } else { format!("'{place}'") };
                Err(Problem::Refused {
                    code,
                    message: format!("{what} must be a JSON object."),
                    target: (!place.is_empty()).then_some(place),
                })
            }
        }
    }

    /// The property's place in the body.
    pub(crate) fn place(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}/{name}", self.place) }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.properties.contains_key(name)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.properties.remove(name)
    }

    /// The property, when it has a meaning here; else it stays, and is unknown.
    pub(crate) fn take_if(&mut self, has_meaning: bool, name: &str) -> Option<Value> {
        if has_meaning { self.take(name) } else { None }
    }

    /// Passes over what the service sets: clients that send back what they read send it, too.
    pub(crate) fn pass_over(&mut self, names: &[&str]) {
        for name in names {
            self.take(name);
        }
    }

    /// A list of texts; empty when the property is absent or null.
    pub(crate) fn take_texts(&mut self, name: &str) -> Result<Vec<String>, Problem> {
        let items = match self.take(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.refuse(name, "must be a list of texts")),
        };
        items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                _ => Err(self.refuse(name, "must be a list of texts")),
            })
            .collect()
    }

    /// A Boolean; null counts as absent.
    pub(crate) fn take_flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.refuse(name, "must be true or false")),
        }
    }

    /// An object, to be read in its turn; null counts as absent.
    pub(crate) fn take_object(&mut self, name: &str) -> Result<Option<Self>, Problem> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Self::from_value(value, self.place(name), self.code).map(Some),
        }
    }

    /// Refuses a property under the operation's code.
    pub(crate) fn refuse(&self, name: &str, why: &str) -> Problem {
        let place = self.place(name);
        Problem::at(self.code, place.clone(), format!("'{place}' {why}."))
    }

    /// A text; null counts as absent.
    pub(crate) fn take_text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.refuse(name, "must be a text")),
        }
    }

    /// A time; null counts as absent.
    pub(crate) fn take_time(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        match self.take_text(name)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                self.refuse(name, "must be an ISO 8601 date and time such as 2026-01-31T10:00:00Z")
            }),
        }
    }

    /// A list; `None` when the property is absent. Null is no list.
    pub(crate) fn take_list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(self.refuse(name, "must be a list")),
        }
    }

    /// Checks that `@odata.type`, if present, names `expected` (without the namespace), in any letter case, with or
    /// without the number sign.
    pub(crate) fn check_type(&mut self, expected: &str) -> Result<(), Problem> {
        match self.take("@odata.type") {
            None => Ok(()),
            Some(Value::String(text)) if type_name(&text).eq_ignore_ascii_case(expected) => Ok(()),
            Some(_) => {
                Err(self
                    .refuse("@odata.type", &format!("must be #microsoft.graph.{expected} here")))
            }
        }
    }

    /// Refuses what nobody took, except annotations.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        for name in self.properties.keys() {
            let annotation = name.starts_with('@')
                || name.contains("@odata.")
                || name.contains("@microsoft.graph.");
            if !annotation {
                return Err(self.refuse(name, "is no property of this type"));
            }
        }
        Ok(())
    }
}

/// The type's name without number sign and namespace.
pub(crate) fn type_name(text: &str) -> &str {
    let text = text.strip_prefix('#').unwrap_or(text);
    text.rsplit_once('.').map_or(text, |(namespace, name)| {
        if ["microsoft.graph", "graph"].iter().any(|ours| namespace.eq_ignore_ascii_case(ours)) {
            name
        } else {
            text
        }
    })
}
