//! `POST` on the typed collections of policies, and the same on `protectionPolicies` with `@odata.type`

use axum::http::StatusCode;
use holdfast_domain::limits::{ACTIVE_POLICIES_PER_WORKLOAD, UNITS_PER_POLICY_REQUEST};
use holdfast_domain::{
    ActivityOperation, PolicyId, ProtectionMode, ProtectionPolicy, Retention, Stamps, Workload,
};
use holdfast_graph_model::ErrorCode;
use holdfast_store::Listed;
use holdfast_store::activity::UnitChanges;
use holdfast_store::query::{Filter, PolicyColumn, Value as StoredValue};
use serde_json::Value;

use super::unit_changes::{self, read_resource, refuse_duplicates, unit_details};
use super::{SERVER_SET, check_name, refuse_billing_policy, take_mode, take_retention};
use crate::answer::Answer;
use crate::call::{Call, Writing};
use crate::collection;
use crate::exclusions;
use crate::extract::{JsonObject, type_name};
use crate::problem::Problem;
use crate::render;
use crate::units::why_not_attachable;
use crate::workload::{Wording, workload_of};

/// On the base collection the type decides.
pub(crate) async fn create_policy_of_named_type(call: Call) -> Result<Answer, Problem> {
    let mut body = call.json(ErrorCode::InvalidCreateRequest)?;
    let named = match body.take("@odata.type") {
        Some(Value::String(text)) => workload_of(type_name(&text), Wording::policy_type),
        Some(_) | None => None,
    };
    match named {
        Some(workload) => {
            call.caller.require_workload(workload)?;
            create_policy(call, workload).await
        }
        None => Err(body.refuse(
            "@odata.type",
            "must name the type of policy, such as #microsoft.graph.sharePointProtectionPolicy",
        )),
    }
}

pub(crate) async fn create_policy(call: Call, workload: Workload) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let units = workload.units();
    if call.body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::new(
            ErrorCode::InvalidCreateRequest,
            format!("The body is missing: send the policy's displayName and {units}."),
        ));
    }
    let mut body = call.json(ErrorCode::InvalidCreateRequest)?;
    body.check_type(&workload.policy_type())?;
    let display_name = check_name(body.take_text("displayName")?)?;
    let window = take_retention(&mut body)?;
    let mode = take_mode(&call, &mut body)?.unwrap_or(ProtectionMode::Standard);
    refuse_billing_policy(&call, &mut body)?;
    let items = match body.take(&units) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(body.refuse(&units, "must be a list")),
    };
    let excluded = exclusions::take_list(&call, &mut body, workload, mode)?;
    body.pass_over(&SERVER_SET);
    body.take("id");
    body.finish()?;
    if items.len() > UNITS_PER_POLICY_REQUEST {
        return Err(Problem::at(
            ErrorCode::ProtectionUnitsLimitBreached,
            units,
            format!(
                "At most {UNITS_PER_POLICY_REQUEST} units fit into one request; add the others by PATCH."
            ),
        ));
    }
    let mut resources = Vec::new();
    for (index, unit) in items.into_iter().enumerate() {
        let place = format!("{units}/{index}");
        let item = JsonObject::from_value(unit, place, ErrorCode::InvalidCreateRequest)?;
        resources.push(read_resource(item, workload, &workload.unit_type())?);
    }
    refuse_duplicates(&resources)?;

    let mut tx = call.write().await?;
    tx.require_protection_change().await?;
    require_room_for_active_policy(&mut tx, &call, workload).await?;
    let stamps = Stamps::new(call.caller.actor.clone(), call.now());
    let id = PolicyId::random(&*call.app.entropy);
    let mut policy = ProtectionPolicy::new(id, call.caller.tenant, workload, display_name, stamps);
    policy.mode = mode;
    if let Some(window) = window {
        policy.retention = Retention { window, pending: None };
    }
    tx.insert(&policy).await?;
    for resource in &resources {
        let added = unit_changes::add_unit(&mut tx, &call, &policy, resource).await?;
        added.map_err(|state| {
            let why = why_not_attachable(state);
            let message = format!("{resource} {why}.");
            Problem::new(ErrorCode::ProtectionUnitAlreadyExists, message)
        })?;
    }
    for resource in &excluded {
        exclusions::add(&mut tx, &call, &policy, resource).await?;
    }
    let count = resources.len() as u64;
    let added = UnitChanges { asked_to_add: count, added: count, ..UnitChanges::default() };
    let created = ActivityOperation::BackupPolicyCreated;
    tx.log_policy(&policy, created, Some(unit_details(added))).await?;
    tx.commit().await?;
    let context = format!("/{}/$entity", workload.policies());
    let body = collection::entity(&call, &context, render::policy(&policy, &call));
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
    let active =
        Listed::<ProtectionPolicy>::count(&mut **tx, call.caller.tenant, Some(&filter)).await?;
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
