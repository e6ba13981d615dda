//! Keeps a job's lease alive while its worker works, and tells the worker when to stop.

use std::sync::Arc;

use holdfast_domain::{Clock, Lease, limits};
use holdfast_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::JobError;

/// Renews in the background until dropped.
pub(crate) struct LeaseKeeper {
    lease: watch::Receiver<Option<Lease>>,
    clock: Arc<dyn Clock>,
    renewing: JoinHandle<()>,
}

impl LeaseKeeper {
    pub(crate) fn start(lease: Lease, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let (sender, receiver) = watch::channel(Some(lease));
        let renewing = tokio::spawn(renew(lease, store, clock.clone(), sender));
        Self { lease: receiver, clock, renewing }
    }

    /// The lease, if there is time left to write under it. Called before every write.
    ///
    /// # Errors
    /// [`JobError::LeaseLost`] a margin before the lease ends: a writer that cannot renew stops in time.
    pub(crate) fn lease(&self) -> Result<Lease, JobError> {
        match *self.lease.borrow() {
            Some(lease) if self.clock.now().plus(limits::LEASE_MARGIN) < lease.expires_at => {
                Ok(lease)
            }
            Some(_) | None => Err(JobError::LeaseLost),
        }
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

async fn renew(
    mut lease: Lease,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    sender: watch::Sender<Option<Lease>>,
) {
    loop {
        clock.sleep_until(clock.now().plus(limits::LEASE / 3)).await;
        match renew_once(lease, &*store, &*clock).await {
            Ok(renewed) => {
                lease = renewed;
                sender.send_replace(Some(lease));
            }
            Err(StoreError::LeaseLost) => {
                sender.send_replace(None);
                return;
            }
            // The lease still runs; the worker stops by itself if this goes on.
            Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
        }
    }
}

async fn renew_once(
    lease: Lease,
    store: &dyn Store,
    clock: &dyn Clock,
) -> Result<Lease, StoreError> {
    let mut tx = store.begin().await?;
    let renewed = tx.renew(lease, clock.now().plus(limits::LEASE)).await?;
    tx.commit().await?;
    Ok(renewed)
}
