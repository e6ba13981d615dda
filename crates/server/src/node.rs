//! `holdfast serve` and `holdfast worker`: one process of a service over what its configuration names. Any number of them may
//! share metastore, objects and root key.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use holdfast_api::{ApiOptions, TrustedIssuer};
use holdfast_connector::Connector;
use holdfast_connector_graph::{Credentials, GraphConnector, Https};
use holdfast_domain::{AppId, Clock, Entropy, ServiceApp, SystemClock, SystemEntropy, TenantId};
use holdfast_engine::keys::{KeyRing, RootKey};
use holdfast_engine::{Connectors, Engine, EngineOptions, EngineParts, Mailer, NoObserver};
use holdfast_repository::local_store;
use holdfast_store::query::ListQuery;
use holdfast_store::{Listed, Store};
use holdfast_store_sqlite::SqliteStore;
use tokio::net::TcpListener;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::config::{Config, RootKeySource, TenantConfig};
use crate::jwks::{HttpJwks, https_client};
use crate::listen::{self, Front};
use crate::metrics::{Counting, Metrics};
use crate::probes::{self, Probes, Running};
use crate::smtp::SmtpMailer;
use crate::stop::Signals;
use crate::tls;

/// A connection on which nothing comes for so long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// The parts of one process.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) router: Router,
    running: Running,
}

/// The way to each configured tenant.
struct Tenants(HashMap<TenantId, Arc<GraphConnector>>);

#[async_trait]
impl Connectors for Tenants {
    async fn connector(&self, tenant: TenantId) -> Option<Arc<dyn Connector>> {
        Some(self.0.get(&tenant)?.clone())
    }
}

/// Serves until told to stop, then ends in order: no new connections, requests in hand within their grace, jobs put back.
///
/// # Errors
/// When the configuration, or what it names, cannot be used.
pub(crate) async fn serve(path: &Path) -> anyhow::Result<()> {
    let signals = Signals::listen();
    let config = Config::read(path)?;
    let node = Node::open(&config, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
    let front = front(&config)?;
    let listen = &config.server.listen;
    let listener = TcpListener::bind(listen.value).await.map_err(|error| listen.wrong(error))?;
    println!("Holdfast listens on {}", listener.local_addr()?);
    node.run(listener, front, signals.told_to_stop()).await;
    Ok(())
}

/// The same without a listener: jobs only.
///
/// # Errors
/// When the configuration, or what it names, cannot be used.
pub(crate) async fn worker(path: &Path) -> anyhow::Result<()> {
    let signals = Signals::listen();
    let config = Config::read(path)?;
    let node = Node::open(&config, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
    println!("Holdfast works on jobs");
    node.engine.run_until(signals.told_to_stop()).await;
    Ok(())
}

/// How the configuration wants requests to come in.
pub(crate) fn front(config: &Config) -> anyhow::Result<Front> {
    let tls = match &config.server.tls {
        Some(files) => Some(tls::config_of_files(files)?),
        None => None,
    };
    let public_url = Some(config.server.public_url.clone());
    Ok(Front { tls, public_url, grace: config.server.grace })
}

impl Node {
    /// Opens everything that the configuration names. Nothing runs until [`Node::run`].
    ///
    /// # Errors
    /// When a part cannot be used; where a setting names it, with the setting's place.
    pub(crate) async fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Self> {
        // Another part of this process may have installed it.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let root_key = read_root_key(&config.root_key)?;
        let metastore = &config.metastore;
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&metastore.value).map_err(|error| metastore.wrong(error))?);
        let objects =
            local_store(&config.objects.value).map_err(|error| config.objects.wrong(error))?;
        let mut tenants = HashMap::new();
        for tenant in &config.tenants {
            let connector = connect(tenant, clock.clone(), entropy.clone())?;
            tenants.insert(tenant.id, Arc::new(connector));
            make_controller(&*store, tenant.id, tenant.controller, &*clock).await?;
        }
        let mailer: Option<Arc<dyn Mailer>> = match &config.mail {
            Some(mail) => Some(Arc::new(SmtpMailer::new(mail, clock.clone())?)),
            None => None,
        };
        let metrics = Arc::new(Metrics::default());
        let observer = Counting { metrics: Arc::clone(&metrics), next: Arc::new(NoObserver) };
        let engine = Engine::new(EngineParts {
            keys: KeyRing::new(root_key, store.clone(), objects.clone(), entropy.clone()),
            store: store.clone(),
            objects,
            connectors: Arc::new(Tenants(tenants)),
            mailer,
            clock: clock.clone(),
            entropy: entropy.clone(),
            observer: Arc::new(observer),
            options: EngineOptions {
                backup_interval: config.engine.backup_interval,
                workers: config.engine.workers,
                transfers: config.engine.transfers,
                ..EngineOptions::default()
            },
        });
        let mut sources = Vec::new();
        let mut issuers = Vec::new();
        for issuer in &config.issuers {
            let source = HttpJwks::new(issuer, clock.clone())?;
            for (name, tenants) in issuer.names() {
                issuers.push(TrustedIssuer {
                    issuer: name,
                    tenants,
                    audiences: issuer.audiences.clone(),
                    jwks: source.clone(),
                });
            }
            sources.push(source);
        }
        let woken = engine.clone();
        let api = holdfast_api::router(ApiOptions {
            store: store.clone(),
            clock: clock.clone(),
            entropy,
            issuers,
            strict: config.server.strict,
            elsewhere: None,
            on_enqueue: Arc::new(move || woken.wake()),
        });
        let running = Running::default();
        let probes = Probes { store, clock, metrics, issuers: sources, engine: running.clone() };
        Ok(Self { engine, router: probes::in_front(probes, api), running })
    }

    /// Serves and works until `stopped` is ready.
    pub(crate) async fn run(
        &self,
        listener: TcpListener,
        front: Front,
        stopped: impl Future<Output = ()>,
    ) {
        let (stop, told) = watch::channel(false);
        let until = |mut told: watch::Receiver<bool>| async move {
            drop(told.wait_for(|stop| *stop).await);
        };
        tokio::join!(
            listen::serve(listener, front, self.router.clone(), until(told.clone())),
            self.running.during(self.engine.run_until(until(told))),
            async move {
                stopped.await;
                stop.send_replace(true);
            },
        );
    }
}

/// The key above all others.
///
/// # Errors
/// With the setting's place when there is none, or what is there is no key.
pub(crate) fn read_root_key(source: &RootKeySource) -> anyhow::Result<RootKey> {
    let (text, wrong): (_, Box<dyn Fn(String) -> anyhow::Error + '_>) = match source {
        RootKeySource::File(file) => {
            let text = std::fs::read_to_string(&file.value).map_err(|error| {
                let path = file.value.display();
                file.wrong(format!(
                    "{path}: {error}. On the first start make it with: openssl rand -hex 32"
                ))
            })?;
            (text, Box::new(|why| file.wrong(why).into()))
        }
        RootKeySource::Command(command) => {
            let (program, arguments) =
                command.value.split_first().ok_or_else(|| command.wrong("is empty"))?;
            let output = std::process::Command::new(program)
                .args(arguments)
                .stderr(std::process::Stdio::inherit())
                .output()
                .map_err(|error| command.wrong(error))?;
            if !output.status.success() {
                return Err(command.wrong(format!("it ended with {}", output.status)).into());
            }
            let text = String::from_utf8(output.stdout).unwrap_or_default();
            (text, Box::new(|why| command.wrong(why).into()))
        }
    };
    let text = Zeroizing::new(text);
    RootKey::from_hex(&text).map_err(|error| wrong(error.to_string()))
}

fn connect(
    tenant: &TenantConfig,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> anyhow::Result<GraphConnector> {
    let client = https_client(tenant.ca_file.as_ref())?
        .read_timeout(READ_TIMEOUT)
        .build()
        .context("no client for HTTPS")?;
    let credentials = Credentials {
        authority: tenant.authority.clone(),
        tenant: tenant.id.to_string(),
        client_id: tenant.client_id.clone(),
        client_secret: tenant.secret.secret()?.to_string(),
    };
    let transport = Arc::new(Https(client));
    Ok(GraphConnector::new(transport, clock, entropy, tenant.graph.clone(), credentials))
}

/// The application that controls protection in a tenant first. Once there is one, rows decide and not the configuration.
pub(crate) async fn make_controller(
    store: &dyn Store,
    tenant: TenantId,
    controller: Option<AppId>,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    let Some(controller) = controller else { return Ok(()) };
    let mut tx = store.begin().await?;
    // Later on, control passes from one application to another through the API.
    let all = ListQuery::first(1, None);
    if !Listed::<ServiceApp>::list(&mut *tx, tenant, &all).await?.rows.is_empty() {
        return Ok(());
    }
    tx.insert(&ServiceApp::first_controller(tenant, controller, clock.now())).await?;
    Ok(tx.commit().await?)
}
