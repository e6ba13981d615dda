//! `PATCH /solutions/backupRestore/sharePointProtectionPolicies/{id}` (`sharePointProtectionPolicy: update`)

use holdfast_domain::limits::UNITS_PER_POLICY_REQUEST;
use holdfast_domain::{PolicyId, UnitId, Workload};
use holdfast_graph_model::ErrorCode;
use serde_json::{Map, Value, json};

use super::site_id::SiteId;
use super::unit_changes::{self, NotAdded};
use super::{SERVER_SET, check_name, check_retention, load, refuse_unserved};
use crate::answer::{Answer, object};
use crate::call::Call;
use crate::extract::JsonObject;
use crate::problem::Problem;
use crate::render;

const DELTA: &str = "siteProtectionUnits@delta";

enum Change {
    Add(SiteId),
    Remove(UnitId),
}

/// Answers only what was sent: `displayName` and the `@delta` collection (`spec/api.md` section 15). Entries that cannot be
/// carried out are reported in their place; everything else fails the whole request.
pub(crate) async fn update_share_point_policy(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let id: PolicyId = call.key(0, ErrorCode::InvalidPolicyId)?;
    let mut body = call.json(ErrorCode::InvalidPatchRequest)?;
    body.check_type("sharePointProtectionPolicy")?;
    if let Some(sent) = body.take("id")
        && sent.as_str().and_then(|text| text.parse().ok()) != Some(id)
    {
        return Err(body.refuse("id", "must be the id in the address"));
    }
    let display_name = match body.has("displayName") {
        true => Some(check_name(body.take_text("displayName")?)?),
        false => None,
    };
    let retention_sent = check_retention(&mut body)?;
    refuse_unserved(&call, &mut body)?;
    if body.has("siteProtectionUnits") {
        return Err(body.refuse(
            "siteProtectionUnits",
            &format!("cannot be replaced as a whole: send the changes as '{DELTA}'"),
        ));
    }
    let items = body.take_list(DELTA)?;
    for name in SERVER_SET {
        body.take(name);
    }
    body.finish()?;
    if display_name.is_none() && !retention_sent && items.is_none() {
        return Err(Problem::new(
            ErrorCode::InvalidPatchRequest,
            format!("The body names nothing that can be changed: displayName or {DELTA}."),
        ));
    }
    let changes = items.map(read_changes).transpose()?;

    let mut tx = call.write().await?;
    let row = load(&mut *tx, &call, Some(Workload::SharePoint)).await?;
    tx.require_protection_change().await?;
    let (mut policy, version) = (row.value, row.version);
    let mut answer = Map::new();
    if let Some(name) = display_name {
        answer.insert("displayName".to_owned(), json!(name));
        policy.display_name = name;
    }
    if retention_sent {
        answer.insert("retentionSettings".to_owned(), json!(render::retention()));
    }
    if let Some(changes) = changes {
        let (mut results, mut changed) = (Vec::new(), false);
        for change in changes {
            let content_id = call.app.entropy.uuid().to_string();
            let (done, failed) = match change {
                Change::Add(site) => {
                    match unit_changes::add_site(&mut tx, &call, &policy, &site).await? {
                        Ok(unit) => (Some(unit), None),
                        Err(why) => (None, Some(not_added(&content_id, &site, &why))),
                    }
                }
                Change::Remove(unit) => {
                    match unit_changes::remove_unit(&mut tx, &call, &policy, unit).await? {
                        Some(unit) => (Some(unit), None),
                        None => (None, Some(not_removed(&content_id, unit))),
                    }
                }
            };
            if let Some(unit) = done {
                changed = true;
                let mut shown = object(&render::unit(&unit, call.caller.kind, call.viewer));
                shown.remove("@odata.type");
                results.push(Value::Object(shown));
            }
            results.extend(failed);
        }
        if changed {
            let state = policy.state.change_units().map_err(|error| {
                Problem::transition(ErrorCode::PolicyActionNotAllowed, "policy", error)
            })?;
            policy.state = unit_changes::settle(&mut tx, &policy, state).await?;
        }
        answer.insert(DELTA.to_owned(), Value::Array(results));
    }
    policy.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put_policy(&policy, version).await?;
    tx.commit().await?;
    Ok(Answer::ok(answer))
}

fn read_changes(items: Vec<Value>) -> Result<Vec<Change>, Problem> {
    if items.len() > UNITS_PER_POLICY_REQUEST {
        return Err(Problem::at(
            ErrorCode::ProtectionUnitsLimitBreached,
            DELTA,
            format!("At most {UNITS_PER_POLICY_REQUEST} units fit into one request."),
        ));
    }
    let (mut changes, mut sites, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("{DELTA}/{index}");
        let mut item = JsonObject::from_value(item, place, ErrorCode::InvalidPatchRequest)?;
        if !item.has("@removed") {
            let site = unit_changes::site_of(item)?;
            sites.push(site.clone());
            changes.push(Change::Add(site));
            continue;
        }
        check_removed(&mut item)?;
        let place = item.place("id");
        let id: UnitId = match item.take("id") {
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) | None => None,
        }
        .ok_or_else(|| {
            Problem::at(
                ErrorCode::InvalidProtectionUnitId,
                place.clone(),
                format!("'{place}' must be the id of the unit to remove."),
            )
        })?;
        item.check_type("siteProtectionUnit")?;
        item.finish()?;
        if removed.contains(&id) {
            return Err(Problem::new(
                ErrorCode::DuplicateProtectionUnitInList,
                format!("The unit {id} is named twice in the request."),
            ));
        }
        removed.push(id);
        changes.push(Change::Remove(id));
    }
    unit_changes::refuse_duplicates(&sites)?;
    Ok(changes)
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

fn not_added(content_id: &str, site: &SiteId, why: &NotAdded) -> Value {
    let why = match why {
        NotAdded::InPolicy => "is in a policy already, or still on its way out of one",
        NotAdded::Offboarding => "is being offboarded",
    };
    let message = format!("The site {site} {why}.");
    let mut failed =
        render::failed_change(content_id, "ProtectionUnitAlreadyExists", message, "add");
    failed.site_id = Some(site.to_string());
    Value::Object(object(&failed))
}

fn not_removed(content_id: &str, id: UnitId) -> Value {
    let message = "The identifier to be removed does not exist in this policy.".to_owned();
    let mut failed = render::failed_change(content_id, "ProtectionUnitNotFound", message, "remove");
    failed.id = Some(id.to_string());
    Value::Object(object(&failed))
}
