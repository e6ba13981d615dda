//! `PATCH /solutions/backupRestore/sharePointProtectionPolicies/{id}` and the other typed collections (`…ProtectionPolicy: update`)

use holdfast_domain::limits::UNITS_PER_POLICY_REQUEST;
use holdfast_domain::{
    ActivityOperation, PolicyId, ProtectionPolicy, ResourceId, UnitId, UnitState, Work, Workload,
};
use holdfast_graph_model::ErrorCode;
use holdfast_store::activity::UnitChanges;
use serde_json::{Map, Value, json};

use super::unit_changes::{self, read_resource, refuse_duplicates};
use super::{SERVER_SET, check_name, load, refuse_billing_policy, take_mode, take_retention};
use crate::answer::Answer;
use crate::call::{Call, Writing};
use crate::exclusions;
use crate::extract::JsonObject;
use crate::problem::Problem;
use crate::render;
use crate::units::why_not_attachable;
use crate::workload::Wording;

enum Change {
    Add(ResourceId),
    Remove(UnitId),
}

/// Answers only what was sent: `displayName`, `retentionSettings` and the `@delta` collections (`spec/api.md` section 15). Entries
/// that cannot be carried out are reported in their place; everything else fails the whole request.
pub(crate) async fn update_policy(call: Call, workload: Workload) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let id: PolicyId = call.key(0, ErrorCode::InvalidPolicyId)?;
    let units = workload.units();
    let delta = format!("{units}@delta");
    let mut body = call.json(ErrorCode::InvalidPatchRequest)?;
    body.check_type(&workload.policy_type())?;
    if let Some(sent) = body.take("id")
        && sent.as_str().and_then(|text| text.parse().ok()) != Some(id)
    {
        return Err(body.refuse("id", "must be the id in the address"));
    }
    let display_name = match body.has("displayName") {
        true => Some(check_name(body.take_text("displayName")?)?),
        false => None,
    };
    let window = take_retention(&mut body)?;
    let mode = take_mode(&call, &mut body)?;
    refuse_billing_policy(&call, &mut body)?;
    if body.has(&units) {
        return Err(body.refuse(
            &units,
            &format!("cannot be replaced as a whole: send the changes as '{delta}'"),
        ));
    }
    let items = body.take_list(&delta)?;
    let excluded = exclusions::take_delta(&call, &mut body, workload)?;
    body.pass_over(&SERVER_SET);
    body.finish()?;
    if display_name.is_none()
        && window.is_none()
        && mode.is_none()
        && items.is_none()
        && excluded.is_none()
    {
        return Err(Problem::new(
            ErrorCode::InvalidPatchRequest,
            format!(
                "The body names nothing that can be changed: displayName, retentionSettings or {delta}."
            ),
        ));
    }
    let changes = items.map(|items| read_changes(items, workload)).transpose()?;

    let mut tx = call.write().await?;
    let row = load(&mut *tx, &call, Some(workload)).await?;
    tx.require_protection_change().await?;
    let (mut policy, version) = (row.value, row.version);
    if mode.is_some_and(|mode| mode != policy.mode) {
        return Err(Problem::at(
            ErrorCode::InvalidPatchRequest,
            "protectionMode",
            "'protectionMode' is chosen when a policy is created, and stays.",
        ));
    }
    let (mut answer, mut unit_details) = (Map::new(), None);
    if let Some(name) = display_name {
        answer.insert("displayName".to_owned(), json!(name));
        let before = std::mem::replace(&mut policy.display_name, name);
        if before != policy.display_name {
            let renamed = ActivityOperation::BackupPolicyRenamed;
            tx.log_policy(&policy, renamed, Some(json!({ "oldPolicyName": before }))).await?;
        }
    }
    if let Some(window) = window {
        policy.retention = policy.retention.at(call.now()).change(window, call.now());
        answer.insert("retentionSettings".to_owned(), render::retention_settings(window));
        change_retention(&mut tx, &call, &policy).await?;
    }
    if let Some(changes) = changes {
        let (results, counts) = apply(&mut tx, &call, &mut policy, changes).await?;
        answer.insert(delta, Value::Array(results));
        unit_details = Some(unit_changes::unit_details(counts));
    }
    if let Some(excluded) = excluded {
        let results = exclusions::apply(&mut tx, &call, &policy, excluded).await?;
        answer.insert(format!("{}@delta", workload.exclusions()), Value::Array(results));
        if policy.state.protects() {
            tx.enqueue_work(Work::ProtectWorkload { policy: policy.id }).await?;
        }
    }
    if window.is_some() || answer.len() > 1 || !answer.contains_key("displayName") {
        let modified = ActivityOperation::BackupPolicyModified;
        tx.log_policy(&policy, modified, unit_details).await?;
    }
    policy.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put(&policy, version).await?;
    tx.commit().await?;
    Ok(Answer::ok(answer))
}

/// The window of every unit follows its policy's; the engine gives their points their expiry, now and when the grace has ended.
async fn change_retention(
    tx: &mut Writing,
    call: &Call,
    policy: &ProtectionPolicy,
) -> Result<(), Problem> {
    for row in tx.units_of_policy(policy.tenant, policy.id).await? {
        let mut unit = row.value;
        unit.retention = unit.retention.follow(policy.retention, call.now());
        tx.put(&unit, row.version).await?;
    }
    tx.enqueue_work(Work::ApplyRetention { policy: policy.id }).await
}

async fn apply(
    tx: &mut Writing,
    call: &Call,
    policy: &mut ProtectionPolicy,
    changes: Vec<Change>,
) -> Result<(Vec<Value>, UnitChanges), Problem> {
    let (mut results, mut counts) = (Vec::new(), UnitChanges::default());
    for change in changes {
        let (outcome, done) = match change {
            Change::Add(resource) => {
                counts.asked_to_add += 1;
                let added = unit_changes::add_unit(tx, call, policy, &resource).await?;
                let failed = |state| not_added(call, policy.workload, &resource, state);
                (added.map_err(failed), &mut counts.added)
            }
            Change::Remove(unit) => {
                counts.asked_to_remove += 1;
                let removed = unit_changes::remove_unit(tx, call, policy, unit).await?;
                let failed = || not_removed(call, &unit.to_string());
                (removed.ok_or_else(failed), &mut counts.removed)
            }
        };
        match outcome {
            Ok(unit) => {
                *done += 1;
                let mut shown = render::unit(&unit, call);
                shown.remove("@odata.type");
                results.push(Value::Object(shown));
            }
            Err(failed) => results.push(failed),
        }
    }
    if counts.added + counts.removed > 0 {
        let state = policy.state.change_units().map_err(|error| {
            Problem::transition(ErrorCode::PolicyActionNotAllowed, "policy", error)
        })?;
        policy.state = unit_changes::settle(tx, policy, state).await?;
    }
    Ok((results, counts))
}

fn read_changes(items: Vec<Value>, workload: Workload) -> Result<Vec<Change>, Problem> {
    let delta = format!("{}@delta", workload.units());
    if items.len() > UNITS_PER_POLICY_REQUEST {
        return Err(Problem::at(
            ErrorCode::ProtectionUnitsLimitBreached,
            delta,
            format!("At most {UNITS_PER_POLICY_REQUEST} units fit into one request."),
        ));
    }
    let (mut changes, mut added, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("{delta}/{index}");
        let item = JsonObject::from_value(item, place, ErrorCode::InvalidPatchRequest)?;
        if !item.has("@removed") {
            let resource = read_resource(item, workload, &workload.unit_type())?;
            added.push(resource.clone());
            changes.push(Change::Add(resource));
            continue;
        }
        let id: UnitId = read_removal(item, &workload.unit_type())?;
        if removed.contains(&id) {
            return Err(Problem::new(
                ErrorCode::DuplicateProtectionUnitInList,
                format!("The unit {id} is named twice in the request."),
            ));
        }
        removed.push(id);
        changes.push(Change::Remove(id));
    }
    refuse_duplicates(&added)?;
    Ok(changes)
}

/// An entry that removes: `@removed`, and the `id` of what leaves.
pub(crate) fn read_removal<I: std::str::FromStr>(
    mut item: JsonObject,
    type_name: &str,
) -> Result<I, Problem> {
    check_removed(&mut item)?;
    let place = item.place("id");
    let id = match item.take("id") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) | None => None,
    };
    let id = id.ok_or_else(|| {
        Problem::at(
            ErrorCode::InvalidProtectionUnitId,
            place.clone(),
            format!("'{place}' must be the id of the unit to remove."),
        )
    })?;
    item.check_type(type_name)?;
    item.finish()?;
    Ok(id)
}

/// `@removed` is an object with the reason `changed` or `deleted`.
pub(crate) fn check_removed(item: &mut JsonObject) -> Result<(), Problem> {
    let removed = item.take("@removed");
    let reason = match &removed {
        Some(Value::Object(removed)) => match removed.get("reason") {
            None => Some("changed"),
            Some(reason) => reason.as_str(),
        },
        Some(_) | None => None,
    };
    match reason {
        Some("changed" | "deleted") => Ok(()),
        Some(_) | None => {
            Err(item.refuse("@removed", "must be an object with the reason 'changed'"))
        }
    }
}

fn not_added(call: &Call, workload: Workload, resource: &ResourceId, state: UnitState) -> Value {
    let why = why_not_attachable(state);
    let message = format!("{resource} {why}.");
    let mut failed = render::failed_change(call, "ProtectionUnitAlreadyExists", message, "add");
    failed[workload.resource()] = json!(resource.to_string());
    failed
}

/// An entry names what is not there.
pub(crate) fn not_removed(call: &Call, id: &str) -> Value {
    let message = "The identifier to be removed does not exist in this policy.".to_owned();
    let mut failed = render::failed_change(call, "ProtectionUnitNotFound", message, "remove");
    failed["id"] = json!(id);
    failed
}
