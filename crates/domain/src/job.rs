//! Work for the engine: rows that `api` writes and `engine` claims.

use crate::{
    ArtifactId, BrowseSessionId, BulkJobId, JobId, MailId, PolicyId, RestoreSessionId, RuleId,
    TenantId, Timestamp, UnitId,
};

/// What is to be done. Every step of every kind may be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// First backup of a unit in `protectRequested`; then it is `protected`.
    ProtectUnit { unit: UnitId },
    /// A further restore point, if anything changed.
    BackUpUnit { unit: UnitId },
    /// A unit in `unprotectRequested` becomes `unprotected`.
    UnprotectUnit { unit: UnitId },
    /// A unit in `removeRequested` becomes detached.
    RemoveUnit { unit: UnitId },
    /// Schedules every artifact of a restore session in `activating`.
    ActivateRestoreSession { session: RestoreSessionId },
    /// Destroys the backups of a unit whose offboarding was asked for, when the grace has ended.
    OffboardUnit { unit: UnitId },
    /// A unit in `cancelOffboardRequested` becomes detached again.
    CancelOffboard { unit: UnitId },
    /// Brings the units that a rule names into its policy, and releases those that it no longer names.
    ApplyRule { rule: RuleId },
    /// Adds or excludes the units that a bulk job names.
    RunBulkJob { job: BulkJobId },
    /// Finds the artifacts that a bulk restore request names, and restores them.
    RunBulkRestore { request: BulkJobId },
    /// Brings the whole workload into a policy, but its exclusion units.
    ProtectWorkload { policy: PolicyId },
    /// Gives the restore points of a policy's units the expiry that its recovery window says.
    ApplyRetention { policy: PolicyId },
    /// Writes the rows of a browse session in `creating`. It reads the unit's repository only, so that a backup beside it does
    /// not matter.
    PrepareBrowseSession { session: BrowseSessionId },
    /// Turns the tenant's notices into mails.
    WriteDigest,
    /// Sends one mail.
    SendMail { mail: MailId },
    /// Restores one artifact. `unit` is that of its restore point.
    RestoreArtifact { artifact: ArtifactId, unit: UnitId },
}

impl Work {
    /// The unit whose repository and live data the work touches: one job at a time for each.
    #[must_use]
    pub fn unit(self) -> Option<UnitId> {
        match self {
            Self::ProtectUnit { unit }
            | Self::BackUpUnit { unit }
            | Self::UnprotectUnit { unit }
            | Self::RemoveUnit { unit }
            | Self::OffboardUnit { unit }
            | Self::CancelOffboard { unit }
            | Self::RestoreArtifact { unit, .. } => Some(unit),
            Self::ActivateRestoreSession { .. }
            | Self::ApplyRule { .. }
            | Self::RunBulkJob { .. }
            | Self::RunBulkRestore { .. }
            | Self::ProtectWorkload { .. }
            | Self::ApplyRetention { .. }
            | Self::PrepareBrowseSession { .. }
            | Self::WriteDigest
            | Self::SendMail { .. } => None,
        }
    }

    /// Name in rows and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ProtectUnit { .. } => "protectUnit",
            Self::BackUpUnit { .. } => "backUpUnit",
            Self::UnprotectUnit { .. } => "unprotectUnit",
            Self::RemoveUnit { .. } => "removeUnit",
            Self::ActivateRestoreSession { .. } => "activateRestoreSession",
            Self::OffboardUnit { .. } => "offboardUnit",
            Self::CancelOffboard { .. } => "cancelOffboard",
            Self::RestoreArtifact { .. } => "restoreArtifact",
            Self::ApplyRule { .. } => "applyRule",
            Self::RunBulkJob { .. } => "runBulkJob",
            Self::RunBulkRestore { .. } => "runBulkRestore",
            Self::ProtectWorkload { .. } => "protectWorkload",
            Self::ApplyRetention { .. } => "applyRetention",
            Self::PrepareBrowseSession { .. } => "prepareBrowseSession",
            Self::WriteDigest => "writeDigest",
            Self::SendMail { .. } => "sendMail",
        }
    }
}

/// A claimed job. Every later write of its worker names `lease`; a write with an older token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    pub id: JobId,
    pub tenant: TenantId,
    pub work: Work,
    /// How often it was claimed, this time included.
    pub attempt: u32,
    /// What an earlier attempt noted; the work's own format.
    pub progress: Option<String>,
    pub lease: Lease,
}

/// The right to work on a job until `expires_at`. Tokens grow with every claim, across all jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub job: JobId,
    pub token: u64,
    pub expires_at: Timestamp,
}
