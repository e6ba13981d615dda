//! `POST` on the typed collections of browse sessions, and the same on `browseSessions` with `@odata.type`

use axum::http::StatusCode;
use holdfast_domain::{BrowseSession, BrowseSessionId, RestorePointId, Work, Workload};
use holdfast_graph_model::ErrorCode;
use serde_json::Value;

use super::{BrowseSessions, render};
use crate::answer::Answer;
use crate::call::Call;
use crate::collection::{self, At, Resource};
use crate::extract::type_name;
use crate::problem::Problem;
use crate::workload::{Wording, workload_of};

/// Properties that the service sets; clients that send a whole object send them too.
const SERVER_SET: [&str; 9] = [
    "id",
    "status",
    "error",
    "siteId",
    "directoryObjectId",
    "restorePointDateTime",
    "createdDateTime",
    "expirationDateTime",
    "backupSizeInBytes",
];

/// On the base collection the type decides.
pub(crate) async fn create_browse_session_of_named_type(call: Call) -> Result<Answer, Problem> {
    let mut body = call.json(ErrorCode::BadRequest)?;
    let named = match body.take("@odata.type") {
        Some(Value::String(text)) => workload_of(type_name(&text), Wording::browse_session_type),
        Some(_) | None => None,
    };
    match named.filter(|workload| *workload != Workload::Exchange) {
        Some(workload) => create(call, workload, At::All).await,
        None => Err(body.refuse(
            "@odata.type",
            "must name the type of browse session, such as #microsoft.graph.sharePointBrowseSession",
        )),
    }
}

pub(crate) async fn create_browse_session(
    call: Call,
    workload: Workload,
) -> Result<Answer, Problem> {
    create(call, workload, At::Of(workload)).await
}

/// The rows are written by a job: the answer says `creating`.
async fn create(call: Call, workload: Workload, at: At) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut body = call.json(ErrorCode::BadRequest)?;
    body.check_type(&workload.browse_session_type())?;
    let point = body.take_text("restorePointId")?;
    body.pass_over(&SERVER_SET);
    body.finish()?;
    let invalid = || {
        let message = "'restorePointId' must name a restore point of this workload that exists and has not expired.";
        Problem::at(ErrorCode::InvalidRestorePoint, "restorePointId", message)
    };
    let id: RestorePointId = point.and_then(|text| text.parse().ok()).ok_or_else(invalid)?;
    let mut tx = call.write().await?;
    tx.require_restore().await?;
    let tenant = call.caller.tenant;
    let point = tx.restore_point(tenant, id).await?.ok_or_else(invalid)?;
    let unit = tx.unit(tenant, point.unit).await?.ok_or_else(invalid)?.value;
    if unit.workload != workload || point.expires_at <= call.now() {
        return Err(invalid());
    }
    let id = BrowseSessionId::random(&*call.app.entropy);
    let session = BrowseSession::creating(id, &point, workload, unit.resource, call.now());
    tx.insert(&session).await?;
    tx.enqueue_work(Work::PrepareBrowseSession { session: id }).await?;
    tx.commit().await?;
    let segment = BrowseSessions::segment(at);
    let shown = render(&session, call.viewer);
    let entity = collection::entity(&call, &format!("/{segment}/$entity"), shown);
    let url = call.url(&format!("/{segment}/{id}"));
    Ok(Answer::with(StatusCode::CREATED, entity).located_at(url))
}
