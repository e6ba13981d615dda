//! Nouns, ids, state machines, rules and limits of Microsoft 365 backup. No I/O, no runtime of its own.
//!
//! Only ids, actors and public errors serialize: everything else is converted at the edge that needs another form (`api` to Graph's wire
//! types, a store to its rows). Time and randomness come in as [`Clock`] and [`Entropy`].

mod activity;
mod address;
mod artifact;
mod artifact_query;
mod browse_session;
mod bulk;
pub mod directory_role;
mod entropy;
mod error;
mod expression;
mod id;
mod identity;
mod job;
pub mod limits;
mod named;
mod notifications;
mod policy;
mod quickxor;
mod resource_id;
mod restore_point;
mod restore_session;
mod retention;
mod rule;
mod rule_expression;
mod service;
mod service_app;
mod time;
mod unit;

pub use activity::{Activity, ActivityOperation, ActivityResult, OffboardingStatus};
pub use address::address_below;
pub use artifact::{
    ArtifactPart, ArtifactState, DestinationType, RestoreArtifact, RestoredItem, RestoredSite,
};
pub use artifact_query::{ArtifactQuery, ItemKind, ItemProperty, StructuredQuery, TextPattern};
pub use browse_session::{BrowseSession, BrowseState, ItemKey};
pub use bulk::{
    BulkAdditionJob, BulkPurpose, BulkRestoreRequest, BulkState, ExclusionUnit, PointPreference,
    TimePeriod,
};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use error::{PublicError, PublicErrorDetail, TransitionError};
pub use expression::ExpressionError;
pub use id::{
    ActivityId, AppId, ArtifactId, BrowseSessionId, BulkJobId, DriveId, ExclusionId, ItemId, JobId,
    MailId, MalformedId, PolicyId, RestoreSessionId, RuleId, SearchResponseId, TenantId, UnitId,
};
pub use identity::{Actor, Identity, Stamps};
pub use job::{ClaimedJob, Lease, Work};
pub use notifications::{
    AuditRecord, Mail, MailState, Notice, NoticeKind, NotificationsSetting, RecipientRoles,
    Recipients, next_digest_at,
};
pub use policy::{PolicyGoal, PolicyState, ProtectionMode, ProtectionPolicy, UnitTally, Workload};
pub use quickxor::QuickXorHasher;
pub use resource_id::{ResourceId, SiteId};
pub use restore_point::{Gap, RestorePoint, RestorePointId};
pub use restore_session::{
    ArtifactTally, ConflictBehavior, RequestedStatus, RestoreJobType, RestoreOutcome,
    RestoreSession, RestoreState, StatusRequest,
};
pub use retention::{PendingRetention, Retention, RetentionDays};
pub use rule::{ProtectionRule, RuleKind, RuleState};
pub use rule_expression::{GroupExpression, GroupExpressionError, SiteExpression, SiteFacts};
pub use service::{DisableReason, Service, ServiceState};
pub use service_app::{ServiceApp, ServiceAppState};
pub use time::{Clock, NotATimestamp, SystemClock, Timestamp};
pub use unit::{ProtectionSources, ProtectionUnit, UnitState};
