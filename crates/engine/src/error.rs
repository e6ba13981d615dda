//! Why a job did not reach its end, by what to do about it.

use std::time::Duration;

use holdfast_connector::ConnectorError;
use holdfast_domain::{PublicError, TransitionError};
use holdfast_repository::RepositoryError;
use holdfast_store::StoreError;

use crate::keys::KeyError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// Another attempt may succeed.
    #[error("{reason}")]
    Retry { reason: String, after: Option<Duration> },
    /// No attempt will succeed; `error` is shown to users.
    #[error("{}: {}", error.code, error.message)]
    GiveUp { error: PublicError },
    /// The job is another worker's now: stop and write nothing.
    #[error("the lease has passed to another worker")]
    LeaseLost,
}

impl JobError {
    pub(crate) fn give_up(code: &str, message: impl Into<String>) -> Self {
        Self::GiveUp { error: PublicError::new(code, message) }
    }

    pub(crate) fn retry(reason: impl std::fmt::Display) -> Self {
        Self::Retry { reason: reason.to_string(), after: None }
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost => Self::LeaseLost,
            StoreError::Stale | StoreError::Unavailable(_) => Self::retry(error),
            StoreError::Inconsistent(_) => Self::give_up("UnknownError", error.to_string()),
        }
    }
}

impl From<ConnectorError> for JobError {
    fn from(error: ConnectorError) -> Self {
        match error {
            ConnectorError::Unavailable { reason, retry_after } => {
                Self::Retry { reason, after: retry_after }
            }
            error if error.is_transient() => Self::retry(error),
            error => Self::give_up("UnknownError", error.to_string()),
        }
    }
}

impl From<RepositoryError> for JobError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Damaged { .. }
            | RepositoryError::NotFound { .. }
            | RepositoryError::WrongSecret => Self::give_up(
                "ArtifactCannotBeRestored",
                format!("The backup is damaged: {error}."),
            ),
            error => Self::retry(error),
        }
    }
}

impl From<KeyError> for JobError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            KeyError::ObjectStore(_) => Self::retry(error),
            KeyError::DoesNotOpen | KeyError::MalformedRootKey | KeyError::NoSuchUnit => {
                Self::give_up("UnknownError", error.to_string())
            }
        }
    }
}

impl From<TransitionError> for JobError {
    fn from(error: TransitionError) -> Self {
        // Somebody changed the object's state meanwhile; the next attempt sees the new one.
        Self::retry(error)
    }
}
