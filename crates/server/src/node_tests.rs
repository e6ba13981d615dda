//! `serve` as an operator has it: an outside issuer and an outside tenant, both a second Holdfast's, over HTTPS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use holdfast_domain::{Clock, SeededEntropy, SystemClock, SystemEntropy, limits};
use holdfast_engine::NoObserver;
use holdfast_store::Store;
use holdfast_store_sqlite::SqliteStore;
use holdfast_tenant::{Facts, Tenant, TenantOptions, TokenClaims};
use holdfast_testkit::ManualClock;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::config::{Config, ConfigError};
use crate::data_dir::DataDir;
use crate::embedded::{Embedded, EmbeddedOptions};
use crate::listen::{self, Front};
use crate::node::{self, Node};
use crate::repository_key::{Keeping, secret_of};
use crate::tls;

pub(crate) const ROOT: &str = "/v1.0/solutions/backupRestore";
/// Looks at a state that a job changes; each look is a request.
const LOOKS: u32 = 20_000;

/// Another Holdfast: issuer and tenant.
pub(crate) struct Outside {
    pub(crate) folder: tempfile::TempDir,
    address: SocketAddr,
    pub(crate) facts: Facts,
    pub(crate) tenant: Tenant,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn open_outside(folder: tempfile::TempDir, address: SocketAddr) -> Outside {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let data = DataDir::make(folder.path()).expect("made").own().expect("ours");
    let listener = TcpListener::bind(address).await.expect("listens");
    let address = listener.local_addr().expect("an address");
    let options = EmbeddedOptions {
        public_url: format!("https://localhost:{}", address.port()),
        backup_interval: limits::BACKUP_INTERVAL,
        observer: Arc::new(NoObserver),
    };
    let embedded = Embedded::open(&data, options).await.expect("opens");
    let config = tls::server_config(&data.tls()).expect("certificates");
    let (facts, tenant) = (embedded.tenant.facts(), embedded.tenant.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    // The folder is owned, and its lock held, as long as it is served.
    let serving = tokio::spawn(async move {
        let router = embedded.router.clone();
        listen::serve(listener, Front::local(config), router, async {
            drop(stopped.await);
        })
        .await;
        drop((embedded, data));
    });
    Outside { folder, address, facts, tenant, stop, serving }
}

impl Outside {
    pub(crate) async fn new() -> Self {
        let here = "127.0.0.1:0".parse().expect("an address");
        open_outside(tempfile::tempdir().expect("a folder"), here).await
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Stops, changes the folder, and opens it again at the same address.
    async fn restart(self, change: impl FnOnce(&Path)) -> Self {
        let Self { folder, address, tenant, stop, serving, .. } = self;
        drop((stop, tenant));
        serving.await.expect("stops");
        change(folder.path());
        open_outside(folder, address).await
    }

    pub(crate) fn token(&self) -> String {
        let roles = [
            "BackupRestore-Control.ReadWrite.All",
            "BackupRestore-Configuration.ReadWrite.All",
            "BackupRestore-Restore.Read.All",
        ];
        let claims = TokenClaims::application(self.facts.client_id.to_string(), &roles);
        self.tenant.mint_token(&claims)
    }

    /// Somebody leaves the tenant.
    pub(crate) async fn delete_user(&self, name: &str) {
        let claims =
            TokenClaims::application(self.facts.client_id.to_string(), &["User.ReadWrite.All"]);
        let request = self.client().delete(format!("{}/v1.0/users/{name}", self.url()));
        let answer = request.bearer_auth(self.tenant.mint_token(&claims)).send().await;
        assert_eq!(answer.expect("answers").status(), StatusCode::NO_CONTENT);
    }

    /// A client that trusts this authority alone.
    fn client(&self) -> reqwest::Client {
        let ca = std::fs::read(self.folder.path().join("tls/ca.pem")).expect("is there");
        let authority = reqwest::Certificate::from_pem(&ca).expect("a certificate");
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]);
        client.build().expect("a client")
    }

    /// What an operator writes who trusts this issuer and protects this tenant, keeping things in `folder`.
    pub(crate) fn configuration(&self, folder: &Path, graph: &str) -> String {
        let tls = self.folder.path().join("tls");
        std::fs::write(folder.join("root.key"), "42".repeat(32)).expect("written");
        std::fs::write(folder.join("client.secret"), &self.facts.client_secret).expect("written");
        let Facts { tenant_id, client_id, .. } = &self.facts;
        let (url, tls) = (self.url(), tls.display());
        format!(
            r#"
[server]
listen = "127.0.0.1:0"
public_url = "https://backup.example.com"
tls_certificate = "{tls}/server.pem"
tls_key = "{tls}/server.key"
[metastore]
sqlite = "control.db"
[objects]
folder = "objects"
[keys]
root_key_file = "root.key"
[[issuers]]
issuer = "{url}/{{tenantid}}/v2.0"
audiences = ["https://graph.microsoft.com"]
jwks_uri = "{url}/{tenant_id}/discovery/v2.0/keys"
ca_file = "{tls}/ca.pem"
[[tenants]]
id = "{tenant_id}"
controller = "{client_id}"
graph = "{graph}"
authority = "{url}"
client_id = "{client_id}"
client_secret_file = "client.secret"
ca_file = "{tls}/ca.pem"
"#
        )
    }
}

pub(crate) fn parse(
    folder: &Path,
    text: &str,
    variables: &[(&str, &str)],
) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(&folder.join("holdfast.toml"), text, variables)
}

pub(crate) async fn open_node(config: &Config, clock: &Arc<ManualClock>) -> Node {
    Node::open(config, clock.clone(), Arc::new(SystemEntropy)).await.expect("opens")
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(SystemClock.now()))
}

/// The status of a call in process.
async fn status(node: &Node, path: &str, token: &str) -> StatusCode {
    let request = Request::get(format!("https://backup.example.com{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .expect("a request");
    node.router.clone().oneshot(request).await.expect("answers").status()
}

/// A call in process that succeeds. A body of `null` is none.
pub(crate) async fn call(node: &Node, token: &str, method: &str, path: &str, body: Value) -> Value {
    let request = Request::builder()
        .method(method)
        .uri(format!("https://backup.example.com{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(if body.is_null() { String::new() } else { body.to_string() }))
        .expect("a request");
    let response = node.router.clone().oneshot(request).await.expect("answers");
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&bytes));
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// A client over TLS.
struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let method = method.parse().expect("a method");
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(body) = body {
            request =
                request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.expect("answers");
        let status = response.status();
        let text = response.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..LOOKS {
            let answer = self.call("GET", path, None).await;
            if holds(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
        panic!("{path} did not come to be as expected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outside_tenant_is_protected_with_outside_tokens() {
    let outside = Outside::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let text = outside.configuration(folder.path(), &outside.url());
    let config = parse(folder.path(), &text, &[]).expect("right");
    let clock = clock();
    let node = open_node(&config, &clock).await;
    assert_eq!(
        status(&node, "/readyz", "").await,
        StatusCode::SERVICE_UNAVAILABLE,
        "no engine yet"
    );
    assert_eq!(status(&node, "/healthz", "").await, StatusCode::OK);

    let listener = TcpListener::bind(config.server.listen.value).await.expect("listens");
    let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
    let (stop, stopped) = oneshot::channel::<()>();
    let front = node::front(&config).expect("certificates");
    let node = Arc::new(node);
    let running = tokio::spawn({
        let node = Arc::clone(&node);
        async move {
            node.run(listener, front, async {
                drop(stopped.await);
            })
            .await;
        }
    });
    let client = Client { http: outside.client(), url, token: outside.token() };

    let ready = client.until("/readyz", |ready| ready["ready"] == true).await;
    assert_eq!(ready["issuers"][0]["keys"], "not asked for yet");
    let service = client.call("GET", ROOT, None).await;
    let context = service["@odata.context"].as_str().expect("a context");
    assert!(context.starts_with("https://backup.example.com/v1.0/"), "{context}");
    let owner = json!({"appOwnerTenantId": outside.facts.tenant_id});
    client.call("POST", &format!("{ROOT}/enable"), Some(owner)).await;
    let policy = json!({
        "displayName": "All", "siteProtectionUnits": [{"siteId": outside.facts.site_id}],
    });
    let policy =
        client.call("POST", &format!("{ROOT}/sharePointProtectionPolicies"), Some(policy)).await;
    let policy = policy["id"].as_str().expect("an id");
    client.call("POST", &format!("{ROOT}/protectionPolicies/{policy}/activate"), None).await;
    let units = format!("{ROOT}/sharePointProtectionPolicies/{policy}/siteProtectionUnits");
    let units = client.until(&units, |units| units["value"][0]["status"] == "protected").await;

    let ready = client.call("GET", "/readyz", None).await;
    assert_eq!(ready["issuers"][0]["keys"], "loaded");
    let metrics = client
        .until("/metrics", |text| text.as_str().is_some_and(|text| text.contains("protectUnit")))
        .await;
    let metrics = metrics.as_str().expect("text");
    for line in [
        "holdfast_jobs_total{kind=\"protectUnit\",outcome=\"done\"} 1",
        "holdfast_restore_points_total 1",
        "holdfast_requests_total{operation=\"backupRestore.get\",status=\"2xx\"} 1",
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} in\n{metrics}");
    }
    assert!(!metrics.contains(policy) && !metrics.contains(&outside.facts.tenant_id.to_string()));

    drop(stop);
    running.await.expect("ends in order");
    let file = folder.path().join("holdfast.toml");
    std::fs::write(&file, text).expect("written");
    let unit = units["value"][0]["id"].as_str().expect("an id").parse().expect("a unit's id");
    let secret = async |offline| {
        let keeping = Keeping::of_config(&file).expect("right");
        secret_of(keeping, unit, offline).await.expect("opens").expose().to_owned()
    };
    assert_eq!(secret(true).await, secret(false).await, "the configuration leads to the key");
    assert_eq!(status(&node, "/readyz", "").await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_for_others_of_others_and_forged_ones_are_refused() {
    let outside = Outside::new().await;
    let clock = clock();
    let folder = tempfile::tempdir().expect("a folder");
    let text = outside.configuration(folder.path(), &outside.url());
    let answer = async |variables: &[(&str, &str)], token: &str| {
        let config = parse(folder.path(), &text, variables).expect("right");
        status(&open_node(&config, &clock).await, ROOT, token).await
    };
    let token = outside.token();
    assert_eq!(answer(&[], &token).await, StatusCode::OK);
    let audience = [("HOLDFAST_ISSUERS_0_AUDIENCES", "api://holdfast")];
    assert_eq!(answer(&audience, &token).await, StatusCode::UNAUTHORIZED);
    let issuer = [("HOLDFAST_ISSUERS_0_ISSUER", "https://login.example.com/v2.0")];
    assert_eq!(answer(&issuer, &token).await, StatusCode::UNAUTHORIZED);
    // The placeholder stands for configured tenants only.
    let tenant = [("HOLDFAST_TENANTS_0_ID", "22222222-2222-3333-4444-555555555555")];
    assert_eq!(answer(&tenant, &token).await, StatusCode::UNAUTHORIZED);

    let forger = tempfile::tempdir().expect("a folder");
    let options = TenantOptions {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SeededEntropy::new(1)),
        issuer_base: outside.url(),
    };
    let forger = Tenant::open(forger.path(), options).expect("opens");
    let forged = forger.mint_token(&TokenClaims::application(
        outside.facts.client_id.to_string(),
        &["BackupRestore-Control.Read.All"],
    ));
    assert_eq!(answer(&[], &forged).await, StatusCode::UNAUTHORIZED);

    // By the OpenID configuration instead of the address of the keys.
    let exact = format!("{}/{}/v2.0", outside.url(), outside.facts.tenant_id);
    let ca = outside.folder.path().join("tls/ca.pem").display().to_string();
    let discovered = text
        .lines()
        .filter(|line| !line.starts_with("jwks_uri"))
        .map(|line| {
            if line.starts_with("issuer =") {
                format!("issuer = \"{exact}\"")
            } else {
                line.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join("\n");
    let config = parse(folder.path(), &discovered, &[]).expect("right");
    assert_eq!(status(&open_node(&config, &clock).await, ROOT, &token).await, StatusCode::OK);
    // A server that the configured authority does not vouch for is not asked.
    let distrusting =
        discovered.replacen(&ca, &format!("{}/other.pem", folder.path().display()), 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let other = rcgen::CertificateParams::default().self_signed(&key).expect("signed").pem();
    std::fs::write(folder.path().join("other.pem"), other).expect("written");
    let config = parse(folder.path(), &distrusting, &[]).expect("right");
    let node = open_node(&config, &clock).await;
    assert_eq!(status(&node, ROOT, &token).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_is_asked_again_after_a_pause() {
    let outside = Outside::new().await;
    let clock = clock();
    let folder = tempfile::tempdir().expect("a folder");
    let text = outside.configuration(folder.path(), &outside.url());
    let config = parse(folder.path(), &text, &[]).expect("right");
    let node = open_node(&config, &clock).await;
    let token = outside.token();
    let Outside { folder: data, address, tenant, stop, serving, .. } = outside;
    drop((stop, tenant));
    serving.await.expect("stops");
    assert_eq!(status(&node, ROOT, &token).await, StatusCode::SERVICE_UNAVAILABLE);
    let outside = open_outside(data, address).await;
    assert_eq!(status(&node, ROOT, &token).await, StatusCode::SERVICE_UNAVAILABLE, "not asked yet");
    clock.advance(Duration::from_secs(6));
    assert_eq!(status(&node, ROOT, &token).await, StatusCode::OK);

    // Away again when the keys are to be renewed: those that are known go on counting.
    let roles = ["BackupRestore-Control.Read.All"];
    let claims = TokenClaims::application(outside.facts.client_id.to_string(), &roles);
    let lasting = TokenClaims { lifetime: Duration::from_secs(48 * 3600), ..claims };
    let token = outside.tenant.mint_token(&lasting);
    let Outside { tenant, stop, serving, folder: _folder, .. } = outside;
    drop((stop, tenant));
    serving.await.expect("stops");
    clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(status(&node, ROOT, &token).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_is_picked_up_and_the_old_one_forgotten() {
    let outside = Outside::new().await;
    let clock = clock();
    let folder = tempfile::tempdir().expect("a folder");
    let text = outside.configuration(folder.path(), &outside.url());
    let config = parse(folder.path(), &text, &[]).expect("right");
    let node = open_node(&config, &clock).await;
    let old = outside.token();
    assert_eq!(status(&node, ROOT, &old).await, StatusCode::OK);

    let outside = outside
        .restart(|folder| {
            std::fs::remove_file(folder.join("tenant/keys/token-signing.der")).expect("was there");
        })
        .await;
    let new = outside.token();
    // Not twice within seconds, whatever keys tokens name.
    assert_eq!(status(&node, ROOT, &new).await, StatusCode::UNAUTHORIZED);
    clock.advance(Duration::from_secs(10));
    assert_eq!(status(&node, ROOT, &new).await, StatusCode::OK);
    assert_eq!(status(&node, ROOT, &old).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_hand_is_put_back_when_the_node_stops() {
    let outside = Outside::new().await;
    let clock = clock();
    let folder = tempfile::tempdir().expect("a folder");
    // A tenant whose Graph takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let graph = format!("https://localhost:{}", silent.local_addr().expect("an address").port());
    let text = outside.configuration(folder.path(), &graph);
    let config = parse(folder.path(), &text, &[]).expect("right");
    let node = open_node(&config, &clock).await;
    let token = outside.token();
    let call = async |method: &str, path: &str, body: Value| {
        call(&node, &token, method, &format!("{ROOT}{path}"), body).await
    };
    call("POST", "/enable", json!({"appOwnerTenantId": outside.facts.tenant_id})).await;
    let policy = json!({
        "displayName": "All", "siteProtectionUnits": [{"siteId": outside.facts.site_id}],
    });
    let policy = call("POST", "/sharePointProtectionPolicies", policy).await;
    let policy = policy["id"].as_str().expect("an id");
    call("POST", &format!("/protectionPolicies/{policy}/activate"), Value::Null).await;

    let (stop, stopped) = oneshot::channel::<()>();
    let engine = node.engine.clone();
    let working = tokio::spawn(async move {
        engine
            .run_until(async {
                drop(stopped.await);
            })
            .await;
    });
    let (_connection, _) = silent.accept().await.expect("a job asks for its site");
    drop(stop);
    working.await.expect("ends");
    let store = SqliteStore::open(&config.metastore.value).expect("opens");
    let next = store.read().await.expect("reads").next_job_at().await.expect("reads");
    assert!(next.is_some_and(|next| next <= clock.now()), "its lease has ended: {next:?}");
}
