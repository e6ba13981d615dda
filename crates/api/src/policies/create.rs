//! `POST /solutions/backupRestore/sharePointProtectionPolicies`, and the same on `protectionPolicies` with `@odata.type`

use axum::http::StatusCode;
use holdfast_domain::limits::{ACTIVE_POLICIES_PER_WORKLOAD, UNITS_PER_POLICY_REQUEST};
use holdfast_domain::{PolicyId, PolicyState, ProtectionPolicy, Stamps, Workload};
use holdfast_graph_model::ErrorCode;
use holdfast_store::query::{Filter, PolicyColumn, Value as StoredValue};
use serde_json::Value;

use super::unit_changes::{self, NotAdded};
use super::{SERVER_SET, check_name, check_retention, entity, refuse_unserved};
use crate::answer::Answer;
use crate::call::{Call, Writing};
use crate::extract::{JsonObject, type_name};
use crate::problem::Problem;

/// On the base collection the type decides.
pub(crate) async fn create_policy_of_named_type(call: Call) -> Result<Answer, Problem> {
    let mut body = call.json(ErrorCode::InvalidCreateRequest)?;
    let named = match body.take("@odata.type") {
        Some(Value::String(text)) => type_name(&text).to_ascii_lowercase(),
        Some(_) | None => String::new(),
    };
    match named.as_str() {
        "sharepointprotectionpolicy" => create_share_point_policy(call).await,
        "onedriveforbusinessprotectionpolicy" | "exchangeprotectionpolicy" => Err(Problem::new(
            ErrorCode::NotImplemented,
            "Policies for OneDrive and Exchange are not served yet.",
        )),
        _ => Err(body.refuse(
            "@odata.type",
            "must name the type of policy, such as #microsoft.graph.sharePointProtectionPolicy",
        )),
    }
}

pub(crate) async fn create_share_point_policy(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    if call.body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::new(
            ErrorCode::InvalidCreateRequest,
            "The body is missing: send the policy's displayName and siteProtectionUnits.",
        ));
    }
    let mut body = call.json(ErrorCode::InvalidCreateRequest)?;
    body.check_type("sharePointProtectionPolicy")?;
    let display_name = check_name(body.take_text("displayName")?)?;
    check_retention(&mut body)?;
    refuse_unserved(&call, &mut body)?;
    let units = match body.take("siteProtectionUnits") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(body.refuse("siteProtectionUnits", "must be a list")),
    };
    for name in SERVER_SET.into_iter().chain(["id"]) {
        body.take(name);
    }
    body.finish()?;
    if units.len() > UNITS_PER_POLICY_REQUEST {
        return Err(Problem::at(
            ErrorCode::ProtectionUnitsLimitBreached,
            "siteProtectionUnits",
            format!(
                "At most {UNITS_PER_POLICY_REQUEST} units fit into one request; add the others by PATCH."
            ),
        ));
    }
    let mut sites = Vec::new();
    for (index, unit) in units.into_iter().enumerate() {
        let place = format!("siteProtectionUnits/{index}");
        let item = JsonObject::from_value(unit, place, ErrorCode::InvalidCreateRequest)?;
        sites.push(unit_changes::site_of(item)?);
    }
    unit_changes::refuse_duplicates(&sites)?;

    let mut tx = call.write().await?;
    tx.require_protection_change().await?;
    require_room_for_active_policy(&mut tx, &call, Workload::SharePoint).await?;
    let policy = ProtectionPolicy {
        id: PolicyId::random(&*call.app.entropy),
        tenant: call.caller.tenant,
        workload: Workload::SharePoint,
        display_name,
        state: PolicyState::Inactive,
        stamps: Stamps::new(call.caller.actor.clone(), call.now()),
    };
    tx.insert_policy(&policy).await?;
    for site in &sites {
        let added = unit_changes::add_site(&mut tx, &call, &policy, site).await?;
        added.map_err(|why| {
            let why = match why {
                NotAdded::InPolicy => "is in a policy already",
                NotAdded::Offboarding => "is being offboarded",
            };
            Problem::new(ErrorCode::ProtectionUnitAlreadyExists, format!("The site {site} {why}."))
        })?;
    }
    tx.commit().await?;
    let mut body = entity(&call, &policy, None);
    let context = call.context("/sharePointProtectionPolicies/$entity");
    body.insert("@odata.context".to_owned(), Value::String(context));
    let url = call.url(&format!("/protectionPolicies/{}", policy.id));
    Ok(Answer::with(StatusCode::CREATED, body).located_at(url))
}

/// A workload has at most [`ACTIVE_POLICIES_PER_WORKLOAD`] policies that are not inactive.
pub(super) async fn require_room_for_active_policy(
    tx: &mut Writing,
    call: &Call,
    workload: Workload,
) -> Result<(), Problem> {
    let running = ["active", "activeWithErrors", "updating"].map(StoredValue::from).to_vec();
    let filter = Filter::In(PolicyColumn::Status, running)
        .and(Filter::equal(PolicyColumn::Workload, workload.name()));
    let active = tx.count_policies(call.caller.tenant, Some(&filter)).await?;
    if active < ACTIVE_POLICIES_PER_WORKLOAD {
        return Ok(());
    }
    Err(Problem::new(
        ErrorCode::PolicyCreationNotAllowed,
        format!(
            "The workload has {ACTIVE_POLICIES_PER_WORKLOAD} active policies, which is the limit; deactivate one."
        ),
    ))
}
