//! From an HTTP request to an operation and back. In this order: ids → path → caller → operation → permission → query → body →
//! operation (again from its start when another writer was first) → answer.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
};
use bytes::Bytes;
use holdfast_domain::limits::BODY_BYTES;
use holdfast_graph_model::odata::QueryOptions;
use holdfast_graph_model::{ErrorCode, Members, Version, Viewer};
use holdfast_store::StoreError;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::App;
use crate::address::{self, Address, Root};
use crate::answer::{self, Answer, AnswerBody};
use crate::call::Call;
use crate::problem::{Problem, RequestIds};
use crate::routes::{self, Handler};

/// Attempts of an operation that other writers overtake.
const ATTEMPTS: u32 = 8;
/// Longest `client-request-id` that is sent back.
const CLIENT_REQUEST_ID_BYTES: usize = 256;
const PREFER_MEMBERS: &str = "include-unknown-enum-members";

/// Goes with an answer, as an extension: which operation it is of, by its id in `spec/operations.json` or ours. For metrics: the
/// number of ids is fixed, whatever clients send. An answer without is of no operation, or of an unknown caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationId(pub &'static str);

/// Answers one request; every outcome is a response.
pub(crate) async fn answer(app: App, request: Request<Body>) -> Response<Body> {
    let ids = request_ids(&app, request.headers());
    let look = Look::of(request.headers());
    let method = request.method().clone();
    let mut operation = None;
    let mut response = match carry_out(&app, request, &look, &ids, &mut operation).await {
        Ok(answer) => respond(answer, &look),
        Err(problem) => {
            log(&problem, &method, &ids);
            problem.response(&ids, app.clock.now())
        }
    };
    if let Some(operation) = operation {
        response.extensions_mut().insert(operation);
    }
    let headers = response.headers_mut();
    let id_headers =
        [("request-id", &ids.request_id), ("client-request-id", &ids.client_request_id)];
    for (name, id) in id_headers {
        if let Ok(value) = HeaderValue::from_str(id) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// How the client wants its answer to look.
struct Look {
    members: Members,
    annotations: bool,
}

impl Look {
    fn of(headers: &HeaderMap) -> Self {
        let tokens = |name: &str| -> Vec<String> {
            headers
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split([',', ';']))
                .map(|token| token.trim().to_ascii_lowercase())
                .collect()
        };
        let all = tokens("prefer").iter().any(|token| token == PREFER_MEMBERS);
        let bare = tokens("accept").iter().any(|token| token == "odata.metadata=none");
        Self { members: if all { Members::All } else { Members::Known }, annotations: !bare }
    }
}

async fn carry_out(
    app: &App,
    request: Request<Body>,
    look: &Look,
    ids: &RequestIds,
    operation: &mut Option<OperationId>,
) -> Result<Answer, Problem> {
    let (parts, body) = request.into_parts();
    let authorization =
        parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let caller = app.verifier.caller(authorization, app.clock.now()).await?;
    let no_resource =
        || Problem::new(ErrorCode::ResourceNotFound, "There is no resource at this address.");
    let address = Address::parse(parts.uri.path()).ok_or_else(no_resource)?;
    let found = routes::find(&parts.method, &address)?;
    *operation = Some(OperationId(&found.operation.id));
    caller.require(found.operation)?;
    let version = match address.root {
        Root::BackupRestore(version) => version,
        Root::Holdfast => Version::V1,
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let options = query_options(&query)?;
    let call = Call {
        app: Arc::clone(app),
        caller: Arc::new(caller),
        viewer: Viewer { members: look.members, version },
        keys: found.keys,
        options,
        query,
        origin: address::origin(&parts.uri, &parts.headers),
        path: parts.uri.path().to_owned(),
        operation: &found.operation.id,
        request_id: ids.request_id.clone(),
        content_type: parts.headers.get(header::CONTENT_TYPE).cloned(),
        body: read_body(&parts.method, body).await?,
    };
    run(found.handler, call).await
}

async fn run(handler: Handler, call: Call) -> Result<Answer, Problem> {
    for _ in 1..ATTEMPTS {
        match handler(call.clone()).await {
            Err(Problem::Store(StoreError::Stale)) => {}
            outcome => return outcome,
        }
    }
    handler(call).await
}

async fn read_body(method: &Method, body: Body) -> Result<Bytes, Problem> {
    if *method == Method::GET {
        return Ok(Bytes::new());
    }
    axum::body::to_bytes(body, BODY_BYTES).await.map_err(|_| {
        Problem::new(
            ErrorCode::RequestEntityTooLarge,
            format!("The body is cut short, or longer than {BODY_BYTES} bytes."),
        )
    })
}

/// Reads a query string: `+` is a blank, `%24` a dollar sign.
pub(crate) fn query_options(query: &str) -> Result<QueryOptions, Problem> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8()
                .map(String::from)
                .map_err(|_| Problem::new(ErrorCode::BadRequest, "The query string is not UTF-8."))
        };
        pairs.push((decode(name)?, decode(value)?));
    }
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(QueryOptions::parse(pairs)?)
}

fn respond(answer: Answer, look: &Look) -> Response<Body> {
    let (content_type, body) = match answer.body {
        AnswerBody::Nothing => (None, Body::empty()),
        AnswerBody::Text(text) => (Some("text/plain"), Body::from(text)),
        AnswerBody::Json(object) => {
            let mut value = Value::Object(object);
            if look.annotations {
                (Some("application/json;odata.metadata=minimal"), Body::from(value.to_string()))
            } else {
                answer::strip_annotations(&mut value);
                (Some("application/json;odata.metadata=none"), Body::from(value.to_string()))
            }
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0"));
    if look.members == Members::All {
        let applied = HeaderName::from_static("preference-applied");
        headers.insert(applied, HeaderValue::from_static(PREFER_MEMBERS));
    }
    if let Some(url) = answer.content_location
        && let Ok(url) = HeaderValue::from_str(&url)
    {
        if answer.status == StatusCode::CREATED {
            headers.insert(header::LOCATION, url.clone());
        }
        headers.insert(header::CONTENT_LOCATION, url);
    }
    response
}

fn request_ids(app: &App, headers: &HeaderMap) -> RequestIds {
    let client = headers
        .get("client-request-id")
        .and_then(|value| value.to_str().ok())
        .filter(|text| !text.is_empty() && text.len() <= CLIENT_REQUEST_ID_BYTES);
    RequestIds {
        request_id: app.entropy.uuid().to_string(),
        client_request_id: client.map_or_else(|| app.entropy.uuid().to_string(), str::to_owned),
    }
}

fn log(problem: &Problem, method: &Method, ids: &RequestIds) {
    let code = problem.code();
    if code.status() >= 500 && code != ErrorCode::NotImplemented {
        tracing::error!(request_id = ids.request_id, %method, code = code.name(), cause = %problem, "request failed");
    } else {
        // Messages to callers may repeat what they sent, which does not belong into a log.
        tracing::debug!(request_id = ids.request_id, %method, code = code.name(), "request refused");
    }
}
