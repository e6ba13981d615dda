//! Parts of units: browsing and single items. And the end of a unit's backups.

use anyhow::Context;
use holdfast_domain::{RestorePoint, UnitId, Workload};
use http::Method;
use serde_json::{Value, json};

use crate::world::World;

/// Names of collections: restore sessions, browse sessions, granular artifacts.
fn collections(workload: Workload) -> (&'static str, &'static str, &'static str) {
    match workload {
        Workload::SharePoint | Workload::Exchange => (
            "sharePointRestoreSessions",
            "sharePointBrowseSessions",
            "granularSiteRestoreArtifacts",
        ),
        Workload::OneDrive => (
            "oneDriveForBusinessRestoreSessions",
            "oneDriveForBusinessBrowseSessions",
            "granularDriveRestoreArtifacts",
        ),
    }
}

fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    value[name].as_str().map(str::to_owned).with_context(|| format!("{name} is missing in {value}"))
}

impl World {
    /// The workload of a point's unit.
    async fn workload(&self, point: &RestorePoint) -> anyhow::Result<Workload> {
        let tenant = self.tenant.facts().tenant_id;
        let unit = self.node.store.read().await?.unit(tenant, point.unit).await?;
        Ok(unit.context("the point's unit")?.value.workload)
    }

    /// Opens a point for browsing through the API; gives the session's id when it is created.
    ///
    /// # Errors
    /// When it is refused, or fails.
    pub async fn browse(&self, point: &RestorePoint) -> anyhow::Result<String> {
        let (_, sessions, _) = collections(self.workload(point).await?);
        let graph = &self.node.graph;
        let body = json!({"restorePointId": point.id.to_string()});
        let made = graph.backup(Method::POST, &format!("/{sessions}"), &body).await?;
        anyhow::ensure!(made["status"] == "creating", "{made}");
        self.settle().await?;
        let id = text(&made, "id")?;
        let session =
            graph.backup(Method::GET, &format!("/browseSessions/{id}"), &Value::Null).await?;
        anyhow::ensure!(session["status"] == "created", "{session}");
        Ok(id)
    }

    /// All rows of one answer, over its pages.
    ///
    /// # Errors
    /// When a page is refused, or the pages have not as many rows as they say.
    pub async fn look(&self, session: &str, question: &Value) -> anyhow::Result<Vec<Value>> {
        let path = format!("/browseSessions/{session}/browse");
        let mut page = self.node.graph.backup(Method::POST, &path, question).await?;
        let mut rows = Vec::new();
        loop {
            rows.extend(page["value"].as_array().cloned().unwrap_or_default());
            let Some(next) = page["@odata.nextLink"].as_str() else { break };
            let token = next.split("$skiptoken=").nth(1).context("a token")?;
            let path = format!("{path}(nextFetchToken='{token}')");
            page = self.node.graph.backup(Method::GET, &path, &Value::Null).await?;
        }
        let count = page["@odata.count"].as_u64();
        anyhow::ensure!(count == Some(rows.len() as u64), "{count:?} and {} rows", rows.len());
        Ok(rows)
    }

    /// The `itemKey` of what is at a path, `library/folder/file`; of the site when the path is empty.
    ///
    /// # Errors
    /// When a part of it is not there.
    pub async fn key_of(&self, session: &str, path: &str) -> anyhow::Result<String> {
        let mut key = text(&self.look(session, &json!({})).await?[0], "itemKey")?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let rows = self.look(session, &json!({"browseLocationItemKey": key})).await?;
            let row = rows.iter().find(|row| row["name"] == name);
            key = text(row.with_context(|| format!("{name} of {path}"))?, "itemKey")?;
        }
        Ok(key)
    }

    /// Starts a restore of items through the API; `extra` are further properties of the session. Gives the session's id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn start_restore_of_items(
        &self,
        point: &RestorePoint,
        browse_session: &str,
        keys: &[String],
        destination: &str,
        extra: &Value,
    ) -> anyhow::Result<String> {
        let (sessions, _, list) = collections(self.workload(point).await?);
        let items: Vec<Value> = keys
            .iter()
            .map(|key| json!({"browseSessionId": browse_session, "id": key, "destinationType": destination}))
            .collect();
        let mut body = extra.clone();
        body[list] = Value::Array(items);
        let graph = &self.node.graph;
        let session = graph.beta(Method::POST, &format!("/{sessions}"), &body).await?;
        let session = text(&session, "id")?;
        let path = format!("/restoreSessions/{session}/activate");
        graph.backup(Method::POST, &path, &Value::Null).await?;
        Ok(session)
    }

    /// The session as it is, with its granular artifacts in `artifacts`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn items_session(&self, workload: Workload, session: &str) -> anyhow::Result<Value> {
        let (sessions, _, list) = collections(workload);
        let graph = &self.node.graph;
        let path = format!("/{sessions}/{session}");
        let mut found = graph.backup(Method::GET, &path, &Value::Null).await?;
        let artifacts = graph.beta(Method::GET, &format!("{path}/{list}"), &Value::Null).await?;
        found["artifacts"] = artifacts["value"].clone();
        Ok(found)
    }

    /// Takes a site out of its policy, and asks for the end of its backups.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn offboard(&self, unit: UnitId) -> anyhow::Result<()> {
        let graph = &self.node.graph;
        let path = format!("/protectionUnits/{unit}");
        let found = graph.backup(Method::GET, &path, &Value::Null).await?;
        if let Some(policy) = found["policyId"].as_str().filter(|policy| !policy.is_empty()) {
            let gone = json!({"id": unit.to_string(), "@removed": {"reason": "deleted"}});
            let body = json!({"siteProtectionUnits@delta": [gone]});
            let policy = format!("/sharePointProtectionPolicies/{policy}");
            graph.backup(Method::PATCH, &policy, &body).await?;
            self.node.engine.run_until_idle().await?;
        }
        graph.backup_as_person(Method::POST, &format!("{path}/offboard")).await?;
        Ok(())
    }

    /// # Errors
    /// When it is too late.
    pub async fn cancel_offboard(&self, unit: UnitId) -> anyhow::Result<()> {
        let path = format!("/protectionUnits/{unit}/cancelOffboard");
        self.node.graph.backup_as_person(Method::POST, &path).await?;
        Ok(())
    }
}
