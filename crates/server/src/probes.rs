//! `/healthz`, `/readyz` and `/metrics`, in front of everything else that a process serves. They need no token: a proxy that
//! faces the internet should not pass them on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use holdfast_api::OperationId;
use holdfast_domain::Clock;
use holdfast_store::Store;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use tower::ServiceExt;

use crate::jwks::{HttpJwks, KeysState};
use crate::metrics::Metrics;

/// What the probes look at.
pub(crate) struct Probes {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    /// Outside issuers; none in `dev`.
    pub(crate) issuers: Vec<Arc<HttpJwks>>,
    pub(crate) engine: Running,
}

/// Whether something runs. Clones look at the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<AtomicBool>);

impl Running {
    pub(crate) fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Runs `work`, and says so as long as it does.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        struct Ends<'a>(&'a AtomicBool);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Relaxed);
            }
        }
        self.0.store(true, Ordering::Relaxed);
        let _ends = Ends(&self.0);
        work.await
    }
}

/// The probes, and `router` behind them with its requests counted.
pub(crate) fn in_front(probes: Probes, router: Router) -> Router {
    let probes = Arc::new(probes);
    let (ready, counted) = (Arc::clone(&probes), Arc::clone(&probes.metrics));
    Router::new()
        .route("/healthz", axum::routing::get(async || "ok"))
        .route("/readyz", axum::routing::get(async move || readiness(&ready).await))
        .route("/metrics", axum::routing::get(async move || prometheus(&counted)))
        .fallback(move |request: Request| {
            let (probes, router) = (Arc::clone(&probes), router.clone());
            async move {
                let started = probes.clock.now();
                let answered: Result<Response, std::convert::Infallible> =
                    router.oneshot(request).await;
                let response = answered.unwrap_or_else(|never| match never {});
                let took = probes.clock.now().since(started);
                // What is no operation of the API is the tenant's, or nobody's.
                let operation = response.extensions().get::<OperationId>();
                let operation = operation.map_or("other", |operation| operation.0);
                probes.metrics.note_request(operation, response.status(), took);
                response
            }
        })
}

/// Ready: the metastore answers and the engine runs. Issuers' keys are told but not asked for: they come with the first token,
/// and an issuer that is away must not take every node out of service.
async fn readiness(probes: &Probes) -> Response {
    let metastore = match probes.store.read().await {
        Ok(mut tx) => tx.next_job_at().await.is_ok(),
        Err(_) => false,
    };
    let engine = probes.engine.is();
    let issuers: Vec<_> = probes
        .issuers
        .iter()
        .map(|jwks| {
            let keys = match jwks.state() {
                KeysState::NotAsked => "not asked for yet",
                KeysState::Loaded => "loaded",
                KeysState::Failed => "the last attempt failed",
            };
            json!({"issuer": jwks.issuer(), "keys": keys, "required": false})
        })
        .collect();
    let ready = metastore && engine;
    let body = json!({
        "ready": ready,
        "metastore": if metastore { "answers" } else { "does not answer" },
        "engine": if engine { "runs" } else { "does not run" },
        "issuers": issuers,
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    reply(status, "application/json", body.to_string())
}

fn prometheus(metrics: &Metrics) -> Response {
    reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics.render())
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
