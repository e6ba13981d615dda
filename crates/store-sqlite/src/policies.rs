//! Rows of `policies`.

use async_trait::async_trait;
use holdfast_domain::{
    PolicyGoal, PolicyId, PolicyState, ProtectionMode, ProtectionPolicy, TenantId, UnitTally,
    Workload,
};
use holdfast_store::{Policies, StoreError};
use rusqlite::params;
use rusqlite::types::Value as SqlValue;

use crate::collection::{Stored, Written};
use crate::rows::{Columns, nonsense, optional_text, retention_columns, stamps_columns, text};
use crate::{SqliteTx, failed};

#[async_trait]
impl Policies for SqliteTx {
    async fn tally_units(
        &mut self,
        tenant: TenantId,
        policy: PolicyId,
    ) -> Result<UnitTally, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached(
                "SELECT coalesce(sum(state IN ('protectRequested', 'unprotectRequested', 'removeRequested')), 0) AS on_the_way,
                        coalesce(sum(state = 'protected'), 0) AS protected, coalesce(sum(state = 'unprotected' AND error IS NOT NULL), 0) AS failed
                 FROM units WHERE tenant = ? AND policy = ?",
            )
            .map_err(failed)?;
        let mut rows =
            prepared.query(params![tenant.to_string(), policy.to_string()]).map_err(failed)?;
        let row = rows.next().map_err(failed)?.ok_or_else(|| nonsense("tally", "no row"))?;
        let row = Columns::of(row);
        Ok(UnitTally {
            on_the_way: row.count("on_the_way")?,
            protected: row.count("protected")?,
            failed: row.count("failed")?,
        })
    }
}

fn goal_name(state: PolicyState) -> Option<&'static str> {
    match state {
        PolicyState::Updating { towards: PolicyGoal::Active } => Some("active"),
        PolicyState::Updating { towards: PolicyGoal::Inactive } => Some("inactive"),
        PolicyState::Inactive | PolicyState::Active | PolicyState::ActiveWithErrors => None,
    }
}

impl Stored for ProtectionPolicy {
    const TABLE: &'static str = "policies";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        let state = match (row.text("status")?.as_str(), row.optional_text("goal")?.as_deref()) {
            ("inactive", None) => PolicyState::Inactive,
            ("updating", Some("active")) => PolicyState::Updating { towards: PolicyGoal::Active },
            ("updating", Some("inactive")) => {
                PolicyState::Updating { towards: PolicyGoal::Inactive }
            }
            ("active", None) => PolicyState::Active,
            ("activeWithErrors", None) => PolicyState::ActiveWithErrors,
            (other, _) => return Err(nonsense("policies.status", other)),
        };
        let workload = row.text("workload")?;
        Ok(ProtectionPolicy {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            workload: Workload::from_name(&workload)
                .ok_or_else(|| nonsense("policies.workload", &workload))?,
            display_name: row.text("display_name")?,
            mode: row.member("mode", ProtectionMode::from_name)?,
            retention: row.retention()?,
            state,
            stamps: row.stamps()?,
        })
    }
}

impl Written for ProtectionPolicy {
    fn key(&self) -> (&PolicyId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        let mut columns = vec![
            ("workload", text(self.workload.name())),
            ("display_name", text(&self.display_name)),
            ("status", text(self.state.status())),
            ("goal", optional_text(goal_name(self.state))),
            ("mode", text(self.mode.name())),
        ];
        columns.extend(retention_columns(self.retention));
        columns.extend(stamps_columns(&self.stamps));
        columns
    }
}
