//! Protection policies: `protectionPolicies` and the typed collections.

pub(crate) mod activate;
pub(crate) mod create;
pub(crate) mod deactivate;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
mod site_id;
mod unit_changes;
pub(crate) mod update;

use holdfast_domain::limits::POLICY_NAME_CHARACTERS;
use holdfast_domain::{PolicyId, ProtectionPolicy, Workload};
use holdfast_graph_model::wire::{ArtifactCount, RetentionSetting};
use holdfast_graph_model::{ErrorCode, wire};
use holdfast_store::query::{Filter, UnitColumn};
use holdfast_store::{Tx, Versioned};
use serde_json::{Map, Value, json};

use crate::answer::object;
use crate::call::Call;
use crate::extract::JsonObject;
use crate::problem::Problem;
use crate::render;

/// Properties that the service sets; clients that send a whole policy back send them too.
const SERVER_SET: [&str; 8] = [
    "status",
    "isEnabled",
    "protectionPolicyArtifactCount",
    "createdBy",
    "createdDateTime",
    "lastModifiedBy",
    "lastModifiedDateTime",
    "offboardRequestedDateTime",
];

/// The policy of the path's first key; `workload` is that of a typed collection.
pub(crate) async fn load(
    tx: &mut dyn Tx,
    call: &Call,
    workload: Option<Workload>,
) -> Result<Versioned<ProtectionPolicy>, Problem> {
    let id: PolicyId = call.key(0, ErrorCode::InvalidPolicyId)?;
    tx.policy(call.caller.tenant, id)
        .await?
        .filter(|row| workload.is_none_or(|wanted| row.value.workload == wanted))
        .ok_or_else(|| {
            Problem::new(ErrorCode::PolicyNotFound, format!("There is no policy with the id {id}."))
        })
}

/// How the policy's units stand, for `protectionPolicyArtifactCount`.
async fn artifact_count(
    tx: &mut dyn Tx,
    policy: &ProtectionPolicy,
) -> Result<ArtifactCount, Problem> {
    let tally = tx.tally_units(policy.tenant, policy.id).await?;
    let in_policy = Filter::equal(UnitColumn::PolicyId, policy.id.to_string());
    let total = tx.count_units(policy.tenant, Some(&in_policy)).await?;
    Ok(ArtifactCount {
        total,
        completed: tally.protected,
        in_progress: tally.on_the_way,
        failed: tally.failed,
    })
}

/// One policy with its context.
fn entity(
    call: &Call,
    policy: &ProtectionPolicy,
    count: Option<ArtifactCount>,
) -> Map<String, Value> {
    let mut body = object(&render::policy(policy, count, call.viewer));
    body.insert("@odata.context".to_owned(), json!(call.context("/protectionPolicies/$entity")));
    body
}

/// `displayName`: 1 to 1,024 characters.
fn check_name(name: Option<String>) -> Result<String, Problem> {
    name.filter(|name| !name.trim().is_empty() && name.chars().count() <= POLICY_NAME_CHARACTERS)
        .ok_or_else(|| {
            Problem::at(
                ErrorCode::InvalidDisplayName,
                "displayName",
                format!("'displayName' must have 1 to {POLICY_NAME_CHARACTERS} characters."),
            )
        })
}

/// `retentionSettings`, which cannot be set yet: accepted only as it is. `true` when it was sent.
fn check_retention(body: &mut JsonObject) -> Result<bool, Problem> {
    let Some(items) = body.take_list("retentionSettings")? else { return Ok(false) };
    let mut settings: Vec<RetentionSetting> = Vec::new();
    for item in items {
        let setting = serde_json::from_value(item).map_err(|_| {
            body.refuse("retentionSettings", "must be a list of objects with interval and period")
        })?;
        settings.push(setting);
    }
    let mut ours: Vec<wire::RetentionSetting> = render::retention();
    let key = |setting: &RetentionSetting| setting.interval.clone();
    settings.sort_by_key(key);
    ours.sort_by_key(key);
    if settings == ours {
        return Ok(true);
    }
    Err(body.refuse(
        "retentionSettings",
        "cannot be set yet: R/PT10M for P2W and R/P1W for P1Y are fixed",
    ))
}

/// Properties of beta that are not served, refused by name.
fn refuse_unserved(call: &Call, body: &mut JsonObject) -> Result<(), Problem> {
    if !call.is_beta() {
        return Ok(());
    }
    if let Some(mode) = body.take("protectionMode")
        && mode != json!("standard")
    {
        return Err(body.refuse("protectionMode", "can only be 'standard' here"));
    }
    for name in ["billingPolicyId", "siteExclusionUnits", "siteExclusionUnits@delta"] {
        if body.take(name).is_some_and(|value| !value.is_null()) {
            return Err(body.refuse(name, "is not supported yet"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
