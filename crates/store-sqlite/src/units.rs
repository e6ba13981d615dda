//! Rows of `units`.

use async_trait::async_trait;
use holdfast_domain::{
    PolicyId, ProtectionSources, ProtectionUnit, ResourceId, TenantId, Timestamp, UnitId,
    UnitState, Workload,
};
use holdfast_store::{StoreError, Units, Versioned};
use rusqlite::params;
use rusqlite::types::Value as SqlValue;

use crate::SqliteTx;
use crate::collection::{Stored, Written};
use crate::rows::{
    Columns, nonsense, optional_json, optional_text, retention_columns, stamps_columns, text, time,
};

#[async_trait]
impl Units for SqliteTx {
    async fn unit_of_resource(
        &mut self,
        tenant: TenantId,
        workload: Workload,
        resource: &str,
    ) -> Result<Option<Versioned<ProtectionUnit>>, StoreError> {
        Ok(self
            .select(
                "SELECT * FROM units WHERE tenant = ? AND workload = ? AND resource = ?",
                params![tenant.to_string(), workload.name(), resource],
            )?
            .pop())
    }

    async fn units_of_site_collection(
        &mut self,
        tenant: TenantId,
        collection: &str,
    ) -> Result<Vec<Versioned<ProtectionUnit>>, StoreError> {
        self.select(
            "SELECT * FROM units WHERE site_collection = ? AND tenant = ?",
            params![collection, tenant.to_string()],
        )
    }

    async fn units_of_policy(
        &mut self,
        tenant: TenantId,
        policy: PolicyId,
    ) -> Result<Vec<Versioned<ProtectionUnit>>, StoreError> {
        self.select(
            "SELECT * FROM units WHERE tenant = ? AND policy = ? ORDER BY created_at, id",
            params![tenant.to_string(), policy.to_string()],
        )
    }

    async fn units_due(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Versioned<ProtectionUnit>>, StoreError> {
        self.select(
            "SELECT * FROM units WHERE next_backup_at <= ? AND state = 'protected'
               AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.unit = units.id AND j.work IN ('protectUnit', 'backUpUnit'))
             ORDER BY next_backup_at LIMIT ?",
            params![now.unix_micros(), limit],
        )
    }
}

fn state_name(state: UnitState) -> &'static str {
    match state {
        UnitState::Detached => "detached",
        UnitState::Destroying { .. } => "destroying",
        other => other.status(),
    }
}

fn state_of(row: &Columns<'_>) -> Result<UnitState, StoreError> {
    let at = || {
        row.optional_time("state_since")?.ok_or_else(|| nonsense("units.state_since", "missing"))
    };
    Ok(match row.text("state")?.as_str() {
        "unprotected" => UnitState::Unprotected,
        "protectRequested" => UnitState::ProtectRequested,
        "protected" => UnitState::Protected,
        "unprotectRequested" => UnitState::UnprotectRequested,
        "removeRequested" => UnitState::RemoveRequested,
        "detached" => UnitState::Detached,
        "offboardRequested" => UnitState::OffboardRequested { at: at()? },
        "destroying" => UnitState::Destroying { at: at()? },
        "offboarded" => UnitState::Offboarded { at: at()? },
        "cancelOffboardRequested" => UnitState::CancelOffboardRequested { at: at()? },
        other => return Err(nonsense("units.state", other)),
    })
}

fn site_collection(unit: &ProtectionUnit) -> Option<String> {
    match ResourceId::parse(unit.workload, &unit.resource) {
        Some(ResourceId::Site(site)) => Some(site.collection.to_string()),
        Some(ResourceId::User(..)) | None => None,
    }
}

fn sources_of(flags: &str) -> ProtectionSources {
    let has = |flag| flags.split(',').any(|set| set == flag);
    ProtectionSources { manual: has("manual"), dynamic_rule: has("dynamicRule") }
}

impl Stored for ProtectionUnit {
    const TABLE: &'static str = "units";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        // In the order of the columns.
        Ok(ProtectionUnit {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            workload: row.member("workload", Workload::from_name)?,
            resource: row.text("resource")?,
            policy: row.optional_id("policy")?,
            state: state_of(row)?,
            name: row.optional_text("name")?,
            web_url: row.optional_text("web_url")?,
            error: row.optional_json("error")?,
            next_backup_at: row.optional_time("next_backup_at")?,
            stamps: row.stamps()?,
            sources: sources_of(&row.text("sources")?),
            email: row.optional_text("email")?,
            billing_policy: row.optional_text("billing_policy")?,
            retention: row.retention()?,
        })
    }
}

impl Written for ProtectionUnit {
    fn key(&self) -> (&UnitId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        let mut columns = vec![
            ("workload", text(self.workload.name())),
            ("resource", text(&self.resource)),
            ("site_collection", optional_text(site_collection(self))),
            ("policy", optional_text(self.policy)),
            ("state", text(state_name(self.state))),
            ("state_since", time(self.state.offboarding_since())),
            ("status", text(self.state.status())),
            ("name", optional_text(self.name.as_ref())),
            ("web_url", optional_text(self.web_url.as_ref())),
            ("email", optional_text(self.email.as_ref())),
            ("error", optional_json(self.error.as_ref())),
            ("next_backup_at", time(self.next_backup_at)),
            ("sources", text(self.sources.name())),
            ("billing_policy", optional_text(self.billing_policy.as_ref())),
        ];
        columns.extend(retention_columns(self.retention));
        columns.extend(stamps_columns(&self.stamps));
        columns
    }
}
