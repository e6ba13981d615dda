//! Requests with a token, patience and typed errors.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use holdfast_connector::ConnectorError;
use holdfast_domain::{Clock, Entropy, Timestamp};
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::{RwLock, Semaphore};

use crate::token::{Credentials, Tokens};
use crate::transport::Transport;
use crate::upload::MEMORY_UNITS;

/// Attempts of one request while the service is throttled or down.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A JSON answer larger than this is not one of Graph's.
const ANSWER_BYTES: usize = 64 << 20;

/// Talks to one Graph endpoint as one application.
pub(crate) struct Client {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tokens: Tokens,
    /// For example `https://graph.microsoft.com`.
    base: String,
    /// No request goes out before: one `Retry-After` holds for the whole service.
    paused_until: RwLock<Option<Timestamp>>,
    /// The service's time and ours, when it last told.
    service_time: RwLock<Option<(Timestamp, Timestamp)>>,
    /// A permit for each MiB that uploads may hold.
    pub(crate) upload_memory: Semaphore,
}

/// A request that can be sent again.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// Pre-authenticated addresses get no token.
    pub(crate) authenticated: bool,
}

impl Call {
    pub(crate) fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            authenticated: true,
        }
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = Bytes::from(body.to_string());
        self.headers.push(("content-type", "application/json".to_owned()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn without_token(mut self) -> Self {
        self.authenticated = false;
        self
    }
}

/// A refusal, as far as anyone decides on it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) inner_code: String,
}

/// No answer at all, or a refusal.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    Other(ConnectorError),
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for ConnectorError {
    fn from(failure: Failure) -> Self {
        let refusal = match failure {
            Failure::Other(error) => return error,
            Failure::Refused(refusal) => refusal,
        };
        let name = if refusal.inner_code.is_empty() { refusal.code } else { refusal.inner_code };
        match refusal.status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::CONFLICT => Self::AlreadyExists,
            StatusCode::PRECONDITION_FAILED => Self::Changed,
            StatusCode::GONE => Self::ResyncRequired,
            StatusCode::LOCKED => Self::Locked,
            StatusCode::FORBIDDEN if name == "malwareDetected" => Self::Withheld(name),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::AccessDenied,
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::INSUFFICIENT_STORAGE => Self::Refused(name),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                Self::NotSupported("this request")
            }
            status => Self::Protocol(format!("status {} {name}", status.as_u16())),
        }
    }
}

impl Client {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        base: String,
        credentials: Credentials,
    ) -> Self {
        let tokens = Tokens::new(transport.clone(), clock.clone(), credentials);
        Self {
            transport,
            clock,
            entropy,
            tokens,
            base,
            paused_until: RwLock::new(None),
            service_time: RwLock::new(None),
            upload_memory: Semaphore::new(MEMORY_UNITS),
        }
    }

    /// An address below the service's root; `path` begins with the version.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// The service's time now, by its last answer; ours when answers carry no date, as those of a router in process.
    /// Dates tell whole seconds: rounded up, so that nothing read before is newer.
    pub(crate) async fn service_now(&self) -> Timestamp {
        let now = self.clock.now();
        match *self.service_time.read().await {
            Some((theirs, ours)) => theirs.plus(now.since(ours)).plus(Duration::from_secs(1)),
            None => now,
        }
    }

    /// Sends `call` and reads a JSON answer; `Null` when the answer has no body.
    pub(crate) async fn json(&self, call: Call) -> Result<Value, Failure> {
        let response = self.send(call).await?;
        let bytes = read_body(response).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| {
            Failure::Other(ConnectorError::Protocol("the answer is no JSON".to_owned()))
        })
    }

    /// Sends `call` until it is answered other than with "later"; a 2xx or 3xx is given back with its body unread.
    pub(crate) async fn send(&self, call: Call) -> Result<Response<Body>, Failure> {
        let mut token_renewed = false;
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.wait_for_pause().await;
            let token = if call.authenticated { Some(self.tokens.token().await?) } else { None };
            let (reason, retry_after) =
                match self.transport.send(request_of(&call, token.as_deref())?).await {
                    Err(reason) => (reason, None),
                    Ok(response) => {
                        self.note_service_time(response.headers()).await;
                        let status = response.status();
                        if status.is_success() || status.is_redirection() {
                            return Ok(response);
                        }
                        if status == StatusCode::UNAUTHORIZED
                            && !token_renewed
                            && let Some(token) = token
                        {
                            token_renewed = true;
                            self.tokens.forget(&token).await;
                            continue;
                        }
                        if !is_later(status) {
                            return Err(Failure::Refused(refusal_of(response).await));
                        }
                        let asked = retry_after_of(response.headers(), self.clock.now());
                        (format!("status {}", status.as_u16()), asked)
                    }
                };
            if attempt == ATTEMPTS {
                return Err(Failure::Other(ConnectorError::Unavailable { reason, retry_after }));
            }
            let pause = retry_after.unwrap_or_else(|| self.pause(attempt));
            tracing::info!(
                attempt,
                reason,
                pause_seconds = pause.as_secs(),
                "the service asks to wait"
            );
            let until = self.clock.now().plus(pause);
            if retry_after.is_some() {
                let mut paused_until = self.paused_until.write().await;
                *paused_until = (*paused_until).max(Some(until));
            }
            self.clock.sleep_until(until).await;
        }
    }

    async fn wait_for_pause(&self) {
        let paused_until = *self.paused_until.read().await;
        if let Some(until) = paused_until {
            self.clock.sleep_until(until).await;
        }
    }

    /// Doubles with each attempt; half of it random, so that many clients do not come back together.
    fn pause(&self, attempt: u32) -> Duration {
        let longest = FIRST_PAUSE.saturating_mul(1 << (attempt - 1).min(8)).min(LONGEST_PAUSE);
        let mut byte = [0];
        self.entropy.fill(&mut byte);
        longest / 2 + longest / 2 * u32::from(byte[0]) / 255
    }

    async fn note_service_time(&self, headers: &HeaderMap) {
        let told = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(http_date);
        if let Some(theirs) = told {
            *self.service_time.write().await = Some((theirs, self.clock.now()));
        }
    }
}

pub(crate) async fn read_body(response: Response<Body>) -> Result<Bytes, Failure> {
    axum::body::to_bytes(response.into_body(), ANSWER_BYTES).await.map_err(|_| {
        Failure::Other(ConnectorError::Unavailable {
            reason: "the connection broke".to_owned(),
            retry_after: None,
        })
    })
}

fn request_of(call: &Call, token: Option<&str>) -> Result<Request<Body>, ConnectorError> {
    let mut request = Request::builder().method(call.method.clone()).uri(&call.url);
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request = request.header(http::header::CONTENT_LENGTH, call.body.len());
    request
        .body(Body::from(call.body.clone()))
        .map_err(|_| ConnectorError::Protocol("the service gave an invalid address".to_owned()))
}

fn is_later(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504 | 509)
}

/// Never fails: error bodies are not always JSON, and the status alone decides.
async fn refusal_of(response: Response<Body>) -> Refusal {
    let status = response.status();
    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json"));
    let body = if is_json {
        axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap_or_default()
    } else {
        Bytes::new()
    };
    let error = serde_json::from_slice::<Value>(&body)
        .ok()
        .and_then(|answer| answer.get("error").cloned())
        .unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let inner =
        error.get("innerError").or_else(|| error.get("innererror")).cloned().unwrap_or_default();
    Refusal { status, code: text(&error["code"]), inner_code: text(&inner["code"]) }
}

/// Whole seconds, or a date.
fn retry_after_of(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => http_date(text)?.since(now),
    };
    Some(asked.min(LONGEST_PAUSE))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn http_date(text: &str) -> Option<Timestamp> {
    let (_, text) = text.split_once(", ")?;
    let mut parts = text.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? + 1;
    format!("{year}-{month:02}-{day}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_both_forms_of_retry_after() {
        let now: Timestamp = "1994-11-06T08:49:37Z".parse().expect("a time");
        let check = |text: &str, expected: Option<u64>| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().expect("a header"))]);
            assert_eq!(retry_after_of(&headers, now), expected.map(Duration::from_secs), "{text}");
        };
        check("17", Some(17));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("100000", Some(300));
        check("soon", None);
    }
}
