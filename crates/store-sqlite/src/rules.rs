//! Rows of `rules` and `rule_members`.

use async_trait::async_trait;
use holdfast_domain::{ProtectionRule, RuleId, RuleKind, RuleState, TenantId, UnitId, Workload};
use holdfast_store::{Rules, StoreError};
use rusqlite::params;
use rusqlite::types::Value as SqlValue;

use crate::collection::{Stored, Written};
use crate::rows::{Columns, optional_json, stamps_columns, text};
use crate::{SqliteTx, failed};

#[async_trait]
impl Rules for SqliteTx {
    async fn rule_members(
        &mut self,
        tenant: TenantId,
        rule: RuleId,
    ) -> Result<Vec<UnitId>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT unit FROM rule_members WHERE rule = ? AND tenant = ?")
            .map_err(failed)?;
        let mut rows =
            prepared.query(params![rule.to_string(), tenant.to_string()]).map_err(failed)?;
        let mut units = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            units.push(Columns::of(row).id("unit")?);
        }
        Ok(units)
    }

    async fn add_rule_member(
        &mut self,
        tenant: TenantId,
        rule: RuleId,
        unit: UnitId,
    ) -> Result<(), StoreError> {
        self.sql()
            .prepare_cached("INSERT OR IGNORE INTO rule_members VALUES (?, ?, ?)")
            .and_then(|mut prepared| {
                prepared.execute(params![rule.to_string(), unit.to_string(), tenant.to_string()])
            })
            .map_err(failed)?;
        Ok(())
    }

    async fn remove_rule_member(
        &mut self,
        tenant: TenantId,
        rule: RuleId,
        unit: UnitId,
    ) -> Result<bool, StoreError> {
        let sql = self.sql();
        sql.prepare_cached("DELETE FROM rule_members WHERE rule = ? AND unit = ? AND tenant = ?")
            .and_then(|mut prepared| {
                prepared.execute(params![rule.to_string(), unit.to_string(), tenant.to_string()])
            })
            .map_err(failed)?;
        sql.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM rule_members WHERE unit = ? AND tenant = ?)",
        )
        .and_then(|mut prepared| {
            prepared.query_row(params![unit.to_string(), tenant.to_string()], |row| row.get(0))
        })
        .map_err(failed)
    }
}

impl Stored for ProtectionRule {
    const TABLE: &'static str = "rules";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            workload: row.member("workload", Workload::from_name)?,
            policy: row.id("policy")?,
            expression: row.text("expression")?,
            kind: row.member("kind", RuleKind::from_name)?,
            state: row.member("status", RuleState::from_name)?,
            error: row.optional_json("error")?,
            stamps: row.stamps()?,
        })
    }
}

impl Written for ProtectionRule {
    fn key(&self) -> (&RuleId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        let mut columns = vec![
            ("workload", text(self.workload.name())),
            ("policy", text(self.policy)),
            ("expression", text(&self.expression)),
            ("kind", text(self.kind.name())),
            ("status", text(self.state.name())),
            ("error", optional_json(self.error.as_ref())),
        ];
        columns.extend(stamps_columns(&self.stamps));
        columns
    }

    fn delete_parts(&self, tx: &SqliteTx) -> Result<(), StoreError> {
        tx.sql()
            .execute("DELETE FROM rule_members WHERE rule = ?", [self.id.to_string()])
            .map_err(failed)?;
        Ok(())
    }
}
