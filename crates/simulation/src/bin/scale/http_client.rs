//! Requests over HTTP on the loopback, with as little of a client as can be.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use http::Method;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes that an answer may have.
pub(crate) const ANSWER: usize = 256 * 1024;

/// A server for `router` until the task is aborted.
pub(crate) async fn serve(
    router: Router,
) -> anyhow::Result<(JoinHandle<std::io::Result<()>>, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((tokio::spawn(async move { axum::serve(listener, router).await }), address))
}

/// One request with a JSON body; `Value::Null` sends none.
pub(crate) fn request_text(method: &Method, path: &str, token: &str, body: &Value) -> String {
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n");
    if body.is_null() {
        return format!("{head}\r\n");
    }
    let body = body.to_string();
    format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Reads one answer to its end, which its content-length gives. It must be 200 and fit into `buffer`.
pub(crate) async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        anyhow::ensure!(read > 0, "the server closed the connection");
        filled += read;
        let text = std::str::from_utf8(&buffer[..filled])?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
        });
        let length: usize = length.context("an answer has a length")?;
        if body.len() >= length {
            return Ok(());
        }
    }
}
