//! [`Work::ProtectUnit`] and [`Work::BackUpUnit`]: a restore point, if anything changed.

use holdfast_domain::{ClaimedJob, ProtectionUnit, PublicError, UnitId, UnitState, Work, Workload};
use holdfast_store::Versioned;

use super::policies;
use crate::backup::{Run, back_up};
use crate::error::JobError;
use crate::lease::LeaseKeeper;
use crate::resource::Resource;
use crate::{Progress, Shared};

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    unit: UnitId,
) -> Result<(), JobError> {
    let Some(found) = wanted(shared, job, keeper, unit).await? else { return Ok(()) };
    let connector = shared.connector(job.tenant).await?;
    let resource = Resource::find(&*connector, &found.value).await?.ok_or_else(|| {
        let what = match found.value.workload {
            Workload::OneDrive => "There is no such user, or no OneDrive of theirs.",
            Workload::SharePoint | Workload::Exchange => "There is no such site.",
        };
        JobError::give_up("InvalidArtifactId", what)
    })?;
    let repository = shared.repositories.open_or_init(job.tenant, unit).await?;
    let run = Run { shared, keeper, connector, repository, tenant: job.tenant, unit, resource };
    // An attempt that failed may have found the service's change list in disorder: a full one puts that right.
    let mut finished = back_up(&run, job.attempt > 1).await?;
    let now = shared.clock.now();
    let tx = &mut *finished.tx;
    if let Some(mut unit) = tx.unit(job.tenant, unit).await? {
        unit.value.name = Some(run.resource.display_name().to_owned());
        unit.value.web_url = Some(run.resource.web_url().to_owned());
        unit.value.email = run.resource.owner().and_then(|owner| owner.email.clone());
        unit.value.error = None;
        unit.value.next_backup_at = Some(now.plus(shared.options.backup_interval));
        // Unprotected or removed meanwhile: the point stays, the state is theirs.
        if let Ok(state) = unit.value.state.protect() {
            unit.value.state = state;
        }
        tx.put(&unit.value, unit.version).await?;
        policies::settle(tx, job.tenant, unit.value.policy, now).await?;
    }
    tx.finish(job.lease).await?;
    finished.tx.commit().await?;
    if let Some(point) = finished.point {
        tracing::info!(%unit, items = point.items, gaps = point.gaps, "a restore point was made");
        shared.observer.observe(unit, Progress::PointMade);
    }
    Ok(())
}

/// The unit, if it still is to be backed up; else the job is finished.
async fn wanted(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    unit: UnitId,
) -> Result<Option<Versioned<ProtectionUnit>>, JobError> {
    let mut tx = shared.store.begin().await?;
    let found = tx.unit(job.tenant, unit).await?;
    if let Some(UnitState::ProtectRequested | UnitState::Protected) =
        found.as_ref().map(|found| found.value.state)
    {
        return Ok(found);
    }
    tx.finish(keeper.lease()?).await?;
    tx.commit().await?;
    Ok(None)
}

pub(crate) async fn give_up(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    unit: UnitId,
    error: PublicError,
) -> Result<(), JobError> {
    let now = shared.clock.now();
    let mut tx = shared.store.begin().await?;
    if let Some(mut unit) = tx.unit(job.tenant, unit).await? {
        unit.value.error = Some(error);
        match job.work {
            Work::ProtectUnit { .. } => {
                if let Ok(state) = unit.value.state.fail_protection() {
                    unit.value.state = state;
                    unit.value.next_backup_at = None;
                }
            }
            // Protected stays protected: the next interval tries again.
            _ => unit.value.next_backup_at = Some(now.plus(shared.options.backup_interval)),
        }
        tx.put(&unit.value, unit.version).await?;
        policies::settle(&mut *tx, job.tenant, unit.value.policy, now).await?;
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}
