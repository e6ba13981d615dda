//! `POST /v1.0/$batch` and `/beta/$batch`: up to 20 requests in one (`spec/api.md` section 4).
//!
//! Each part is answered as if it had come alone, by the same dispatcher, or by whoever serves the rest of Graph here
//! (`ApiOptions::elsewhere`), with the outer request's token unless it brings its own. Parts are carried out in their order, unless
//! `dependsOn` asks for another; reads that follow each other go together. So nothing sees a write that stands after it, whatever a
//! client left unsaid.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt, stream};
use holdfast_domain::limits::{BATCH_REQUESTS, BATCH_REQUESTS_AT_ONCE, BODY_BYTES};
use holdfast_graph_model::{ErrorCode, Version};
use serde_json::{Map, Value, json};
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

use crate::App;
use crate::address::{Special, origin, serves};
use crate::answer::Answer;
use crate::dispatch;
use crate::extract;
use crate::problem::{Problem, RequestIds};

/// One request of a batch.
struct Part {
    id: String,
    depends_on: Vec<String>,
    method: Method,
    /// Below the version's root, as absolute path with query.
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Value>,
}

/// Answers a whole batch. The answer is 200 whatever happened to its parts.
pub(crate) async fn answer_batch(
    app: &App,
    version: Version,
    request: Request<Body>,
    ids: &RequestIds,
) -> Result<Answer, Problem> {
    let (outer, body) = request.into_parts();
    if outer.method != Method::POST {
        return Err(Problem::MethodNotAllowed {
            message: "A batch is sent with POST.".to_owned(),
            allow: "POST".to_owned(),
        });
    }
    let token = outer.headers.get(header::AUTHORIZATION);
    let text = token.and_then(|value| value.to_str().ok());
    app.verifier.caller(text, app.clock.now()).await?;
    let body = dispatch::read_body(&outer.method, body).await?;
    let parts = read_parts(outer.headers.get(header::CONTENT_TYPE), &body, version)?;
    let base = origin(&outer.uri, &outer.headers);
    let mut statuses: HashMap<String, StatusCode> = HashMap::new();
    let mut responses = Vec::new();
    for together in grouped(ordered(parts)?) {
        let answering = together.into_iter().map(|part| {
            let failed = part.depends_on.iter().find(|id| {
                statuses
                    .get(*id)
                    .is_none_or(|status| status.is_client_error() || status.is_server_error())
            });
            let request = match failed {
                Some(id) => {
                    let message = format!("The request '{id}', on which this one depends, failed.");
                    Err(Problem::new(ErrorCode::FailedDependency, message))
                }
                None => inner_request(&part, &base, &outer.headers),
            };
            let app = Arc::clone(app);
            async move {
                let response = match request {
                    // A task, since statements run inline; it ends with the batch.
                    Ok(request) => AbortOnDropHandle::new(tokio::spawn(answer_part(app, request)))
                        .await
                        .expect("a part ends before its batch, and handlers do not panic"),
                    Err(problem) => problem.response(ids, app.clock.now()),
                };
                (response.status(), shown(part.id.clone(), response).await, part.id)
            }
        });
        let mut answered = stream::iter(answering).buffered(BATCH_REQUESTS_AT_ONCE);
        let mut of_group = Vec::new();
        while let Some((status, response, id)) = answered.next().await {
            of_group.push((id, status));
            responses.push(response);
        }
        drop(answered);
        statuses.extend(of_group);
    }
    let mut answer = Map::new();
    answer.insert("responses".to_owned(), Value::Array(responses));
    Ok(Answer::ok(answer))
}

fn read_parts(
    content_type: Option<&axum::http::HeaderValue>,
    bytes: &Bytes,
    version: Version,
) -> Result<Vec<Part>, Problem> {
    let code = ErrorCode::BadRequest;
    let mut body = extract::body(content_type, bytes, code)?;
    let requests = body
        .take_list("requests")?
        .ok_or_else(|| body.refuse("requests", "must be a list of 1 to 20 requests"))?;
    if requests.is_empty() || requests.len() > BATCH_REQUESTS {
        return Err(body.refuse("requests", &format!("must have 1 to {BATCH_REQUESTS} requests")));
    }
    let mut parts: Vec<Part> = Vec::new();
    for (index, request) in requests.into_iter().enumerate() {
        let part = read_part(request, format!("requests/{index}"), version)?;
        if parts.iter().any(|other| other.id == part.id) {
            return Err(body.refuse("requests", &format!("has the id '{}' twice", part.id)));
        }
        parts.push(part);
    }
    for part in &parts {
        for id in &part.depends_on {
            if !parts.iter().any(|other| other.id == *id) {
                return Err(body.refuse("requests", &format!("has no '{id}' to depend on")));
            }
        }
    }
    body.finish()?;
    Ok(parts)
}

fn read_part(request: Value, place: String, version: Version) -> Result<Part, Problem> {
    let mut request = extract::JsonObject::from_value(request, place, ErrorCode::BadRequest)?;
    let mut text = |name: &str| -> Result<String, Problem> {
        request
            .take_text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| request.refuse(name, "must be a text that is not empty"))
    };
    let (id, method, url) = (text("id")?, text("method")?, text("url")?);
    let method = match method.to_ascii_uppercase().as_str() {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PATCH" => Method::PATCH,
        "PUT" => Method::PUT,
        "DELETE" => Method::DELETE,
        _ => return Err(request.refuse("method", "must be GET, POST, PATCH, PUT or DELETE")),
    };
    if url.contains("://") && !url.contains('?') || url.starts_with("//") {
        return Err(request.refuse("url", "must be relative"));
    }
    let mut depends_on = Vec::new();
    for value in request.take_list("dependsOn")?.unwrap_or_default() {
        match value {
            Value::String(id) => depends_on.push(id),
            _ => return Err(request.refuse("dependsOn", "must be a list of ids")),
        }
    }
    let mut headers = Vec::new();
    match request.take("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(given)) => {
            for (name, value) in given {
                let Value::String(value) = value else {
                    return Err(request.refuse("headers", "must be an object of texts"));
                };
                headers.push((name, value));
            }
        }
        Some(_) => return Err(request.refuse("headers", "must be an object of texts")),
    }
    let body = request.take("body").filter(|body| !body.is_null());
    request.finish()?;
    Ok(Part { id, depends_on, method, url: rooted(&url, version), headers, body })
}

/// The path from the root, when the version is absent as well as when it is there.
fn rooted(url: &str, version: Version) -> String {
    let url = url.trim_start_matches('/');
    let first = url.split(['/', '?']).next().unwrap_or_default();
    let has_version = [Version::V1, Version::Beta]
        .into_iter()
        .any(|version| first.eq_ignore_ascii_case(version.name()));
    if has_version { format!("/{url}") } else { format!("/{}/{url}", version.name()) }
}

/// The parts so that each comes after those on which it depends, and otherwise as they are.
fn ordered(mut waiting: Vec<Part>) -> Result<Vec<Part>, Problem> {
    let mut ordered: Vec<Part> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|part| {
            part.depends_on.iter().all(|id| ordered.iter().any(|done| done.id == *id))
        });
        let Some(ready) = ready else {
            return Err(Problem::at(
                ErrorCode::BadRequest,
                "requests",
                "'requests' depend on each other in a circle.",
            ));
        };
        ordered.push(waiting.remove(ready));
    }
    Ok(ordered)
}

/// Cut where a write stands, and before what waits for another part of its group.
fn grouped(parts: Vec<Part>) -> Vec<Vec<Part>> {
    let mut groups: Vec<Vec<Part>> = Vec::new();
    for part in parts {
        let last = groups.last_mut().filter(|group| {
            let others_read = group.iter().all(|other| other.method == Method::GET);
            let waits = part.depends_on.iter().any(|id| group.iter().any(|other| other.id == *id));
            part.method == Method::GET && others_read && !waits
        });
        match last {
            Some(group) => group.push(part),
            None => groups.push(vec![part]),
        }
    }
    groups
}

async fn answer_part(app: App, request: Request<Body>) -> Response<Body> {
    match &app.elsewhere {
        Some(elsewhere) if !serves(request.uri().path()) => {
            let answered = elsewhere.clone().oneshot(request).await;
            answered.unwrap_or_else(|never| match never {})
        }
        _ => dispatch::answer_single(app, request).await,
    }
}

fn inner_request(part: &Part, base: &str, outer: &HeaderMap) -> Result<Request<Body>, Problem> {
    let path = part.url.split('?').next().unwrap_or_default();
    if Special::of(path).is_some_and(|special| matches!(special, Special::Batch(_))) {
        return Err(Problem::new(ErrorCode::BadRequest, "A batch cannot contain a batch."));
    }
    // Clients may leave blanks and quotation marks as they are, since the URL is a JSON text here.
    let url = format!("{base}{}", percent_encoding::utf8_percent_encode(&part.url, UNSAFE));
    let mut request = Request::builder().method(part.method.clone()).uri(url);
    for (name, value) in &part.headers {
        request = request.header(name, value);
    }
    let given = |name: header::HeaderName| {
        part.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name.as_str()))
    };
    if !given(header::AUTHORIZATION)
        && let Some(token) = outer.get(header::AUTHORIZATION)
    {
        request = request.header(header::AUTHORIZATION, token);
    }
    if part.body.is_some() && !given(header::CONTENT_TYPE) {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = match &part.body {
        None => Body::empty(),
        Some(body) => Body::from(body.to_string()),
    };
    request.body(body).map_err(|_| {
        Problem::new(ErrorCode::BadRequest, "The url or a header of this request cannot be read.")
    })
}

/// What may not stand in a URL as it is; `%` stays, since the rest is encoded already.
const UNSAFE: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'|')
    .add(b'\\')
    .add(b'^');

async fn shown(id: String, response: Response<Body>) -> Value {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 64 * BODY_BYTES).await.unwrap_or_default();
    let headers: Map<String, Value> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((header_name(name), json!(value.to_str().ok()?))))
        .collect();
    let mut shown = json!({ "id": id, "status": parts.status.as_u16(), "headers": headers });
    if !bytes.is_empty() {
        // What is no JSON, such as a count, is a text, or base64 when it is none either.
        shown["body"] = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            json!(String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| STANDARD.encode(&bytes)))
        });
    }
    shown
}

/// As Microsoft writes it: its JavaScript client looks for `Content-Type` in just these letters.
fn header_name(name: &header::HeaderName) -> String {
    let name = name.as_str();
    if name.ends_with("request-id") {
        return name.to_owned();
    }
    let word = |word: &str| match word {
        "odata" => "OData".to_owned(),
        "www" => "WWW".to_owned(),
        _ => {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_ascii_uppercase() + rest
        }
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests;
