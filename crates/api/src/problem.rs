//! What goes wrong, and how Graph says it: the one place where errors of ours become Graph's envelope.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use holdfast_domain::{Timestamp, TransitionError};
use holdfast_graph_model::ErrorCode;
use holdfast_graph_model::odata::QueryError;
use holdfast_store::StoreError;
use serde_json::json;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The request or the state of things forbids it; the caller can do something about it.
    #[error("{message}")]
    Refused { code: ErrorCode, message: String, target: Option<String> },
    /// No token, or none that is valid. The reason is ours to log; it tells nothing about keys.
    #[error("{0}")]
    Unauthenticated(&'static str),
    #[error("{message}")]
    MethodNotAllowed { allow: String, message: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An issuer's keys cannot be had at the moment, so nobody of that issuer can be let in.
    #[error("the issuer's keys are unavailable: {0}")]
    KeysUnavailable(String),
}

impl Problem {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into(), target: None }
    }

    /// With the place in the request.
    pub(crate) fn at(
        code: ErrorCode,
        target: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::Refused { code, message: message.into(), target: Some(target.into()) }
    }

    /// A transition that the state does not allow, under the operation's own code.
    pub(crate) fn transition(code: ErrorCode, noun: &str, error: TransitionError) -> Self {
        let remedy = match (error.event, error.state) {
            ("activate" | "deactivate" | "delete", "updating") => {
                " Try again when its units have settled."
            }
            ("delete", "active" | "activeWithErrors") => " Deactivate it first.",
            ("delete" | "changeArtifacts", "activating" | "active") => {
                " What is being restored runs to its end."
            }
            ("offboard", "unprotected" | "protectRequested" | "protected") => {
                " Only units in no policy can be offboarded: remove it from its policy first."
            }
            _ => "",
        };
        let state = error.state;
        Self::new(
            code,
            format!("The {noun} is in status {state}, which does not allow this.{remedy}"),
        )
    }

    #[deny(clippy::wildcard_enum_match_arm)] // A new variant stops the build here.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Unauthenticated(_) => ErrorCode::InvalidAuthenticationToken,
            Self::MethodNotAllowed { .. } => ErrorCode::MethodNotAllowed,
            Self::KeysUnavailable(_) | Self::Store(StoreError::Unavailable(_)) => {
                ErrorCode::ServiceUnavailable
            }
            Self::Store(
                StoreError::Stale | StoreError::LeaseLost | StoreError::Inconsistent(_),
            ) => ErrorCode::InternalServerError,
        }
    }

    /// What the caller reads. Causes inside the server stay in its log.
    fn message(&self) -> String {
        match self {
            Self::Refused { .. } | Self::MethodNotAllowed { .. } => self.to_string(),
            Self::Unauthenticated(why) => format!("Access token is missing or invalid: {why}."),
            Self::Store(StoreError::Unavailable(_)) | Self::KeysUnavailable(_) => {
                "The service is temporarily unavailable. Try again later.".to_owned()
            }
            Self::Store(_) => {
                "An unexpected error occurred. The request can be tried again.".to_owned()
            }
        }
    }

    pub(crate) fn response(&self, ids: &RequestIds, now: Timestamp) -> Response<Body> {
        let code = self.code();
        let mut error = json!({
            "code": code.name(),
            "message": self.message(),
            "innerError": {
                // Graph's own form: no fraction, no zone designator.
                "date": now.whole_seconds().to_string().trim_end_matches('Z'),
                "request-id": ids.request_id,
                "client-request-id": ids.client_request_id,
            },
        });
        if let Self::Refused { target: Some(target), .. } = self {
            error["target"] = json!(target);
        }
        let mut response = Response::new(Body::from(json!({ "error": error }).to_string()));
        *response.status_mut() =
            StatusCode::from_u16(code.status()).expect("codes have HTTP statuses");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::Unauthenticated(_) => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer error=\"invalid_token\""),
                );
            }
            Self::MethodNotAllowed { allow, .. } => {
                if let Ok(allow) = HeaderValue::from_str(allow) {
                    headers.insert(header::ALLOW, allow);
                }
            }
            Self::KeysUnavailable(_) | Self::Store(StoreError::Unavailable(_)) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            Self::Refused { .. } | Self::Store(_) => {}
        }
        response
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let code = match &error {
            QueryError::Malformed(_) => ErrorCode::BadRequest,
            QueryError::TooLong { .. } => ErrorCode::FilterLengthExceeded,
        };
        Self::new(code, error.to_string())
    }
}

/// The two ids that every answer carries.
#[derive(Debug, Clone)]
pub(crate) struct RequestIds {
    /// Ours.
    pub(crate) request_id: String,
    /// The client's, unchanged, or one of ours when it sent none.
    pub(crate) client_request_id: String,
}
