//! [`Work::ActivateRestoreSession`]: every artifact is scheduled, in one transaction.

use std::collections::HashSet;

use holdfast_domain::{
    ClaimedJob, DestinationType, JobId, PublicError, RestoreSessionId, RestoreState, Work,
};

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
        let mut restored_in_place = HashSet::new();
        for mut artifact in tx.artifacts_of_session(job.tenant, session).await? {
            let unit = artifact.value.restore_point.unit();
            let is_duplicate = artifact.value.destination == DestinationType::InPlace
                && (!restored_in_place.insert(unit)
                    || tx.unit_is_being_restored(job.tenant, unit, session).await?);
            if is_duplicate {
                artifact.value.state = artifact.value.state.fail(now)?;
                artifact.value.error = Some(PublicError::new(
                    "DuplicateArtifactRestoreRequest",
                    "This site is being restored already.",
                ));
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
        settle_session(&mut *tx, job.tenant, session, now).await?;
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}
