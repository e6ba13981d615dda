//! Work for the engine: rows that `api` writes and `engine` claims.

use crate::{ArtifactId, JobId, RestoreSessionId, TenantId, Timestamp, UnitId};

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
            | Self::RestoreArtifact { unit, .. } => Some(unit),
            Self::ActivateRestoreSession { .. } => None,
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
            Self::RestoreArtifact { .. } => "restoreArtifact",
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
