//! `PATCH /siteProtectionUnits/{id}` and its siblings: the billing policy of a detached unit

use holdfast_domain::Workload;
use holdfast_graph_model::ErrorCode;
use serde_json::Value;

use super::Units;
use crate::answer::Answer;
use crate::call::Call;
use crate::collection::{self, At};
use crate::problem::Problem;
use crate::render;
use crate::workload::Wording;

/// `billingPolicyId` is only recorded: nothing is billed here.
pub(crate) async fn update_unit(call: Call, workload: Workload) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut body = call.json(ErrorCode::InvalidPatchRequest)?;
    body.check_type(&workload.unit_type())?;
    let billing_policy = match body.take("billingPolicyId") {
        Some(Value::String(id)) if !id.trim().is_empty() && id.len() <= 256 => id,
        Some(_) | None => return Err(body.refuse("billingPolicyId", "is required: a text")),
    };
    body.take("id");
    body.finish()?;
    let mut tx = call.write().await?;
    let row = collection::load::<Units>(&mut *tx, &call, At::Of(workload)).await?;
    tx.require_protection_change().await?;
    let mut unit = row.value;
    if unit.policy.is_some() {
        return Err(Problem::at(
            ErrorCode::OperationNotAllowed,
            "billingPolicyId",
            "The unit is in a policy: the billing policy of detached units only can be changed.",
        ));
    }
    unit.billing_policy = Some(billing_policy);
    unit.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put(&unit, row.version).await?;
    tx.commit().await?;
    let context = format!("/{}/$entity", workload.units());
    Ok(Answer::ok(collection::entity(&call, &context, render::unit(&unit, &call))))
}
