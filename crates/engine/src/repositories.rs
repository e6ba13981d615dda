//! The repositories of units: opened once, kept while they are in use.

use std::collections::HashMap;
use std::sync::Arc;

use futures::TryStreamExt;
use holdfast_domain::{Clock, TenantId, UnitId};
use holdfast_repository::{CpuPool, Repository, RepositoryOptions};
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::Mutex;

use crate::backup::layout::jiff_time;
use crate::error::JobError;
use crate::keys::{KeyRing, repository_path};
use crate::lease::LeaseKeeper;

/// Repositories whose index is kept in memory; the least recently used goes first.
const KEPT_OPEN: usize = 16;

pub(crate) struct Repositories {
    keys: KeyRing,
    objects: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    options: RepositoryOptions,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Counts the uses.
    turn: u64,
    /// With the turn in which each was used last.
    repositories: HashMap<UnitId, (u64, Repository)>,
}

impl Repositories {
    pub(crate) fn new(
        keys: KeyRing,
        objects: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        mut options: RepositoryOptions,
    ) -> Self {
        // However many repositories are open, the processor's cores are the same.
        let threads = options.cpu_threads;
        options.cpu_pool.get_or_insert_with(|| CpuPool::new(threads));
        Self { keys, objects, clock, options, open: Mutex::default() }
    }

    fn place(&self, unit: UnitId) -> Arc<dyn ObjectStore> {
        Arc::new(PrefixStore::new(self.objects.clone(), repository_path(unit)))
    }

    /// The unit's repository, for reading.
    pub(crate) async fn open(
        &self,
        tenant: TenantId,
        unit: UnitId,
    ) -> Result<Repository, JobError> {
        if let Some(known) = self.known(unit).await? {
            return Ok(known);
        }
        let secret = self.keys.secret(tenant, unit).await?;
        let repository = Repository::open(self.place(unit), &secret, self.options.clone()).await?;
        self.keep(unit, repository.clone()).await;
        Ok(repository)
    }

    /// The unit's repository, made on first use. Keys are stored before the repository exists.
    pub(crate) async fn open_or_init(
        &self,
        tenant: TenantId,
        unit: UnitId,
    ) -> Result<Repository, JobError> {
        if let Some(known) = self.known(unit).await? {
            return Ok(known);
        }
        let secret = self.keys.secret_or_new(tenant, unit).await?;
        let place = self.place(unit);
        let repository = if Repository::exists(&*place).await? {
            Repository::open(place, &secret, self.options.clone()).await?
        } else {
            let created = jiff_time(self.clock.now());
            let options = RepositoryOptions { created, ..self.options.clone() };
            Repository::init(place, &secret, options).await?
        };
        self.keep(unit, repository.clone()).await;
        Ok(repository)
    }

    /// Forgets the handle after a failure: what is in memory may not be what is stored.
    pub(crate) async fn close(&self, unit: UnitId) {
        self.open.lock().await.repositories.remove(&unit);
    }

    /// Destroys the unit's repository: its secret first, then its objects. May be done twice.
    pub(crate) async fn destroy(&self, unit: UnitId, keeper: &LeaseKeeper) -> Result<(), JobError> {
        self.close(unit).await;
        self.keys.destroy_secret(unit, keeper.lease()?).await?;
        let place = self.place(unit);
        let mut found = place.list(None);
        while let Some(object) = found.try_next().await.map_err(JobError::retry)? {
            keeper.lease()?;
            match place.delete(&object.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(JobError::retry(error)),
            }
        }
        Ok(())
    }

    /// The kept handle, with what other nodes have published since it was used last.
    async fn known(&self, unit: UnitId) -> Result<Option<Repository>, JobError> {
        let known = {
            let open = &mut *self.open.lock().await;
            open.turn += 1;
            open.repositories.get_mut(&unit).map(|(used, repository)| {
                *used = open.turn;
                repository.clone()
            })
        };
        if let Some(repository) = &known {
            repository.refresh_index().await?;
        }
        Ok(known)
    }

    async fn keep(&self, unit: UnitId, repository: Repository) {
        let Open { turn, repositories } = &mut *self.open.lock().await;
        if repositories.len() >= KEPT_OPEN
            && let Some(oldest) =
                repositories.iter().min_by_key(|(_, (used, _))| *used).map(|(unit, _)| *unit)
        {
            repositories.remove(&oldest);
        }
        repositories.insert(unit, (*turn, repository));
    }
}
