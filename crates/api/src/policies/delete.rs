//! `DELETE /solutions/backupRestore/protectionPolicies/{id}` and the same on `sharePointProtectionPolicies`

use holdfast_domain::Workload;
use holdfast_graph_model::ErrorCode;

use super::load;
use crate::answer::Answer;
use crate::call::Call;
use crate::problem::Problem;

/// Only inactive policies can be deleted. Their units become detached: their restore points stay until they expire.
pub(crate) async fn delete_policy(
    call: Call,
    workload: Option<Workload>,
) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut tx = call.write().await?;
    let row = load(&mut *tx, &call, workload).await?;
    tx.require_protection_change().await?;
    let refuse = |noun, error| Problem::transition(ErrorCode::PolicyActionNotAllowed, noun, error);
    row.value.state.delete().map_err(|error| refuse("policy", error))?;
    for unit_row in tx.units_of_policy(row.value.tenant, row.value.id).await? {
        let mut unit = unit_row.value;
        unit.state = unit.state.detach().map_err(|error| refuse("unit", error))?;
        unit.policy = None;
        unit.next_backup_at = None;
        unit.stamps.touch(call.caller.actor.clone(), call.now());
        tx.put_unit(&unit, unit_row.version).await?;
    }
    tx.delete_policy(row.value.tenant, row.value.id, row.version).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}
