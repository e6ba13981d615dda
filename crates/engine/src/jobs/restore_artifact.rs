//! [`Work::RestoreArtifact`]: one artifact from scheduled to its end.

use holdfast_domain::{
    ActivityOperation, ActivityResult, ArtifactId, ArtifactPart, ArtifactTally, ClaimedJob,
    DestinationType, PublicError, RestoreArtifact, RestoreOutcome, RestorePoint, RestoreSession,
    RestoreSessionId, RestoreState, TenantId, Timestamp,
};
use holdfast_store::activity::{Acting, log_activity};
use holdfast_store::{StoreError, Tx};
use serde_json::json;

use crate::Shared;
use crate::backup::Run;
use crate::error::JobError;
use crate::lease::LeaseKeeper;
use crate::resource::Resource;
use crate::restore::source::Picture;
use crate::restore::{
    RestoreProgress, RestoreTask, Restored, RestoredTo, public_error, restore_in_place,
    restore_item, restore_to_new_site,
};

/// A restore reads in pack order and walks trees: neighbours come with one request.
const READ_CACHE_BYTES: usize = 32 << 20;

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    artifact: ArtifactId,
) -> Result<(), JobError> {
    let Some((artifact, point)) = start(shared, job, keeper, artifact).await? else {
        return Ok(());
    };
    let restored = restore(shared, job, keeper, &artifact, &point).await?;
    finish(shared, job, keeper, artifact.id, Ok(restored)).await
}

pub(crate) async fn give_up(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    artifact: ArtifactId,
    error: PublicError,
) -> Result<(), JobError> {
    finish(shared, job, keeper, artifact, Err(error)).await
}

/// Marks the artifact as in progress; `None` when it has ended already, which finishes the job.
async fn start(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    artifact: ArtifactId,
) -> Result<Option<(RestoreArtifact, RestorePoint)>, JobError> {
    let mut tx = shared.store.begin().await?;
    let Some(mut found) = tx
        .artifact_by_id(job.tenant, artifact)
        .await?
        .filter(|found| found.value.state.ended_at().is_none())
    else {
        tx.finish(keeper.lease()?).await?;
        tx.commit().await?;
        return Ok(None);
    };
    let point = tx.restore_point(job.tenant, found.value.restore_point).await?;
    let point = point
        .ok_or_else(|| JobError::give_up("InvalidRestoreTime", "The restore point has expired."))?;
    found.value.state = found.value.state.start(shared.clock.now())?;
    tx.guard(keeper.lease()?).await?;
    tx.put(&found.value, found.version).await?;
    tx.commit().await?;
    Ok(Some((found.value, point)))
}

async fn restore(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    artifact: &RestoreArtifact,
    point: &RestorePoint,
) -> Result<Restored, JobError> {
    let unit = shared.store.read().await?.unit(job.tenant, point.unit).await?;
    let unit = unit
        .ok_or_else(|| JobError::give_up("ArtifactNotFound", "The protection unit is gone."))?
        .value;
    let connector = shared.connector(job.tenant).await?;
    let repository = shared.repositories.open(job.tenant, unit.id).await?;
    let repository = repository.with_read_cache(READ_CACHE_BYTES);
    let resource = match Resource::find(&*connector, &unit).await? {
        Some(resource) => resource,
        None => {
            let record = Picture::open(&repository, point).await?.record;
            let orphan = Resource::find_orphan(&*connector, &record).await?;
            match (artifact.destination, orphan) {
                (_, Some(orphan)) => orphan,
                // The original is gone; only its record is needed, which the point has.
                (DestinationType::New, None) if artifact.is_whole() => {
                    Resource::Site(record.site())
                }
                (DestinationType::New | DestinationType::InPlace, None) => {
                    return Err(JobError::give_up(
                        "ArtifactCannotBeRestored",
                        "It is gone, so that nothing can be restored there; restore to a new site.",
                    ));
                }
            }
        }
    };
    let run =
        Run { shared, keeper, connector, repository, tenant: job.tenant, unit: unit.id, resource };
    let task =
        RestoreTask { run, artifact, progress: RestoreProgress::parse(job.progress.as_deref()) };
    match (&artifact.part, artifact.destination) {
        (ArtifactPart::Whole, DestinationType::InPlace) => restore_in_place(task, point).await,
        (ArtifactPart::Whole, DestinationType::New) => restore_to_new_site(task, point).await,
        (ArtifactPart::Item { browse_session, item_key, .. }, _) => {
            let session =
                shared.store.read().await?.restore_session(job.tenant, artifact.session).await?;
            let session = session.ok_or(StoreError::Stale)?.value;
            restore_item(task, &session, *browse_session, item_key, point).await
        }
        (ArtifactPart::Found { .. }, _) => Err(JobError::give_up(
            "ArtifactCannotBeRestored",
            "Restoring what a search found in a mailbox is not built yet.",
        )),
    }
}

async fn finish(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    artifact: ArtifactId,
    outcome: Result<Restored, PublicError>,
) -> Result<(), JobError> {
    let now = shared.clock.now();
    let mut tx = shared.store.begin().await?;
    let mut found = tx.artifact_by_id(job.tenant, artifact).await?.ok_or(StoreError::Stale)?;
    let artifact = &mut found.value;
    match outcome {
        Ok(Restored { to, failures }) => {
            artifact.state = match to {
                Some(_) => artifact.state.succeed(now)?,
                None => artifact.state.fail(now)?,
            };
            artifact.error = public_error(&failures);
            match (to, &mut artifact.part) {
                (Some(RestoredTo::Site(site)), _) => artifact.restored = Some(site),
                (Some(RestoredTo::Item(item)), ArtifactPart::Item { restored, .. }) => {
                    *restored = Some(item);
                }
                (_, _) => {}
            }
            tx.put_failures(job.tenant, artifact.id, &failures).await?;
        }
        Err(error) => {
            artifact.state = artifact.state.fail(now)?;
            artifact.error = Some(error);
        }
    }
    tx.put(artifact, found.version).await?;
    settle_session(&mut *tx, shared, job.tenant, artifact.session, now).await?;
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}

/// An artifact has ended: so has its session, when it was the last.
pub(super) async fn settle_session(
    tx: &mut dyn Tx,
    shared: &Shared,
    tenant: TenantId,
    session: RestoreSessionId,
    now: Timestamp,
) -> Result<(), JobError> {
    let mut found = tx.restore_session(tenant, session).await?.ok_or(StoreError::Stale)?;
    let tally = tx.tally_artifacts(tenant, session).await?;
    let settled = found.value.state.settle(tally, now)?;
    if settled == found.value.state {
        return Ok(());
    }
    found.value.state = settled;
    found.value.stamps.last_modified_at = now;
    let troubled = tally.failed + tally.with_item_failures;
    if troubled > 0 {
        let message = format!(
            "{troubled} of {} artifacts were not restored completely; each says why.",
            tally.total
        );
        found.value.error = Some(PublicError::new("UnknownError", message));
    }
    tx.put(&found.value, found.version).await?;
    log_end(tx, shared, &found.value, tally, now).await
}

/// Writes the end of a session into the activity log.
async fn log_end(
    tx: &mut dyn Tx,
    shared: &Shared,
    session: &RestoreSession,
    tally: ArtifactTally,
    now: Timestamp,
) -> Result<(), JobError> {
    let RestoreState::Ended { outcome, .. } = session.state else { return Ok(()) };
    let result = match outcome {
        RestoreOutcome::Completed => ActivityResult::Succeeded,
        RestoreOutcome::CompletedWithError => ActivityResult::PartiallySucceeded,
        RestoreOutcome::Failed => ActivityResult::Failed,
    };
    let artifacts = tx.artifacts_of_session(session.tenant, session.id).await?;
    let destination = artifacts.first().map(|row| row.value.destination.name());
    let details = json!({
        "restoreSessionId": session.id.to_string(),
        "restoreSessionStatus": session.state.status(),
        "destinationType": destination,
        "tags": "fastRestore",
        "restoreArtifactDetails": {
            "totalArtifactsCount": tally.total,
            "restoredCount": tally.completed,
            "failedCount": tally.failed,
        },
        "restoreCompletionDateTime": now.to_string(),
    });
    let actor = &session.stamps.last_modified_by;
    let acting = Acting { tenant: session.tenant, actor, now, entropy: &*shared.entropy };
    let operation = ActivityOperation::RestoreTaskCompleted;
    let outcome = (result, session.error.clone());
    Ok(log_activity(tx, acting, operation, outcome, session.workload, &details).await?)
}
