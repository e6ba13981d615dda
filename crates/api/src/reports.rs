//! Reports (beta): how a policy's units stand.

use holdfast_domain::{PolicyId, ProtectionUnit, Timestamp, UnitState, Workload};
use holdfast_graph_model::ErrorCode;
use holdfast_store::find_all;
use holdfast_store::query::{Filter, UnitColumn};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::collection::{check_names_of, entity};
use crate::problem::Problem;
use crate::service::enable::type_context;
use crate::workload::Wording;

/// `GET /reports`: the place of the functions.
pub(crate) async fn get_reports(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&["$select"])?;
    check_names_of("backupReport", &[], &call.options, call.viewer.version)?;
    let mut body = Map::new();
    body.insert("id".to_owned(), json!("reports"));
    Ok(Answer::ok(entity(&call, "/reports/$entity", body)))
}

/// `GET /reports/getStatisticsByPolicy(policyId='…')`
pub(crate) async fn get_statistics_by_policy(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let id: PolicyId = call.key(0, ErrorCode::InvalidPolicyId)?;
    let tenant = call.caller.tenant;
    let mut tx = call.read().await?;
    let policy = tx.policy(tenant, id).await?.ok_or_else(|| {
        Problem::new(ErrorCode::PolicyNotFound, format!("There is no policy with the id {id}."))
    })?;
    call.caller.require_workload(policy.value.workload)?;
    let units = tx.units_of_policy(tenant, id).await?;
    let units: Vec<ProtectionUnit> = units.into_iter().map(|row| row.value).collect();
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(type_context(&call, "backupPolicyReport")));
    body.insert("backupPolicyId".to_owned(), json!(id.to_string()));
    body.insert("displayName".to_owned(), json!(policy.value.display_name));
    body.insert("countStatistics".to_owned(), statistics(&units, None, call.now()));
    Ok(Answer::ok(body))
}

/// `GET /reports/getStatisticsByWorkload(workloadId='…')`, which only permission data names: the same counts over every unit of
/// a workload, `sharePoint`, `oneDriveForBusiness` or `exchange`, the removed ones included.
pub(crate) async fn get_statistics_by_workload(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let name = call.keys.first().map_or("", String::as_str);
    let workload = Workload::ALL
        .into_iter()
        .find(|workload| workload.product().eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            let message =
                format!("'{name}' is no workload: sharePoint, oneDriveForBusiness or exchange.");
            Problem::at(ErrorCode::BadRequest, "workloadId", message)
        })?;
    call.caller.require_workload(workload)?;
    let mut tx = call.read().await?;
    let of = Filter::equal(UnitColumn::Workload, workload.name());
    let units = find_all::<ProtectionUnit>(&mut *tx, call.caller.tenant, of).await?;
    let removed = units.iter().filter(|unit| unit.policy.is_none()).count();
    let Value::Object(mut body) = statistics(&units, Some(removed), call.now()) else {
        return Ok(Answer::ok(Map::new()));
    };
    body.insert("@odata.context".to_owned(), json!(type_context(&call, "backupCountStatistics")));
    Ok(Answer::ok(body))
}

/// `backupCountStatistics`
fn statistics(units: &[ProtectionUnit], removed: Option<usize>, now: Timestamp) -> Value {
    let count =
        |matches: fn(&ProtectionUnit) -> bool| units.iter().filter(|unit| matches(unit)).count();
    json!({
        "total": units.len(),
        "protectedInProgress": count(|unit| unit.state == UnitState::ProtectRequested),
        "unprotectedInProgress": count(|unit| {
            matches!(unit.state, UnitState::UnprotectRequested | UnitState::RemoveRequested)
        }),
        "protectedCompleted": count(|unit| unit.state == UnitState::Protected),
        "unprotectedCompleted": count(|unit| {
            unit.state == UnitState::Unprotected && unit.error.is_none()
        }),
        "protectedFailed": count(|unit| {
            unit.state == UnitState::Unprotected && unit.error.is_some()
        }),
        // Nothing can fail on the way out.
        "unprotectedFailed": 0,
        "removed": removed,
        "offboardRequested": count(|unit| {
            matches!(
                unit.state,
                UnitState::OffboardRequested { .. } | UnitState::Destroying { .. }
            )
        }),
        "lastComputedDateTime": now.to_string(),
    })
}

#[cfg(test)]
mod tests;
