//! The activity log that administrators read (`spec/api.md` section 16, `spec/behaviour.md` section 12).

use crate::named::named;
use crate::{ActivityId, NoticeKind, PublicError, TenantId, Timestamp, Workload};

/// `activityLogBase` and what derives from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    pub id: ActivityId,
    pub tenant: TenantId,
    pub at: Timestamp,
    pub operation: ActivityOperation,
    pub result: ActivityResult,
    pub workload: Workload,
    /// Who did it, as text: the user's or the application's id.
    pub performed_by: String,
    pub error: Option<PublicError>,
    /// The properties of the derived type that have a value, by Graph's names, as a JSON object.
    pub details: String,
}

named! {
    /// `microsoft.graph.activityLogOperationType`
    ActivityOperation {
        BackupPolicyCreated = "backupPolicyCreated",
        BackupPolicyActivated = "backupPolicyActivated",
        BackupPolicyModified = "backupPolicyModified",
        BackupPolicyPaused = "backupPolicyPaused",
        BackupPolicyRenamed = "backupPolicyRenamed",
        DynamicRuleExecution = "dynamicRuleExecution",
        DynamicRuleDeletion = "dynamicRuleDeletion",
        ProtectionUnitLevelOffboarding = "protectionUnitLevelOffboarding",
        PolicyLevelOffboarding = "policyLevelOffboarding",
        RestoreTaskCreated = "restoreTaskCreated",
        RestoreTaskCompleted = "restoreTaskCompleted",
    }
}

impl ActivityOperation {
    /// `microsoft.graph.activityLogSeverity`: high is what ends protection or destroys backups, medium what overwrites live
    /// data or changes what is protected.
    #[must_use]
    pub fn severity(self) -> &'static str {
        match self {
            Self::BackupPolicyPaused
            | Self::ProtectionUnitLevelOffboarding
            | Self::PolicyLevelOffboarding
            | Self::DynamicRuleDeletion => "high",
            Self::BackupPolicyModified | Self::RestoreTaskCreated | Self::RestoreTaskCompleted => {
                "medium"
            }
            Self::BackupPolicyCreated
            | Self::BackupPolicyActivated
            | Self::BackupPolicyRenamed
            | Self::DynamicRuleExecution => "low",
        }
    }

    /// Whom a digest tells of it (`spec/behaviour.md` section 13); `None`: nobody, it is the service's own routine.
    #[must_use]
    pub fn notice(self) -> Option<NoticeKind> {
        match self {
            Self::BackupPolicyPaused
            | Self::ProtectionUnitLevelOffboarding
            | Self::PolicyLevelOffboarding
            | Self::DynamicRuleDeletion => Some(NoticeKind::Harmful),
            Self::BackupPolicyCreated
            | Self::BackupPolicyActivated
            | Self::BackupPolicyModified
            | Self::BackupPolicyRenamed
            | Self::RestoreTaskCreated
            | Self::RestoreTaskCompleted => Some(NoticeKind::Routine),
            Self::DynamicRuleExecution => None,
        }
    }

    /// The derived type, without the namespace.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::BackupPolicyCreated
            | Self::BackupPolicyActivated
            | Self::BackupPolicyModified
            | Self::BackupPolicyPaused
            | Self::BackupPolicyRenamed => "backupPolicyActivityLog",
            Self::DynamicRuleExecution | Self::DynamicRuleDeletion => "dynamicRuleActivityLog",
            Self::ProtectionUnitLevelOffboarding | Self::PolicyLevelOffboarding => {
                "offboardingActivityLog"
            }
            Self::RestoreTaskCreated | Self::RestoreTaskCompleted => "restoreTaskActivityLog",
        }
    }
}

named! {
    /// `microsoft.graph.activityLogResultStatus`
    ActivityResult {
        Succeeded = "succeeded", Failed = "failed", PartiallySucceeded = "partiallySucceeded",
    }
}

named! {
    /// `offboardingStatus` of `microsoft.graph.offboardingDetails`, which is free text.
    OffboardingStatus {
        Requested = "requested", Cancelled = "cancelled", Completed = "completed",
    }
}
