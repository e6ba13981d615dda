//! The whole system in one process, over real parts: tenant, metastore, repository, engine, API.
//!
//! What a process loses when it ends is in [`Node`]; everything else is on disk, in the object store or in the tenant.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum::body::Body;
use holdfast_api::{ApiOptions, TrustedIssuer};
use holdfast_connector::Connector;
use holdfast_connector_graph::{Credentials, GraphConnector, InProcess, Transport};
use holdfast_domain::{
    ArtifactId, Clock, Entropy, PublicError, RestorePoint, RestoredSite, SeededEntropy, ServiceApp,
    TenantId, Timestamp, UnitId, Workload,
};
use holdfast_engine::keys::{KeyRing, RootKey, repository_path};
use holdfast_engine::{Connectors, Engine, EngineOptions, EngineParts, NoObserver};
use holdfast_repository::{CpuPool, Repository, RepositoryOptions, RepositorySecret, local_store};
use holdfast_store::{ItemFailure, Store};
use holdfast_store_sqlite::SqliteStore;
use holdfast_tenant::{Tenant, TenantOptions};
use holdfast_testkit::{AutoClock, Faults, FaultyStore, ManualClock};
use http::{Method, Request, Response};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use serde_json::{Value, json};

use crate::graph::Graph;
use crate::state::{Digests, SiteState, read_site, read_snapshot};

/// Never resolved, never sent.
const IN_PROCESS: &str = "http://tenant.internal";
const START: &str = "2026-03-04T10:15:30.250Z";
/// Looks at the queue before it counts as endless.
const ROUNDS: u32 = 1000;

/// Where repositories are.
pub enum Objects {
    /// In the world's folder, so that other tools can open them.
    Folder,
    Memory,
    /// Anywhere else.
    Given(Arc<dyn ObjectStore>),
}

/// Looks at, or changes, what goes over the wire between engine and tenant.
#[async_trait]
pub trait Wire: Send + Sync {
    async fn pass(
        &self,
        request: Request<Body>,
        on: &dyn Transport,
    ) -> Result<Response<Body>, String>;
}

/// How a world is made.
pub struct WorldOptions {
    pub seed: u64,
    pub objects: Objects,
    pub wire: Option<Arc<dyn Wire>>,
    pub engine: EngineOptions,
}

impl WorldOptions {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, objects: Objects::Memory, wire: None, engine: small_engine() }
    }
}

/// Small packs, so that a small site has several, and one thread pool for all repositories.
fn small_engine() -> EngineOptions {
    EngineOptions {
        transfers: 4,
        repository: RepositoryOptions {
            pack_size_bytes: 1 << 20,
            compression_level: 1,
            cpu_threads: 1,
            cpu_pool: Some(CpuPool::new(1)),
            index_interval_packs: 2,
            ..RepositoryOptions::default()
        },
        ..EngineOptions::default()
    }
}

/// See the module.
pub struct World {
    folder: tempfile::TempDir,
    seed: u64,
    pub clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
    root_key: RootKey,
    objects: Arc<dyn ObjectStore>,
    wire: Option<Arc<dyn Wire>>,
    engine_options: EngineOptions,
    pub tenant: Tenant,
    pub node: Node,
    digests: Digests,
}

/// What is gone when the process ends.
pub struct Node {
    pub store: Arc<dyn Store>,
    pub engine: Engine,
    pub graph: Graph,
    /// Calls of the engine to the tenant.
    pub transport_faults: Arc<Faults>,
    /// Calls of the engine to the object store.
    pub object_faults: Arc<Faults>,
}

/// A protected site.
#[derive(Debug, Clone)]
pub struct Protected {
    pub site: String,
    /// Its first library.
    pub drive: String,
    /// That library's root folder.
    pub root: String,
    pub unit: UnitId,
}

/// How a restore session ended.
#[derive(Debug)]
pub struct Ended {
    pub status: String,
    /// Where the data went.
    pub restored: Option<RestoredSite>,
    /// The artifact's.
    pub error: Option<PublicError>,
    pub failures: Vec<ItemFailure>,
}

impl Ended {
    /// Completed, and nothing is listed.
    ///
    /// # Errors
    /// With what is listed.
    pub fn check_complete(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.status == "completed" && self.failures.is_empty(), "{self:#?}");
        Ok(())
    }
}

struct FaultyWire {
    wire: Option<Arc<dyn Wire>>,
    tenant: InProcess,
    faults: Arc<Faults>,
}

#[async_trait]
impl Transport for FaultyWire {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, String> {
        let call = async {
            match &self.wire {
                Some(wire) => wire.pass(request, &self.tenant).await,
                None => self.tenant.send(request).await,
            }
        };
        match self.faults.call(call).await {
            Ok(answer) => Ok(answer),
            Err(Some(error)) => Err(error),
            Err(None) => planned_failure(self.faults.calls()),
        }
    }
}

/// The ways in which a service says "later", one after the other.
fn planned_failure(call: u64) -> Result<Response<Body>, String> {
    let (status, retry_after, body) = match call % 4 {
        0 => return Err("the connection broke".to_owned()),
        1 => (503, Some("17"), "<html><body>Service unavailable</body></html>"),
        2 => (500, None, r#"[{"error": "no object"}]"#),
        _ => (429, Some("3"), ""),
    };
    let mut response = Response::builder().status(status);
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    Ok(response.body(Body::from(body)).expect("the parts are valid"))
}

struct OneTenant(TenantId, Arc<dyn Connector>);

#[async_trait]
impl Connectors for OneTenant {
    async fn connector(&self, tenant: TenantId) -> Option<Arc<dyn Connector>> {
        (tenant == self.0).then(|| self.1.clone())
    }
}

impl World {
    /// A new one.
    ///
    /// # Errors
    /// When a part cannot be opened.
    pub async fn new(options: WorldOptions) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let clock = Arc::new(ManualClock::new(START.parse()?));
        let entropy = Arc::new(SeededEntropy::new(options.seed));
        let objects = match options.objects {
            Objects::Folder => local_store(&folder.path().join("objects"))?,
            Objects::Memory => Arc::new(InMemory::new()),
            Objects::Given(objects) => objects,
        };
        let root_key = RootKey::random(&*entropy);
        let tenant = open_tenant(folder.path(), &clock, &entropy).await?;
        let mut world = Self {
            node: Node::open(&NodeParts {
                folder: folder.path(),
                clock: &clock,
                entropy: &entropy,
                root_key: &root_key,
                objects: &objects,
                tenant: &tenant,
                wire: &options.wire,
                engine: &options.engine,
            })?,
            folder,
            seed: options.seed,
            clock,
            entropy,
            root_key,
            objects,
            wire: options.wire,
            engine_options: options.engine,
            tenant,
            digests: Digests::default(),
        };
        world.enable().await?;
        Ok(world)
    }

    /// The seed of everything random in this world.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    async fn enable(&mut self) -> anyhow::Result<()> {
        let facts = self.tenant.facts();
        let mut tx = self.node.store.begin().await?;
        let now = self.clock.now();
        tx.insert(&ServiceApp::first_controller(facts.tenant_id, facts.client_id, now)).await?;
        tx.commit().await?;
        self.node
            .graph
            .backup(
                Method::POST,
                "/enable",
                &json!({"appOwnerTenantId": facts.tenant_id.to_string()}),
            )
            .await?;
        Ok(())
    }

    /// Another engine with its store handle and connector, over the same disk, objects and tenant.
    ///
    /// # Errors
    /// When the metastore cannot be opened.
    pub fn another_node(&self) -> anyhow::Result<Node> {
        Node::open(&NodeParts {
            folder: self.folder.path(),
            clock: &self.clock,
            entropy: &self.entropy,
            root_key: &self.root_key,
            objects: &self.objects,
            tenant: &self.tenant,
            wire: &self.wire,
            engine: &self.engine_options,
        })
    }

    /// The process ends and starts again; the tenant goes on.
    ///
    /// # Errors
    /// When the metastore cannot be opened.
    pub fn restart_node(&mut self) -> anyhow::Result<()> {
        self.node.transport_faults.kill();
        self.node = self.another_node()?;
        Ok(())
    }

    /// The process ends and starts again, with the tenant in it.
    ///
    /// # Errors
    /// When a part cannot be opened.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.tenant = open_tenant(self.folder.path(), &self.clock, &self.entropy).await?;
        self.restart_node()
    }

    /// Makes a site with one library, `Documents`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn make_site(&self, name: &str) -> anyhow::Result<(String, String, String)> {
        let body = json!({"name": name, "displayName": name, "webUrl": format!("https://contoso.sharepoint.com/sites/{name}"), "template": "sts"});
        let site = self.node.graph.call(Method::POST, "/beta/sites", &body).await?.ok()?;
        let site = site["id"].as_str().context("a site's id")?.to_owned();
        let drives = self.node.graph.list(&format!("/v1.0/sites/{site}/drives")).await?;
        let drive = drives[0]["id"].as_str().context("a drive's id")?.to_owned();
        let root = self
            .node
            .graph
            .call(Method::GET, &format!("/v1.0/drives/{drive}/root"), &Value::Null)
            .await?
            .ok()?;
        Ok((site, drive, root["id"].as_str().context("a root's id")?.to_owned()))
    }

    /// Protects a site through the API. The first backup waits for [`World::settle`].
    ///
    /// # Errors
    /// When it is refused.
    pub async fn protect(&self, site: (String, String, String)) -> anyhow::Result<Protected> {
        let (site, drive, root) = site;
        let graph = &self.node.graph;
        let body = json!({"displayName": "Policy", "siteProtectionUnits": [{"siteId": site}]});
        let policy = graph.backup(Method::POST, "/sharePointProtectionPolicies", &body).await?;
        let policy = policy["id"].as_str().context("a policy's id")?;
        let units = graph
            .backup(
                Method::GET,
                &format!("/sharePointProtectionPolicies/{policy}/siteProtectionUnits"),
                &Value::Null,
            )
            .await?;
        let unit = units["value"][0]["id"]
            .as_str()
            .context("a unit's id")?
            .parse()
            .map_err(|_| anyhow::anyhow!("no unit's id"))?;
        graph
            .backup(Method::POST, &format!("/protectionPolicies/{policy}/activate"), &Value::Null)
            .await?;
        Ok(Protected { site, drive, root, unit })
    }

    /// A new site, protected, with its first point.
    ///
    /// # Errors
    /// When anything is refused.
    pub async fn protected(&self, name: &str) -> anyhow::Result<Protected> {
        let protected = self.protect(self.make_site(name).await?).await?;
        self.settle().await?;
        Ok(protected)
    }

    /// Works until no job is left, moving time on to the next one when all wait.
    ///
    /// # Errors
    /// When the store fails, or the work does not end.
    pub async fn settle(&self) -> anyhow::Result<()> {
        self.node.settle(&self.clock).await
    }

    /// Ten minutes pass, and the backups that are due are made. The unit's latest point; `None` when there is none.
    ///
    /// # Errors
    /// When the work fails.
    pub async fn make_point(&self, unit: UnitId) -> anyhow::Result<Option<RestorePoint>> {
        self.clock.advance(Duration::from_secs(601));
        self.settle().await?;
        self.latest(unit).await
    }

    /// # Errors
    /// When the store fails.
    pub async fn latest(&self, unit: UnitId) -> anyhow::Result<Option<RestorePoint>> {
        let tenant = self.tenant.facts().tenant_id;
        Ok(self.node.store.read().await?.latest_restore_point(tenant, unit).await?)
    }

    /// Starts a restore through the API; gives the session's and the artifact's ids.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn start_restore(
        &self,
        point: &RestorePoint,
        destination: &str,
    ) -> anyhow::Result<(String, String)> {
        let graph = &self.node.graph;
        let tenant = self.tenant.facts().tenant_id;
        let unit = self.node.store.read().await?.unit(tenant, point.unit).await?;
        let workload = unit.context("the point's unit")?.value.workload;
        let (sessions, artifacts) = match workload {
            Workload::SharePoint => ("sharePointRestoreSessions", "siteRestoreArtifacts"),
            Workload::OneDrive => ("oneDriveForBusinessRestoreSessions", "driveRestoreArtifacts"),
            Workload::Exchange => ("exchangeRestoreSessions", "mailboxRestoreArtifacts"),
        };
        let wanted = json!({
            "restorePoint": { "id": point.id.to_string() }, "destinationType": destination,
        });
        let body = json!({ artifacts: [wanted] });
        let session = graph.backup(Method::POST, &format!("/{sessions}"), &body).await?;
        let session = session["id"].as_str().context("a session's id")?.to_owned();
        graph
            .backup(Method::POST, &format!("/restoreSessions/{session}/activate"), &Value::Null)
            .await?;
        let path = format!("/{sessions}/{session}/{artifacts}");
        let artifacts = graph.backup(Method::GET, &path, &Value::Null).await?;
        let artifact = artifacts["value"][0]["id"].as_str().context("an artifact's id")?.to_owned();
        Ok((session, artifact))
    }

    /// How a session stands.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn session(&self, ids: &(String, String)) -> anyhow::Result<Ended> {
        let (session, artifact) = ids;
        let id: ArtifactId = artifact.parse().map_err(|_| anyhow::anyhow!("no artifact's id"))?;
        let tenant = self.tenant.facts().tenant_id;
        let mut tx = self.node.store.read().await?;
        let failures = tx.failures(tenant, id).await?;
        let stored = tx.artifact_by_id(tenant, id).await?.context("the artifact")?.value;
        drop(tx);
        let graph = &self.node.graph;
        let status =
            graph.backup(Method::GET, &format!("/restoreSessions/{session}"), &Value::Null).await?;
        Ok(Ended {
            status: status["status"].as_str().context("a status")?.to_owned(),
            restored: stored.restored,
            error: stored.error,
            failures,
        })
    }

    /// Restores and waits for the end. `destination` is `inPlace` or `new`.
    ///
    /// # Errors
    /// When it is refused, or does not end.
    pub async fn restore(&self, point: &RestorePoint, destination: &str) -> anyhow::Result<Ended> {
        let ids = self.start_restore(point, destination).await?;
        self.settle().await?;
        self.session(&ids).await
    }

    /// A site as it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read_site(&mut self, site: &str) -> anyhow::Result<SiteState> {
        read_site(&self.node.graph, site, &mut self.digests).await
    }

    /// A point as its snapshot has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read_point(&self, point: &RestorePoint) -> anyhow::Result<SiteState> {
        read_snapshot(&self.repository(point.unit).await?, &point.snapshot).await
    }

    /// The unit's repository, opened with the root key and the object store alone.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn repository(&self, unit: UnitId) -> anyhow::Result<Repository> {
        let objects = PrefixStore::new(self.objects.clone(), repository_path(unit));
        Ok(Repository::open(
            Arc::new(objects),
            &self.secret(unit).await?,
            self.engine_options.repository.clone(),
        )
        .await?)
    }

    /// # Errors
    /// When there is no key beside the repository.
    pub async fn secret(&self, unit: UnitId) -> anyhow::Result<RepositorySecret> {
        Ok(self.root_key.secret_from_object_store(&*self.objects, unit).await?)
    }

    /// Everything below the engine's object store, without faults.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        self.objects.clone()
    }

    /// The folder of a unit's repository, in a world with [`Objects::Folder`].
    #[must_use]
    pub fn repository_folder(&self, unit: UnitId) -> std::path::PathBuf {
        self.folder.path().join("objects").join(repository_path(unit).as_ref())
    }
}

async fn open_tenant(
    folder: &Path,
    clock: &Arc<ManualClock>,
    entropy: &Arc<SeededEntropy>,
) -> anyhow::Result<Tenant> {
    let options = TenantOptions {
        clock: clock.clone(),
        entropy: entropy.clone(),
        issuer_base: "https://localhost:8443".to_owned(),
    };
    let folder = folder.join("tenant");
    Ok(tokio::task::spawn_blocking(move || Tenant::open(&folder, options)).await??)
}

struct NodeParts<'a> {
    folder: &'a Path,
    clock: &'a Arc<ManualClock>,
    entropy: &'a Arc<SeededEntropy>,
    root_key: &'a RootKey,
    objects: &'a Arc<dyn ObjectStore>,
    tenant: &'a Tenant,
    wire: &'a Option<Arc<dyn Wire>>,
    engine: &'a EngineOptions,
}

impl Node {
    fn open(parts: &NodeParts<'_>) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = parts.clock.clone();
        let entropy: Arc<dyn Entropy> = parts.entropy.clone();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&parts.folder.join("control.db"))?);
        let facts = parts.tenant.facts();
        let transport_faults = Arc::new(Faults::default());
        let object_faults = Arc::new(Faults::beside(&transport_faults));
        let objects: Arc<dyn ObjectStore> =
            Arc::new(FaultyStore::new(parts.objects.clone(), object_faults.clone()));
        let transport = FaultyWire {
            wire: parts.wire.clone(),
            tenant: InProcess(parts.tenant.router()),
            faults: transport_faults.clone(),
        };
        let credentials = Credentials {
            authority: IN_PROCESS.to_owned(),
            tenant: facts.tenant_id.to_string(),
            client_id: facts.client_id.to_string(),
            client_secret: facts.client_secret,
        };
        // Its pauses move time on; the engine's renewals of leases must not.
        let patient = Arc::new(AutoClock::new(parts.clock.clone()));
        let connector = GraphConnector::new(
            Arc::new(transport),
            patient,
            entropy.clone(),
            IN_PROCESS.to_owned(),
            credentials,
        );
        let engine = Engine::new(EngineParts {
            keys: KeyRing::new(
                parts.root_key.clone(),
                store.clone(),
                objects.clone(),
                entropy.clone(),
            ),
            store: store.clone(),
            objects,
            connectors: Arc::new(OneTenant(facts.tenant_id, Arc::new(connector))),
            mailer: None,
            clock: clock.clone(),
            entropy: entropy.clone(),
            observer: Arc::new(NoObserver),
            options: parts.engine.clone(),
        });
        let tenant = parts.tenant.clone();
        let issuer = TrustedIssuer {
            issuer: tenant.issuer(),
            tenants: vec![facts.tenant_id],
            audiences: tenant.audiences(),
            jwks: Arc::new(move || tenant.jwks().to_string()),
        };
        let api = holdfast_api::router(ApiOptions {
            store: store.clone(),
            clock: clock.clone(),
            entropy,
            issuers: vec![issuer],
            strict: false,
            elsewhere: None,
            on_enqueue: Arc::new(|| {}),
        });
        Ok(Self {
            store,
            engine,
            graph: Graph::new(parts.tenant.clone(), api, clock),
            transport_faults,
            object_faults,
        })
    }

    /// See [`World::settle`].
    ///
    /// # Errors
    /// When the store fails, or the work does not end.
    pub async fn settle(&self, clock: &ManualClock) -> anyhow::Result<()> {
        for _ in 0..ROUNDS {
            self.engine.run_until_idle().await?;
            let next: Option<Timestamp> = self.store.read().await?.next_job_at().await?;
            let Some(next) = next else { return Ok(()) };
            if next > clock.now() {
                clock.set(next);
            }
        }
        anyhow::bail!("the jobs do not come to an end")
    }

    /// Works until no job is left or the process is killed; whether it was killed.
    ///
    /// # Errors
    /// When the store fails, or the work does not end.
    pub async fn settle_or_die(&self, clock: &ManualClock) -> anyhow::Result<bool> {
        tokio::select! {
            settled = self.settle(clock) => settled.map(|()| false),
            () = self.transport_faults.killed() => Ok(true),
        }
    }
}
