//! The whole router in process, over SQLite in memory, with a clock that stands still and an issuer of its own.

mod browse;
mod engine;
mod keys;
mod tokens;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use holdfast_domain::{
    Clock, DisableReason, Entropy, RestorePointId, RestoreSessionId, RestoreState, SeededEntropy,
    Service, ServiceApp, ServiceState, TenantId, Timestamp, UnitId,
};
use holdfast_store::{Store, StoreError, Tx};
use holdfast_store_sqlite::SqliteStore;
use holdfast_testkit::ManualClock;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) use browse::{MANY, item_key};
pub(crate) use tokens::{
    APP, ISSUER, OTHER_TENANT, PERMISSIONS, TENANT, Token, jwks, public_key_as_secret,
};

use crate::{ApiOptions, TrustedIssuer};

pub(crate) const AUDIENCE: &str = "https://graph.microsoft.com";
pub(crate) const ROOT: &str = "/v1.0/solutions/backupRestore";

pub(crate) struct Harness {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// How often the engine was woken.
    pub(crate) wakes: Arc<AtomicU64>,
    /// The issuer's key set document.
    pub(crate) jwks: Arc<Mutex<String>>,
    router: Router,
}

struct FailingStore(fn() -> StoreError);

#[async_trait]
impl Store for FailingStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Err((self.0)())
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        Err((self.0)())
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Reply {
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self.json
    }

    /// The answer is Graph's error envelope with this status and code; gives the message.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> String {
        let error = &self.json["error"];
        assert_eq!(
            (self.status.as_u16(), error["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        for id in ["request-id", "client-request-id"] {
            assert_eq!(error["innerError"][id].as_str(), self.headers[id].to_str().ok());
        }
        assert!(error["innerError"]["date"].is_string());
        error["message"].as_str().expect("a message").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl Harness {
    /// The service is enabled in [`TENANT`] and controlled by [`APP`].
    pub(crate) async fn new() -> Self {
        Self::at("2026-03-04T10:15:30Z".parse().expect("a time")).await
    }

    /// The same at another time.
    pub(crate) async fn at(start: Timestamp) -> Self {
        Self::enabled(Self::bare_at(start)).await
    }

    /// The same with another configuration.
    pub(crate) async fn with(change: impl FnOnce(&mut ApiOptions)) -> Self {
        let store = Arc::new(SqliteStore::in_memory());
        let start = "2026-03-04T10:15:30Z".parse().expect("a time");
        Self::enabled(Self::over(Arc::clone(&store), store, start, change)).await
    }

    async fn enabled(harness: Self) -> Self {
        harness.put_service(TENANT, ServiceState::Enabled).await;
        let (tenant, app) = (TENANT.parse().expect("a GUID"), APP.parse().expect("a GUID"));
        let controller = ServiceApp::first_controller(tenant, app, harness.clock.now());
        let mut tx = harness.store.begin().await.expect("the store works");
        tx.insert(&controller).await.expect("the store works");
        tx.commit().await.expect("the store works");
        harness
    }

    /// No tenant has a service.
    pub(crate) fn bare() -> Self {
        Self::bare_at("2026-03-04T10:15:30Z".parse().expect("a time"))
    }

    fn bare_at(start: Timestamp) -> Self {
        let store = Arc::new(SqliteStore::in_memory());
        Self::over(Arc::clone(&store), store, start, |_| {})
    }

    /// No transaction can begin.
    pub(crate) fn with_failing_store(error: fn() -> StoreError) -> Self {
        let start = "2026-03-04T10:15:30Z".parse().expect("a time");
        let store = Arc::new(SqliteStore::in_memory());
        Self::over(store, Arc::new(FailingStore(error)), start, |_| {})
    }

    /// The router over `served`; tests look into `store`.
    fn over(
        store: Arc<SqliteStore>,
        served: Arc<dyn Store>,
        start: Timestamp,
        change: impl FnOnce(&mut ApiOptions),
    ) -> Self {
        let clock = Arc::new(ManualClock::new(start));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let wakes = Arc::new(AtomicU64::new(0));
        let jwks = Arc::new(Mutex::new(tokens::jwks(&["first"])));
        let issuer = TrustedIssuer {
            issuer: ISSUER.to_owned(),
            tenants: [TENANT, OTHER_TENANT].map(|id| id.parse().expect("a GUID")).to_vec(),
            audiences: vec![AUDIENCE.to_owned()],
            jwks: Arc::new({
                let jwks = Arc::clone(&jwks);
                move || jwks.lock().expect("no panic").clone()
            }),
        };
        let mut options = ApiOptions {
            store: served,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy: Arc::clone(&entropy),
            issuers: vec![issuer],
            strict: false,
            elsewhere: None,
            on_enqueue: Arc::new({
                let wakes = Arc::clone(&wakes);
                move || {
                    wakes.fetch_add(1, Ordering::Relaxed);
                }
            }),
        };
        change(&mut options);
        let router = crate::router(options);
        Self { store, clock, entropy, wakes, jwks, router }
    }

    pub(crate) async fn put_service(&self, tenant: &str, state: ServiceState) {
        let tenant: TenantId = tenant.parse().expect("a GUID");
        let mut tx = self.store.begin().await.expect("the store works");
        let read = tx.service(tenant).await.expect("the store works").map(|row| row.version);
        let service = Service {
            tenant,
            state,
            disable_reason: DisableReason::None,
            controller_deleted_at: None,
            app_owner_tenant: Some(tenant),
            last_modified_by: holdfast_domain::Actor::default(),
            last_modified_at: self.clock.now(),
        };
        tx.put_service(&service, read).await.expect("the store works");
        tx.commit().await.expect("the store works");
    }

    /// One request. `path` without a leading `/v1.0` or the like is below [`ROOT`].
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let rooted = ["/v1.0", "/V1.0", "/beta", "/holdfast", "/elsewhere", "/openapi.json"];
        let path = if rooted.iter().any(|root| path.starts_with(root)) {
            path.to_owned()
        } else {
            format!("{ROOT}{path}")
        };
        let path = path.replace(' ', "%20");
        let mut request =
            Request::builder().method(method).uri(format!("https://localhost:8443{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        assert!(parts.headers.contains_key("request-id"), "every answer has ids");
        assert!(parts.headers.contains_key("client-request-id"), "every answer has ids");
        Reply {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// A request by `token` with a JSON body; `Value::Null` sends none.
    pub(crate) async fn by(
        &self,
        token: &Token,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Reply {
        self.by_with(token, method, path, body, None).await
    }

    /// The same with a `Prefer` header.
    pub(crate) async fn by_with(
        &self,
        token: &Token,
        method: Method,
        path: &str,
        body: &Value,
        prefer: Option<&str>,
    ) -> Reply {
        let bearer = token.bearer(self.clock.now());
        let mut headers = vec![(header::AUTHORIZATION.as_str(), bearer.as_str())];
        headers.extend(prefer.map(|prefer| ("prefer", prefer)));
        let body = if body.is_null() {
            String::new()
        } else {
            headers.push((header::CONTENT_TYPE.as_str(), "application/json"));
            body.to_string()
        };
        self.send(method, path, &headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.by(&Token::application(), Method::GET, path, &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.by(&Token::application(), Method::POST, path, &body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.by(&Token::application(), Method::PATCH, path, &body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.by(&Token::application(), Method::DELETE, path, &Value::Null).await
    }

    /// The application with an extra header.
    pub(crate) async fn get_with(&self, path: &str, name: &str, value: &str) -> Reply {
        let bearer = Token::application().bearer(self.clock.now());
        self.send(
            Method::GET,
            path,
            &[(header::AUTHORIZATION.as_str(), bearer.as_str()), (name, value)],
            Body::empty(),
        )
        .await
    }

    /// The id that a policy, unit or session was given.
    pub(crate) fn id(body: &Value) -> String {
        body["id"].as_str().expect("an id").to_owned()
    }

    /// A policy with these sites.
    pub(crate) async fn policy(&self, sites: &[u32]) -> String {
        let units: Vec<Value> = sites.iter().map(|n| json!({ "siteId": site(*n) })).collect();
        let body = json!({ "displayName": "Policy", "siteProtectionUnits": units });
        Self::id(&self.post("/sharePointProtectionPolicies", body).await.ok())
    }

    /// An active policy with these sites, protected, each with one point. In the order of `sites`.
    pub(crate) async fn protected(&self, sites: &[u32]) -> Vec<(UnitId, RestorePointId)> {
        let policy = self.policy(sites).await;
        let path = format!("/protectionPolicies/{policy}/activate");
        self.post(&path, Value::Null).await.ok();
        self.work().await;
        let mut found = Vec::new();
        for n in sites {
            let filter = format!("/siteProtectionUnits?$filter=siteId eq '{}'", site(*n));
            let unit: UnitId =
                Self::id(&self.get(&filter).await.ok()["value"][0]).parse().expect("a GUID");
            let filter = format!("/restorePoints?$filter=protectionUnit/id eq '{unit}'");
            let point = Self::id(&self.get(&filter).await.ok()["value"][0]);
            found.push((unit, point.parse().expect("a point's id")));
        }
        found
    }

    /// A draft with one artifact for each point.
    pub(crate) async fn draft(&self, points: &[RestorePointId]) -> String {
        let artifacts: Vec<Value> = points.iter().map(|point| artifact(*point, "new")).collect();
        let body = match artifacts.is_empty() {
            true => json!({}),
            false => json!({ "siteRestoreArtifacts": artifacts }),
        };
        Self::id(&self.post("/sharePointRestoreSessions", body).await.ok())
    }

    pub(crate) async fn artifact_ids(&self, session: &str) -> Vec<String> {
        let path = format!("/sharePointRestoreSessions/{session}/siteRestoreArtifacts");
        let list = self.get(&path).await.ok();
        list["value"].as_array().expect("a list").iter().map(Self::id).collect()
    }

    /// Puts a session into a state that only the engine reaches.
    pub(crate) async fn put_state(&self, session: &str, state: RestoreState) {
        let tenant: TenantId = TENANT.parse().expect("a GUID");
        let id: RestoreSessionId = session.parse().expect("a GUID");
        let mut tx = self.store.begin().await.expect("the store works");
        let row = tx.restore_session(tenant, id).await.expect("works").expect("it exists");
        let mut session = row.value;
        session.state = state;
        tx.put(&session, row.version).await.expect("the store works");
        tx.commit().await.expect("the store works");
    }
}

/// The id of the site number `n`.
pub(crate) fn site(n: u32) -> String {
    format!(
        "contoso.sharepoint.com,0000000e-{n:04x}-4000-8000-0000000e0001,0000000f-{n:04x}-4000-8000-0000000f0001"
    )
}

/// An artifact as requests name it.
pub(crate) fn artifact(point: RestorePointId, destination: &str) -> Value {
    json!({ "restorePoint": { "id": point.to_string() }, "destinationType": destination })
}
