//! The HTTP side: ids on every answer, errors in Graph's envelope, and which part of the tenant a path belongs to.
//!
//! | Path | Part |
//! |---|---|
//! | `/v1.0/…`, `/beta/…`, `/_api/v2.0/…` | Graph; needs a token |
//! | `/{tenant}/oauth2/…`, `/{tenant}/v2.0/…`, `/{tenant}/discovery/…`, `/{tenant}/login`, `/devicelogin`, `/oidc/userinfo` | the token issuer ([`oauth`]) |
//! | `/_tenant/download/…`, `/_tenant/upload/…`, `/_tenant/copy/…` | pre-authenticated URLs; an `Authorization` header is ignored |

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};

use crate::call::{Call, Reply, json_reply};
use crate::caller::Caller;
use crate::path::{self, Segment};
use crate::problem::{Answer, Problem};
use crate::query::Query;
use crate::render::server_time;
use crate::tenant::{Inner, Tenant};
use crate::{download, oauth, routes, sessions, upload};

const JSON_LIMIT_BYTES: usize = 4 * 1024 * 1024;
const PREFIXES: [&str; 3] = ["/v1.0", "/beta", "/_api/v2.0"];

impl Tenant {
    /// Everything that the tenant serves; see the table above. Links are built from the request's URI where it is
    /// absolute, else from `Host` with `http`.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }
}

async fn handle(State(tenant): State<Tenant>, request: Request) -> Response {
    let inner = tenant.inner;
    let request_id = inner.random_guid().to_string();
    let client_id = request
        .headers()
        .get("client-request-id")
        .cloned()
        .unwrap_or_else(|| HeaderValue::from_str(&request_id).expect("a GUID is ASCII"));
    let preferred = applied_preferences(&request);
    let mut response = match serve(&inner, request).await {
        Ok(response) => response,
        Err(problem) => envelope(&inner, &problem, &request_id, &client_id),
    };
    let headers = response.headers_mut();
    headers.insert("request-id", HeaderValue::from_str(&request_id).expect("a GUID is ASCII"));
    headers.insert("client-request-id", client_id);
    if let Some(preferred) = preferred {
        headers.insert("preference-applied", preferred);
    }
    response
}

fn applied_preferences(request: &Request) -> Option<HeaderValue> {
    const KNOWN: [&str; 4] = [
        "hierarchicalsharing",
        "deltashowsharingchanges",
        "deltashowremovedasdeleted",
        "deltatraversepermissiongaps",
    ];
    let values = request.headers().get_all("prefer");
    let applied: Vec<String> = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|preference| preference.trim().to_ascii_lowercase())
        .filter(|preference| KNOWN.contains(&preference.as_str()))
        .collect();
    (!applied.is_empty()).then(|| HeaderValue::from_str(&applied.join(", ")).ok()).flatten()
}

fn envelope(
    inner: &Inner,
    problem: &Problem,
    request_id: &str,
    client_id: &HeaderValue,
) -> Response {
    let date = server_time(inner.now());
    let mut inner_error = json!({
        "date": date.trim_end_matches('Z'),
        "request-id": request_id,
        "client-request-id": client_id.to_str().unwrap_or(request_id),
    });
    if let Some(code) = problem.inner {
        inner_error["code"] = json!(code);
    }
    let body = json!({"error": {
        "code": problem.code, "message": problem.message, "innerError": inner_error,
    }});
    let mut response = json_reply(problem.status, &body);
    if problem.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(
                "Bearer realm=\"\", error=\"invalid_token\", error_description=\"The token is missing or not valid.\"",
            ),
        );
    }
    if let Some(location) =
        problem.location.as_ref().and_then(|url| HeaderValue::from_str(url).ok())
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

async fn serve(inner: &Arc<Inner>, request: Request) -> Answer<Reply> {
    let (parts, body) = request.into_parts();
    let origin = origin(&parts);
    let raw_path = parts.uri.path().to_owned();
    let prefix = PREFIXES.into_iter().find(|prefix| {
        raw_path
            .trim_start_matches('/')
            .strip_prefix(&prefix[1..])
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let query_text = parts.uri.query().unwrap_or_default();
    let Some(prefix) = prefix else {
        let segments = path::parse_path(&raw_path)?;
        let texts: Vec<&str> = segments
            .iter()
            .filter_map(|segment| match segment {
                Segment::Text(text) => Some(text.as_str()),
                Segment::Path(_) => None,
            })
            .collect();
        return match texts[..] {
            ["_tenant", "download", token] => {
                download::serve(inner, &parts.method, token, &parts.headers)
            }
            ["_tenant", "upload", secret] => {
                sessions::serve(inner, &parts, &origin, secret, body).await
            }
            ["_tenant", "copy", secret] => crate::copy::monitor(inner, secret),
            _ => {
                let body = read(body, JSON_LIMIT_BYTES).await?;
                oauth::serve(inner, &parts.method, &texts, &parts.headers, query_text, &body)
            }
        };
    };
    let below = &raw_path.trim_start_matches('/')[prefix.len() - 1..];
    let mut segments = path::parse_path(below)?;
    let caller = Caller::authenticate(inner, &parts.headers)?;
    let mut call = Call {
        tenant: Arc::clone(inner),
        method: parts.method,
        prefix,
        origin,
        query: Query::parse(query_text)?,
        headers: parts.headers,
        caller,
        body: Value::Null,
        now: inner.now(),
        raw_path,
    };
    let is_content = segments.last() == Some(&Segment::Text("content".to_owned()));
    if call.method == Method::PUT && is_content {
        return upload::put_content(call, &segments, body).await;
    }
    let bytes = read(body, JSON_LIMIT_BYTES).await?;
    if !bytes.iter().all(u8::is_ascii_whitespace) {
        call.body = serde_json::from_slice(&bytes)
            .map_err(|_| Problem::bad_query("Unable to read JSON request payload."))?;
        // `null` is no body, as some clients send it on actions.
        if !call.body.is_object() && !call.body.is_null() {
            return Err(Problem::bad_query("The request payload must be a JSON object."));
        }
    }
    let count = call.method == Method::GET
        && segments.pop_if(|last| *last == Segment::Text("$count".to_owned())).is_some();
    if count {
        call.query.count_only();
    }
    // Most requests are a few short queries and run here; what may touch a whole drive gets a thread.
    let reply = if routes::is_long(&call, &segments) {
        tokio::task::spawn_blocking(move || routes::dispatch(&call, &segments))
            .await
            .map_err(|error| Problem::internal(&error))??
    } else {
        routes::dispatch(&call, &segments)?
    };
    if count { count_reply(reply).await } else { Ok(reply) }
}

/// `…/$count`: the number alone, as text.
async fn count_reply(reply: Reply) -> Answer<Reply> {
    let bytes = read(reply.into_body(), JSON_LIMIT_BYTES).await?;
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let count = body["@odata.count"].as_u64().ok_or_else(Problem::no_such_path)?;
    let mut reply = Response::new(Body::from(count.to_string()));
    let text = HeaderValue::from_static("text/plain");
    reply.headers_mut().insert(header::CONTENT_TYPE, text);
    Ok(reply)
}

/// Scheme and authority that the client used.
fn origin(parts: &http::request::Parts) -> String {
    if let (Some(scheme), Some(authority)) = (parts.uri.scheme_str(), parts.uri.authority()) {
        return format!("{scheme}://{authority}");
    }
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // What is no host name must not get into our links.
    let host = host.filter(|host| host.parse::<http::uri::Authority>().is_ok());
    format!("http://{}", host.unwrap_or("localhost"))
}

/// A whole body of bounded size.
pub(crate) async fn read(body: Body, limit: usize) -> Answer<Bytes> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::invalid("The request body broke off.")),
    }
}

pub(crate) fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "requestEntityTooLarge",
        "The request body is larger than this request may have.",
    )
}
