//! An outside issuer's keys, over HTTPS.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use holdfast_api::{JwksSource, JwksUnavailable};
use holdfast_domain::{Clock, Timestamp};
use serde::Deserialize;

use crate::config::{IssuerConfig, KeysAt, Setting};

/// From the first byte sent to the last received.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Entra's set has a dozen keys with certificates, some 20 KiB.
const DOCUMENT_BYTES: usize = 1 << 20;

/// After an attempt that failed, the next one waits as long: requests must not queue for an issuer that is away.
const PAUSE: Duration = Duration::from_secs(5);

/// Asks one issuer for its keys. The verifier keeps them, and asks again when a token names a key that it does not know.
pub(crate) struct HttpJwks {
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    issuer: String,
    keys: KeysAt,
    state: AtomicU8,
    failed: Mutex<Option<(Timestamp, String)>>,
}

/// What came of asking for keys, for readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeysState {
    NotAsked = 0,
    Loaded = 1,
    Failed = 2,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl HttpJwks {
    pub(crate) fn new(config: &IssuerConfig, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Self>> {
        let client = https_client(config.ca_file.as_ref())?
            .timeout(TIMEOUT)
            // An issuer's documents are where its configuration says.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("no client for HTTPS")?;
        Ok(Arc::new(Self {
            client,
            clock,
            issuer: config.issuer.clone(),
            keys: config.keys.clone(),
            state: AtomicU8::new(KeysState::NotAsked as u8),
            failed: Mutex::new(None),
        }))
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn state(&self) -> KeysState {
        match self.state.load(Ordering::Relaxed) {
            0 => KeysState::NotAsked,
            1 => KeysState::Loaded,
            _ => KeysState::Failed,
        }
    }

    fn last_failure(&self) -> Option<(Timestamp, String)> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch_keys(&self) -> Result<String, String> {
        let url = match &self.keys {
            KeysAt::Jwks(url) => url.clone(),
            KeysAt::Discovery(url) => {
                let document: Discovery = serde_json::from_str(&self.fetch(url).await?)
                    .map_err(|_| format!("{url} is no OpenID configuration"))?;
                if document.issuer != self.issuer {
                    return Err(format!("{url} is the configuration of another issuer"));
                }
                if !document.jwks_uri.starts_with("https://") {
                    return Err(format!("{url} names keys that are not behind HTTPS"));
                }
                document.jwks_uri
            }
        };
        let document = self.fetch(&url).await?;
        let is_set = serde_json::from_str::<serde_json::Value>(&document)
            .is_ok_and(|document| document["keys"].is_array());
        if is_set { Ok(document) } else { Err(format!("{url} is no JSON Web Key Set")) }
    }

    async fn fetch(&self, url: &str) -> Result<String, String> {
        let failed = |what: &str| format!("{url}: {what}");
        let mut response = self.client.get(url).send().await.map_err(|error| {
            failed(if error.is_timeout() { "no answer in time" } else { "no connection" })
        })?;
        if !response.status().is_success() {
            return Err(failed(&format!("status {}", response.status().as_u16())));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|_| failed("the connection broke"))?
        {
            if bytes.len() + chunk.len() > DOCUMENT_BYTES {
                return Err(failed("the document is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).map_err(|_| failed("the document is no text"))
    }
}

#[async_trait]
impl JwksSource for HttpJwks {
    async fn jwks(&self) -> Result<String, JwksUnavailable> {
        if let Some((at, reason)) = self.last_failure()
            && self.clock.now().since(at) < PAUSE
        {
            return Err(JwksUnavailable(reason));
        }
        let fetched = self.fetch_keys().await;
        let failed = fetched.as_ref().err().map(|reason| (self.clock.now(), reason.clone()));
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        let state = match &fetched {
            Ok(_) => KeysState::Loaded,
            Err(reason) => {
                tracing::warn!(issuer = self.issuer, reason, "an issuer's keys cannot be had");
                KeysState::Failed
            }
        };
        self.state.store(state as u8, Ordering::Relaxed);
        fetched.map_err(JwksUnavailable)
    }
}

/// HTTPS only, with the system's authorities or with those of a file alone.
pub(crate) fn https_client(
    ca_file: Option<&Setting<std::path::PathBuf>>,
) -> anyhow::Result<reqwest::ClientBuilder> {
    let client = reqwest::Client::builder().https_only(true).connect_timeout(TIMEOUT);
    let Some(setting) = ca_file else { return Ok(client) };
    let pem = std::fs::read(&setting.value).map_err(|error| setting.wrong(error))?;
    let authorities = reqwest::Certificate::from_pem_bundle(&pem)
        .ok()
        .filter(|authorities| !authorities.is_empty())
        .ok_or_else(|| setting.wrong("holds no certificate"))?;
    Ok(client.tls_certs_only(authorities))
}
