//! Everything in one process over one data folder: tenant, metastore, repositories, engine, API.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use holdfast_api::{ApiOptions, TrustedIssuer};
use holdfast_connector::Connector;
use holdfast_connector_graph::{Credentials, GraphConnector, InProcess};
use holdfast_domain::{Clock, Entropy, SystemClock, SystemEntropy, TenantId, limits};
use holdfast_engine::keys::KeyRing;
use holdfast_engine::{Connectors, Engine, EngineOptions, EngineParts, Observer};
use holdfast_repository::local_store;
use holdfast_store::Store;
use holdfast_store_sqlite::SqliteStore;
use holdfast_tenant::{Tenant, TenantOptions};
use tower::ServiceExt;

use crate::data_dir::OwnDataDir;
use crate::metrics::{Counting, Metrics};
use crate::node::make_controller;
use crate::probes::{self, Probes, Running};

/// Where requests within the process go: never resolved, never sent.
const IN_PROCESS: &str = "http://tenant.internal";

/// How to start.
pub struct EmbeddedOptions {
    /// Where clients reach the server, for example `https://localhost:8443`.
    pub public_url: String,
    pub backup_interval: Duration,
    pub observer: Arc<dyn Observer>,
}

/// The parts that demos and tests reach into; users go through [`Embedded::router`].
pub struct Embedded {
    pub tenant: Tenant,
    pub store: Arc<dyn Store>,
    pub engine: Engine,
    pub connector: Arc<GraphConnector>,
    pub router: Router,
    pub(crate) running: Running,
}

struct OneTenant {
    tenant: TenantId,
    connector: Arc<GraphConnector>,
}

#[async_trait]
impl Connectors for OneTenant {
    async fn connector(&self, tenant: TenantId) -> Option<Arc<dyn Connector>> {
        if tenant == self.tenant { Some(self.connector.clone()) } else { None }
    }
}

impl Embedded {
    /// Opens the data folder, or fills it on the first start. Nothing runs until [`Engine::run_until`].
    ///
    /// The folder is this process's own, so every lease found in it belongs to a worker that is dead: its job need not wait
    /// for the lease to run out.
    ///
    /// # Errors
    /// When a part of the data folder cannot be used.
    pub async fn open(data: &OwnDataDir, options: EmbeddedOptions) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let root_key = data.root_key_or_new(&*entropy)?;
        let objects =
            local_store(&data.objects()).context("the repositories' folder cannot be used")?;
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&data.control_db()).context("control.db cannot be used")?);
        let tenant_options = TenantOptions {
            clock: clock.clone(),
            entropy: entropy.clone(),
            issuer_base: options.public_url,
        };
        let folder = data.tenant();
        let tenant = tokio::task::spawn_blocking(move || Tenant::open(&folder, tenant_options))
            .await?
            .context("the embedded tenant cannot be opened")?;
        let connector = Arc::new(connect(&tenant, clock.clone(), entropy.clone()));
        let facts = tenant.facts();
        // The development application controls protection from the start.
        make_controller(&*store, facts.tenant_id, Some(facts.client_id), &*clock).await?;
        end_leases(&*store).await?;
        let metrics = Arc::new(Metrics::default());
        let engine = Engine::new(EngineParts {
            keys: KeyRing::new(root_key, store.clone(), objects.clone(), entropy.clone()),
            store: store.clone(),
            objects,
            connectors: Arc::new(OneTenant {
                tenant: facts.tenant_id,
                connector: connector.clone(),
            }),
            mailer: None,
            clock: clock.clone(),
            entropy: entropy.clone(),
            observer: Arc::new(Counting { metrics: Arc::clone(&metrics), next: options.observer }),
            options: EngineOptions {
                backup_interval: options.backup_interval,
                ..EngineOptions::default()
            },
        });
        let issuer = TrustedIssuer {
            issuer: tenant.issuer(),
            tenants: vec![facts.tenant_id],
            audiences: tenant.audiences(),
            jwks: Arc::new(jwks_of(&tenant)),
        };
        let woken = engine.clone();
        let api = holdfast_api::router(ApiOptions {
            store: store.clone(),
            clock: clock.clone(),
            entropy,
            issuers: vec![issuer],
            strict: false,
            elsewhere: Some(tenant.router()),
            on_enqueue: Arc::new(move || woken.wake()),
        });
        let running = Running::default();
        let probes = Probes {
            store: store.clone(),
            clock,
            metrics,
            issuers: Vec::new(),
            engine: running.clone(),
        };
        let router = probes::in_front(probes, join(api, tenant.router()));
        Ok(Self { tenant, store, engine, connector, router, running })
    }
}

fn jwks_of(tenant: &Tenant) -> impl Fn() -> String + Send + Sync + 'static {
    let tenant = tenant.clone();
    move || tenant.jwks().to_string()
}

fn connect(tenant: &Tenant, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> GraphConnector {
    let facts = tenant.facts();
    let credentials = Credentials {
        authority: IN_PROCESS.to_owned(),
        tenant: facts.tenant_id.to_string(),
        client_id: facts.client_id.to_string(),
        client_secret: facts.client_secret,
    };
    GraphConnector::new(
        Arc::new(InProcess(tenant.router())),
        clock,
        entropy,
        IN_PROCESS.to_owned(),
        credentials,
    )
}

async fn end_leases(store: &dyn Store) -> anyhow::Result<()> {
    let mut tx = store.begin().await?;
    let ended = tx.end_leases().await?;
    tx.commit().await?;
    if ended > 0 {
        tracing::info!(jobs = ended, "jobs go on that were cut off when the last process ended");
    }
    Ok(())
}

/// One address for both: what the backup API does not serve is the tenant's.
fn join(api: Router, tenant: Router) -> Router {
    Router::new().fallback(move |request: Request| {
        let router =
            if holdfast_api::serves(request.uri().path()) { api.clone() } else { tenant.clone() };
        async move {
            let answered: Result<Response, std::convert::Infallible> =
                router.oneshot(request).await;
            answered
        }
    })
}

/// The default interval between backups.
#[must_use]
pub(crate) fn default_backup_interval() -> Duration {
    limits::BACKUP_INTERVAL
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use holdfast_engine::NoObserver;
    use serde_json::{Value, json};

    use super::*;
    use crate::data_dir::DataDir;

    async fn answered(router: &Router, request: Request) -> Value {
        let response = router.clone().oneshot(request).await.expect("answers");
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[tokio::test]
    async fn a_batch_reaches_the_tenant_and_the_backup_api() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::make(folder.path()).expect("made").own().expect("ours");
        let options = EmbeddedOptions {
            public_url: "https://localhost:8443".to_owned(),
            backup_interval: default_backup_interval(),
            observer: Arc::new(NoObserver),
        };
        let embedded = Embedded::open(&data, options).await.expect("opens");
        let facts = embedded.tenant.facts();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=https://graph.microsoft.com/.default",
            facts.client_id, facts.client_secret
        );
        let request =
            Request::post(format!("https://localhost:8443/{}/oauth2/v2.0/token", facts.tenant_id))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(form))
                .expect("a request");
        let token = answered(&embedded.router, request).await;
        let token = token["access_token"].as_str().expect("a token");
        let parts = [
            "/users?$top=1",
            "/sites?search=*",
            "/me/drive/root",
            "/solutions/backupRestore",
            "/nothing",
        ];
        let parts: Vec<Value> =
            parts.iter().map(|url| json!({ "id": url, "method": "GET", "url": url })).collect();
        let request = Request::post("https://localhost:8443/v1.0/$batch")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(json!({ "requests": parts }).to_string()))
            .expect("a request");
        let answer = answered(&embedded.router, request).await;
        let part = |url: &str| {
            let parts = answer["responses"].as_array().expect("a list").iter();
            parts.clone().find(|part| part["id"] == url).expect("answered").clone()
        };
        assert_eq!(part("/users?$top=1")["status"], 200, "{answer}");
        assert!(part("/users?$top=1")["body"]["value"][0]["id"].is_string());
        assert!(part("/sites?search=*")["body"]["value"][0]["id"].is_string());
        assert_eq!(part("/solutions/backupRestore")["body"]["serviceStatus"]["status"], "disabled");
        for url in ["/me/drive/root", "/nothing"] {
            let part = part(url);
            assert!(
                part["status"].as_u64() >= Some(400) && part["body"]["error"]["code"].is_string(),
                "{part}"
            );
        }
    }
}
