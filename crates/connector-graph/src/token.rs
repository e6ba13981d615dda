//! Access tokens by client credentials, renewed before they expire and when the service refuses one.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use holdfast_connector::ConnectorError;
use holdfast_domain::{Clock, Timestamp};
use http::{Method, Request, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::transport::Transport;

/// A token is not used in the last minutes of its life: a long upload may begin with it.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
const SCOPE: &str = "https://graph.microsoft.com/.default";

/// An application of the protected tenant. Its secret never leaves this crate.
#[derive(Clone)]
pub struct Credentials {
    /// For example `https://login.microsoftonline.com`, without a slash at the end.
    pub authority: String,
    pub tenant: String,
    pub client_id: String,
    pub client_secret: String,
}

pub(crate) struct Tokens {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    credentials: Credentials,
    current: Mutex<Option<(String, Timestamp)>>,
}

impl Tokens {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        credentials: Credentials,
    ) -> Self {
        Self { transport, clock, credentials, current: Mutex::new(None) }
    }

    /// A token that is good for some minutes at least.
    pub(crate) async fn token(&self) -> Result<String, ConnectorError> {
        let mut current = self.current.lock().await;
        if let Some((token, good_until)) = &*current
            && self.clock.now() < *good_until
        {
            return Ok(token.clone());
        }
        let (token, lifetime) = self.request().await?;
        *current =
            Some((token.clone(), self.clock.now().plus(lifetime.saturating_sub(RENEW_BEFORE))));
        Ok(token)
    }

    /// The service refused `token`: the next call gets another.
    pub(crate) async fn forget(&self, token: &str) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|(known, _)| known == token) {
            *current = None;
        }
    }

    async fn request(&self) -> Result<(String, Duration), ConnectorError> {
        let Credentials { authority, tenant, client_id, client_secret } = &self.credentials;
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
            encode(client_id),
            encode(client_secret),
            encode(SCOPE)
        );
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{authority}/{}/oauth2/v2.0/token", encode(tenant)))
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .map_err(|_| {
                ConnectorError::Protocol("the authority is no valid address".to_owned())
            })?;
        let response = self.transport.send(request).await.map_err(unavailable)?;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .map_err(|_| unavailable("the connection broke".to_owned()))?;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(unavailable(format!("the token service answered {}", status.as_u16())));
        }
        if !status.is_success() {
            tracing::warn!(
                status = status.as_u16(),
                error = answer["error"].as_str(),
                "the token service refused the application"
            );
            return Err(ConnectorError::AccessDenied);
        }
        let token = answer["access_token"]
            .as_str()
            .ok_or_else(|| ConnectorError::Protocol("no access_token".to_owned()))?;
        Ok((token.to_owned(), Duration::from_secs(answer["expires_in"].as_u64().unwrap_or(0))))
    }
}

fn unavailable(reason: String) -> ConnectorError {
    ConnectorError::Unavailable { reason, retry_after: None }
}
