//! restic's lock files: a shared lock tells `restic prune` and its like to stay away while we write.
//!
//! A lock older than half an hour that was not refreshed is dead, to restic and to us.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::RepositoryError;
use crate::id::LockId;
use crate::repository::{Repository, Shared};
use crate::storage;

/// Age at which a lock that was not refreshed counts no more.
const STALE_AFTER: SignedDuration = SignedDuration::from_mins(30);

/// Who takes a lock, as restic shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockOwner {
    /// The machine's name. On a machine of this name restic takes the lock for dead when the process has gone.
    pub hostname: String,
    /// The account.
    pub username: String,
    /// The process.
    pub pid: u32,
}

/// A lock found in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockInfo {
    /// Names it for [`Repository::remove_lock`].
    pub id: LockId,
    /// When it was taken or last refreshed.
    pub time: Timestamp,
    /// Whether its owner wants to be alone.
    pub is_exclusive: bool,
    /// Who took it.
    pub owner: LockOwner,
}

impl LockInfo {
    /// Whether it is so old that its owner must have died.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        now.duration_since(self.time) > STALE_AFTER
    }
}

#[derive(Serialize, Deserialize)]
struct LockFile {
    time: Timestamp,
    exclusive: bool,
    hostname: String,
    username: String,
    pid: u32,
}

/// A shared lock that we hold. Refresh it every few minutes and release it at the end; one that is only dropped stays
/// until someone removes it.
#[must_use = "a lock that is not released stays in the repository"]
pub struct Lock {
    shared: Arc<Shared>,
    owner: LockOwner,
    id: LockId,
}

impl Lock {
    /// The name of the lock's file now.
    #[must_use]
    pub fn id(&self) -> LockId {
        self.id
    }

    /// Makes the lock young again, at least every ten minutes.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] when someone has removed the lock: what they did meanwhile is unknown, so the work
    /// must stop. Storage errors.
    pub async fn refresh(&mut self, now: Timestamp) -> Result<(), RepositoryError> {
        let path = storage::file_path(storage::LOCKS, self.id);
        if storage::get(&*self.shared.store, &path).await?.is_none() {
            return Err(RepositoryError::not_found(format!("lock {}", self.id)));
        }
        let new = write_lock(&self.shared, &self.owner, now).await?;
        let old = std::mem::replace(&mut self.id, new);
        storage::remove(&*self.shared.store, &storage::file_path(storage::LOCKS, old)).await
    }

    /// Gives the lock up.
    ///
    /// # Errors
    /// Storage errors; the lock may be there still.
    pub async fn release(self) -> Result<(), RepositoryError> {
        let path = storage::file_path(storage::LOCKS, self.id);
        storage::remove(&*self.shared.store, &path).await
    }
}

impl Repository {
    /// Takes a shared lock, as restic's own backup does.
    ///
    /// # Errors
    /// [`RepositoryError::ExclusivelyLocked`] while another program wants to be alone, unless its lock is stale; storage
    /// errors.
    pub async fn lock(&self, now: Timestamp, owner: LockOwner) -> Result<Lock, RepositoryError> {
        self.refuse_exclusive(now).await?;
        let id = write_lock(&self.shared, &owner, now).await?;
        let lock = Lock { shared: self.shared.clone(), owner, id };
        // Of two that lock at the same time, at least one sees the other's file.
        match self.refuse_exclusive(now).await {
            Ok(()) => Ok(lock),
            Err(error) => {
                lock.release().await?;
                Err(error)
            }
        }
    }

    /// All locks in the repository; files that are no locks are passed over.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn list_locks(&self) -> Result<Vec<LockInfo>, RepositoryError> {
        let mut locks = Vec::new();
        for id in storage::list_ids::<LockId>(&*self.shared.store, storage::LOCKS).await? {
            let path = storage::file_path(storage::LOCKS, id);
            let Some(stored) = storage::get(&*self.shared.store, &path).await? else { continue };
            let file = self
                .shared
                .open_named(&stored, id.as_bytes(), "lock")
                .ok()
                .and_then(|json| serde_json::from_slice::<LockFile>(&json).ok());
            let Some(file) = file else {
                tracing::warn!(lock = %id, "a lock file cannot be read and is passed over");
                continue;
            };
            locks.push(LockInfo {
                id,
                time: file.time,
                is_exclusive: file.exclusive,
                owner: LockOwner {
                    hostname: file.hostname,
                    username: file.username,
                    pid: file.pid,
                },
            });
        }
        Ok(locks)
    }

    /// Removes a lock whose owner is known to be dead. Not an error when it has gone.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn remove_lock(&self, id: &LockId) -> Result<(), RepositoryError> {
        storage::remove(&*self.shared.store, &storage::file_path(storage::LOCKS, id)).await
    }

    async fn refuse_exclusive(&self, now: Timestamp) -> Result<(), RepositoryError> {
        let locks = self.list_locks().await?;
        match locks.into_iter().find(|lock| lock.is_exclusive && !lock.is_stale(now)) {
            None => Ok(()),
            Some(LockInfo { time, owner, .. }) => Err(RepositoryError::ExclusivelyLocked {
                hostname: owner.hostname,
                username: owner.username,
                pid: owner.pid,
                since: time,
            }),
        }
    }
}

async fn write_lock(
    shared: &Shared,
    owner: &LockOwner,
    now: Timestamp,
) -> Result<LockId, RepositoryError> {
    let file = LockFile {
        time: now,
        exclusive: false,
        hostname: owner.hostname.clone(),
        username: owner.username.clone(),
        pid: owner.pid,
    };
    let json = serde_json::to_vec(&file).expect("numbers and strings always serialize");
    let (id, sealed) = shared.seal_named(&json)?;
    let id = LockId::from_bytes(id);
    storage::put(&*shared.store, &storage::file_path(storage::LOCKS, id), sealed).await?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RepositoryOptions, RepositorySecret};
    use object_store::memory::InMemory;

    fn owner(name: &str) -> LockOwner {
        LockOwner { hostname: name.to_owned(), username: "someone".to_owned(), pid: 7 }
    }

    async fn repository() -> Repository {
        let secret = RepositorySecret::generate().unwrap();
        let options = RepositoryOptions::default();
        Repository::init(Arc::new(InMemory::new()), &secret, options).await.unwrap()
    }

    async fn lock_exclusively(repository: &Repository, time: Timestamp) {
        let json = format!(
            r#"{{"time":"{time}","exclusive":true,"hostname":"h","username":"u","pid":42,"uid":1000}}"#
        );
        let (id, sealed) = repository.shared.seal_named(json.as_bytes()).unwrap();
        let path = storage::file_path(storage::LOCKS, LockId::from_bytes(id));
        storage::put(&*repository.shared.store, &path, sealed).await.unwrap();
    }

    #[tokio::test]
    async fn a_fresh_exclusive_lock_refuses_and_a_stale_one_does_not() {
        let repository = repository().await;
        let now: Timestamp = "2024-01-01T12:00:00Z".parse().unwrap();
        lock_exclusively(&repository, now - SignedDuration::from_mins(31)).await;
        let lock = repository.lock(now, owner("a")).await.unwrap();
        lock.release().await.unwrap();
        let taken = now - SignedDuration::from_mins(29);
        lock_exclusively(&repository, taken).await;
        match repository.lock(now, owner("a")).await {
            Err(RepositoryError::ExclusivelyLocked { hostname, pid, since, .. }) => {
                assert_eq!((hostname.as_str(), pid, since), ("h", 42, taken));
            }
            _ => panic!("the exclusive lock was overlooked"),
        }
        // Nothing of the attempt is left.
        assert!(repository.list_locks().await.unwrap().iter().all(|lock| lock.is_exclusive));
    }

    #[tokio::test]
    async fn shared_locks_get_along_and_a_dead_one_can_be_removed() {
        let repository = repository().await;
        let now = Timestamp::UNIX_EPOCH;
        let dead = repository.lock(now, owner("dead")).await.unwrap().id();
        let mut alive = repository.lock(now, owner("alive")).await.unwrap();
        assert_eq!(repository.list_locks().await.unwrap().len(), 2);
        repository.remove_lock(&dead).await.unwrap();
        repository.remove_lock(&dead).await.unwrap();
        alive.refresh(now + SignedDuration::from_mins(10)).await.unwrap();
        let locks = repository.list_locks().await.unwrap();
        assert_eq!(locks.len(), 1);
        assert_eq!((&locks[0].owner, locks[0].id), (&owner("alive"), alive.id()));
        // Someone took it away: its holder learns it.
        repository.remove_lock(&alive.id()).await.unwrap();
        assert!(matches!(alive.refresh(now).await, Err(RepositoryError::NotFound { .. })));
    }
}
