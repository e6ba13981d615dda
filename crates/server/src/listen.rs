//! HTTPS in front of a router.

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
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::unread_body;

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
async fn answer<B>(
    router: Router,
    request: Request<B>,
) -> Result<Response<Body>, std::convert::Infallible>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + Unpin + 'static,
{
    let (mut head, body) = request.into_parts();
    // A client that waits to be asked for its body is not asked for what nobody reads.
    let waits = head.headers.contains_key(EXPECT);
    let (body, rest) = unread_body::share(body);
    let response = match whole_address(&head) {
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

fn whole_address(head: &http::request::Parts) -> Option<Uri> {
    let authority = match head.uri.authority() {
        Some(authority) => authority.clone(),
        None => Authority::try_from(head.headers.get(HOST)?.as_bytes()).ok()?,
    };
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder().scheme(Scheme::HTTPS).authority(authority).path_and_query(path).build().ok()
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
        let response = answer(router, request).await.unwrap();
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
