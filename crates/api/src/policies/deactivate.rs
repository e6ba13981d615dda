//! `POST /solutions/backupRestore/protectionPolicies/{id}/deactivate` (`protectionPolicyBase: deactivate`)

use axum::http::StatusCode;
use holdfast_domain::{ActivityOperation, UnitState, Work};
use holdfast_graph_model::ErrorCode;

use super::{entity, load, unit_changes};
use crate::answer::Answer;
use crate::call::Call;
use crate::problem::Problem;

/// Every protected unit goes to `unprotectRequested`. A policy without such units is inactive at once.
pub(crate) async fn deactivate_policy(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    call.no_body()?;
    let mut tx = call.write().await?;
    let row = load(&mut *tx, &call, None).await?;
    tx.require_protection_change().await?;
    let mut policy = row.value;
    let state = policy.state.deactivate().map_err(|error| {
        Problem::transition(ErrorCode::InvalidStateForActivation, "policy", error)
    })?;
    for unit_row in tx.units_of_policy(policy.tenant, policy.id).await? {
        let mut unit = unit_row.value;
        let Ok(unit_state) = unit.state.request_unprotection() else { continue };
        if unit_state == unit.state {
            continue;
        }
        unit.state = unit_state;
        unit.stamps.touch(call.caller.actor.clone(), call.now());
        tx.put(&unit, unit_row.version).await?;
        if unit.state == UnitState::UnprotectRequested {
            tx.enqueue_work(Work::UnprotectUnit { unit: unit.id }).await?;
        }
    }
    policy.state = unit_changes::settle(&mut tx, &policy, state).await?;
    tx.log_policy(&policy, ActivityOperation::BackupPolicyPaused, None).await?;
    policy.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put(&policy, row.version).await?;
    tx.commit().await?;
    let url = call.url(&format!("/protectionPolicies('{}')", policy.id));
    Ok(Answer::with(StatusCode::ACCEPTED, entity(&call, &policy)).located_at(url))
}
