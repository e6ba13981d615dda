//! HTTPS, or plain HTTP for a proxy on this machine, in front of a router.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::{EXPECT, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::config::PublicUrl;
use crate::unread_body;

/// How long a client may take over its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests in hand may take after a `dev` server was told to stop.
const LOCAL_GRACE: Duration = Duration::from_secs(10);

/// How requests come in.
pub(crate) struct Front {
    /// `None`: plain HTTP.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// What links in answers begin with; `None`: what the client used.
    pub(crate) public_url: Option<PublicUrl>,
    /// How long requests in hand may take after the server was told to stop.
    pub(crate) grace: Duration,
}

impl Front {
    /// HTTPS for clients on this machine, by whatever name they use for it.
    pub(crate) const fn local(tls: Arc<ServerConfig>) -> Self {
        Self { tls: Some(tls), public_url: None, grace: LOCAL_GRACE }
    }
}

/// Serves until `stopped` is ready, then lets the requests in hand end.
pub(crate) async fn serve(
    listener: TcpListener,
    front: Front,
    router: Router,
    stopped: impl Future<Output = ()>,
) {
    let acceptor = front.tls.map(TlsAcceptor::from);
    let public_url = front.public_url.map(Arc::new);
    let graceful = GracefulShutdown::new();
    let mut stopped = std::pin::pin!(stopped);
    loop {
        let stream = tokio::select! {
            () = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file handles, most likely: the connections in hand give some back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
        };
        let talking = Talking {
            router: router.clone(),
            public_url: public_url.clone(),
            watcher: graceful.watcher(),
        };
        tokio::spawn(accept(stream, acceptor.clone(), talking));
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        _ = tokio::time::timeout(front.grace, std::future::pending::<()>()) => tracing::warn!("requests in hand were cut off"),
    }
}

/// What a connection needs.
struct Talking {
    router: Router,
    public_url: Option<Arc<PublicUrl>>,
    watcher: hyper_util::server::graceful::Watcher,
}

async fn accept(stream: TcpStream, acceptor: Option<TlsAcceptor>, talking: Talking) {
    drop(stream.set_nodelay(true));
    let Some(acceptor) = acceptor else { return talk(stream, talking).await };
    if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
        talk(stream, talking).await;
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, talking: Talking) {
    let Talking { router, public_url, watcher } = talking;
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, public_url) = (router.clone(), public_url.clone());
        async move { answer(router, public_url.as_deref(), request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Routers build links from the request's own address, so it is made whole first.
async fn answer<B>(
    router: Router,
    public_url: Option<&PublicUrl>,
    request: Request<B>,
) -> Result<Response<Body>, std::convert::Infallible>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + Unpin + 'static,
{
    let (mut head, body) = request.into_parts();
    // A client that waits to be asked for its body is not asked for what nobody reads.
    let waits = head.headers.contains_key(EXPECT);
    let (body, rest) = unread_body::share(body);
    let response = match whole_address(&head, public_url) {
        Some(whole) => {
            head.uri = whole;
            router.oneshot(Request::from_parts(head, Body::new(body))).await?
        }
        None => {
            drop(body);
            let mut refused = Response::new(Body::from("The Host header is missing or malformed."));
            *refused.status_mut() = StatusCode::BAD_REQUEST;
            refused
        }
    };
    if !waits {
        rest.read().await;
    }
    Ok(response)
}

fn whole_address(head: &http::request::Parts, public_url: Option<&PublicUrl>) -> Option<Uri> {
    let (scheme, authority) = match (public_url, head.uri.authority()) {
        (Some(public), _) => (public.scheme.clone(), public.authority.clone()),
        (None, Some(authority)) => (Scheme::HTTPS, authority.clone()),
        (None, None) => {
            (Scheme::HTTPS, Authority::try_from(head.headers.get(HOST)?.as_bytes()).ok()?)
        }
    };
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::StreamExt;

    use super::*;

    /// Answers a request of five frames and says how many of them were read.
    async fn frames_read(router: Router, expect: Option<&'static str>) -> usize {
        let read = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&read);
        let frames = futures::stream::iter(0..5).map(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok::<_, axum::Error>(Bytes::from_static(b"bytes"))
        });
        let mut request = Request::put("/upload").header(HOST, "localhost:8443");
        if let Some(expect) = expect {
            request = request.header(EXPECT, expect);
        }
        let request = request.body(Body::from_stream(frames)).unwrap();
        let response = answer(router, None, request).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        read.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn a_body_that_no_handler_reads_is_read_before_the_answer() {
        assert_eq!(frames_read(Router::new(), None).await, 5);
    }

    #[tokio::test]
    async fn a_body_that_the_client_holds_back_is_not_asked_for() {
        assert_eq!(frames_read(Router::new(), Some("100-continue")).await, 0);
    }
}
