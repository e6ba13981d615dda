//! The right to write a repository, taken when the first byte must be written: a run that changes nothing takes no lock.

use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::{Clock, Timestamp};
use holdfast_repository::{Lock, LockOwner, Repository, RepositoryError, Writer};
use tokio::sync::Mutex;

use crate::backup::layout::jiff_time;
use crate::error::JobError;

/// restic takes a lock for dead after half an hour.
const REFRESH_AFTER: Duration = Duration::from_secs(5 * 60);
/// The account in our locks. The unit's lease says that no other worker of ours lives, so such a lock is a dead one.
const ACCOUNT: &str = "holdfast";

pub(crate) struct Writing {
    repository: Repository,
    clock: Arc<dyn Clock>,
    begun: Mutex<Option<Begun>>,
}

struct Begun {
    lock: Lock,
    refreshed_at: Timestamp,
    writer: Writer,
}

impl Writing {
    pub(crate) fn new(repository: Repository, clock: Arc<dyn Clock>) -> Self {
        Self { repository, clock, begun: Mutex::new(None) }
    }

    /// The writer; the first call locks the repository.
    pub(crate) async fn writer(&self) -> Result<Writer, JobError> {
        let mut begun = self.begun.lock().await;
        let now = self.clock.now();
        if let Some(begun) = &mut *begun {
            if now.since(begun.refreshed_at) >= REFRESH_AFTER {
                begun.lock.refresh(jiff_time(now)).await?;
                begun.refreshed_at = now;
            }
            return Ok(begun.writer.clone());
        }
        for dead in self.repository.list_locks().await? {
            if dead.owner.username == ACCOUNT {
                self.repository.remove_lock(&dead.id).await?;
            }
        }
        let owner = LockOwner {
            hostname: "holdfast".to_owned(),
            username: ACCOUNT.to_owned(),
            pid: std::process::id(),
        };
        let lock = match self.repository.lock(jiff_time(now), owner).await {
            Ok(lock) => lock,
            Err(error @ RepositoryError::ExclusivelyLocked { .. }) => {
                tracing::warn!(%error, "waiting for another program to leave the repository");
                return Err(JobError::Retry {
                    reason: error.to_string(),
                    after: Some(Duration::from_secs(60)),
                });
            }
            Err(error) => return Err(error.into()),
        };
        // Under the lock nobody prunes any more: what the index names now stays.
        self.repository.refresh_index().await?;
        let writer = self.repository.writer();
        *begun = Some(Begun { lock, refreshed_at: now, writer: writer.clone() });
        Ok(writer)
    }

    pub(crate) async fn release_lock(&self) {
        if let Some(begun) = self.begun.lock().await.take()
            && let Err(error) = begun.lock.release().await
        {
            tracing::warn!(%error, "a lock stays in a repository until it is too old");
        }
    }
}
