//! [`Work::ActivateRestoreSession`]: every artifact is scheduled, in one transaction.

use std::collections::HashSet;

use holdfast_domain::{
    BulkRestoreRequest, BulkState, ClaimedJob, DestinationType, JobId, PublicError, RestoreJobType,
    RestoreSession, RestoreSessionId, RestoreState, Work,
};
use holdfast_store::query::{BulkRestoreColumn, Filter};
use holdfast_store::{Listed, Tx};

use super::restore_artifact::settle_session;
use crate::Shared;
use crate::error::JobError;
use crate::lease::LeaseKeeper;

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    session: RestoreSessionId,
) -> Result<(), JobError> {
    let now = shared.clock.now();
    let mut tx = shared.store.begin().await?;
    if let Some(mut found) = tx.restore_session(job.tenant, session).await?
        && matches!(found.value.state, RestoreState::Activating { .. })
    {
        if session_waits(&mut *tx, &found.value).await? {
            // The bulk request's job asks again when it has found the artifacts.
            tx.finish(keeper.lease()?).await?;
            return Ok(tx.commit().await?);
        }
        let mut restored_in_place = HashSet::new();
        for mut artifact in tx.artifacts_of_session(job.tenant, session).await? {
            let unit = artifact.value.restore_point.unit();
            // Parts of a unit are restored one after the other.
            let is_duplicate = artifact.value.is_whole()
                && artifact.value.destination == DestinationType::InPlace
                && (!restored_in_place.insert(unit)
                    || tx.unit_is_being_restored(job.tenant, unit, session).await?);
            let point = tx.restore_point(job.tenant, artifact.value.restore_point).await?;
            let refused = if point.is_none_or(|point| point.expires_at <= now) {
                Some(("InvalidRestoreTime", "The restore point has expired."))
            } else if is_duplicate {
                Some(("DuplicateArtifactRestoreRequest", "It is being restored in place already."))
            } else {
                None
            };
            if let Some((code, message)) = refused {
                artifact.value.state = artifact.value.state.fail(now)?;
                artifact.value.error = Some(PublicError::new(code, message));
            } else {
                artifact.value.state = artifact.value.state.scheduled()?;
                let work = Work::RestoreArtifact { artifact: artifact.value.id, unit };
                tx.enqueue(job.tenant, JobId::random(&*shared.entropy), work, now).await?;
            }
            tx.put(&artifact.value, artifact.version).await?;
        }
        found.value.state = found.value.state.start(now)?;
        found.value.stamps.last_modified_at = now;
        tx.put(&found.value, found.version).await?;
        settle_session(&mut *tx, shared, job.tenant, session, now).await?;
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}

/// Are a bulk session's artifacts still to be found?
async fn session_waits(tx: &mut dyn Tx, session: &RestoreSession) -> Result<bool, JobError> {
    if session.kind != RestoreJobType::Bulk {
        return Ok(false);
    }
    let active = Filter::equal(BulkRestoreColumn::SessionId, session.id.to_string())
        .and(Filter::equal(BulkRestoreColumn::Status, BulkState::Active.name()));
    Ok(Listed::<BulkRestoreRequest>::count(tx, session.tenant, Some(&active)).await? > 0)
}
