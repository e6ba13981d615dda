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

use crate::App;
use crate::address::{self, Address, Root, Special};
use crate::answer::{Answer, AnswerBody};
use crate::batch;
use crate::call::Call;
use crate::control_information::Format;
use crate::documents;
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
    let special = Special::of(request.uri().path());
    let Some(Special::Batch(version)) = special else { return answer_single(app, request).await };
    let asked = Asked::of(&app, &request);
    let outcome = batch::answer_batch(&app, version, request, &asked.ids).await;
    asked.respond(&app, outcome, special.map(|special| OperationId(special.name())))
}

/// The same, of what is no batch.
pub(crate) async fn answer_single(app: App, request: Request<Body>) -> Response<Body> {
    let asked = Asked::of(&app, &request);
    let special = Special::of(request.uri().path());
    let mut operation = special.map(|special| OperationId(special.name()));
    let outcome = match special {
        Some(document) => documents::answer_document(document, &request),
        None => carry_out(&app, request, &asked.look, &asked.ids, &mut operation).await,
    };
    asked.respond(&app, outcome, operation)
}

/// What is kept of a request for its answer.
struct Asked {
    method: Method,
    ids: RequestIds,
    look: Look,
}

impl Asked {
    fn of(app: &App, request: &Request<Body>) -> Self {
        Self {
            method: request.method().clone(),
            ids: request_ids(app, request.headers()),
            look: Look::of(request.headers(), request.uri().query().unwrap_or_default()),
        }
    }

    fn respond(
        &self,
        app: &App,
        outcome: Result<Answer, Problem>,
        operation: Option<OperationId>,
    ) -> Response<Body> {
        let mut response = match outcome {
            Ok(answer) => respond(answer, &self.look),
            Err(problem) => {
                log(&problem, &self.method, &self.ids);
                problem.response(&self.ids, app.clock.now())
            }
        };
        if let Some(operation) = operation {
            response.extensions_mut().insert(operation);
        }
        let headers = response.headers_mut();
        let id_headers = [
            ("request-id", &self.ids.request_id),
            ("client-request-id", &self.ids.client_request_id),
        ];
        for (name, id) in id_headers {
            if let Ok(value) = HeaderValue::from_str(id) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// How the client wants its answer to look.
struct Look {
    members: Members,
    format: Format,
}

impl Look {
    fn of(headers: &HeaderMap, query: &str) -> Self {
        let all = headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split([',', ';']))
            .any(|token| token.trim().eq_ignore_ascii_case(PREFER_MEMBERS));
        // A query that cannot be read is refused later.
        let format = query_options(query).ok().and_then(|options| options.format);
        Self {
            members: if all { Members::All } else { Members::Known },
            format: Format::of(headers, format.as_deref()),
        }
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
        caller,
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
    let mut answer = run(found.handler, call).await?;
    if let AnswerBody::Json(body) = &mut answer.body {
        look.format.apply(body, found.operation.response_type.as_deref(), version);
    }
    Ok(answer)
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

pub(crate) async fn read_body(method: &Method, body: Body) -> Result<Bytes, Problem> {
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
        AnswerBody::Document(content_type, text) => (Some(content_type), Body::from(text)),
        AnswerBody::Json(object) => {
            let text = serde_json::to_vec(&object).expect("keys are texts");
            (Some(look.format.content_type()), Body::from(text))
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
    if code.status() >= 500 {
        tracing::error!(request_id = ids.request_id, %method, code = code.name(), cause = %problem, "request failed");
    } else {
        // Messages to callers may repeat what they sent, which does not belong into a log.
        tracing::debug!(request_id = ids.request_id, %method, code = code.name(), "request refused");
    }
}
