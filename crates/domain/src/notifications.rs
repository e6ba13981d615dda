//! Who is told by mail about what (`emailNotificationsSetting`, `spec/behaviour.md` section 13).

use crate::{Actor, TenantId, Timestamp};

/// `microsoft.graph.emailNotificationsSetting`, one for each tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationsSetting {
    pub tenant: TenantId,
    pub is_enabled: bool,
    /// `additionalEvents` has `restoreAndPolicyUpdates`: routine events, too.
    pub tells_routine: bool,
    /// Addresses of `customRecipients`.
    pub custom_recipients: Vec<String>,
    pub last_modified_by: Actor,
    pub last_modified_at: Timestamp,
}

/// A mail that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub tenant: TenantId,
    pub written_at: Timestamp,
    pub recipients: Vec<String>,
    pub subject: String,
    pub body: String,
}

/// What somebody did through the API. Kept apart from the activity log, and only ever added to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    pub tenant: TenantId,
    pub at: Timestamp,
    pub actor: Actor,
    /// The operation's id in `spec/operations.json`.
    pub operation: String,
    /// The keys of the request's path, joined with slashes.
    pub target: String,
    /// `request-id` of the answer.
    pub request: String,
}
