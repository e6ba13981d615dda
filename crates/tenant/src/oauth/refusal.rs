//! Refusals of the sign-in endpoints, in the shape that MSAL reads.

use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::call::{Reply, json_reply};
use crate::problem::Problem;
use crate::render::server_time;
use crate::tenant::Inner;

/// Error name, number (`AADSTS…`) and description as the sign-in service writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: &'static str,
    number: u32,
    description: &'static str,
}

impl Refusal {
    pub(crate) const fn new(error: &'static str, number: u32, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, number, description }
    }

    pub(crate) const fn client(number: u32, description: &'static str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", number, description }
    }

    /// A code or token that is not good, or no longer.
    pub(crate) const fn grant(number: u32, description: &'static str) -> Self {
        Self::new("invalid_grant", number, description)
    }

    pub(crate) const fn unknown_app() -> Self {
        Self::new(
            "unauthorized_client",
            700_016,
            "The application is not registered in this directory.",
        )
    }

    /// The text for a person, or for `error_description`.
    pub(crate) fn text(&self) -> String {
        format!("AADSTS{}: {}", self.number, self.description)
    }

    pub(crate) fn reply(&self, inner: &Inner, correlation: &str) -> Reply {
        let trace = inner.random_guid();
        let time = server_time(inner.now()).replace('T', " ");
        let body = json!({
            "error": self.error,
            "error_description": format!(
                "{} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}", self.text()
            ),
            "error_codes": [self.number],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
        });
        uncached(json_reply(self.status, &body))
    }
}

impl From<Problem> for Refusal {
    /// Only failures of our own storage come this way; they have been logged.
    fn from(_: Problem) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: "server_error",
            number: 90033,
            description: "A transient error has occurred. Please try again.",
        }
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(cause: rusqlite::Error) -> Self {
        Problem::from(cause).into()
    }
}

/// Marks an answer that must not be kept.
pub(crate) fn uncached(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    reply
}
