//! What is ours and not Graph's, below `/holdfast/v1`: the whole lists behind counts and first items, and the
//! outbox.

pub(crate) mod failures;
pub(crate) mod gaps;
pub(crate) mod outbox;

use serde_json::{Map, Value, json};

use crate::answer::Answer;

/// A list without paging: bounded by what one run may skip.
fn list(value: Vec<Value>) -> Answer {
    let mut body = Map::new();
    body.insert("count".to_owned(), json!(value.len()));
    body.insert("value".to_owned(), Value::Array(value));
    Answer::ok(body)
}
