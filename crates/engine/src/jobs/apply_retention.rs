//! [`Work::ApplyRetention`]: restore points get the expiry that their unit's recovery window says.

use holdfast_domain::{ClaimedJob, JobId, PolicyId};

use crate::Shared;
use crate::error::JobError;
use crate::lease::LeaseKeeper;

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: PolicyId,
) -> Result<(), JobError> {
    let now = shared.clock.now();
    let mut tx = shared.store.begin().await?;
    if let Some(mut row) = tx.policy(job.tenant, id).await? {
        let retention = row.value.retention.at(now);
        if retention != row.value.retention {
            row.value.retention = retention;
            tx.put(&row.value, row.version).await?;
        }
        let mut waiting = retention.pending;
        for mut unit in tx.units_of_policy(job.tenant, id).await? {
            let retention = unit.value.retention.at(now);
            if retention != unit.value.retention {
                unit.value.retention = retention;
                tx.put(&unit.value, unit.version).await?;
            }
            tx.set_expiry(job.tenant, unit.value.id, retention, now).await?;
            waiting = waiting.into_iter().chain(retention.pending).min_by_key(|it| it.effective_at);
        }
        // Units that joined have graces of their own.
        if let Some(next) = waiting {
            let id = JobId::random(&*shared.entropy);
            tx.enqueue(job.tenant, id, job.work, next.effective_at).await?;
        }
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}
