//! Units into policies and out of them: shared by create and update.

use holdfast_domain::{
    PolicyState, ProtectionPolicy, ProtectionSources, ProtectionUnit, ResourceId, Stamps, UnitId,
    UnitState, Work, Workload,
};
use holdfast_graph_model::ErrorCode;
use holdfast_store::activity::UnitChanges;
use holdfast_store::find_unit;
use serde_json::{Value, json};

use crate::call::{Call, Writing};
use crate::extract::JsonObject;
use crate::problem::Problem;
use crate::workload::Wording;

/// Properties of a unit that the service sets.
const SERVER_SET: [&str; 18] = [
    "siteName",
    "siteWebUrl",
    "displayName",
    "email",
    "mailboxType",
    "policyId",
    "status",
    "protectionSources",
    "offboardRequestedDateTime",
    "error",
    "backupRetentionPeriodInDays",
    "pendingRetentionPeriodChange",
    "billingPolicyId",
    "id",
    "createdBy",
    "createdDateTime",
    "lastModifiedBy",
    "lastModifiedDateTime",
];

/// For the activity log: how the changes that a request asks for went.
pub(super) fn unit_details(changes: UnitChanges) -> Value {
    json!({ "protectionUnitDetails": changes.details("Manual Selection") })
}

/// Reads one unit, or exclusion unit, of a request: an object with `siteId` or `directoryObjectId` (mailboxes also with `userId`,
/// as an old page has it). Properties that the service sets are passed over.
pub(crate) fn read_resource(
    mut item: JsonObject,
    workload: Workload,
    type_name: &str,
) -> Result<ResourceId, Problem> {
    item.check_type(type_name)?;
    let name = workload.resource();
    let place = item.place(name);
    let old = item.take_if(workload == Workload::Exchange, "userId");
    let text = match item.take(name).or(old) {
        Some(Value::String(text)) => text,
        Some(_) | None => String::new(),
    };
    let resource = ResourceId::parse(workload, &text).ok_or_else(|| {
        let form = match workload {
            Workload::SharePoint => "host,siteCollectionGuid,webGuid or the site's GUID",
            Workload::OneDrive | Workload::Exchange => "the GUID of a user",
        };
        Problem::at(
            ErrorCode::InvalidProtectionUnitId,
            place.clone(),
            format!("'{place}' must be {form}."),
        )
    })?;
    item.pass_over(&SERVER_SET);
    item.finish()?;
    Ok(resource)
}

/// Refuses a request that names a resource twice.
pub(crate) fn refuse_duplicates(resources: &[ResourceId]) -> Result<(), Problem> {
    for (index, resource) in resources.iter().enumerate() {
        if resources[..index].iter().any(|earlier| earlier.is_same(resource)) {
            return Err(Problem::new(
                ErrorCode::DuplicateProtectionUnitInList,
                format!("{resource} is named twice in the request."),
            ));
        }
    }
    Ok(())
}

/// Adds a resource to `policy`: its detached unit with the restore points it has, or a new one. A unit that only a rule holds in
/// this policy becomes the hand's, too. An error is the state that forbids it.
pub(super) async fn add_unit(
    tx: &mut Writing,
    call: &Call,
    policy: &ProtectionPolicy,
    resource: &ResourceId,
) -> Result<Result<ProtectionUnit, UnitState>, Problem> {
    let (tenant, now) = (call.caller.tenant, call.now());
    let found = find_unit(&mut **tx, tenant, resource).await?;
    let stamps = Stamps::new(call.caller.actor.clone(), now);
    let (mut unit, read) = match found {
        Some(row) => (row.value, Some(row.version)),
        None => {
            let id = UnitId::random(&*call.app.entropy);
            let workload = resource.workload();
            let unit = ProtectionUnit::detached(id, tenant, workload, resource.to_string(), stamps);
            (unit, None)
        }
    };
    let is_held_by_rule = unit.policy == Some(policy.id)
        && unit.sources == ProtectionSources::DYNAMIC_RULE
        && unit.state != UnitState::RemoveRequested;
    if is_held_by_rule {
        unit.sources.manual = true;
    } else if unit.join(policy, ProtectionSources::MANUAL, now).is_err() {
        return Ok(Err(unit.state));
    }
    unit.stamps.touch(call.caller.actor.clone(), now);
    match read {
        Some(read) => tx.put(&unit, read).await?,
        None => tx.insert(&unit).await?,
    }
    if is_held_by_rule {
        return Ok(Ok(unit));
    }
    tx.set_expiry(tenant, unit.id, unit.retention, now).await?;
    if unit.state == UnitState::ProtectRequested {
        tx.enqueue_work(Work::ProtectUnit { unit: unit.id }).await?;
    }
    if let Some(pending) = unit.retention.pending {
        let work = Work::ApplyRetention { policy: policy.id };
        tx.enqueue_work_at(work, pending.effective_at).await?;
    }
    Ok(Ok(unit))
}

/// Takes a unit out of `policy`; `None` when it is not in it. One that a rule holds, too, stays the rule's.
///
/// # Errors
/// `ProtectionUnitActionNotAllowed` when only a rule holds it: it leaves with the rule.
pub(super) async fn remove_unit(
    tx: &mut Writing,
    call: &Call,
    policy: &ProtectionPolicy,
    id: UnitId,
) -> Result<Option<ProtectionUnit>, Problem> {
    let found = tx.unit(call.caller.tenant, id).await?;
    let Some(row) = found.filter(|row| row.value.policy == Some(policy.id)) else {
        return Ok(None);
    };
    let mut unit = row.value;
    let Ok(state) = unit.state.request_removal() else { return Ok(None) };
    if unit.sources == ProtectionSources::DYNAMIC_RULE {
        return Err(Problem::new(
            ErrorCode::ProtectionUnitActionNotAllowed,
            format!("The unit {id} is protected by a dynamic rule and leaves with it only."),
        ));
    }
    if unit.sources.dynamic_rule {
        unit.sources.manual = false;
    } else {
        unit.state = state;
        tx.enqueue_work(Work::RemoveUnit { unit: id }).await?;
        tx.tell_harm("A unit was removed from its policy", &id.to_string()).await?;
    }
    unit.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put(&unit, row.version).await?;
    Ok(Some(unit))
}

/// Where the policy's state goes when its units have changed: at once to its end if none is on its way.
pub(super) async fn settle(
    tx: &mut Writing,
    policy: &ProtectionPolicy,
    state: PolicyState,
) -> Result<PolicyState, Problem> {
    let tally = tx.tally_units(policy.tenant, policy.id).await?;
    Ok(state.settle(tally).unwrap_or(state))
}
