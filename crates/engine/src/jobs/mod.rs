//! What workers do: one file for each kind of [`Work`]. Every step may be done twice.

mod activate_restore_session;
mod back_up_unit;
mod policies;
mod release_unit;
mod restore_artifact;

use holdfast_domain::{ClaimedJob, Work};

use crate::Shared;
use crate::error::JobError;
use crate::lease::LeaseKeeper;

/// Does the job's work and finishes it, in one transaction with the work's last write.
pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
) -> Result<(), JobError> {
    match job.work {
        Work::ProtectUnit { unit } | Work::BackUpUnit { unit } => {
            back_up_unit::run(shared, job, keeper, unit).await
        }
        Work::UnprotectUnit { unit } | Work::RemoveUnit { unit } => {
            release_unit::run(shared, job, keeper, unit).await
        }
        Work::ActivateRestoreSession { session } => {
            activate_restore_session::run(shared, job, keeper, session).await
        }
        Work::RestoreArtifact { artifact, .. } => {
            restore_artifact::run(shared, job, keeper, artifact).await
        }
    }
}

/// No attempt will succeed: says so where users see it, and finishes the job.
pub(crate) async fn give_up(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    error: holdfast_domain::PublicError,
) -> Result<(), JobError> {
    match job.work {
        Work::ProtectUnit { unit } | Work::BackUpUnit { unit } => {
            back_up_unit::give_up(shared, job, keeper, unit, error).await
        }
        Work::RestoreArtifact { artifact, .. } => {
            restore_artifact::give_up(shared, job, keeper, artifact, error).await
        }
        // Only the store can fail these: they are tried for ever.
        Work::UnprotectUnit { .. }
        | Work::RemoveUnit { .. }
        | Work::ActivateRestoreSession { .. } => Err(JobError::retry(error.message)),
    }
}
