//! What can go wrong with a service, by what to do about it.

use std::time::Duration;

/// Texts here are short and hold no content, token or address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// The delta link is too old: enumerate from the start.
    #[error("the service asks for a full enumeration")]
    ResyncRequired,
    /// The object is gone.
    #[error("not found")]
    NotFound,
    /// The name, or the site's path, is taken.
    #[error("an object of that name exists already")]
    AlreadyExists,
    /// The item changed since it was read.
    #[error("the item changed meanwhile")]
    Changed,
    /// The bytes are not what the service announced.
    #[error("the content does not match what the service announced: {0}")]
    ContentMismatch(String),
    /// The service holds the item back (malware, rights management).
    #[error("the service withholds the item: {0}")]
    Withheld(String),
    /// The name, path or size breaks the service's rules.
    #[error("the service refuses this item: {0}")]
    Refused(String),
    /// The item or site is locked.
    #[error("locked")]
    Locked,
    /// The service does not offer this.
    #[error("the service does not support this: {0}")]
    NotSupported(&'static str),
    /// Our permissions do not reach.
    #[error("access denied")]
    AccessDenied,
    /// Throttled or down, after all retries; worth another attempt later.
    #[error("the service is unavailable: {reason}")]
    Unavailable { reason: String, retry_after: Option<Duration> },
    /// The service's answer makes no sense.
    #[error("the service's answer makes no sense: {0}")]
    Protocol(String),
    /// Reading the content to upload failed on our side.
    #[error("the content to upload could not be read: {0}")]
    Source(String),
}

impl ConnectorError {
    /// Could the same call succeed later?
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Changed | Self::ContentMismatch(_) | Self::Locked => {
                true
            }
            Self::ResyncRequired
            | Self::NotFound
            | Self::AlreadyExists
            | Self::Withheld(_)
            | Self::Refused(_)
            | Self::NotSupported(_)
            | Self::AccessDenied
            | Self::Protocol(_)
            | Self::Source(_) => false,
        }
    }

    /// Short name for gaps and failures.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ResyncRequired => "resyncRequired",
            Self::NotFound => "itemNotFound",
            Self::AlreadyExists => "nameAlreadyExists",
            Self::Changed => "changedWhileReading",
            Self::ContentMismatch(_) => "contentMismatch",
            Self::Withheld(_) => "withheld",
            Self::Refused(_) => "refused",
            Self::Locked => "locked",
            Self::NotSupported(_) => "notSupported",
            Self::AccessDenied => "accessDenied",
            Self::Unavailable { .. } => "unavailable",
            Self::Protocol(_) => "protocol",
            Self::Source(_) => "damagedBackup",
        }
    }
}
