//! `POST /solutions/backupRestore/protectionPolicies/{id}/activate` (`protectionPolicyBase: activate`)

use axum::http::StatusCode;
use holdfast_domain::{ActivityOperation, ProtectionMode, UnitState, Work};
use holdfast_graph_model::ErrorCode;

use super::create::require_room_for_active_policy;
use super::{entity, load, unit_changes};
use crate::answer::Answer;
use crate::call::Call;
use crate::problem::Problem;
use crate::rules;

/// Every unit goes to `protectRequested`. A policy without units is active at once.
pub(crate) async fn activate_policy(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    call.no_body()?;
    let mut tx = call.write().await?;
    let row = load(&mut *tx, &call, None).await?;
    tx.require_protection_change().await?;
    let mut policy = row.value;
    let was_active = policy.state.protects();
    let state = policy.state.activate().map_err(|error| {
        Problem::transition(ErrorCode::InvalidStateForActivation, "policy", error)
    })?;
    if !was_active {
        require_room_for_active_policy(&mut tx, &call, policy.workload).await?;
    }
    for unit_row in tx.units_of_policy(policy.tenant, policy.id).await? {
        let mut unit = unit_row.value;
        // Units on their way out of the policy stay on it.
        let Ok(unit_state) = unit.state.request_protection() else { continue };
        if unit_state == UnitState::Protected {
            continue;
        }
        unit.state = unit_state;
        unit.error = None;
        unit.stamps.touch(call.caller.actor.clone(), call.now());
        tx.put(&unit, unit_row.version).await?;
        tx.enqueue_work(Work::ProtectUnit { unit: unit.id }).await?;
    }
    policy.state = unit_changes::settle(&mut tx, &policy, state).await?;
    rules::apply_dynamic(&mut tx, &policy).await?;
    if policy.mode == ProtectionMode::FullService {
        tx.enqueue_work(Work::ProtectWorkload { policy: policy.id }).await?;
    }
    tx.log_policy(&policy, ActivityOperation::BackupPolicyActivated, None).await?;
    policy.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put(&policy, row.version).await?;
    tx.commit().await?;
    let url = call.url(&format!("/protectionPolicies('{}')", policy.id));
    Ok(Answer::with(StatusCode::ACCEPTED, entity(&call, &policy)).located_at(url))
}
