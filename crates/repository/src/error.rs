//! What can go wrong; each variant is a decision that a caller takes.

use std::sync::Arc;

use crate::id::{BlobId, PackId};
use crate::tree::TreeError;

/// Why an operation on a repository failed. Never holds secrets or content.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RepositoryError {
    /// There is no repository here, or it has no such object.
    #[error("{what} does not exist")]
    NotFound {
        /// The object that is missing, such as `snapshot 1f…`.
        what: String,
    },
    /// `init` where a repository is already.
    #[error("a repository already exists here")]
    AlreadyExists,
    /// None of the key files opens with this secret.
    #[error("the secret opens none of the repository's keys")]
    WrongSecret,
    /// Stored bytes are not what was written. Nothing of them was handed out.
    #[error("{what}{}{}", pack.map_or(String::new(), |id| format!(", pack {id}")), blob.map_or(String::new(), |id| format!(", blob {id}")))]
    Damaged {
        /// What is wrong, as a sentence for people.
        what: String,
        /// The pack with the damage, when it is inside one.
        pack: Option<PackId>,
        /// The blob that cannot be read.
        blob: Option<BlobId>,
    },
    /// Another program works on the repository alone; wait or give up.
    #[error("exclusively locked by {username}@{hostname} (process {pid}) since {since}")]
    ExclusivelyLocked {
        /// The machine that holds the lock.
        hostname: String,
        /// The user that holds the lock.
        username: String,
        /// The process that holds the lock.
        pid: u32,
        /// When the lock was taken or last refreshed.
        since: jiff::Timestamp,
    },
    /// A tree that may not be stored.
    #[error("the folder cannot be stored: {0}")]
    InvalidTree(#[from] TreeError),
    /// The storage is full; nothing was published.
    #[error("no space left in the storage")]
    NoSpace(#[source] Arc<object_store::Error>),
    /// The storage failed; trying again later may help.
    #[error("the storage failed")]
    Storage(#[source] Arc<object_store::Error>),
    /// The writer was finished, or an earlier failure of it ended it.
    #[error("the writer is closed")]
    WriterClosed,
    /// The operating system gives no randomness, without which nothing can be encrypted.
    #[error("the system's source of randomness failed")]
    NoRandomness,
    /// A computation stopped unexpectedly, which is a defect of this library.
    #[error("a computation ended unexpectedly")]
    ComputationEnded,
}

impl RepositoryError {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), pack: None, blob: None }
    }

    pub(crate) fn damaged_blob(what: impl Into<String>, pack: PackId, blob: BlobId) -> Self {
        Self::Damaged { what: what.into(), pack: Some(pack), blob: Some(blob) }
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }
}

impl From<object_store::Error> for RepositoryError {
    fn from(error: object_store::Error) -> Self {
        let is_full = is_no_space(&error);
        let error = Arc::new(error);
        if is_full { Self::NoSpace(error) } else { Self::Storage(error) }
    }
}

fn is_no_space(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<std::io::Error>()
            && matches!(
                io.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            )
        {
            return true;
        }
        cause = current.source();
    }
    false
}

/// Why a file was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreFileError<E> {
    /// The source of the content failed; its own error, untouched.
    #[error("the content could not be read")]
    Source(E),
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_recognised_behind_wrappers() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = object_store::Error::Generic { store: "test", source: Box::new(full) };
        assert!(matches!(RepositoryError::from(error), RepositoryError::NoSpace(_)));
        let other = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = object_store::Error::Generic { store: "test", source: Box::new(other) };
        assert!(matches!(RepositoryError::from(error), RepositoryError::Storage(_)));
    }

    #[test]
    fn damage_names_pack_and_blob() {
        let (pack, blob) = (PackId::of(b"p"), BlobId::of(b"b"));
        let text = RepositoryError::damaged_blob("the content differs", pack, blob).to_string();
        assert_eq!(text, format!("the content differs, pack {pack}, blob {blob}"));
    }
}
