//! `POST /solutions/backupRestore/restoreSessions/{id}/activate` (`restoreSessionBase: activate`)

use holdfast_domain::limits::ACTIVE_RESTORE_SESSIONS;
use holdfast_domain::{RestoreJobType, RestoreSession, Work};
use holdfast_graph_model::ErrorCode;
use holdfast_store::Listed;
use holdfast_store::query::{Filter, RestoreSessionColumn, Value as StoredValue};

use super::{entity, load};
use crate::answer::Answer;
use crate::call::{Call, Writing};
use crate::problem::Problem;

pub(crate) async fn activate_restore_session(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    call.no_body()?;
    let mut tx = call.write().await?;
    let row = load(&mut *tx, &call, None).await?;
    tx.require_restore().await?;
    let mut session = row.value;
    activate(&mut tx, &call, &mut session).await?;
    session.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put(&session, row.version).await?;
    let body = entity(&mut *tx, &call, &session).await?;
    tx.commit().await?;
    Ok(Answer::ok(body))
}

/// The session goes to `activating`, its artifacts to `scheduling`, and the engine gets the work. The caller writes the session.
pub(super) async fn activate(
    tx: &mut Writing,
    call: &Call,
    session: &mut RestoreSession,
) -> Result<(), Problem> {
    let refuse =
        |noun, error| Problem::transition(ErrorCode::RestoreSessionActionNotAllowed, noun, error);
    session.state =
        session.state.activate(call.now()).map_err(|error| refuse("restore session", error))?;
    let artifacts = tx.artifacts_of_session(session.tenant, session.id).await?;
    // A bulk request finds its artifacts on its way.
    if artifacts.is_empty() && session.kind != RestoreJobType::Bulk {
        return Err(Problem::new(
            ErrorCode::InvalidArtifactRequest,
            "The restore session has no artifacts: add some before it is activated.",
        ));
    }
    let running = ["activating", "active"].map(StoredValue::from).to_vec();
    let filter = Filter::In(RestoreSessionColumn::Status, running);
    if Listed::<RestoreSession>::count(&mut **tx, session.tenant, Some(&filter)).await?
        >= ACTIVE_RESTORE_SESSIONS
    {
        return Err(Problem::new(
            ErrorCode::TooManyActiveRestoreSessions,
            format!(
                "{ACTIVE_RESTORE_SESSIONS} restore sessions are active, which is the limit. Try again when one has ended."
            ),
        ));
    }
    for artifact_row in artifacts {
        let mut artifact = artifact_row.value;
        artifact.state = artifact.state.schedule().map_err(|error| refuse("artifact", error))?;
        tx.put(&artifact, artifact_row.version).await?;
    }
    tx.enqueue_work(Work::ActivateRestoreSession { session: session.id }).await
}
