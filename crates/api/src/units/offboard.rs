//! `POST /protectionUnits/{id}/offboard` and `cancelOffboard` (`protectionUnitBase`)

use holdfast_domain::limits::OFFBOARD_GRACE;
use holdfast_domain::{OffboardingStatus, ProtectionUnit, Work};
use holdfast_graph_model::ErrorCode;
use serde_json::{Map, Value};

use super::Units;
use crate::answer::Answer;
use crate::call::Call;
use crate::collection::{self, At};
use crate::problem::Problem;
use crate::render;

/// The unit's backups are to be destroyed when the grace has ended. Only detached units can be offboarded.
pub(crate) async fn offboard_unit(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    call.no_body()?;
    let mut tx = call.write().await?;
    let row = collection::load::<Units>(&mut *tx, &call, At::All).await?;
    tx.require_protection_change().await?;
    let mut unit = row.value;
    unit.state = unit.state.offboard(call.now()).map_err(|error| {
        Problem::transition(ErrorCode::OperationNotAllowed, "protection unit", error)
    })?;
    unit.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put(&unit, row.version).await?;
    let at = call.now().plus(OFFBOARD_GRACE);
    tx.enqueue_work_at(Work::OffboardUnit { unit: unit.id }, at).await?;
    tx.log_offboarding(&unit, OffboardingStatus::Requested, at).await?;
    tx.commit().await?;
    Ok(Answer::ok(entity(&call, &unit)))
}

/// In time, nothing is lost.
pub(crate) async fn cancel_offboard_unit(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    call.no_body()?;
    let mut tx = call.write().await?;
    let row = collection::load::<Units>(&mut *tx, &call, At::All).await?;
    tx.require_protection_change().await?;
    let mut unit = row.value;
    unit.state = unit.state.cancel_offboard().map_err(|error| {
        Problem::transition(ErrorCode::OperationNotAllowed, "protection unit", error)
    })?;
    unit.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put(&unit, row.version).await?;
    tx.enqueue_work(Work::CancelOffboard { unit: unit.id }).await?;
    tx.commit().await?;
    Ok(Answer::ok(entity(&call, &unit)))
}

fn entity(call: &Call, unit: &ProtectionUnit) -> Map<String, Value> {
    collection::entity(call, "/protectionUnits/$entity", render::unit(unit, call))
}
