//! Jobs that name many units at once: bulk additions, bulk exclusions and bulk restores (`spec/api.md` sections 10 and 14).

use crate::named::named;
use crate::{
    BulkJobId, DestinationType, PolicyId, PublicError, RestoreSessionId, Stamps, TenantId,
    Timestamp, Workload,
};

/// `protectionUnitsBulkJobBase` or `exclusionUnitBulkAdditionJob`, and what derives from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkAdditionJob {
    pub id: BulkJobId,
    pub tenant: TenantId,
    pub workload: Workload,
    pub policy: PolicyId,
    pub purpose: BulkPurpose,
    pub display_name: String,
    /// `siteWebUrls`, `drives` or `mailboxes`: addresses and principal names.
    pub names: Vec<String>,
    /// `siteIds` or `directoryObjectIds`.
    pub ids: Vec<String>,
    pub state: BulkState,
    /// One detail for each entry that could not be resolved or added.
    pub error: Option<PublicError>,
    pub stamps: Stamps,
}

named! {
    /// What becomes of the units that a job names.
    BulkPurpose { Protect = "protect", Exclude = "exclude" }
}

named! {
    /// Of jobs and requests alike.
    BulkState {
        Active = "active", Completed = "completed", CompletedWithErrors = "completedWithErrors",
    }
}

/// `restoreArtifactsBulkRequestBase` and what derives from it: restores by name instead of by point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRestoreRequest {
    pub id: BulkJobId,
    pub tenant: TenantId,
    pub workload: Workload,
    pub session: RestoreSessionId,
    pub display_name: String,
    pub names: Vec<String>,
    pub ids: Vec<String>,
    pub destination: DestinationType,
    /// Which points may be taken.
    pub period: TimePeriod,
    pub preference: PointPreference,
    pub state: BulkState,
    pub error: Option<PublicError>,
    pub stamps: Stamps,
}

/// `microsoft.graph.timePeriod`; without an end, up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimePeriod {
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

named! {
    /// `microsoft.graph.restorePointPreference`
    PointPreference { Latest = "latest", Oldest = "oldest" }
}

/// `exclusionUnitBase` and what derives from it: a unit that a policy for the whole workload leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExclusionUnit {
    pub id: crate::ExclusionId,
    pub tenant: TenantId,
    pub workload: Workload,
    pub policy: PolicyId,
    /// As in [`crate::ProtectionUnit::resource`].
    pub resource: String,
    pub stamps: Stamps,
}
