//! `POST /solutions/backupRestore/sharePointRestoreSessions`, and the same on `restoreSessions` with `@odata.type`

use axum::http::StatusCode;
use holdfast_domain::limits::ARTIFACTS_PER_SESSION_REQUEST;
use holdfast_domain::{RestoreSession, RestoreSessionId, RestoreState, Stamps, Workload};
use holdfast_graph_model::ErrorCode;
use serde_json::Value;

use super::artifact_requests::{
    Wanted, insert, invalid_point, read_artifact, refuse_duplicates, refuse_granular,
    refuse_mixed_destinations, refuse_unserved, usable_point,
};
use super::entity;
use crate::answer::Answer;
use crate::call::Call;
use crate::extract::{JsonObject, type_name};
use crate::problem::Problem;

/// Properties that the service sets; well-formed or not, they do not matter for a session that does not exist yet.
const SERVER_SET: [&str; 10] = [
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

/// On the base collection the type decides.
pub(crate) async fn create_restore_session_of_named_type(call: Call) -> Result<Answer, Problem> {
    let mut body = call.json(ErrorCode::BadRequest)?;
    let named = match body.take("@odata.type") {
        Some(Value::String(text)) => type_name(&text).to_ascii_lowercase(),
        Some(_) | None => String::new(),
    };
    match named.as_str() {
        "sharepointrestoresession" => create_share_point_restore_session(call).await,
        "onedriveforbusinessrestoresession" | "exchangerestoresession" => Err(Problem::new(
            ErrorCode::NotImplemented,
            "Restore sessions for OneDrive and Exchange are not served yet.",
        )),
        _ => Err(body.refuse(
            "@odata.type",
            "must name the type of restore session, such as #microsoft.graph.sharePointRestoreSession",
        )),
    }
}

/// Without artifacts the session is an empty draft, to which artifacts are added later.
pub(crate) async fn create_share_point_restore_session(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let wanted = read(&call)?;
    let mut tx = call.write().await?;
    tx.require_restore().await?;
    let session = RestoreSession {
        id: RestoreSessionId::random(&*call.app.entropy),
        tenant: call.caller.tenant,
        workload: Workload::SharePoint,
        state: RestoreState::Draft,
        error: None,
        stamps: Stamps::new(call.caller.actor.clone(), call.now()),
    };
    tx.insert_restore_session(&session).await?;
    for (index, wanted) in wanted.into_iter().enumerate() {
        let point = usable_point(&mut tx, &call, session.workload, wanted.point).await?;
        if point.is_none() {
            return Err(invalid_point(format!("siteRestoreArtifacts/{index}/restorePoint")));
        }
        insert(&mut tx, &call, &session, wanted).await?;
    }
    let body = entity(&mut *tx, &call, &session).await?;
    tx.commit().await?;
    let url = call.url(&format!("/restoreSessions/{}", session.id));
    Ok(Answer::with(StatusCode::CREATED, body).located_at(url))
}

fn read(call: &Call) -> Result<Vec<Wanted>, Problem> {
    let mut body = call.json(ErrorCode::BadRequest)?;
    body.check_type("sharePointRestoreSession")?;
    if body.has("siteRestoreArtifacts") && body.has("granularSiteRestoreArtifacts") {
        return Err(body.refuse(
            "granularSiteRestoreArtifacts",
            "cannot be sent together with siteRestoreArtifacts",
        ));
    }
    refuse_granular(&mut body, "granularSiteRestoreArtifacts")?;
    refuse_unserved(call, &mut body)?;
    let items = match body.take("siteRestoreArtifacts") {
        None => None,
        Some(Value::Array(items)) if !items.is_empty() => Some(items),
        Some(_) => {
            return Err(Problem::at(
                ErrorCode::InvalidArtifactRequest,
                "siteRestoreArtifacts",
                "'siteRestoreArtifacts' must be a list of at least one artifact, or be left out.",
            ));
        }
    };
    for name in SERVER_SET {
        body.take(name);
    }
    body.finish()?;
    let Some(items) = items else { return Ok(Vec::new()) };
    if items.len() > ARTIFACTS_PER_SESSION_REQUEST {
        return Err(Problem::at(
            ErrorCode::TooManyArtifactsInCreate,
            "siteRestoreArtifacts",
            format!(
                "At most {ARTIFACTS_PER_SESSION_REQUEST} artifacts fit into one request; add the others by PATCH."
            ),
        ));
    }
    let mut wanted = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("siteRestoreArtifacts/{index}");
        let mut item = JsonObject::from_value(item, place, ErrorCode::InvalidArtifactRequest)?;
        item.take("id");
        wanted.push(read_artifact(item)?);
    }
    refuse_mixed_destinations(wanted.iter().map(|wanted| wanted.destination))?;
    refuse_duplicates(&wanted)?;
    Ok(wanted)
}
