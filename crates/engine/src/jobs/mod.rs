//! What workers do: one file for each kind of [`Work`]. Every step may be done twice.

mod activate_restore_session;
mod apply_retention;
mod apply_rule;
mod back_up_unit;
mod membership;
mod offboard_unit;
mod policies;
mod prepare_browse_session;
mod protect_workload;
mod release_unit;
mod restore_artifact;
mod run_bulk_job;
mod run_bulk_restore;
mod send_mail;
mod write_digest;

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
        Work::UnprotectUnit { unit }
        | Work::RemoveUnit { unit }
        | Work::CancelOffboard { unit } => release_unit::run(shared, job, keeper, unit).await,
        Work::OffboardUnit { unit } => offboard_unit::run(shared, job, keeper, unit).await,
        Work::ApplyRule { rule } => apply_rule::run(shared, job, keeper, rule).await,
        Work::RunBulkJob { job: bulk } => run_bulk_job::run(shared, job, keeper, bulk).await,
        Work::RunBulkRestore { request } => {
            run_bulk_restore::run(shared, job, keeper, request).await
        }
        Work::ProtectWorkload { policy } => {
            protect_workload::run(shared, job, keeper, policy).await
        }
        Work::ApplyRetention { policy } => apply_retention::run(shared, job, keeper, policy).await,
        Work::ActivateRestoreSession { session } => {
            activate_restore_session::run(shared, job, keeper, session).await
        }
        Work::PrepareBrowseSession { session } => {
            prepare_browse_session::run(shared, job, keeper, session).await
        }
        Work::WriteDigest => write_digest::run(shared, job, keeper).await,
        Work::SendMail { mail } => send_mail::run(shared, job, keeper, mail).await,
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
        Work::PrepareBrowseSession { session } => {
            prepare_browse_session::give_up(shared, job, keeper, session, error).await
        }
        Work::RestoreArtifact { artifact, .. } => {
            restore_artifact::give_up(shared, job, keeper, artifact, error).await
        }
        Work::ApplyRule { rule } => apply_rule::give_up(shared, job, keeper, rule, error).await,
        Work::RunBulkJob { job: bulk } => {
            run_bulk_job::give_up(shared, job, keeper, bulk, error).await
        }
        Work::RunBulkRestore { request } => {
            run_bulk_restore::give_up(shared, job, keeper, request, error).await
        }
        Work::ProtectWorkload { policy } => {
            protect_workload::give_up(shared, job, keeper, policy, error).await
        }
        // Only the stores can fail most of these; what else can is temporary, or ends by itself as sending does.
        Work::UnprotectUnit { .. }
        | Work::RemoveUnit { .. }
        | Work::OffboardUnit { .. }
        | Work::CancelOffboard { .. }
        | Work::ApplyRetention { .. }
        | Work::WriteDigest
        | Work::SendMail { .. }
        | Work::ActivateRestoreSession { .. } => Err(JobError::retry(error.message)),
    }
}
