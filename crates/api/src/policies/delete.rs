//! `DELETE /solutions/backupRestore/protectionPolicies/{id}` and the same on `sharePointProtectionPolicies`

use holdfast_domain::{
    BulkAdditionJob, ExclusionUnit, ProtectionPolicy, ProtectionRule, TenantId, Workload,
};
use holdfast_graph_model::ErrorCode;
use holdfast_store::query::{BulkJobColumn, ExclusionColumn, Filter, RuleColumn};
use holdfast_store::{Collection, Noun, find, find_all};

use super::load;
use crate::answer::Answer;
use crate::call::{Call, Writing};
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
        let state = unit.state.detach().map_err(|error| refuse("unit", error))?;
        unit.leave(state, call.now());
        unit.stamps.touch(call.caller.actor.clone(), call.now());
        tx.put(&unit, unit_row.version).await?;
    }
    delete_parts(&mut tx, &row.value).await?;
    tx.delete(&row.value, row.version).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

/// Its rules, jobs and exclusion units go with it.
async fn delete_parts(tx: &mut Writing, policy: &ProtectionPolicy) -> Result<(), Problem> {
    let (tenant, id) = (policy.tenant, policy.id.to_string());
    let of = Filter::equal(RuleColumn::PolicyId, id.clone());
    for rule in find_all::<ProtectionRule>(&mut **tx, tenant, of).await? {
        delete_one::<ProtectionRule>(&mut **tx, tenant, &rule, &rule.id).await?;
    }
    let of = Filter::equal(BulkJobColumn::PolicyId, id.clone());
    for job in find_all::<BulkAdditionJob>(&mut **tx, tenant, of).await? {
        delete_one::<BulkAdditionJob>(&mut **tx, tenant, &job, &job.id).await?;
    }
    let of = Filter::equal(ExclusionColumn::PolicyId, id);
    for unit in find_all::<ExclusionUnit>(&mut **tx, tenant, of).await? {
        delete_one::<ExclusionUnit>(&mut **tx, tenant, &unit, &unit.id).await?;
    }
    Ok(())
}

async fn delete_one<T: Noun>(
    tx: &mut dyn Collection<T>,
    tenant: TenantId,
    noun: &T,
    id: &T::Id,
) -> Result<(), Problem> {
    if let Some(row) = find(tx, tenant, id).await? {
        tx.delete(noun, row.version).await?;
    }
    Ok(())
}
