//! The tenant in a temporary folder, its router called in process, and a clock that only tests move.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use holdfast_domain::{Clock, SeededEntropy, Timestamp};
use holdfast_tenant::{Facts, Tenant, TenantOptions, TokenClaims};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }

    async fn sleep_until(&self, _at: Timestamp) {}
}

pub(crate) struct Harness {
    pub(crate) tenant: Tenant,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) facts: Facts,
    pub(crate) token: String,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("no JSON: {} {:?}", self.status, self.bytes))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status.as_u16(), status, "{}", &text[..text.len().min(400)]);
        self
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn body(self, status: u16) -> Value {
        self.expect(status).json()
    }

    /// Checks the envelope: status, code and inner code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str, inner: Option<&str>) {
        let body = self.expect(status).json();
        assert_eq!(body["error"]["code"], code, "{body}");
        assert_eq!(body["error"]["innerError"]["code"].as_str(), inner, "{body}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(body["error"]["innerError"]["request-id"].is_string());
        assert!(body["error"]["innerError"]["client-request-id"].is_string());
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) fn open(dir: &Path, clock: &Arc<ManualClock>) -> Tenant {
    let options = TenantOptions {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        entropy: Arc::new(SeededEntropy::new(7)),
        issuer_base: "https://localhost:8443".to_owned(),
    };
    Tenant::open(dir, options).unwrap()
}

impl Harness {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock(AtomicI64::new(1_800_000_000_250_000)));
        let tenant = open(dir.path(), &clock);
        let facts = tenant.facts();
        let token = app_token(
            &tenant,
            &["Sites.FullControl.All", "User.Read.All", "Group.Read.All", "Organization.Read.All"],
        );
        Self { tenant, clock, facts, token, dir }
    }

    /// `url` is absolute or starts with `/`; a path without version goes to `/v1.0`.
    pub(crate) async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let plain = headers.iter().any(|(name, _)| *name == "no-token");
        let mut request = Request::builder().method(method).uri(absolute(url));
        if !plain {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers.iter().filter(|(name, _)| *name != "no-token") {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.tenant.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.send("GET", url, &[], Body::empty()).await
    }

    pub(crate) async fn json(&self, method: &str, url: &str, body: Value) -> Answer {
        self.send(method, url, &[("content-type", "application/json")], body.to_string()).await
    }

    pub(crate) async fn delete(&self, url: &str) -> Answer {
        self.send("DELETE", url, &[], Body::empty()).await
    }

    /// `/drives/{id}` of the first site's library.
    pub(crate) fn drive(&self) -> String {
        format!("/drives/{}", self.facts.drive_id)
    }

    pub(crate) async fn folder(&self, parent_url: &str, name: &str) -> Value {
        let body = json!({"name": name, "folder": {}, "@microsoft.graph.conflictBehavior": "fail"});
        self.json("POST", &format!("{parent_url}/children"), body).await.body(201)
    }

    pub(crate) async fn put(&self, url: &str, bytes: &[u8]) -> Answer {
        self.send("PUT", url, &[("content-type", "application/json")], bytes.to_vec()).await
    }

    pub(crate) async fn download(&self, url: &str) -> Vec<u8> {
        let location = self.get(url).await.expect(302).header("location").to_owned();
        self.send("GET", &location, &[("no-token", "")], Body::empty())
            .await
            .expect(200)
            .bytes
            .to_vec()
    }

    /// All pages from `url` on: the values, the deltaLink, and the number of pages.
    pub(crate) async fn drain(&self, url: &str) -> (Vec<Value>, String, usize) {
        let (mut values, mut next, mut pages) = (Vec::new(), url.to_owned(), 0);
        loop {
            let page = self.get(&next).await.body(200);
            pages += 1;
            values.extend(page["value"].as_array().unwrap().iter().cloned());
            match (page["@odata.nextLink"].as_str(), page["@odata.deltaLink"].as_str()) {
                (Some(link), None) => {
                    assert!(!page["value"].as_array().unwrap().is_empty(), "an empty middle page");
                    next = link.to_owned();
                }
                (None, link) => return (values, link.unwrap_or_default().to_owned(), pages),
                both => panic!("two links {both:?}"),
            }
        }
    }
}

pub(crate) fn app_token(tenant: &Tenant, roles: &[&str]) -> String {
    let client_id = tenant.facts().client_id.to_string();
    tenant.mint_token(&TokenClaims::application(client_id, roles))
}

pub(crate) fn absolute(url: &str) -> String {
    if url.starts_with("http") {
        return url.to_owned();
    }
    let versioned =
        ["/v1.0", "/beta", "/_api", "/_tenant", "/raw"].iter().any(|p| url.starts_with(p));
    let url = url.strip_prefix("/raw").unwrap_or(url);
    let version = if versioned { "" } else { "/v1.0" };
    format!("http://tenant.internal{version}{url}")
}

pub(crate) fn id(item: &Value) -> &str {
    item["id"].as_str().unwrap()
}
