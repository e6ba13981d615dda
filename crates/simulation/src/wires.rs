//! Things that happen on the way between engine and tenant.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use axum::body::Body;
use futures::future::BoxFuture;
use holdfast_connector_graph::Transport;
use http::{Request, Response};

use crate::world::Wire;

/// What a download gives instead of the file's bytes.
#[derive(Debug, Clone)]
pub enum Spoilt {
    /// 403 with Graph's envelope.
    Refused,
    /// These bytes with status 200.
    Body(&'static [u8]),
    /// 500 with a page, for this many requests; then the true bytes.
    Page { times: u64 },
}

/// Spoils the downloads of single files, told apart by size, since download addresses are opaque.
#[derive(Default)]
pub struct SpoiltDownloads {
    by_size: Mutex<BTreeMap<u64, Spoilt>>,
    /// Requests that were spoilt.
    pub spoilt: AtomicU64,
    /// Requests for content.
    pub downloads: AtomicU64,
}

impl SpoiltDownloads {
    pub fn spoil(&self, size: u64, how: Spoilt) {
        self.by_size.lock().unwrap_or_else(PoisonError::into_inner).insert(size, how);
    }

    pub fn heal(&self) {
        self.by_size.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn due(&self, size: u64) -> Option<Spoilt> {
        let mut by_size = self.by_size.lock().unwrap_or_else(PoisonError::into_inner);
        let how = by_size.get_mut(&size)?;
        if let Spoilt::Page { times } = how {
            if *times == 0 {
                return None;
            }
            *times -= 1;
        }
        Some(how.clone())
    }
}

#[async_trait]
impl Wire for SpoiltDownloads {
    async fn pass(
        &self,
        request: Request<Body>,
        on: &dyn Transport,
    ) -> Result<Response<Body>, String> {
        let is_download = request.uri().path().contains("/_tenant/download/");
        let answer = on.send(request).await?;
        if !is_download {
            return Ok(answer);
        }
        self.downloads.fetch_add(1, Ordering::Relaxed);
        let (parts, body) = answer.into_parts();
        let bytes =
            axum::body::to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
        let Some(how) = self.due(bytes.len() as u64) else {
            return Ok(Response::from_parts(parts, Body::from(bytes)));
        };
        self.spoilt.fetch_add(1, Ordering::Relaxed);
        let (status, kind, body): (u16, &str, &'static [u8]) = match how {
            Spoilt::Refused => (
                403,
                "application/json",
                br#"{"error":{"code":"accessDenied","message":"Access denied"}}"#,
            ),
            Spoilt::Body(body) => (200, "application/octet-stream", body),
            Spoilt::Page { .. } => (500, "text/html", b"<html>Something went wrong</html>"),
        };
        Ok(Response::builder()
            .status(status)
            .header("content-type", kind)
            .body(Body::from(body))
            .expect("valid parts"))
    }
}

/// What happens meanwhile.
pub type Deed = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Does something else just before one request passes.
#[derive(Default)]
pub struct Meanwhile {
    planned: Mutex<Option<(u64, Deed)>>,
    passed: AtomicU64,
}

impl Meanwhile {
    /// Plans `deed` before the request number `at`, counted from 1 from now on.
    pub fn plan(&self, at: u64, deed: Deed) {
        self.passed.store(0, Ordering::SeqCst);
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, deed));
    }

    /// Takes the deed back, if it was not done yet; whether it was done.
    pub fn is_done(&self) -> bool {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).take().is_none()
    }
}

#[async_trait]
impl Wire for Meanwhile {
    async fn pass(
        &self,
        request: Request<Body>,
        on: &dyn Transport,
    ) -> Result<Response<Body>, String> {
        let number = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        let due = {
            let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
            match &*planned {
                Some((at, _)) if *at <= number => planned.take(),
                Some(_) | None => None,
            }
        };
        if let Some((_, deed)) = due {
            deed().await;
        }
        on.send(request).await
    }
}

/// Notes every request's method and path.
#[derive(Default)]
pub struct Recorded(Mutex<Vec<(String, String)>>);

impl Recorded {
    /// What passed since the last time, as method and path with query.
    pub fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Wire for Recorded {
    async fn pass(
        &self,
        request: Request<Body>,
        on: &dyn Transport,
    ) -> Result<Response<Body>, String> {
        let path = request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((request.method().to_string(), path));
        on.send(request).await
    }
}

type ChangeAddress = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;
type ChangeAnswer = Box<dyn Fn(&str, &mut serde_json::Value) + Send + Sync>;

/// Changes addresses on their way to the tenant and JSON answers on their way back.
pub struct Rewritten {
    /// From path and query to another, or `None` to leave it.
    pub address: ChangeAddress,
    /// For answers that are JSON, with the request's path and query.
    pub answer: ChangeAnswer,
}

impl Default for Rewritten {
    fn default() -> Self {
        Self { address: Box::new(|_| None), answer: Box::new(|_, _| {}) }
    }
}

#[async_trait]
impl Wire for Rewritten {
    async fn pass(
        &self,
        mut request: Request<Body>,
        on: &dyn Transport,
    ) -> Result<Response<Body>, String> {
        let path = request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned();
        if let Some(other) = (self.address)(&path) {
            let address = format!("http://tenant.internal{other}");
            *request.uri_mut() = address.parse().map_err(|_| "no address".to_owned())?;
        }
        let (parts, body) = on.send(request).await?.into_parts();
        let bytes =
            axum::body::to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
        let Ok(mut value) = serde_json::from_slice(&bytes) else {
            return Ok(Response::from_parts(parts, Body::from(bytes)));
        };
        (self.answer)(&path, &mut value);
        let mut response = Response::builder().status(parts.status);
        for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "content-length") {
            response = response.header(name, value);
        }
        Ok(response.body(Body::from(value.to_string())).expect("valid parts"))
    }
}

/// Breaks the first download of a size in the middle, after doing something else.
pub struct CutDownload {
    pub size: u64,
    pub deed: Mutex<Option<Deed>>,
}

#[async_trait]
impl Wire for CutDownload {
    async fn pass(
        &self,
        request: Request<Body>,
        on: &dyn Transport,
    ) -> Result<Response<Body>, String> {
        let is_download = request.uri().path().contains("/_tenant/download/");
        let (parts, body) = on.send(request).await?.into_parts();
        if !is_download {
            return Ok(Response::from_parts(parts, body));
        }
        let bytes =
            axum::body::to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
        let due = if bytes.len() as u64 == self.size {
            self.deed.lock().unwrap_or_else(PoisonError::into_inner).take()
        } else {
            None
        };
        let Some(deed) = due else { return Ok(Response::from_parts(parts, Body::from(bytes))) };
        deed().await;
        let half = bytes.slice(..bytes.len() / 2);
        let broken = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "cut");
        let pieces = futures::stream::iter([Ok(half), Err(broken)]);
        Ok(Response::builder().status(200).body(Body::from_stream(pieces)).expect("valid parts"))
    }
}
