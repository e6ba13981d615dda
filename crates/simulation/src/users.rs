//! Users' drives and mailboxes in a world.

use holdfast_domain::Workload;
use http::Method;
use serde_json::{Value, json};

use crate::world::{Protected, World};
use anyhow::Context;

impl World {
    /// The OneDrive of a user, as [`World::protect_user`] wants it: site, drive and root.
    ///
    /// # Errors
    /// When there is none.
    pub async fn drive_of(&self, user: &str) -> anyhow::Result<(String, String, String)> {
        let graph = &self.node.graph;
        let get = async |path: String| graph.call(Method::GET, &path, &Value::Null).await?.ok();
        let drive = get(format!("/v1.0/users/{user}/drive")).await?;
        let drive_id = drive["id"].as_str().context("a drive's id")?.to_owned();
        let root = get(format!("/v1.0/drives/{drive_id}/root")).await?;
        let part = |name: &str| drive["sharePointIds"][name].as_str().map(str::to_owned);
        let site = format!(
            "{},{}",
            part("siteId").context("a site's id")?,
            part("webId").context("a web's id")?
        );
        Ok((site, drive_id, root["id"].as_str().context("a root's id")?.to_owned()))
    }

    /// Protects a user's drive or mailbox. The first backup waits for [`World::settle`].
    ///
    /// # Errors
    /// When the store fails, or there is no such drive.
    pub async fn protect_user(&self, workload: Workload, user: &str) -> anyhow::Result<Protected> {
        let (site, drive, root) = self.drive_of(user).await?;
        let (policies, units) = match workload {
            Workload::OneDrive => ("oneDriveForBusinessProtectionPolicies", "driveProtectionUnits"),
            Workload::SharePoint | Workload::Exchange => {
                ("exchangeProtectionPolicies", "mailboxProtectionUnits")
            }
        };
        let graph = &self.node.graph;
        let body = json!({
            "displayName": "Policy of a user", units: [{ "directoryObjectId": user }],
        });
        let policy = graph.backup(Method::POST, &format!("/{policies}"), &body).await?;
        let policy = policy["id"].as_str().context("a policy's id")?;
        let activate = format!("/protectionPolicies/{policy}/activate");
        graph.backup(Method::POST, &activate, &Value::Null).await?;
        let listed = format!("/{policies}/{policy}/{units}");
        let listed = graph.backup(Method::GET, &listed, &Value::Null).await?;
        let unit = listed["value"][0]["id"].as_str().context("a unit's id")?.parse();
        let unit = unit.map_err(|_| anyhow::anyhow!("no unit's id"))?;
        Ok(Protected { site, drive, root, unit })
    }
}
