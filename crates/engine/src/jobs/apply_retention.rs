//! [`Work::ApplyRetention`]: restore points get the expiry that their policy's recovery window says.

use holdfast_domain::{ClaimedJob, PolicyId};

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
        row.value.retention = row.value.retention.at(now);
        tx.put(&row.value, row.version).await?;
        for mut unit in tx.units_of_policy(job.tenant, id).await? {
            unit.value.retention = unit.value.retention.at(now);
            tx.put(&unit.value, unit.version).await?;
            tx.set_expiry(job.tenant, unit.value.id, unit.value.retention).await?;
        }
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}
