//! Restore sessions: `restoreSessions` and the typed collections.

pub(crate) mod activate;
mod artifact_requests;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod update;

use holdfast_domain::{RestoreSession, RestoreSessionId, Workload};
use holdfast_graph_model::ErrorCode;
use holdfast_store::{Tx, Versioned};
use serde_json::{Map, Value, json};

use crate::answer::object;
use crate::call::Call;
use crate::problem::Problem;
use crate::render;

/// The session of the path's first key; `workload` is that of a typed collection.
pub(crate) async fn load(
    tx: &mut dyn Tx,
    call: &Call,
    workload: Option<Workload>,
) -> Result<Versioned<RestoreSession>, Problem> {
    let id: RestoreSessionId = call.key(0, ErrorCode::InvalidRestoreSessionId)?;
    tx.restore_session(call.caller.tenant, id)
        .await?
        .filter(|row| workload.is_none_or(|wanted| row.value.workload == wanted))
        .ok_or_else(|| {
            let message = format!("There is no restore session with the id {id}.");
            Problem::new(ErrorCode::RestoreSessionNotFound, message)
        })
}

/// One session with its context and its artifacts counted.
async fn entity(
    tx: &mut dyn Tx,
    call: &Call,
    session: &RestoreSession,
) -> Result<Map<String, Value>, Problem> {
    let tally = tx.tally_artifacts(session.tenant, session.id).await?;
    let mut body = object(&render::session(session, tally, call.viewer));
    body.insert("@odata.context".to_owned(), json!(call.context("/restoreSessions/$entity")));
    Ok(body)
}

#[cfg(test)]
mod tests;
