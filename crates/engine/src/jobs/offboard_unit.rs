//! [`OffboardUnit`](holdfast_domain::Work::OffboardUnit): the end of a unit's backups.
//!
//! The secret goes first: whatever is left after a kill, or in a copy of the object store, is noise from then on. Then go
//! the objects, then the rows that tell of them.

use holdfast_domain::{ClaimedJob, JobId, OffboardingStatus, UnitId, UnitState};
use holdfast_store::activity::{Acting, log_offboarding};

use crate::Shared;
use crate::error::JobError;
use crate::lease::LeaseKeeper;

/// Rows deleted in one transaction.
const BATCH: u32 = 5_000;

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    unit: UnitId,
) -> Result<(), JobError> {
    let now = shared.clock.now();
    let mut tx = shared.store.begin().await?;
    let found = tx.unit(job.tenant, unit).await?;
    let Some((mut found, destroying)) =
        found.and_then(|found| found.value.state.destroy().ok().map(|state| (found, state)))
    else {
        // Cancelled.
        tx.finish(keeper.lease()?).await?;
        return Ok(tx.commit().await?);
    };
    if let UnitState::OffboardRequested { at } = found.value.state {
        let due = at.plus(shared.options.offboard_grace);
        if now < due {
            // Cancelled, and asked for again: this job waited for the first time.
            tx.enqueue(job.tenant, JobId::random(&*shared.entropy), job.work, due).await?;
            tx.finish(keeper.lease()?).await?;
            return Ok(tx.commit().await?);
        }
        // From here on a cancellation is refused: none may be promised what is half destroyed.
        found.value.state = destroying;
        tx.guard(keeper.lease()?).await?;
        tx.put(&found.value, found.version).await?;
    }
    tx.commit().await?;
    shared.repositories.destroy(unit, keeper).await?;
    loop {
        let mut tx = shared.store.begin().await?;
        let forgotten = tx.forget_backups(unit, keeper.lease()?, BATCH).await?;
        if forgotten > 0 {
            tx.commit().await?;
            continue;
        }
        if let Some(mut found) = tx.unit(job.tenant, unit).await? {
            let start = found.value.state.offboarding_since().unwrap_or(now);
            found.value.state = found.value.state.finish_offboard()?;
            tx.put(&found.value, found.version).await?;
            let actor = &found.value.stamps.last_modified_by;
            let acting = Acting { tenant: job.tenant, actor, now, entropy: &*shared.entropy };
            let status = OffboardingStatus::Completed;
            log_offboarding(&mut *tx, acting, &found.value, status, start, now).await?;
        }
        tx.finish(keeper.lease()?).await?;
        tx.commit().await?;
        tracing::info!(%unit, "the backups of a unit are destroyed");
        return Ok(());
    }
}
