//! Restore sessions: `restoreSessions` and the typed collections.

pub(crate) mod activate;
mod artifact_requests;
pub(crate) mod bulk_requests;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod update;

use async_trait::async_trait;
use holdfast_domain::{RestoreSession, Workload};
use holdfast_graph_model::evolvable::{RestoreJobType, RestoreSessionStatus};
use holdfast_graph_model::odata::{Expression, QueryOptions};
use holdfast_graph_model::{ErrorCode, Evolvable};
use holdfast_store::query::{Filter, Part, RestoreSessionColumn};
use holdfast_store::{AnyTx, Versioned};
use serde_json::{Map, Value};

use crate::artifacts::{GranularArtifacts, WholeArtifacts};
use crate::call::Call;
use crate::collection::{self, At, PlaceColumns, Recorded, Resource, expanded, part};
use crate::listing::{Field, FieldKind};
use crate::problem::Problem;
use crate::render;
use crate::workload::Wording;
use bulk_requests::BulkRequests;

/// See [`Resource`].
pub(crate) struct Sessions;

#[async_trait]
impl Resource for Sessions {
    type Noun = RestoreSession;

    const BASE: &'static str = "restoreSessionBase";
    const MALFORMED: ErrorCode = ErrorCode::InvalidRestoreSessionId;
    const NOT_FOUND: ErrorCode = ErrorCode::RestoreSessionNotFound;
    const WORD: &'static str = "restore session";
    const EXPANDABLE: &'static [&'static str] = &[
        "siteRestoreArtifacts",
        "driveRestoreArtifacts",
        "mailboxRestoreArtifacts",
        "granularSiteRestoreArtifacts",
        "granularDriveRestoreArtifacts",
        "granularMailboxRestoreArtifacts",
        "siteRestoreArtifactsBulkAdditionRequests",
        "driveRestoreArtifactsBulkAdditionRequests",
        "mailboxRestoreArtifactsBulkAdditionRequests",
    ];
    const PLACE_COLUMNS: PlaceColumns<RestoreSessionColumn> =
        PlaceColumns { workload: Some(RestoreSessionColumn::Workload), parent: None };
    const RECORDED: Recorded<RestoreSessionColumn> = Recorded {
        error: Some(RestoreSessionColumn::Error),
        created_by: Some(RestoreSessionColumn::CreatedBy),
        last_modified_by: Some(RestoreSessionColumn::LastModifiedBy),
    };

    fn segment(at: At) -> String {
        at.workload().map_or_else(|| "restoreSessions".to_owned(), Wording::sessions)
    }

    fn field(name: &str, _call: &Call) -> Option<Field<RestoreSessionColumn>> {
        let (column, kind) = match name {
            "id" => (RestoreSessionColumn::Id, FieldKind::Id),
            "status" => (
                RestoreSessionColumn::Status,
                FieldKind::Member(|text| RestoreSessionStatus::from_name(text).is_some()),
            ),
            "restoreJobType" => (
                RestoreSessionColumn::Kind,
                FieldKind::Member(|text| RestoreJobType::from_name(text).is_some()),
            ),
            "restoreSessionArtifactCount/total" => {
                (RestoreSessionColumn::ArtifactsTotal, FieldKind::Number)
            }
            "restoreSessionArtifactCount/completed" => {
                (RestoreSessionColumn::ArtifactsCompleted, FieldKind::Number)
            }
            "restoreSessionArtifactCount/inProgress" => {
                (RestoreSessionColumn::ArtifactsInProgress, FieldKind::Number)
            }
            "restoreSessionArtifactCount/failed" => {
                (RestoreSessionColumn::ArtifactsFailed, FieldKind::Number)
            }
            "policyId" => (RestoreSessionColumn::PolicyId, FieldKind::Id),
            "createdDateTime" => (RestoreSessionColumn::CreatedDateTime, FieldKind::Time),
            "lastModifiedDateTime" => (RestoreSessionColumn::LastModifiedDateTime, FieldKind::Time),
            "completedDateTime" => (RestoreSessionColumn::CompletedDateTime, FieldKind::Time),
            _ => return None,
        };
        Some(Field::column(column, kind))
    }

    fn place(session: &RestoreSession) -> (Option<Workload>, Option<String>) {
        (Some(session.workload), None)
    }

    fn any(
        property: &str,
        holds: Option<Expression>,
        call: &Call,
    ) -> Result<Option<Filter<RestoreSessionColumn>>, Problem> {
        let holds = holds.as_ref();
        let (workload, part) = if let Some((workload, artifacts)) =
            part::<WholeArtifacts>(property, holds, call)?
        {
            (workload, Part::ArtifactsOfSession(artifacts))
        } else if let Some((workload, artifacts)) =
            part::<GranularArtifacts>(property, holds, call)?
        {
            (workload, Part::ArtifactsOfSession(artifacts))
        } else if let Some((workload, requests)) = part::<BulkRequests>(property, holds, call)? {
            (workload, Part::BulkRequestsOfSession(requests))
        } else {
            return Ok(None);
        };
        let of_workload = Filter::equal(RestoreSessionColumn::Workload, workload.name());
        Ok(Some(of_workload.and(Filter::Any(part))))
    }

    async fn shown(
        session: &RestoreSession,
        tx: &mut AnyTx,
        call: &Call,
        options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        let tally = tx.tally_artifacts(session.tenant, session.id).await?;
        let mut body = render::session(session, tally, call.viewer);
        let (workload, id) = (session.workload, session.id.to_string());
        for expand in &options.expand {
            let name = expand.property.as_str();
            let at = At::In(workload);
            let parts = if name == WholeArtifacts::segment(at) {
                expanded::<WholeArtifacts>(tx, call, workload, &id, expand).await?
            } else if name == GranularArtifacts::segment(at) {
                expanded::<GranularArtifacts>(tx, call, workload, &id, expand).await?
            } else if name == BulkRequests::segment(at) {
                expanded::<BulkRequests>(tx, call, workload, &id, expand).await?
            } else {
                // A collection of another type's: this session has none.
                continue;
            };
            body.extend(parts);
        }
        Ok(body)
    }
}

/// The session of the path's first key; `workload` is that of a typed collection.
pub(crate) async fn load(
    tx: &mut AnyTx,
    call: &Call,
    workload: Option<Workload>,
) -> Result<Versioned<RestoreSession>, Problem> {
    collection::load_in::<Sessions>(tx, call, workload.map_or(At::All, At::Of), None).await
}

/// One session with its context and its artifacts counted.
async fn entity(
    tx: &mut AnyTx,
    call: &Call,
    session: &RestoreSession,
) -> Result<Map<String, Value>, Problem> {
    let body = Sessions::shown(session, tx, call, &call.options).await?;
    Ok(collection::entity(call, "/restoreSessions/$entity", body))
}

#[cfg(test)]
mod tests;
