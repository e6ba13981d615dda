//! `POST /solutions/backupRestore/enable` (`backupRestoreRoot: enable`)

use holdfast_domain::{DisableReason, ServiceState, TenantId};
use holdfast_graph_model::ErrorCode;
use serde_json::json;

use crate::answer::{Answer, object};
use crate::call::Call;
use crate::problem::Problem;
use crate::render;

/// Idempotent: an enabled service of the same owner stays as it is, stamps included.
pub(crate) async fn enable_service(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut body = call.json(ErrorCode::BadRequest)?;
    let owner: TenantId = match body.take("appOwnerTenantId") {
        Some(serde_json::Value::String(text)) => text.parse().ok(),
        Some(_) | None => None,
    }
    .ok_or_else(|| {
        Problem::at(
            ErrorCode::InvalidAppOwnerTenantId,
            "appOwnerTenantId",
            "'appOwnerTenantId' must be the GUID of the tenant in which the application is registered.",
        )
    })?;
    body.finish()?;

    let mut tx = call.write().await?;
    let found = tx.service(call.caller.tenant).await?;
    let controller = found.as_ref().and_then(|row| row.value.active_controller);
    let (Some(row), Some(controller)) = (found, controller) else {
        return Err(Problem::new(
            ErrorCode::Forbidden,
            "No application controls the backup service of this tenant: the operator's configuration names the first one.",
        ));
    };
    if controller != call.caller.app {
        return Err(Problem::new(
            ErrorCode::Forbidden,
            "The calling application is not the active controller of this tenant's backup service.",
        ));
    }
    let mut service = row.value;
    if service.state != ServiceState::Enabled || service.app_owner_tenant != Some(owner) {
        service.state = service.state.enable().map_err(|error| {
            Problem::transition(ErrorCode::OperationNotAllowed, "service", error)
        })?;
        service.disable_reason = DisableReason::None;
        service.app_owner_tenant = Some(owner);
        service.last_modified_by = call.caller.actor.clone();
        service.last_modified_at = call.now();
        tx.put_service(&service, Some(row.version)).await?;
        tx.commit().await?;
    }
    let mut body = object(&render::service(Some(&service), call.viewer));
    body.insert("@odata.context".to_owned(), json!(type_context(&call, "serviceStatus")));
    body.insert("@odata.type".to_owned(), json!("#microsoft.graph.serviceStatus"));
    Ok(Answer::ok(body))
}

fn type_context(call: &Call, name: &str) -> String {
    format!("{}/{}/$metadata#microsoft.graph.{name}", call.origin, call.viewer.version.name())
}
