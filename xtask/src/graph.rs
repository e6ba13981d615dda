//! A small Graph client over HTTPS, as any other: it trusts the server's CA and shows a token.

use std::time::Duration;

use anyhow::{Context, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::dev_server::DevServer;

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One caller. Methods block, since the commands here do one thing after the other.
pub(crate) struct Graph {
    runtime: Runtime,
    client: reqwest::Client,
    base: String,
    token: String,
}

/// What a listing gives.
pub(crate) struct Pages {
    pub(crate) values: Vec<Value>,
    pub(crate) delta_link: Option<String>,
}

impl Graph {
    pub(crate) fn sign_in(server: &DevServer) -> anyhow::Result<Self> {
        // Already there when this is not the first caller of the process.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let ca = Certificate::from_pem(&std::fs::read(server.variable("CA_FILE")?)?)?;
        let client = reqwest::Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            // Between calls nobody looks whether the server has closed an idle connection, as it does after 30 s.
            .pool_idle_timeout(Duration::from_secs(10))
            .build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let base = server.variable("GRAPH_BASE")?.to_owned();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", server.variable("CLIENT_ID")?),
            ("client_secret", server.variable("CLIENT_SECRET")?),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let address = format!("{base}/{}/oauth2/v2.0/token", server.variable("TENANT_ID")?);
        let mut graph = Self { runtime, client, base, token: String::new() };
        let answer = graph.send(graph.client.post(address).form(&form))?;
        answer["access_token"].as_str().context("no token was given")?.clone_into(&mut graph.token);
        Ok(graph)
    }

    /// `path` is below `/v1.0`, or a link that an answer gave.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.request(Method::GET, path))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.request(Method::POST, path).json(body))
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.request(Method::PATCH, path).json(body))
    }

    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(self.request(Method::DELETE, path)).map(drop)
    }

    pub(crate) fn put_content(&self, path: &str, content: Vec<u8>) -> anyhow::Result<Value> {
        self.send(
            self.request(Method::PUT, path)
                .header("content-type", "application/octet-stream")
                .body(content),
        )
    }

    /// Every page from `path` on.
    pub(crate) fn list(&self, path: &str) -> anyhow::Result<Pages> {
        let mut pages = Pages { values: Vec::new(), delta_link: None };
        let mut next = Some(path.to_owned());
        while let Some(path) = next.take() {
            let mut page = self.get(&path)?;
            if let Some(values) = page["value"].as_array_mut() {
                pages.values.append(values);
            }
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
            pages.delta_link = page["@odata.deltaLink"].as_str().map(str::to_owned);
        }
        Ok(pages)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let address = if path.starts_with("https://") {
            path.to_owned()
        } else {
            format!("{}/v1.0{path}", self.base)
        };
        self.client.request(method, address).bearer_auth(&self.token)
    }

    fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let request = request.build()?;
        let shown = format!("{} {}", request.method(), request.url().path());
        self.runtime.block_on(async {
            let answer = self.client.execute(request).await.context(shown.clone())?;
            let status = answer.status();
            let body = answer.bytes().await.context(shown.clone())?;
            if !status.is_success() {
                bail!("{shown} was answered {status}: {}", String::from_utf8_lossy(&body));
            }
            Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? })
        })
    }
}

/// One segment of a path.
pub(crate) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// A text that must be there.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    value[name].as_str().with_context(|| format!("an answer has no {name}"))
}
