//! HTTPS in front of a router.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// How long a client may take over its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests in hand may take after the server was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until `stopped` is ready, then lets the requests in hand end.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    stopped: impl Future<Output = ()>,
) {
    let acceptor = TlsAcceptor::from(tls);
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
        tokio::spawn(talk(stream, acceptor.clone(), router.clone(), graceful.watcher()));
    }
    tokio::select! {
        () = graceful.shutdown() => {}
        _ = tokio::time::timeout(GRACE, std::future::pending::<()>()) => tracing::warn!("requests in hand were cut off"),
    }
}

async fn talk(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    drop(stream.set_nodelay(true));
    let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await else {
        return;
    };
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Routers build links from the request's own address, so it is made whole first.
async fn answer(
    router: Router,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let (mut head, body) = request.into_parts();
    let authority = match head.uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => head.headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok()),
    };
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let whole = authority.and_then(|authority| {
        Uri::builder().scheme(Scheme::HTTPS).authority(authority).path_and_query(path).build().ok()
    });
    let Some(whole) = whole else {
        let mut refused = Response::new(Body::from("The Host header is missing or malformed."));
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(refused);
    };
    head.uri = whole;
    router.oneshot(Request::from_parts(head, Body::new(body))).await
}
