//! Restore sessions, their artifacts and bulk requests.

use holdfast_domain as domain;
use holdfast_domain::{
    ArtifactPart, ArtifactState, ArtifactTally, BulkRestoreRequest, ProtectionUnit,
    RestoreArtifact, RestoreOutcome, RestorePoint, RestoreSession, RestoreState, Workload,
};
use holdfast_graph_model::Viewer;
use holdfast_graph_model::evolvable::{
    ArtifactRestoreStatus, RestoreJobType, RestorePointTags, RestoreSessionStatus,
};
use serde_json::{Map, Value, json};

use crate::shape::Shape;
use crate::workload::Wording;

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

/// A session with its artifacts counted.
pub(crate) fn session(
    session: &RestoreSession,
    tally: ArtifactTally,
    viewer: Viewer,
) -> Map<String, Value> {
    Shape::of(session.workload.session_type(), viewer)
        .set("id", session.id.to_string())
        .member("status", session_status(session.state))
        .member(
            "restoreJobType",
            match session.kind {
                domain::RestoreJobType::Standard => RestoreJobType::Standard,
                domain::RestoreJobType::Bulk => RestoreJobType::Bulk,
                domain::RestoreJobType::Granular => RestoreJobType::Granular,
            },
        )
        .set(
            "restoreSessionArtifactCount",
            json!({
                "total": tally.total,
                "completed": tally.completed,
                "inProgress": tally.in_progress,
                "failed": tally.failed,
            }),
        )
        .maybe("policyId", session.policy.map(|id| id.to_string()))
        .maybe_time("completedDateTime", session.state.completed_at())
        .error(session.error.as_ref())
        .stamps(&session.stamps)
        .done()
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

/// An artifact. `point` is absent when it has expired since, `unit` when it is gone.
pub(crate) fn artifact(
    artifact: &RestoreArtifact,
    point: Option<&RestorePoint>,
    unit: Option<&ProtectionUnit>,
    viewer: Viewer,
) -> Map<String, Value> {
    let workload = unit.map_or(Workload::SharePoint, |unit| unit.workload);
    match &artifact.part {
        ArtifactPart::Whole => {
            whole(artifact, workload.artifact_type(), point, workload, viewer).done()
        }
        ArtifactPart::Found { response } => {
            whole(artifact, workload.granular_artifact_type(), point, workload, viewer)
                .set("searchResponseId", response.to_string())
                .done()
        }
        ArtifactPart::Item { .. } => item(artifact, point, unit, workload, viewer).done(),
    }
}

fn whole(
    artifact: &RestoreArtifact,
    type_name: String,
    point: Option<&RestorePoint>,
    workload: Workload,
    viewer: Viewer,
) -> Shape {
    let mut reference = json!({ "id": artifact.restore_point.to_string() });
    if let Some(point) = point {
        reference["protectionDateTime"] = json!(point.protection_date_time.to_string());
        reference["expirationDateTime"] = json!(point.expires_at.to_string());
    }
    let restored = artifact.restored.as_ref();
    let shape = Shape::of(type_name, viewer)
        .set("id", artifact.id.to_string())
        .set("destinationType", artifact.destination.name())
        .member("status", artifact_status(artifact.state))
        .maybe_time("startDateTime", artifact.state.started_at())
        .maybe_time("completionDateTime", artifact.state.ended_at());
    let shape = match workload {
        Workload::SharePoint | Workload::OneDrive => shape
            .maybe("restoredSiteId", restored.map(|site| site.id.clone()))
            .maybe("restoredSiteName", restored.map(|site| site.name.clone()))
            .maybe("restoredSiteWebUrl", restored.map(|site| site.web_url.clone())),
        Workload::Exchange => shape
            .maybe("restoredFolderId", restored.map(|folder| folder.id.clone()))
            .maybe("restoredFolderName", restored.map(|folder| folder.name.clone())),
    };
    shape.error(artifact.error.as_ref()).set("restorePoint", reference)
}

/// Unset texts are empty, unset times the year 1 (`spec/api.md` section 13).
fn item(
    artifact: &RestoreArtifact,
    point: Option<&RestorePoint>,
    unit: Option<&ProtectionUnit>,
    workload: Workload,
    viewer: Viewer,
) -> Shape {
    let ArtifactPart::Item { browse_session, item_key, web_url, restored } = &artifact.part else {
        unreachable!("the caller has matched the part");
    };
    let restored = restored.as_ref();
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    // A site by its GUID alone.
    let resource = unit.map(|unit| match unit.resource.split(',').nth(1) {
        Some(collection) => collection.to_owned(),
        None => unit.resource.clone(),
    });
    Shape::of(workload.granular_artifact_type(), viewer)
        .set("id", item_key.clone())
        .set("browseSessionId", browse_session.to_string())
        .member("status", artifact_status(artifact.state))
        .set("destinationType", artifact.destination.name())
        .set("webUrl", web_url.clone())
        .set("restoredItemKey", text(restored.map(|item| &item.key)))
        .set("restoredItemPath", text(restored.map(|item| &item.path)))
        .set("restoredItemWebUrl", text(restored.map(|item| &item.web_url)))
        .time_or_year_one("startDateTime", artifact.state.started_at())
        .time_or_year_one("completionDateTime", artifact.state.ended_at())
        .time_or_year_one("restorePointDateTime", point.map(|point| point.protection_date_time))
        .maybe(workload.resource(), resource)
        .error(artifact.error.as_ref())
}

/// An artifact as the answer to an update shows it.
pub(crate) fn added_artifact(artifact: &RestoreArtifact, point: Option<&RestorePoint>) -> Value {
    match &artifact.part {
        ArtifactPart::Item { browse_session, item_key, .. } => {
            let mut shown = json!({
                "browseSessionId": browse_session.to_string(),
                "id": item_key,
                "status": artifact.state.status(),
            });
            if let Some(point) = point {
                let at = point.protection_date_time.to_string();
                shown["restorePointDateTime"] = json!(at);
            }
            shown
        }
        ArtifactPart::Whole | ArtifactPart::Found { .. } => {
            let mut shown = json!({
                "id": artifact.id.to_string(),
                "restorePoint": { "id": artifact.restore_point.to_string() },
                "destinationType": artifact.destination.name(),
                "status": artifact.state.status(),
                "createdDateTime": artifact.created_at.to_string(),
            });
            if let ArtifactPart::Found { response } = &artifact.part {
                shown["searchResponseId"] = json!(response.to_string());
            }
            shown
        }
    }
}

/// A bulk restore request. Its names come back empty, as published.
pub(crate) fn bulk_restore(request: &BulkRestoreRequest, viewer: Viewer) -> Map<String, Value> {
    let mut period = Map::new();
    for (name, time) in
        [("startDateTime", request.period.start), ("endDateTime", request.period.end)]
    {
        if let Some(time) = time {
            period.insert(name.to_owned(), json!(time.to_string()));
        }
    }
    Shape::of(request.workload.bulk_restore_type(), viewer)
        .set("id", request.id.to_string())
        .set("displayName", Some(request.display_name.clone()).filter(|name| !name.is_empty()))
        .set("status", request.state.name())
        .set("destinationType", request.destination.name())
        .member("tags", RestorePointTags::FastRestore)
        .set("restorePointPreference", request.preference.name())
        .set("protectionTimePeriod", period)
        .set(request.workload.names(), json!([]))
        .error(request.error.as_ref())
        .stamps(&request.stamps)
        .done()
}
