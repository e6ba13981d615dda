//! `POST /solutions/backupRestore/enable` (`backupRestoreRoot: enable`)

use holdfast_domain::{DisableReason, Service, ServiceState, TenantId};
use holdfast_graph_model::ErrorCode;
use serde_json::json;

use super::{controllers_at, service_at};
use crate::answer::Answer;
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
    let (tenant, now) = (call.caller.tenant, call.now());
    let apps = controllers_at(&mut *tx, tenant, now).await?;
    if !apps.iter().any(|app| app.state.controls()) {
        return Err(Problem::new(
            ErrorCode::Forbidden,
            "No application controls the backup service of this tenant: register one with POST /serviceApps and activate it, or name the first one in the operator's configuration.",
        ));
    }
    if !apps.iter().any(|app| app.id == call.caller.app && app.state.controls()) {
        return Err(Problem::new(
            ErrorCode::Forbidden,
            "The calling application is not the active controller of this tenant's backup service.",
        ));
    }
    let found = service_at(&mut *tx, tenant, now).await?;
    let read = found.as_ref().map(|row| row.version);
    let mut service = found.map_or_else(
        || Service {
            tenant,
            state: ServiceState::Disabled,
            disable_reason: DisableReason::None,
            controller_deleted_at: None,
            app_owner_tenant: None,
            last_modified_by: call.caller.actor.clone(),
            last_modified_at: now,
        },
        |row| row.value,
    );
    if service.state != ServiceState::Enabled || service.app_owner_tenant != Some(owner) {
        service.state = service.state.enable().map_err(|error| {
            Problem::transition(ErrorCode::OperationNotAllowed, "service", error)
        })?;
        service.disable_reason = DisableReason::None;
        service.controller_deleted_at = None;
        service.app_owner_tenant = Some(owner);
        service.last_modified_by = call.caller.actor.clone();
        service.last_modified_at = now;
        tx.put_service(&service, read).await?;
        tx.commit().await?;
    }
    let mut body = render::service(Some(&service), call.viewer);
    body.insert("@odata.context".to_owned(), json!(type_context(&call, "serviceStatus")));
    Ok(Answer::ok(body))
}

/// `@odata.context` of a result that is no entity of a collection.
pub(crate) fn type_context(call: &Call, name: &str) -> String {
    format!("{}/{}/$metadata#microsoft.graph.{name}", call.origin, call.viewer.version.name())
}
