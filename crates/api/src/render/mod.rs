//! The domain's nouns as Graph's types, for one viewer. The only place that knows both.

mod policy;
mod restore;

use holdfast_domain as domain;
use holdfast_domain::{
    Activity, BulkAdditionJob, BulkPurpose, BulkState, ExclusionUnit, NotificationsSetting,
    ProtectionRule, ProtectionUnit, RestorePoint, RuleKind, RuleState, Service, ServiceApp,
    ServiceState, UnitState, Workload, limits,
};
use holdfast_graph_model::evolvable::{
    BackupServiceConsumer, BackupServiceStatus, DisableReason, ProtectionRuleStatus,
    ProtectionUnitStatus, RestorePointTags,
};
use holdfast_graph_model::{Members, Viewer};
use serde_json::{Map, Value, json};

pub(crate) use policy::{policy, retention_of, retention_settings, shown_period};
pub(crate) use restore::{added_artifact, artifact, bulk_restore, session, session_status};

use crate::call::Call;
use crate::caller::CallerKind;
use crate::shape::Shape;
use crate::workload::Wording;

/// `serviceStatus`
pub(crate) fn service(service: Option<&Service>, viewer: Viewer) -> Map<String, Value> {
    let shape = Shape::of("serviceStatus", viewer);
    let Some(service) = service else {
        return shape
            .member("status", BackupServiceStatus::Disabled)
            .member("disableReason", DisableReason::None)
            .member("backupServiceConsumer", BackupServiceConsumer::Unknown)
            .done();
    };
    let locked_since = match service.state {
        ServiceState::ProtectionChangeLocked { since } => Some(since),
        ServiceState::Disabled | ServiceState::Enabled | ServiceState::RestoreLocked { .. } => None,
    };
    let restores_until = locked_since.map(|since| since.plus(limits::RESTORE_GRACE));
    shape
        .member(
            "status",
            match service.state {
                ServiceState::Disabled => BackupServiceStatus::Disabled,
                ServiceState::Enabled => BackupServiceStatus::Enabled,
                ServiceState::ProtectionChangeLocked { .. } => {
                    BackupServiceStatus::ProtectionChangeLocked
                }
                ServiceState::RestoreLocked { .. } => BackupServiceStatus::RestoreLocked,
            },
        )
        .member(
            "disableReason",
            match service.disable_reason {
                domain::DisableReason::None => DisableReason::None,
                domain::DisableReason::InvalidBillingProfile => {
                    DisableReason::InvalidBillingProfile
                }
                domain::DisableReason::UserRequested => DisableReason::UserRequested,
                domain::DisableReason::ControllerServiceAppDeleted => {
                    DisableReason::ControllerServiceAppDeleted
                }
            },
        )
        .member(
            "backupServiceConsumer",
            match service.app_owner_tenant {
                None => BackupServiceConsumer::Unknown,
                Some(owner) if owner == service.tenant => BackupServiceConsumer::FirstParty,
                Some(_) => BackupServiceConsumer::ThirdParty,
            },
        )
        .maybe_time("gracePeriodDateTime", restores_until)
        .maybe_time("restoreAllowedTillDateTime", restores_until)
        .identities("lastModifiedBy", &service.last_modified_by)
        .time("lastModifiedDateTime", service.last_modified_at)
        .done()
}

/// `serviceApp`
pub(crate) fn service_app(app: &ServiceApp, viewer: Viewer) -> Map<String, Value> {
    Shape::of("serviceApp", viewer)
        .set("id", app.id.to_string())
        .set("status", app.state.status())
        .time("registrationDateTime", app.registered_at)
        .maybe_time("effectiveDateTime", app.state.effective_at())
        .identities("lastModifiedBy", &app.last_modified_by)
        .time("lastModifiedDateTime", app.last_modified_at)
        .done()
}

/// A unit.
pub(crate) fn unit(unit: &ProtectionUnit, call: &Call) -> Map<String, Value> {
    let status = match unit.state {
        UnitState::Unprotected | UnitState::Detached => ProtectionUnitStatus::Unprotected,
        UnitState::ProtectRequested => ProtectionUnitStatus::ProtectRequested,
        UnitState::Protected => ProtectionUnitStatus::Protected,
        UnitState::UnprotectRequested => ProtectionUnitStatus::UnprotectRequested,
        UnitState::RemoveRequested => ProtectionUnitStatus::RemoveRequested,
        UnitState::OffboardRequested { .. } | UnitState::Destroying { .. } => {
            ProtectionUnitStatus::OffboardRequested
        }
        UnitState::Offboarded { .. } => ProtectionUnitStatus::Offboarded,
        UnitState::CancelOffboardRequested { .. } => ProtectionUnitStatus::CancelOffboardRequested,
    };
    let offboard_requested_at = unit.state.offboarding_since();
    let retention = unit.retention.at(call.now());
    let pending = retention.pending.map(|pending| {
        Shape::untyped("retentionPeriodChange", call.viewer)
            .time("effectiveFromDateTime", pending.effective_at)
            .set("status", "inProgress")
            .set("targetRetentionPeriodInDays", pending.target.days())
    });
    let shape = Shape::of(unit.workload.unit_type(), call.viewer)
        .set("id", unit.id.to_string())
        .set(unit.workload.resource(), unit.resource.clone());
    mailbox_type(names(shape, unit, call), unit.workload)
        // Empty when detached.
        .set("policyId", unit.policy.map(|id| id.to_string()).unwrap_or_default())
        .member("status", status)
        .set("protectionSources", unit.sources.name())
        .time_or_year_one("offboardRequestedDateTime", offboard_requested_at)
        .error(unit.error.as_ref())
        .set("backupRetentionPeriodInDays", retention.window.days())
        .maybe("pendingRetentionPeriodChange", pending)
        .maybe("billingPolicyId", unit.billing_policy.clone())
        .stamps(&unit.stamps)
        .done()
}

/// An exclusion unit; `known` is the protection unit of the same resource, if it ever had one.
pub(crate) fn exclusion(
    unit: &ExclusionUnit,
    known: Option<&ProtectionUnit>,
    call: &Call,
) -> Map<String, Value> {
    let shape = Shape::of(unit.workload.exclusion_type(), call.viewer)
        .set("id", unit.id.to_string())
        .set("policyId", unit.policy.to_string())
        .set(unit.workload.resource(), unit.resource.clone());
    let shape = match known {
        Some(known) => names(shape, known, call),
        None => shape,
    };
    mailbox_type(shape, unit.workload).error(None).stamps(&unit.stamps).done()
}

/// What a unit is called: for callers with a user only (`spec/api.md` section 3).
fn names(shape: Shape, unit: &ProtectionUnit, call: &Call) -> Shape {
    if call.caller.kind != CallerKind::Delegated {
        return shape;
    }
    match unit.workload {
        Workload::SharePoint => shape
            .maybe("siteName", unit.name.as_deref())
            .maybe("siteWebUrl", unit.web_url.as_deref()),
        Workload::OneDrive | Workload::Exchange => {
            shape.maybe("displayName", unit.name.as_deref()).maybe("email", unit.email.as_deref())
        }
    }
}

/// Whose a mailbox is nobody knows before it is backed up.
fn mailbox_type(shape: Shape, workload: Workload) -> Shape {
    match workload {
        Workload::Exchange => shape.set("mailboxType", "unknown"),
        Workload::SharePoint | Workload::OneDrive => shape,
    }
}

/// A bulk addition job with its lists, or an exclusion job with an empty one, as the pages have them.
pub(crate) fn bulk_job(job: &BulkAdditionJob, viewer: Viewer) -> Map<String, Value> {
    let (type_name, names, ids) = match job.purpose {
        BulkPurpose::Protect => {
            (job.workload.bulk_job_type(), job.names.clone(), Some(job.ids.clone()))
        }
        BulkPurpose::Exclude => (job.workload.exclusion_job_type(), Vec::new(), None),
    };
    Shape::of(type_name, viewer)
        .set("id", job.id.to_string())
        .set("displayName", Some(job.display_name.clone()).filter(|name| !name.is_empty()))
        .set("status", job.state.name())
        .set(job.workload.names(), names)
        .maybe(job.workload.ids(), ids)
        .error(job.error.as_ref())
        .stamps(&job.stamps)
        .done()
}

/// An inclusion rule.
pub(crate) fn rule(rule: &ProtectionRule, viewer: Viewer) -> Map<String, Value> {
    Shape::of(rule.workload.rule_type(), viewer)
        .set("id", rule.id.to_string())
        .member(
            "status",
            match rule.state {
                RuleState::Active => ProtectionRuleStatus::Active,
                RuleState::Completed => ProtectionRuleStatus::Completed,
                RuleState::CompletedWithErrors => ProtectionRuleStatus::CompletedWithErrors,
                RuleState::UpdateRequested => ProtectionRuleStatus::UpdateRequested,
                RuleState::DeleteRequested => ProtectionRuleStatus::DeleteRequested,
            },
        )
        .set("isAutoApplyEnabled", rule.kind == RuleKind::Dynamic)
        .set(&rule.workload.expression(), rule.expression.clone())
        .error(rule.error.as_ref())
        .stamps(&rule.stamps)
        .done()
}

/// A point. Every one of ours restores quickly and can be browsed, hence the tag.
pub(crate) fn restore_point(point: &RestorePoint, viewer: Viewer) -> Map<String, Value> {
    Shape::of("restorePoint", viewer)
        .set("id", point.id.to_string())
        .time("protectionDateTime", point.protection_date_time)
        .time("expirationDateTime", point.expires_at)
        .member("tags", RestorePointTags::FastRestore)
        .done()
}

/// `emailNotificationsSetting`; without one nobody is told anything.
pub(crate) fn notifications(
    setting: Option<&NotificationsSetting>,
    viewer: Viewer,
) -> Map<String, Value> {
    let recipients = setting.map(|setting| &setting.recipients);
    let role = recipients.map_or_else(|| "custom".to_owned(), |recipients| recipients.roles.name());
    let emails = recipients.into_iter().flat_map(|recipients| recipients.named());
    let emails: Vec<Value> = emails.map(|email| json!({ "email": email })).collect();
    let routine = setting.is_some_and(|setting| setting.tells_routine);
    Shape::of("emailNotificationsSetting", viewer)
        .set("isEnabled", setting.is_some_and(|setting| setting.is_enabled))
        .set("additionalEvents", if routine { "restoreAndPolicyUpdates" } else { "none" })
        .set("recipients", json!({ "role": role, "customRecipients": emails }))
        .done()
}

/// `serviceType`
pub(crate) fn service_type(workload: Workload) -> &'static str {
    match workload {
        Workload::SharePoint => "sharePoint",
        Workload::OneDrive => "oneDriveForBusiness",
        Workload::Exchange => "exchange",
    }
}

/// An entry of the activity log.
pub(crate) fn activity(activity: &Activity, viewer: Viewer) -> Map<String, Value> {
    let shape = Shape::of(activity.operation.type_name(), viewer)
        .set("id", activity.id.to_string())
        .time("eventDateTime", activity.at)
        .set("activityType", activity.operation.name())
        .set("resultStatus", activity.result.name())
        .set("serviceType", service_type(activity.workload))
        .set("severity", activity.operation.severity())
        .set("performedBy", activity.performed_by.clone())
        .error(activity.error.as_ref());
    let details: Map<String, Value> = serde_json::from_str(&activity.details).unwrap_or_default();
    details
        .into_iter()
        .fold(shape, |shape, (name, value)| {
            let hidden = name == "restoreSessionStatus"
                && value == "failed"
                && viewer.members == Members::Known;
            let value =
                if hidden { json!(holdfast_graph_model::evolvable::SENTINEL) } else { value };
            shape.set(&name, value)
        })
        .done()
}

/// An entry of a `@delta` collection that could not be carried out.
pub(crate) fn failed_change(
    call: &Call,
    code: &str,
    message: String,
    failed_operation: &str,
) -> Value {
    json!({
        "@contentId": call.app.entropy.uuid().to_string(),
        "@Core.DataModificationException": {
            "info": { "code": code, "message": message },
            "failedOperation": failed_operation,
            "responseCode": 409,
        },
    })
}

/// `restoreArtifactsBulkRequestStatus`, `protectionUnitsBulkJobStatus`: the same names for both.
pub(crate) fn is_bulk_status(text: &str) -> bool {
    text == "unknown" || text == "created" || BulkState::from_name(text).is_some()
}
