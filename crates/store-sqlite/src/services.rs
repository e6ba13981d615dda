//! Rows of `services`.

use async_trait::async_trait;
use holdfast_domain::{DisableReason, Service, ServiceState, TenantId};
use holdfast_store::{Services, StoreError, Version, Versioned};
use rusqlite::named_params;

use crate::rows::{Columns, json, micros_of, nonsense};
use crate::{SqliteTx, failed};

#[async_trait]
impl Services for SqliteTx {
    async fn service(
        &mut self,
        tenant: TenantId,
    ) -> Result<Option<Versioned<Service>>, StoreError> {
        let mut prepared =
            self.sql().prepare_cached("SELECT * FROM services WHERE tenant = ?").map_err(failed)?;
        let mut rows = prepared.query([tenant.to_string()]).map_err(failed)?;
        rows.next().map_err(failed)?.map(|row| service_of(&Columns::of(row))).transpose()
    }

    async fn put_service(
        &mut self,
        service: &Service,
        read: Option<Version>,
    ) -> Result<(), StoreError> {
        let since = match service.state {
            ServiceState::Disabled | ServiceState::Enabled => None,
            ServiceState::ProtectionChangeLocked { since }
            | ServiceState::RestoreLocked { since } => Some(since),
        };
        self.change_one(
            "INSERT INTO services VALUES (:tenant, :state, :since, :reason, :owner, :by, :at, 1, :deleted)
             ON CONFLICT (tenant) DO UPDATE SET state = :state, state_since = :since, disable_reason = :reason, controller_deleted_at = :deleted, app_owner_tenant = :owner,
               last_modified_by = :by, last_modified_at = :at, version = version + 1 WHERE version = :read",
            named_params! {
                ":tenant": service.tenant.to_string(),
                ":state": service.state.status(),
                ":since": micros_of(since),
                ":reason": reason_name(service.disable_reason),
                ":deleted": micros_of(service.controller_deleted_at),
                ":owner": service.app_owner_tenant.map(|tenant| tenant.to_string()),
                ":by": json(&service.last_modified_by),
                ":at": service.last_modified_at.unix_micros(),
                ":read": read,
            },
        )
    }

    async fn tenants(&mut self) -> Result<Vec<TenantId>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT tenant FROM services ORDER BY tenant")
            .map_err(failed)?;
        let mut rows = prepared.query([]).map_err(failed)?;
        let mut tenants = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            tenants.push(Columns::of(row).id("tenant")?);
        }
        Ok(tenants)
    }
}

fn service_of(row: &Columns<'_>) -> Result<Versioned<Service>, StoreError> {
    let since =
        || row.optional_time("state_since")?.ok_or_else(|| nonsense("state_since", "missing"));
    let state = match row.text("state")?.as_str() {
        "disabled" => ServiceState::Disabled,
        "enabled" => ServiceState::Enabled,
        "protectionChangeLocked" => ServiceState::ProtectionChangeLocked { since: since()? },
        "restoreLocked" => ServiceState::RestoreLocked { since: since()? },
        other => return Err(nonsense("services.state", other)),
    };
    let service = Service {
        tenant: row.id("tenant")?,
        state,
        disable_reason: reason_of(&row.text("disable_reason")?)?,
        controller_deleted_at: row.optional_time("controller_deleted_at")?,
        app_owner_tenant: row.optional_id("app_owner_tenant")?,
        last_modified_by: row.json("last_modified_by")?,
        last_modified_at: row.time("last_modified_at")?,
    };
    Ok(Versioned { value: service, version: row.integer("version")? })
}

fn reason_name(reason: DisableReason) -> &'static str {
    match reason {
        DisableReason::None => "none",
        DisableReason::InvalidBillingProfile => "invalidBillingProfile",
        DisableReason::UserRequested => "userRequested",
        DisableReason::ControllerServiceAppDeleted => "controllerServiceAppDeleted",
    }
}

fn reason_of(name: &str) -> Result<DisableReason, StoreError> {
    [
        DisableReason::None,
        DisableReason::InvalidBillingProfile,
        DisableReason::UserRequested,
        DisableReason::ControllerServiceAppDeleted,
    ]
    .into_iter()
    .find(|reason| reason_name(*reason) == name)
    .ok_or_else(|| nonsense("services.disable_reason", name))
}
