//! Refused transitions, and the trouble that an object reports about itself.

use serde::{Deserialize, Serialize};

/// `microsoft.graph.publicError`: why one object is not as it should be. Part of a 200 answer, not an error envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicError {
    pub code: String,
    pub message: String,
    pub target: Option<String>,
    pub details: Vec<PublicErrorDetail>,
}

/// `microsoft.graph.publicErrorDetail`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicErrorDetail {
    pub code: String,
    pub message: String,
    pub target: Option<String>,
}

impl PublicError {
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), target: None, details: Vec::new() }
    }
}

/// The object's state does not allow the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} is not possible while the state is {state}")]
pub struct TransitionError {
    /// The event's name, as in the transition tables.
    pub event: &'static str,
    /// The state's name, as in the transition tables.
    pub state: &'static str,
}
