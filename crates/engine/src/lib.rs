//! The engine: claims jobs, backs units up on schedule, restores them.
//!
//! It meets `api` only in rows of the store. Any number of engines may share one store: a job belongs to the worker whose
//! lease is the newest, and every write of a worker names its lease. A worker that is killed leaves a job whose lease
//! runs out; the next one starts it again and finds what was done.

mod backup;
mod browse;
mod digest;
mod error;
mod item_keys;
mod jobs;
pub mod keys;
mod lease;
mod mailer;
mod observer;
mod repositories;
mod resource;
mod restore;
mod sweep;
mod writing;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use error::JobError;
use holdfast_connector::Connector;
use holdfast_domain::{
    ClaimedJob, Clock, Entropy, JobId, PublicError, TenantId, Timestamp, Work, limits,
};
use holdfast_repository::RepositoryOptions;
use holdfast_store::{Store, StoreError};
use keys::KeyRing;
use lease::LeaseKeeper;
use object_store::ObjectStore;
use repositories::Repositories;
use tokio::sync::{Notify, watch};

pub use mailer::{MailError, Mailer};
pub use observer::{JobOutcome, NoObserver, Observer, Progress};

/// Longest wait before the store is looked at again, even when nothing woke the engine: other nodes add jobs too.
const LONGEST_IDLE: Duration = Duration::from_secs(5);
/// Before a job's second attempt; each later pause is eight times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// Units whose backup one look enqueues.
const DUE_UNITS: u32 = 1000;

/// Gives the way to a tenant's data.
#[async_trait]
pub trait Connectors: Send + Sync {
    /// `None` when the tenant is not configured.
    async fn connector(&self, tenant: TenantId) -> Option<Arc<dyn Connector>>;
}

#[derive(Clone)]
pub struct EngineOptions {
    pub backup_interval: Duration,
    /// From `offboard` to the destruction of the backups.
    pub offboard_grace: Duration,
    /// Jobs at once.
    pub workers: usize,
    /// Files read or written at once, for each job.
    pub transfers: usize,
    pub repository: RepositoryOptions,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            backup_interval: limits::BACKUP_INTERVAL,
            offboard_grace: limits::OFFBOARD_GRACE,
            workers: 2,
            transfers: 16,
            repository: RepositoryOptions::default(),
        }
    }
}

/// What an engine works with.
pub struct EngineParts {
    pub store: Arc<dyn Store>,
    pub objects: Arc<dyn ObjectStore>,
    pub keys: KeyRing,
    pub connectors: Arc<dyn Connectors>,
    /// `None`: digests stay in the outbox.
    pub mailer: Option<Arc<dyn Mailer>>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub observer: Arc<dyn Observer>,
    pub options: EngineOptions,
}

/// Runs jobs until it is dropped or told to stop. Cloning gives another handle.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) connectors: Arc<dyn Connectors>,
    pub(crate) mailer: Option<Arc<dyn Mailer>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) options: EngineOptions,
    pub(crate) repositories: Repositories,
    woken: Notify,
}

impl Shared {
    pub(crate) async fn connector(&self, tenant: TenantId) -> Result<Arc<dyn Connector>, JobError> {
        self.connectors
            .connector(tenant)
            .await
            .ok_or_else(|| JobError::give_up("UnknownError", "The tenant is not configured."))
    }
}

/// The job that a worker has in hand. Never locked across an await.
type Hand = Mutex<Option<ClaimedJob>>;

fn hold(hand: &Hand, job: Option<ClaimedJob>) -> Option<ClaimedJob> {
    std::mem::replace(&mut *hand.lock().unwrap_or_else(PoisonError::into_inner), job)
}

/// Works until told to stop, or until whoever would tell is gone.
fn worker(engine: Engine, mut told: watch::Receiver<()>) -> impl FnOnce() + Send + 'static {
    let runtime = tokio::runtime::Handle::current();
    move || {
        runtime.block_on(async {
            let hand = Hand::default();
            tokio::select! {
                _ = told.changed() => {}
                () = engine.work_for_ever(&hand) => {}
            }
            engine.let_go(&hand).await;
        });
    }
}

impl Engine {
    #[must_use]
    pub fn new(parts: EngineParts) -> Self {
        let EngineParts {
            store,
            objects,
            keys,
            connectors,
            mailer,
            clock,
            entropy,
            observer,
            options,
        } = parts;
        let repositories =
            Repositories::new(keys, objects, clock.clone(), options.repository.clone());
        Self {
            shared: Arc::new(Shared {
                store,
                connectors,
                mailer,
                clock,
                entropy,
                observer,
                options,
                repositories,
                woken: Notify::new(),
            }),
        }
    }

    /// Work was added: look now.
    pub fn wake(&self) {
        self.shared.woken.notify_waiters();
        self.shared.woken.notify_one();
    }

    /// Works until `stopped` is ready; a job in hand is dropped then and its lease ended, so that whoever comes next starts it
    /// again at once.
    pub async fn run_until(&self, stopped: impl Future<Output = ()>) {
        // Each worker drives its job on a thread of its own; the service's and the repository's work is on others.
        let (stop, told) = watch::channel(());
        let workers: Vec<_> = (0..self.shared.options.workers.max(1))
            .map(|_| tokio::task::spawn_blocking(worker(self.clone(), told.clone())))
            .collect();
        tokio::select! {
            () = stopped => {}
            () = self.schedule_for_ever() => {}
        }
        drop(stop);
        for worker in workers {
            if let Err(error) = worker.await {
                tracing::error!(%error, "a worker ended unexpectedly");
            }
        }
    }

    /// Does everything that is due now, one job after the other, and comes back when nothing is. For tests.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run_until_idle(&self) -> Result<(), StoreError> {
        self.schedule().await?;
        let hand = Hand::default();
        while self.work_once(&hand).await? {}
        Ok(())
    }

    async fn work_for_ever(&self, hand: &Hand) {
        loop {
            let woken = self.shared.woken.notified();
            match self.work_once(hand).await {
                Ok(true) => {}
                Ok(false) => self.idle(woken).await,
                Err(error) => {
                    tracing::error!(%error, "no job could be claimed");
                    self.idle(woken).await;
                }
            }
        }
    }

    async fn schedule_for_ever(&self) {
        loop {
            let woken = self.shared.woken.notified();
            match self.schedule().await {
                Ok(true) => self.wake(),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the schedule could not be read"),
            }
            let tick = self
                .shared
                .options
                .backup_interval
                .div_f64(10.0)
                .clamp(Duration::from_millis(100), Duration::from_secs(1));
            drop(woken);
            self.shared.clock.sleep_until(self.shared.clock.now().plus(tick)).await;
        }
    }

    async fn idle(&self, woken: tokio::sync::futures::Notified<'_>) {
        let now = self.shared.clock.now();
        let next = match self.shared.store.read().await {
            Ok(mut tx) => tx.next_job_at().await.ok().flatten(),
            Err(_) => None,
        };
        let longest = now.plus(LONGEST_IDLE);
        // A job that is ready but not for us (its unit is busy) must not make us spin.
        let until =
            next.map_or(longest, |next| next.clamp(now.plus(Duration::from_millis(200)), longest));
        tokio::select! {
            () = woken => {}
            () = self.shared.clock.sleep_until(until) => {}
        }
    }

    /// Enqueues the backups that are due; whether there were any. Removes what has expired.
    async fn schedule(&self) -> Result<bool, StoreError> {
        sweep::sweep_browse_sessions(&self.shared).await?;
        let now = self.shared.clock.now();
        if self.shared.store.read().await?.units_due(now, 1).await?.is_empty() {
            return Ok(false);
        }
        let mut tx = self.shared.store.begin().await?;
        let due = tx.units_due(now, DUE_UNITS).await?;
        for unit in &due {
            let work = Work::BackUpUnit { unit: unit.value.id };
            tx.enqueue(unit.value.tenant, JobId::random(&*self.shared.entropy), work, now).await?;
        }
        tx.commit().await?;
        Ok(!due.is_empty())
    }

    /// Claims one job and works on it; whether there was any.
    async fn work_once(&self, hand: &Hand) -> Result<bool, StoreError> {
        let Some(job) = self.claim().await? else { return Ok(false) };
        hold(hand, Some(job.clone()));
        let keeper =
            LeaseKeeper::start(job.lease, self.shared.store.clone(), self.shared.clock.clone());
        tracing::debug!(job = %job.id, work = job.work.name(), attempt = job.attempt, "a job begins");
        let mut outcome = JobOutcome::Done;
        let done = match jobs::run(&self.shared, &job, &keeper).await {
            Err(JobError::GiveUp { error }) => {
                outcome = JobOutcome::Failed;
                jobs::give_up(&self.shared, &job, &keeper, error).await
            }
            Err(JobError::Retry { reason, .. }) if job.attempt >= limits::JOB_ATTEMPTS => {
                let error = PublicError::new(
                    "UnknownError",
                    "It failed too often; the server's log says why.",
                );
                let given_up = jobs::give_up(&self.shared, &job, &keeper, error).await;
                // Some jobs are never given up: they ask to be tried again.
                if given_up.is_ok() {
                    tracing::error!(job = %job.id, work = job.work.name(), reason, "a job is given up");
                }
                outcome = JobOutcome::Failed;
                given_up
            }
            done => done,
        };
        match done {
            Ok(()) => tracing::debug!(job = %job.id, work = job.work.name(), "a job ended"),
            Err(JobError::LeaseLost) => {
                tracing::warn!(job = %job.id, "a job went to another worker");
                outcome = JobOutcome::Lost;
            }
            Err(JobError::Retry { reason, after }) => {
                outcome = JobOutcome::PutBack;
                self.release(&job, &reason, after).await?;
            }
            Err(JobError::GiveUp { error }) => {
                outcome = JobOutcome::PutBack;
                self.release(&job, &error.message, None).await?;
            }
        }
        hold(hand, None);
        self.shared.observer.job_ended(job.work.name(), outcome);
        // Whatever it enqueued, or made free, may be next for another worker.
        self.wake();
        Ok(true)
    }

    /// Ends the lease of a job whose work was dropped; without, the next worker would wait for it to run out.
    async fn let_go(&self, hand: &Hand) {
        let Some(job) = hold(hand, None) else { return };
        let now = self.shared.clock.now();
        let released = async {
            let mut tx = self.shared.store.begin().await?;
            tx.release(job.lease, now, "its worker was told to stop").await?;
            tx.commit().await
        };
        match released.await {
            // Finished, or taken over, just before.
            Ok(()) | Err(StoreError::LeaseLost) => {}
            Err(error) => tracing::warn!(job = %job.id, %error, "a lease could not be ended"),
        }
    }

    async fn claim(&self) -> Result<Option<ClaimedJob>, StoreError> {
        let now = self.shared.clock.now();
        let mut tx = self.shared.store.begin().await?;
        let job = tx.claim(now, now.plus(limits::LEASE)).await?;
        tx.commit().await?;
        Ok(job)
    }

    async fn release(
        &self,
        job: &ClaimedJob,
        reason: &str,
        after: Option<Duration>,
    ) -> Result<(), StoreError> {
        tracing::warn!(job = %job.id, work = job.work.name(), attempt = job.attempt, reason, "a job will be tried again");
        let mut tx = self.shared.store.begin().await?;
        match tx.release(job.lease, self.next_attempt_at(job.attempt, after), reason).await {
            Ok(()) => tx.commit().await,
            Err(StoreError::LeaseLost) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn next_attempt_at(&self, attempt: u32, after: Option<Duration>) -> Timestamp {
        // Quick after a lost race; with the last attempts beyond a quarter of an hour, as outages of a service last.
        let pause = after.unwrap_or_else(|| {
            let grown = FIRST_PAUSE.saturating_mul(8_u32.saturating_pow(attempt.saturating_sub(1)));
            grown.min(LONGEST_PAUSE)
        });
        self.shared.clock.now().plus(pause)
    }
}
