//! The domain's nouns as Graph's types, for one viewer. The only place that knows both.

use holdfast_domain as domain;
use holdfast_domain::{
    ArtifactState, ArtifactTally, PolicyState, ProtectionPolicy, ProtectionUnit, RestoreArtifact,
    RestoreOutcome, RestorePoint, RestoreSession, RestoreState, Service, ServiceState, Timestamp,
    UnitState, Workload,
};
use holdfast_graph_model::evolvable::{
    ArtifactRestoreStatus, BackupServiceConsumer, BackupServiceStatus, DestinationType,
    DisableReason, ProtectionPolicyStatus, ProtectionSource, ProtectionUnitStatus, RestoreJobType,
    RestorePointTags, RestoreSessionStatus,
};
use holdfast_graph_model::{Evolvable, Viewer, wire};

use crate::caller::CallerKind;

/// How long restores stay possible after protection was locked (`spec/api.md` section 6).
const RESTORE_GRACE: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

pub(crate) const POLICY_PROPERTIES: &[&str] = &[
    "id",
    "displayName",
    "status",
    "isEnabled",
    "retentionSettings",
    "protectionPolicyArtifactCount",
    "createdBy",
    "createdDateTime",
    "lastModifiedBy",
    "lastModifiedDateTime",
];
pub(crate) const UNIT_PROPERTIES: &[&str] = &[
    "id",
    "siteId",
    "siteName",
    "siteWebUrl",
    "policyId",
    "status",
    "protectionSources",
    "offboardRequestedDateTime",
    "error",
    "createdBy",
    "createdDateTime",
    "lastModifiedBy",
    "lastModifiedDateTime",
];
pub(crate) const POINT_PROPERTIES: &[&str] =
    &["id", "protectionDateTime", "expirationDateTime", "tags", "protectionUnit"];
pub(crate) const SESSION_PROPERTIES: &[&str] = &[
    "id",
    "status",
    "restoreJobType",
    "restoreSessionArtifactCount",
    "completedDateTime",
    "error",
    "createdBy",
    "createdDateTime",
    "lastModifiedBy",
    "lastModifiedDateTime",
];
pub(crate) const ARTIFACT_PROPERTIES: &[&str] = &[
    "id",
    "destinationType",
    "status",
    "startDateTime",
    "completionDateTime",
    "restoredSiteId",
    "restoredSiteName",
    "restoredSiteWebUrl",
    "error",
    "restorePoint",
];

/// The retention that every policy has today.
pub(crate) fn retention() -> Vec<wire::RetentionSetting> {
    [("R/PT10M", "P2W"), ("R/P1W", "P1Y")]
        .map(|(interval, period)| wire::RetentionSetting {
            interval: interval.to_owned(),
            period: period.to_owned(),
        })
        .to_vec()
}

pub(crate) fn service(service: Option<&Service>, viewer: Viewer) -> wire::ServiceStatus {
    let Some(service) = service else {
        return wire::ServiceStatus {
            status: BackupServiceStatus::Disabled.render(viewer),
            disable_reason: DisableReason::None.render(viewer),
            backup_service_consumer: BackupServiceConsumer::Unknown.render(viewer),
            grace_period_date_time: None,
            restore_allowed_till_date_time: None,
            last_modified_by: None,
            last_modified_date_time: None,
        };
    };
    let locked_since = match service.state {
        ServiceState::ProtectionChangeLocked { since } => Some(since),
        ServiceState::Disabled | ServiceState::Enabled | ServiceState::RestoreLocked { .. } => None,
    };
    let restores_until = locked_since.map(|since| since.plus(RESTORE_GRACE).to_string());
    wire::ServiceStatus {
        status: service_status(service.state).render(viewer),
        disable_reason: match service.disable_reason {
            domain::DisableReason::None => DisableReason::None,
            domain::DisableReason::InvalidBillingProfile => DisableReason::InvalidBillingProfile,
            domain::DisableReason::UserRequested => DisableReason::UserRequested,
            domain::DisableReason::ControllerServiceAppDeleted => {
                DisableReason::ControllerServiceAppDeleted
            }
        }
        .render(viewer),
        backup_service_consumer: match service.app_owner_tenant {
            None => BackupServiceConsumer::Unknown,
            Some(owner) if owner == service.tenant => BackupServiceConsumer::FirstParty,
            Some(_) => BackupServiceConsumer::ThirdParty,
        }
        .render(viewer),
        grace_period_date_time: restores_until.clone(),
        restore_allowed_till_date_time: restores_until,
        last_modified_by: Some(identity_set(&service.last_modified_by)),
        last_modified_date_time: Some(service.last_modified_at.to_string()),
    }
}

fn service_status(state: ServiceState) -> BackupServiceStatus {
    match state {
        ServiceState::Disabled => BackupServiceStatus::Disabled,
        ServiceState::Enabled => BackupServiceStatus::Enabled,
        ServiceState::ProtectionChangeLocked { .. } => BackupServiceStatus::ProtectionChangeLocked,
        ServiceState::RestoreLocked { .. } => BackupServiceStatus::RestoreLocked,
    }
}

pub(crate) fn policy_type(workload: Workload) -> &'static str {
    match workload {
        Workload::SharePoint => "#microsoft.graph.sharePointProtectionPolicy",
        Workload::OneDrive => "#microsoft.graph.oneDriveForBusinessProtectionPolicy",
        Workload::Exchange => "#microsoft.graph.exchangeProtectionPolicy",
    }
}

pub(crate) fn policy(
    policy: &ProtectionPolicy,
    count: Option<wire::ArtifactCount>,
    viewer: Viewer,
) -> wire::ProtectionPolicy {
    let status = match policy.state {
        PolicyState::Inactive => ProtectionPolicyStatus::Inactive,
        PolicyState::Updating { .. } => ProtectionPolicyStatus::Updating,
        PolicyState::Active => ProtectionPolicyStatus::Active,
        PolicyState::ActiveWithErrors => ProtectionPolicyStatus::ActiveWithErrors,
    };
    wire::ProtectionPolicy {
        odata_type: policy_type(policy.workload),
        id: policy.id.to_string(),
        display_name: policy.display_name.clone(),
        status: status.render(viewer),
        is_enabled: policy.state.protects(),
        retention_settings: retention(),
        protection_policy_artifact_count: count,
        stamps: stamps(&policy.stamps),
    }
}

/// A site unit. Its names are for callers with a user only (`spec/api.md` section 3).
pub(crate) fn unit(
    unit: &ProtectionUnit,
    kind: CallerKind,
    viewer: Viewer,
) -> wire::SiteProtectionUnit {
    let status = match unit.state {
        UnitState::Unprotected | UnitState::Detached => ProtectionUnitStatus::Unprotected,
        UnitState::ProtectRequested => ProtectionUnitStatus::ProtectRequested,
        UnitState::Protected => ProtectionUnitStatus::Protected,
        UnitState::UnprotectRequested => ProtectionUnitStatus::UnprotectRequested,
        UnitState::RemoveRequested => ProtectionUnitStatus::RemoveRequested,
        UnitState::OffboardRequested { .. } => ProtectionUnitStatus::OffboardRequested,
        UnitState::Offboarded { .. } => ProtectionUnitStatus::Offboarded,
        UnitState::CancelOffboardRequested { .. } => ProtectionUnitStatus::CancelOffboardRequested,
    };
    let offboard_requested_at: Option<Timestamp> = match unit.state {
        UnitState::OffboardRequested { at }
        | UnitState::Offboarded { at }
        | UnitState::CancelOffboardRequested { at } => Some(at),
        UnitState::Unprotected
        | UnitState::ProtectRequested
        | UnitState::Protected
        | UnitState::UnprotectRequested
        | UnitState::RemoveRequested
        | UnitState::Detached => None,
    };
    let named = kind == CallerKind::Delegated;
    let source =
        if unit.policy.is_some() { ProtectionSource::Manual } else { ProtectionSource::None };
    wire::SiteProtectionUnit {
        odata_type: "#microsoft.graph.siteProtectionUnit",
        id: unit.id.to_string(),
        site_id: unit.resource.clone(),
        site_name: unit.name.clone().filter(|_| named),
        site_web_url: unit.web_url.clone().filter(|_| named),
        policy_id: unit.policy.map(|id| id.to_string()).unwrap_or_default(),
        status: status.render(viewer),
        protection_sources: source.render(viewer),
        offboard_requested_date_time: offboard_requested_at
            .map_or_else(|| Timestamp::YEAR_ONE.to_owned(), |at| at.to_string()),
        error: unit.error.as_ref().map(public_error),
        stamps: stamps(&unit.stamps),
    }
}

/// A point. Every one of ours restores quickly and can be browsed, hence the tag.
pub(crate) fn restore_point(
    point: &RestorePoint,
    unit: Option<wire::SiteProtectionUnit>,
    viewer: Viewer,
) -> wire::RestorePoint {
    wire::RestorePoint {
        odata_type: "#microsoft.graph.restorePoint",
        id: point.id.to_string(),
        protection_date_time: point.protection_date_time.to_string(),
        expiration_date_time: point.expires_at.to_string(),
        tags: RestorePointTags::FastRestore.render(viewer),
        protection_unit: unit,
    }
}

pub(crate) fn session_type(workload: Workload) -> &'static str {
    match workload {
        Workload::SharePoint => "#microsoft.graph.sharePointRestoreSession",
        Workload::OneDrive => "#microsoft.graph.oneDriveForBusinessRestoreSession",
        Workload::Exchange => "#microsoft.graph.exchangeRestoreSession",
    }
}

/// The published status of a session, before newer members are hidden.
pub(crate) fn session_status(state: RestoreState) -> RestoreSessionStatus {
    match state {
        RestoreState::Draft => RestoreSessionStatus::Draft,
        RestoreState::Activating { .. } => RestoreSessionStatus::Activating,
        RestoreState::Active { .. } => RestoreSessionStatus::Active,
        RestoreState::Ended { outcome: RestoreOutcome::Completed, .. } => {
            RestoreSessionStatus::Completed
        }
        RestoreState::Ended { outcome: RestoreOutcome::CompletedWithError, .. } => {
            RestoreSessionStatus::CompletedWithError
        }
        RestoreState::Ended { outcome: RestoreOutcome::Failed, .. } => RestoreSessionStatus::Failed,
    }
}

pub(crate) fn session(
    session: &RestoreSession,
    tally: ArtifactTally,
    viewer: Viewer,
) -> wire::RestoreSession {
    wire::RestoreSession {
        odata_type: session_type(session.workload),
        id: session.id.to_string(),
        status: session_status(session.state).render(viewer),
        restore_job_type: RestoreJobType::Standard.render(viewer),
        restore_session_artifact_count: wire::ArtifactCount {
            total: tally.total,
            completed: tally.completed,
            in_progress: tally.in_progress,
            failed: tally.failed,
        },
        completed_date_time: session.state.completed_at().map(|at| at.to_string()),
        error: session.error.as_ref().map(public_error),
        stamps: stamps(&session.stamps),
    }
}

fn artifact_status(state: ArtifactState) -> ArtifactRestoreStatus {
    match state {
        ArtifactState::Added => ArtifactRestoreStatus::Added,
        ArtifactState::Scheduling => ArtifactRestoreStatus::Scheduling,
        ArtifactState::Scheduled => ArtifactRestoreStatus::Scheduled,
        ArtifactState::InProgress { .. } => ArtifactRestoreStatus::InProgress,
        ArtifactState::Succeeded { .. } => ArtifactRestoreStatus::Succeeded,
        ArtifactState::Failed { .. } => ArtifactRestoreStatus::Failed,
    }
}

fn destination(destination: domain::DestinationType) -> DestinationType {
    match destination {
        domain::DestinationType::New => DestinationType::New,
        domain::DestinationType::InPlace => DestinationType::InPlace,
    }
}

/// An artifact; `point` is absent when it has expired since.
pub(crate) fn artifact(
    artifact: &RestoreArtifact,
    point: Option<&RestorePoint>,
    viewer: Viewer,
) -> wire::SiteRestoreArtifact {
    let restored = artifact.restored.as_ref();
    wire::SiteRestoreArtifact {
        odata_type: "#microsoft.graph.siteRestoreArtifact",
        id: artifact.id.to_string(),
        destination_type: destination(artifact.destination).render(viewer),
        status: artifact_status(artifact.state).render(viewer),
        start_date_time: artifact.state.started_at().map(|at| at.to_string()),
        completion_date_time: artifact.state.ended_at().map(|at| at.to_string()),
        restored_site_id: restored.map(|site| site.id.clone()),
        restored_site_name: restored.map(|site| site.name.clone()),
        restored_site_web_url: restored.map(|site| site.web_url.clone()),
        error: artifact.error.as_ref().map(public_error),
        restore_point: wire::RestorePointReference {
            id: artifact.restore_point.to_string(),
            protection_date_time: point.map(|point| point.protection_date_time.to_string()),
            expiration_date_time: point.map(|point| point.expires_at.to_string()),
        },
    }
}

/// An artifact as the answer to an update shows it.
pub(crate) fn changed_artifact(
    artifact: &RestoreArtifact,
    viewer: Viewer,
) -> wire::ChangedArtifact {
    wire::ChangedArtifact {
        id: artifact.id.to_string(),
        restore_point: wire::RestorePointReference {
            id: artifact.restore_point.to_string(),
            protection_date_time: None,
            expiration_date_time: None,
        },
        destination_type: destination(artifact.destination).render(viewer),
        status: artifact_status(artifact.state).render(viewer),
        created_date_time: artifact.created_at.to_string(),
    }
}

/// An entry of a `@delta` collection that could not be carried out.
pub(crate) fn failed_change(
    content_id: &str,
    code: &'static str,
    message: String,
    failed_operation: &'static str,
) -> wire::FailedChange {
    wire::FailedChange {
        content_id: content_id.to_owned(),
        exception: wire::DataModificationException {
            info: wire::DataModificationInfo { code, message },
            failed_operation,
            response_code: 409,
        },
        id: None,
        site_id: None,
    }
}

fn stamps(stamps: &domain::Stamps) -> wire::Stamps {
    wire::Stamps {
        created_by: identity_set(&stamps.created_by),
        created_date_time: stamps.created_at.to_string(),
        last_modified_by: identity_set(&stamps.last_modified_by),
        last_modified_date_time: stamps.last_modified_at.to_string(),
    }
}

fn identity_set(actor: &domain::Actor) -> wire::IdentitySet {
    let identity = |identity: &domain::Identity| wire::Identity {
        id: identity.id.clone(),
        display_name: identity.display_name.clone(),
    };
    wire::IdentitySet {
        application: actor.application.as_ref().map(identity),
        user: actor.user.as_ref().map(identity),
    }
}

fn public_error(error: &domain::PublicError) -> wire::PublicError {
    wire::PublicError {
        code: error.code.clone(),
        message: error.message.clone(),
        target: error.target.clone(),
        details: error
            .details
            .iter()
            .map(|detail| wire::PublicErrorDetail {
                code: detail.code.clone(),
                message: detail.message.clone(),
                target: detail.target.clone(),
            })
            .collect(),
    }
}
