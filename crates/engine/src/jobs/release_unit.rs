//! [`Work::UnprotectUnit`], [`Work::RemoveUnit`] and [`Work::CancelOffboard`]: no other job of the unit runs any more, so its state may
//! say so.

use holdfast_domain::{ClaimedJob, OffboardingStatus, UnitId, Work};
use holdfast_store::activity::{Acting, log_offboarding};

use super::policies;
use crate::Shared;
use crate::error::JobError;
use crate::lease::LeaseKeeper;

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    unit: UnitId,
) -> Result<(), JobError> {
    let now = shared.clock.now();
    let mut tx = shared.store.begin().await?;
    if let Some(mut found) = tx.unit(job.tenant, unit).await? {
        let (policy, since) = (found.value.policy, found.value.state.offboarding_since());
        let released = match job.work {
            Work::RemoveUnit { .. } => found.value.state.detach(),
            Work::CancelOffboard { .. } => found.value.state.finish_cancel_offboard(),
            _ => found.value.state.unprotect(),
        };
        // Refused: somebody wished otherwise meanwhile.
        if let Ok(state) = released {
            if matches!(job.work, Work::RemoveUnit { .. }) {
                found.value.leave(state, now);
            } else {
                found.value.state = state;
                found.value.next_backup_at = None;
            }
            tx.put(&found.value, found.version).await?;
            if let Work::CancelOffboard { .. } = job.work {
                let actor = &found.value.stamps.last_modified_by;
                let acting = Acting { tenant: job.tenant, actor, now, entropy: &*shared.entropy };
                let (status, since) = (OffboardingStatus::Cancelled, since.unwrap_or(now));
                log_offboarding(&mut *tx, acting, &found.value, status, since, now).await?;
            }
        }
        policies::settle(&mut *tx, job.tenant, policy, now).await?;
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}
