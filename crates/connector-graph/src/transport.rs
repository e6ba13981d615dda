//! How requests reach the service: over HTTPS, or to a router in the same process.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

/// Sends one request. Nothing above this line knows whether a socket is involved.
#[async_trait]
pub trait Transport: Send + Sync {
    /// # Errors
    /// A short reason when no answer came. An answer of any status is no error.
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, String>;
}

/// Calls a router without a socket: for the embedded tenant. Each request is a task of its own, as it would be in a
/// server, so that many use all cores; dropping the call drops the task.
#[derive(Debug, Clone)]
pub struct InProcess(pub Router);

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, String> {
        let answering = AbortOnDropHandle::new(tokio::spawn(self.0.clone().oneshot(request)));
        match answering.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(never)) => match never {},
            Err(_) => Err("the request's task ended".to_owned()),
        }
    }
}

/// Speaks HTTPS.
#[derive(Debug, Clone)]
pub struct Https(pub reqwest::Client);

#[async_trait]
impl Transport for Https {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, String> {
        let request = request.map(|body| reqwest::Body::wrap_stream(body.into_data_stream()));
        let request = reqwest::Request::try_from(request)
            .map_err(|_| "the request has no valid address".to_owned())?;
        // reqwest's own text names the address, which may carry a secret.
        let response =
            self.0.execute(request).await.map_err(|error| reason_of(&error).to_owned())?;
        Ok(http::Response::from(response).map(Body::new))
    }
}

fn reason_of(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    }
}
