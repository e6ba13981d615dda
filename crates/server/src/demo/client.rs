//! A small Graph client that calls the server's router in process: the public API, with a token like anybody's.

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use holdfast_tenant::Facts;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

const BASE: &str = "http://tenant.internal";
const ANSWER_BYTES: usize = 16 << 20;

pub(super) struct Client {
    router: Router,
    token: String,
}

impl Client {
    pub(super) async fn sign_in(router: Router, facts: &Facts) -> anyhow::Result<Self> {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default",
            facts.client_id, facts.client_secret
        );
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{BASE}/{}/oauth2/v2.0/token", facts.tenant_id))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form))?;
        let (_, answer) = send(&router, request).await?;
        let token =
            answer["access_token"].as_str().context("the token service gave no token")?.to_owned();
        Ok(Self { router, token })
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.call(Method::POST, path, body).await
    }

    /// `path` is below `/v1.0/solutions/backupRestore`.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("{BASE}/v1.0/solutions/backupRestore{path}"));
        request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        let request = match body {
            Some(body) => request
                .header(CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string()))?,
            None => request.body(Body::empty())?,
        };
        let (status, answer) = send(&self.router, request).await?;
        if !status.is_success() {
            bail!(
                "{method} {path} was answered {status}: {}",
                answer["error"]["message"].as_str().unwrap_or_default()
            );
        }
        Ok(answer)
    }
}

async fn send(router: &Router, request: Request<Body>) -> anyhow::Result<(StatusCode, Value)> {
    let response = router.clone().oneshot(request).await?;
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), ANSWER_BYTES).await?;
    Ok((status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? }))
}
