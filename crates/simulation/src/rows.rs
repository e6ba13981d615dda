//! Wishes written as rows, as the API writes them, where the world has no request for them.

use holdfast_domain::{
    Actor, ArtifactId, ArtifactState, DestinationType, Entropy, JobId, PolicyGoal, PolicyId,
    PolicyState, ProtectionPolicy, ProtectionUnit, RestoreArtifact, RestorePoint, RestoreSession,
    RestoreSessionId, RestoreState, Stamps, UnitId, UnitState, Work, Workload,
};
use http::Method;
use serde_json::Value;

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
        let (tenant, now) = (self.tenant.facts().tenant_id, self.now());
        let entropy: &dyn Entropy = self.entropy();
        let stamps = Stamps::new(Actor::default(), now);
        let policy = ProtectionPolicy {
            id: PolicyId::random(entropy),
            tenant,
            workload,
            display_name: "Policy of a user".to_owned(),
            state: PolicyState::Updating { towards: PolicyGoal::Active },
            stamps: stamps.clone(),
        };
        let unit = ProtectionUnit {
            id: UnitId::random(entropy),
            tenant,
            workload,
            resource: user.to_owned(),
            policy: Some(policy.id),
            state: UnitState::ProtectRequested,
            name: None,
            web_url: None,
            error: None,
            next_backup_at: None,
            stamps,
        };
        let mut tx = self.node.store.begin().await?;
        tx.insert_policy(&policy).await?;
        tx.insert_unit(&unit).await?;
        let work = Work::ProtectUnit { unit: unit.id };
        tx.enqueue(tenant, JobId::random(entropy), work, now).await?;
        tx.commit().await?;
        Ok(Protected { site, drive, root, unit: unit.id })
    }

    /// Starts a restore of a drive.
    pub(crate) async fn insert_restore(
        &self,
        workload: Workload,
        point: &RestorePoint,
        destination: DestinationType,
    ) -> anyhow::Result<(String, String)> {
        let (tenant, now) = (self.tenant.facts().tenant_id, self.now());
        let entropy: &dyn Entropy = self.entropy();
        let session = RestoreSession {
            id: RestoreSessionId::random(entropy),
            tenant,
            workload,
            state: RestoreState::Activating { requested_at: now },
            error: None,
            stamps: Stamps::new(Actor::default(), now),
        };
        let artifact = RestoreArtifact {
            id: ArtifactId::random(entropy),
            tenant,
            session: session.id,
            restore_point: point.id,
            destination,
            state: ArtifactState::Scheduling,
            error: None,
            restored: None,
            created_at: now,
        };
        let mut tx = self.node.store.begin().await?;
        tx.insert_restore_session(&session).await?;
        tx.insert_artifact(&artifact).await?;
        let work = Work::ActivateRestoreSession { session: session.id };
        tx.enqueue(tenant, JobId::random(entropy), work, now).await?;
        tx.commit().await?;
        Ok((session.id.to_string(), artifact.id.to_string()))
    }
}
