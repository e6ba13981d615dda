//! Rows of `policies`.

use async_trait::async_trait;
use holdfast_domain::{
    PolicyGoal, PolicyId, PolicyState, ProtectionPolicy, TenantId, UnitTally, Workload,
};
use holdfast_store::query::{Filter, ListQuery, Page, PolicyColumn};
use holdfast_store::{Policies, StoreError, Version, Versioned};
use rusqlite::{named_params, params};

use crate::rows::{Columns, actor_text, nonsense};
use crate::{SqliteTx, failed, query};

#[async_trait]
impl Policies for SqliteTx {
    async fn policy(
        &mut self,
        tenant: TenantId,
        id: PolicyId,
    ) -> Result<Option<Versioned<ProtectionPolicy>>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT * FROM policies WHERE id = ? AND tenant = ?")
            .map_err(failed)?;
        let mut rows =
            prepared.query(params![id.to_string(), tenant.to_string()]).map_err(failed)?;
        let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
        let row = Columns(row);
        Ok(Some(Versioned { value: policy_of(&row)?, version: row.integer("version")? }))
    }

    async fn insert_policy(&mut self, policy: &ProtectionPolicy) -> Result<(), StoreError> {
        self.change_one(
            "INSERT INTO policies VALUES (:id, :tenant, :workload, :name, :status, :goal, :created_by, :created_at, :by, :at, 1)",
            named_params! {
                ":id": policy.id.to_string(),
                ":tenant": policy.tenant.to_string(),
                ":workload": policy.workload.name(),
                ":name": policy.display_name,
                ":status": policy.state.status(),
                ":goal": goal_name(policy.state),
                ":created_by": actor_text(&policy.stamps.created_by),
                ":created_at": policy.stamps.created_at.unix_micros(),
                ":by": actor_text(&policy.stamps.last_modified_by),
                ":at": policy.stamps.last_modified_at.unix_micros(),
            },
        )
    }

    async fn put_policy(
        &mut self,
        policy: &ProtectionPolicy,
        read: Version,
    ) -> Result<(), StoreError> {
        self.change_one(
            "UPDATE policies SET display_name = :name, status = :status, goal = :goal, last_modified_by = :by, last_modified_at = :at, version = version + 1
             WHERE id = :id AND tenant = :tenant AND version = :read",
            named_params! {
                ":id": policy.id.to_string(),
                ":tenant": policy.tenant.to_string(),
                ":name": policy.display_name,
                ":status": policy.state.status(),
                ":goal": goal_name(policy.state),
                ":by": actor_text(&policy.stamps.last_modified_by),
                ":at": policy.stamps.last_modified_at.unix_micros(),
                ":read": read,
            },
        )
    }

    async fn delete_policy(
        &mut self,
        tenant: TenantId,
        id: PolicyId,
        read: Version,
    ) -> Result<(), StoreError> {
        self.change_one(
            "DELETE FROM policies WHERE id = :id AND tenant = :tenant AND version = :read",
            named_params! { ":id": id.to_string(), ":tenant": tenant.to_string(), ":read": read },
        )
    }

    async fn list_policies(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<PolicyColumn>,
    ) -> Result<Page<ProtectionPolicy>, StoreError> {
        query::list(self, tenant, query, policy_of)
    }

    async fn count_policies(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<PolicyColumn>>,
    ) -> Result<u64, StoreError> {
        query::count(self, tenant, filter)
    }

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
        let row = Columns(row);
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

fn policy_of(row: &Columns<'_>) -> Result<ProtectionPolicy, StoreError> {
    let state = match (row.text("status")?.as_str(), row.optional_text("goal")?.as_deref()) {
        ("inactive", None) => PolicyState::Inactive,
        ("updating", Some("active")) => PolicyState::Updating { towards: PolicyGoal::Active },
        ("updating", Some("inactive")) => PolicyState::Updating { towards: PolicyGoal::Inactive },
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
        state,
        stamps: row.stamps()?,
    })
}
