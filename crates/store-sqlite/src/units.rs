//! Rows of `units`.

use async_trait::async_trait;
use holdfast_domain::{PolicyId, ProtectionUnit, TenantId, Timestamp, UnitId, UnitState, Workload};
use holdfast_store::query::{Filter, ListQuery, Page, UnitColumn};
use holdfast_store::{StoreError, Units, Version, Versioned};
use rusqlite::{Params, named_params, params};

use crate::rows::{Columns, actor_text, micros_of, nonsense, public_error_text};
use crate::{SqliteTx, failed, query};

#[async_trait]
impl Units for SqliteTx {
    async fn unit(
        &mut self,
        tenant: TenantId,
        id: UnitId,
    ) -> Result<Option<Versioned<ProtectionUnit>>, StoreError> {
        Ok(self
            .units(
                "SELECT * FROM units WHERE id = ? AND tenant = ?",
                params![id.to_string(), tenant.to_string()],
            )?
            .pop())
    }

    async fn unit_of_resource(
        &mut self,
        tenant: TenantId,
        workload: Workload,
        resource: &str,
    ) -> Result<Option<Versioned<ProtectionUnit>>, StoreError> {
        Ok(self
            .units(
                "SELECT * FROM units WHERE tenant = ? AND workload = ? AND resource = ?",
                params![tenant.to_string(), workload.name(), resource],
            )?
            .pop())
    }

    async fn insert_unit(&mut self, unit: &ProtectionUnit) -> Result<(), StoreError> {
        self.change_one(
            "INSERT INTO units VALUES (:id, :tenant, :workload, :resource, :policy, :state, :since, :status, :name, :web_url, :error, :next, :created_by, :created_at, :by, :at, 1)",
            named_params! {
                ":id": unit.id.to_string(),
                ":tenant": unit.tenant.to_string(),
                ":workload": unit.workload.name(),
                ":resource": unit.resource,
                ":policy": unit.policy.map(|policy| policy.to_string()),
                ":state": state_name(unit.state),
                ":since": micros_of(state_since(unit.state)),
                ":status": unit.state.status(),
                ":name": unit.name,
                ":web_url": unit.web_url,
                ":error": public_error_text(unit.error.as_ref()),
                ":next": micros_of(unit.next_backup_at),
                ":created_by": actor_text(&unit.stamps.created_by),
                ":created_at": unit.stamps.created_at.unix_micros(),
                ":by": actor_text(&unit.stamps.last_modified_by),
                ":at": unit.stamps.last_modified_at.unix_micros(),
            },
        )
    }

    async fn put_unit(&mut self, unit: &ProtectionUnit, read: Version) -> Result<(), StoreError> {
        self.change_one(
            "UPDATE units SET policy = :policy, state = :state, state_since = :since, status = :status, name = :name, web_url = :web_url, error = :error, next_backup_at = :next,
               last_modified_by = :by, last_modified_at = :at, version = version + 1
             WHERE id = :id AND tenant = :tenant AND version = :read",
            named_params! {
                ":id": unit.id.to_string(),
                ":tenant": unit.tenant.to_string(),
                ":policy": unit.policy.map(|policy| policy.to_string()),
                ":state": state_name(unit.state),
                ":since": micros_of(state_since(unit.state)),
                ":status": unit.state.status(),
                ":name": unit.name,
                ":web_url": unit.web_url,
                ":error": public_error_text(unit.error.as_ref()),
                ":next": micros_of(unit.next_backup_at),
                ":by": actor_text(&unit.stamps.last_modified_by),
                ":at": unit.stamps.last_modified_at.unix_micros(),
                ":read": read,
            },
        )
    }

    async fn list_units(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<UnitColumn>,
    ) -> Result<Page<ProtectionUnit>, StoreError> {
        query::list(self, tenant, query, unit_of)
    }

    async fn count_units(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<UnitColumn>>,
    ) -> Result<u64, StoreError> {
        query::count(self, tenant, filter)
    }

    async fn units_of_policy(
        &mut self,
        tenant: TenantId,
        policy: PolicyId,
    ) -> Result<Vec<Versioned<ProtectionUnit>>, StoreError> {
        self.units(
            "SELECT * FROM units WHERE tenant = ? AND policy = ? ORDER BY created_at, id",
            params![tenant.to_string(), policy.to_string()],
        )
    }

    async fn units_due(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Versioned<ProtectionUnit>>, StoreError> {
        self.units(
            "SELECT * FROM units WHERE next_backup_at <= ? AND state = 'protected'
               AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.unit = units.id AND j.work IN ('protectUnit', 'backUpUnit'))
             ORDER BY next_backup_at LIMIT ?",
            params![now.unix_micros(), limit],
        )
    }
}

impl SqliteTx {
    fn units(
        &self,
        statement: &str,
        values: impl Params,
    ) -> Result<Vec<Versioned<ProtectionUnit>>, StoreError> {
        let mut prepared = self.sql().prepare_cached(statement).map_err(failed)?;
        let mut rows = prepared.query(values).map_err(failed)?;
        let mut units = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let row = Columns(row);
            units.push(Versioned { value: unit_of(&row)?, version: row.integer("version")? });
        }
        Ok(units)
    }
}

fn state_name(state: UnitState) -> &'static str {
    match state {
        UnitState::Detached => "detached",
        other => other.status(),
    }
}

fn state_since(state: UnitState) -> Option<Timestamp> {
    match state {
        UnitState::OffboardRequested { at }
        | UnitState::Offboarded { at }
        | UnitState::CancelOffboardRequested { at } => Some(at),
        UnitState::Unprotected
        | UnitState::ProtectRequested
        | UnitState::Protected
        | UnitState::UnprotectRequested
        | UnitState::RemoveRequested
        | UnitState::Detached => None,
    }
}

fn unit_of(row: &Columns<'_>) -> Result<ProtectionUnit, StoreError> {
    let at = || {
        row.optional_time("state_since")?.ok_or_else(|| nonsense("units.state_since", "missing"))
    };
    let state = match row.text("state")?.as_str() {
        "unprotected" => UnitState::Unprotected,
        "protectRequested" => UnitState::ProtectRequested,
        "protected" => UnitState::Protected,
        "unprotectRequested" => UnitState::UnprotectRequested,
        "removeRequested" => UnitState::RemoveRequested,
        "detached" => UnitState::Detached,
        "offboardRequested" => UnitState::OffboardRequested { at: at()? },
        "offboarded" => UnitState::Offboarded { at: at()? },
        "cancelOffboardRequested" => UnitState::CancelOffboardRequested { at: at()? },
        other => return Err(nonsense("units.state", other)),
    };
    let workload = row.text("workload")?;
    Ok(ProtectionUnit {
        id: row.id("id")?,
        tenant: row.id("tenant")?,
        workload: Workload::from_name(&workload)
            .ok_or_else(|| nonsense("units.workload", &workload))?,
        resource: row.text("resource")?,
        policy: row.optional_id("policy")?,
        state,
        name: row.optional_text("name")?,
        web_url: row.optional_text("web_url")?,
        error: row.public_error("error")?,
        next_backup_at: row.optional_time("next_backup_at")?,
        stamps: row.stamps()?,
    })
}
