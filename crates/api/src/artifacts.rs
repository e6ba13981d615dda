//! Restore artifacts: what a restore session restores, whole units and parts of them.

use async_trait::async_trait;
use holdfast_domain::{RestoreArtifact, RestoreSessionId, Workload};
use holdfast_graph_model::evolvable::{ArtifactRestoreStatus, DestinationType};
use holdfast_graph_model::odata::QueryOptions;
use holdfast_graph_model::{ErrorCode, Evolvable};
use holdfast_store::query::{ArtifactColumn, Filter, ListQuery};
use holdfast_store::{AnyTx, Listed, Versioned};
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::call::Call;
use crate::collection::{self, At, Parent, PlaceColumns, Recorded, Resource, check_names, entity};
use crate::listing::{Field, FieldKind};
use crate::problem::Problem;
use crate::render;
use crate::restore_points::RestorePoints;
use crate::workload::Wording;

/// Whole units: `siteRestoreArtifacts`, `driveRestoreArtifacts`, `mailboxRestoreArtifacts`.
pub(crate) struct WholeArtifacts;

/// Parts: `granularSiteRestoreArtifacts`, `granularDriveRestoreArtifacts`, `granularMailboxRestoreArtifacts`.
pub(crate) struct GranularArtifacts;

const PLACE: PlaceColumns<ArtifactColumn> =
    PlaceColumns { workload: None, parent: Some(ArtifactColumn::SessionId) };

const RECORDED: Recorded<ArtifactColumn> =
    Recorded { error: Some(ArtifactColumn::Error), created_by: None, last_modified_by: None };

fn field(name: &str) -> Option<Field<ArtifactColumn>> {
    let (column, kind) = match name {
        "id" => (ArtifactColumn::Id, FieldKind::Id),
        "browseSessionId" => (ArtifactColumn::BrowseSessionId, FieldKind::Text),
        "status" => (
            ArtifactColumn::Status,
            FieldKind::Member(|text| ArtifactRestoreStatus::from_name(text).is_some()),
        ),
        "destinationType" => (
            ArtifactColumn::DestinationType,
            FieldKind::Member(|text| DestinationType::from_name(text).is_some()),
        ),
        "searchResponseId" => (ArtifactColumn::SearchResponseId, FieldKind::Id),
        "restorePointDateTime" | "restorePoint/protectionDateTime" => {
            (ArtifactColumn::RestorePointDateTime, FieldKind::Time)
        }
        "webUrl" => (ArtifactColumn::WebUrl, FieldKind::Text),
        "restoredSiteId" | "restoredFolderId" => (ArtifactColumn::RestoredId, FieldKind::Text),
        "restoredSiteName" | "restoredFolderName" => {
            (ArtifactColumn::RestoredName, FieldKind::Text)
        }
        "restoredSiteWebUrl" => (ArtifactColumn::RestoredWebUrl, FieldKind::Text),
        "restoredItemPath" => (ArtifactColumn::RestoredItemPath, FieldKind::Text),
        "restoredItemWebUrl" => (ArtifactColumn::RestoredItemWebUrl, FieldKind::Text),
        "restorePoint/id" => (ArtifactColumn::RestorePointId, FieldKind::Id),
        "startDateTime" => (ArtifactColumn::StartDateTime, FieldKind::Time),
        "completionDateTime" => (ArtifactColumn::CompletionDateTime, FieldKind::Time),
        _ => return None,
    };
    Some(Field::column(column, kind))
}

/// The point is shown with its times, expanded or not, as the published examples have it.
async fn shown(
    artifact: &RestoreArtifact,
    tx: &mut AnyTx,
    call: &Call,
) -> Result<Map<String, Value>, Problem> {
    let point = tx.restore_point(call.caller.tenant, artifact.restore_point).await?;
    let unit = tx.unit(call.caller.tenant, artifact.restore_point.unit()).await?;
    Ok(render::artifact(artifact, point.as_ref(), unit.as_ref().map(|row| &row.value), call.viewer))
}

#[async_trait]
impl Resource for WholeArtifacts {
    type Noun = RestoreArtifact;

    const BASE: &'static str = "restoreArtifactBase";
    const PARENT: Parent = Parent::Session;
    const WORD: &'static str = "restore artifact";
    const EXPANDABLE: &'static [&'static str] = &["restorePoint"];
    const PLACE_COLUMNS: PlaceColumns<ArtifactColumn> = PLACE;
    const RECORDED: Recorded<ArtifactColumn> = RECORDED;

    fn segment(at: At) -> String {
        at.workload().map_or_else(String::new, Wording::artifacts)
    }

    fn field(name: &str, _call: &Call) -> Option<Field<ArtifactColumn>> {
        field(name)
    }

    fn place(artifact: &RestoreArtifact) -> (Option<Workload>, Option<String>) {
        (None, Some(artifact.session.to_string()))
    }

    fn includes(artifact: &RestoreArtifact) -> bool {
        artifact.is_whole()
    }

    fn visible(_call: &Call) -> Option<Filter<ArtifactColumn>> {
        Some(Filter::equal(ArtifactColumn::Part, "whole"))
    }

    async fn shown(
        artifact: &RestoreArtifact,
        tx: &mut AnyTx,
        call: &Call,
        _options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        shown(artifact, tx, call).await
    }

    /// An id that is not well-formed is one of nothing.
    async fn find(
        tx: &mut AnyTx,
        call: &Call,
        key: &str,
        _parent: Option<&str>,
    ) -> Result<Option<Versioned<RestoreArtifact>>, Problem> {
        match key.parse() {
            Ok(id) => Ok(tx.artifact_by_id(call.caller.tenant, id).await?),
            Err(_) => Ok(None),
        }
    }
}

#[async_trait]
impl Resource for GranularArtifacts {
    type Noun = RestoreArtifact;

    const BASE: &'static str = "entity";
    const PARENT: Parent = Parent::Session;
    const WORD: &'static str = "granular restore artifact";
    const EXPANDABLE: &'static [&'static str] = &["restorePoint"];
    const PLACE_COLUMNS: PlaceColumns<ArtifactColumn> = PLACE;
    const RECORDED: Recorded<ArtifactColumn> = RECORDED;

    fn segment(at: At) -> String {
        at.workload().map_or_else(String::new, Wording::granular_artifacts)
    }

    fn field(name: &str, _call: &Call) -> Option<Field<ArtifactColumn>> {
        match name {
            // On the wire the key of the item is the id.
            "id" => Some(Field::column(ArtifactColumn::ShownId, FieldKind::Text)),
            other => field(other),
        }
    }

    fn place(artifact: &RestoreArtifact) -> (Option<Workload>, Option<String>) {
        (None, Some(artifact.session.to_string()))
    }

    fn includes(artifact: &RestoreArtifact) -> bool {
        !artifact.is_whole()
    }

    fn visible(_call: &Call) -> Option<Filter<ArtifactColumn>> {
        Some(Filter::In(ArtifactColumn::Part, vec!["item".into(), "found".into()]))
    }

    async fn shown(
        artifact: &RestoreArtifact,
        tx: &mut AnyTx,
        call: &Call,
        _options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        shown(artifact, tx, call).await
    }

    /// By the key of its item, which is unique in its session only, or by its own id for those of mailboxes.
    async fn find(
        tx: &mut AnyTx,
        call: &Call,
        key: &str,
        parent: Option<&str>,
    ) -> Result<Option<Versioned<RestoreArtifact>>, Problem> {
        let session: Option<RestoreSessionId> = parent.and_then(|id| id.parse().ok());
        let Some(session) = session else { return Ok(None) };
        let mut filter = Filter::equal(ArtifactColumn::SessionId, session.to_string());
        filter = match key.parse::<holdfast_domain::ArtifactId>() {
            Ok(id) => filter.and(Filter::equal(ArtifactColumn::Id, id.to_string())),
            Err(_) => filter.and(Filter::equal(ArtifactColumn::ItemKey, key)),
        };
        let query = ListQuery::first(1, Some(filter));
        let found = Listed::<RestoreArtifact>::list(tx, call.caller.tenant, &query).await?;
        let Some(artifact) = found.rows.first() else { return Ok(None) };
        Ok(tx.artifact_by_id(call.caller.tenant, artifact.id).await?)
    }
}

/// `GET …RestoreArtifacts/{id}/restorePoint`
pub(crate) async fn get_restore_point<R: Resource<Noun = RestoreArtifact>>(
    call: Call,
    at: At,
) -> Result<Answer, Problem> {
    call.allow_options(&["$select"])?;
    check_names::<RestorePoints>(&call.options, call.viewer.version)?;
    let mut tx = call.read().await?;
    let artifact = collection::load::<R>(&mut *tx, &call, at).await?.value;
    let point =
        tx.restore_point(call.caller.tenant, artifact.restore_point).await?.ok_or_else(|| {
            Problem::new(ErrorCode::ResourceNotFound, "The restore point has expired.")
        })?;
    let body = render::restore_point(&point, call.viewer);
    Ok(Answer::ok(entity(&call, "/restorePoints/$entity", body)))
}
