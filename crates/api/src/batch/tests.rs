//! Batches as Microsoft's clients send them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{Method, header};
use holdfast_domain::Clock;
use holdfast_domain::limits::BATCH_REQUESTS_AT_ONCE;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::{Harness, Token, site};

const BATCH: &str = "/v1.0/$batch";

/// The part of the answer with that id.
fn part<'a>(answer: &'a Value, id: &str) -> &'a Value {
    let responses = answer["responses"].as_array().expect("a list");
    responses.iter().find(|part| part["id"] == id).expect("every part is answered")
}

#[tokio::test]
async fn parts_are_answered_as_if_they_had_come_alone() {
    let harness = Harness::new().await;
    let policy =
        json!({ "displayName": "Batched", "siteProtectionUnits": [{ "siteId": site(1) }] });
    let answer = harness
        .post(BATCH, json!({ "requests": [
            { "id": "1", "method": "GET", "url": "/solutions/backupRestore" },
            { "id": "2", "method": "POST", "url": "solutions/backupRestore/sharePointProtectionPolicies",
              "headers": { "Content-Type": "application/json" }, "body": policy },
            { "id": "3", "method": "GET", "url": "/v1.0/solutions/backupRestore/protectionPolicies/x" },
            { "id": "4", "method": "get", "dependsOn": ["2"],
              "url": "/solutions/backupRestore/protectionPolicies?$filter=displayName eq 'Batched'&$select=id" },
            { "id": "5", "method": "GET", "url": "/solutions/backupRestore/protectionPolicies/$count" },
            { "id": "6", "method": "GET", "url": "/me" },
            { "id": "7", "method": "GET", "url": "/solutions/backupRestore/restoreSessions",
              "headers": { "Authorization": "Bearer x" } },
            { "id": "8", "method": "POST", "url": "/$batch", "body": { "requests": [] } },
            { "id": "9", "method": "GET", "url": "/beta/solutions/backupRestore",
              "headers": { "Accept": "application/json;odata.metadata=none" } },
            { "id": "10", "method": "POST", "url": "/solutions/backupRestore/enable",
              "headers": { "content-type": "text/plain" }, "body": {} },
        ] }))
        .await
        .ok();
    let status = |id: &str| part(&answer, id)["status"].as_u64().expect("a status");
    let expected = [200, 201, 400, 200, 200, 404, 401, 400, 200, 415];
    for (index, expected) in expected.into_iter().enumerate() {
        assert_eq!(status(&(index + 1).to_string()), expected, "{index}: {answer}");
    }
    assert_eq!(part(&answer, "2")["body"]["displayName"], "Batched");
    assert!(part(&answer, "2")["headers"]["Location"].is_string());
    let content_type = &part(&answer, "2")["headers"]["Content-Type"];
    assert_eq!(content_type, "application/json;odata.metadata=minimal");
    assert_eq!(part(&answer, "3")["body"]["error"]["code"], "InvalidPolicyId");
    assert_eq!(part(&answer, "4")["body"]["value"][0]["id"], part(&answer, "2")["body"]["id"]);
    assert_eq!(part(&answer, "5")["body"], 1);
    assert_eq!(part(&answer, "6")["body"]["error"]["code"], "ResourceNotFound");
    let bare = part(&answer, "9");
    assert!(
        bare["body"].get("@odata.context").is_none() && bare["body"]["serviceStatus"].is_object()
    );
}

#[tokio::test]
async fn what_depends_on_a_failure_is_not_tried() {
    let harness = Harness::new().await;
    let get = |id: &str, path: &str, depends_on: &[&str]| {
        json!({ "id": id, "method": "GET", "dependsOn": depends_on,
                "url": format!("/solutions/backupRestore{path}") })
    };
    // The third comes first, since the others wait for it.
    let requests = [
        get("last", "", &["middle"]),
        get("middle", "", &["first"]),
        get("first", "/protectionPolicies/x", &[]),
        get("free", "", &[]),
    ];
    let answer = harness.post(BATCH, json!({ "requests": requests })).await.ok();
    for (id, status) in [("first", 400), ("middle", 424), ("last", 424), ("free", 200)] {
        assert_eq!(part(&answer, id)["status"], status, "{id}");
    }
    assert_eq!(part(&answer, "last")["body"]["error"]["code"], "FailedDependency");
}

#[tokio::test]
async fn malformed_batches_are_refused_whole() {
    let harness = Harness::new().await;
    let get = |id: &str| json!({ "id": id, "method": "GET", "url": "/solutions/backupRestore" });
    let with = |name: &str, value: Value| {
        let mut request = get("1");
        request[name] = value;
        json!({ "requests": [request] })
    };
    let many: Vec<Value> = (0..21).map(|n| get(&n.to_string())).collect();
    for (body, word) in [
        (json!({}), "requests"),
        (json!({ "requests": [] }), "requests"),
        (json!({ "requests": {} }), "requests"),
        (json!({ "requests": many }), "20"),
        (json!({ "requests": [get("1"), get("1")] }), "twice"),
        (json!({ "requests": [5] }), "requests/0"),
        (json!({ "requests": [get("1")], "other": 1 }), "other"),
        (with("id", json!(1)), "requests/0/id"),
        (with("id", json!("")), "requests/0/id"),
        (with("method", json!("TRACE")), "requests/0/method"),
        (with("url", json!("https://elsewhere.example/")), "requests/0/url"),
        (with("url", json!("//elsewhere.example/")), "requests/0/url"),
        (with("dependsOn", json!("1")), "requests/0/dependsOn"),
        (with("dependsOn", json!(["2"])), "'2'"),
        (with("dependsOn", json!(["1"])), "circle"),
        (with("headers", json!({ "a": 1 })), "requests/0/headers"),
        (with("atomicityGroup", json!("g")), "atomicityGroup"),
    ] {
        let message = harness.post(BATCH, body).await.refused(400, "BadRequest");
        assert!(message.contains(word), "{word}: {message}");
    }
    let bearer = Token::application().bearer(harness.clock.now());
    let headers = [
        (header::AUTHORIZATION.as_str(), bearer.as_str()),
        (header::CONTENT_TYPE.as_str(), "multipart/mixed;boundary=x"),
    ];
    let reply = harness.send(Method::POST, BATCH, &headers, "--x--").await;
    reply.refused(415, "UnsupportedMediaType");
    harness.get(BATCH).await.refused(405, "MethodNotAllowed");
    let body = json!({ "requests": [get("1")] }).to_string();
    let json_headers = [(header::CONTENT_TYPE.as_str(), "application/json")];
    let reply = harness.send(Method::POST, "/beta/$batch", &json_headers, body).await;
    reply.refused(401, "InvalidAuthenticationToken");
}

/// Answers `/v1.0/me` and the like when `together` of them are there.
fn waiting_for(together: usize) -> Router {
    let barrier = Arc::new(Barrier::new(together));
    Router::new().fallback(move |request: axum::http::Request<axum::body::Body>| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            axum::Json(json!({ "path": request.uri().path() }))
        }
    })
}

#[tokio::test]
async fn reads_go_together_and_reach_the_rest_of_graph() {
    let together = BATCH_REQUESTS_AT_ONCE;
    let harness = Harness::with(|options| options.elsewhere = Some(waiting_for(together))).await;
    let ids = || (0..2 * together).map(|number| number.to_string());
    let requests: Vec<Value> = ids()
        .map(|id| json!({ "id": id, "method": "GET", "url": format!("/users/{id}") }))
        .collect();
    let answer = harness.post(BATCH, json!({ "requests": requests })).await.ok();
    let answered: Vec<&Value> =
        answer["responses"].as_array().expect("a list").iter().map(|part| &part["id"]).collect();
    assert_eq!(answered, ids().map(Value::from).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    for id in ids() {
        assert_eq!(part(&answer, &id)["body"]["path"], format!("/v1.0/users/{id}"));
    }
}

#[tokio::test]
async fn no_more_reads_than_allowed_go_together_and_no_writes() {
    let seen = Arc::new(Mutex::new((0_usize, Vec::new())));
    let router = {
        let seen = Arc::clone(&seen);
        Router::new().fallback(move |request: axum::http::Request<axum::body::Body>| {
            let seen = Arc::clone(&seen);
            async move {
                {
                    let mut seen = seen.lock().expect("no panic");
                    seen.0 += 1;
                    let now = seen.0;
                    seen.1.push((request.method().clone(), now));
                }
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                seen.lock().expect("no panic").0 -= 1;
            }
        })
    };
    let harness = Harness::with(|options| options.elsewhere = Some(router)).await;
    let methods =
        ["GET", "GET", "GET", "GET", "GET", "GET", "POST", "POST", "GET", "GET", "DELETE"];
    let requests: Vec<Value> = (0..).zip(methods)
        .map(|(id, method): (u32, _)| json!({ "id": id.to_string(), "method": method, "url": "/me" }))
        .collect();
    harness.post(BATCH, json!({ "requests": requests })).await.ok();
    let seen = seen.lock().expect("no panic");
    assert_eq!((seen.0, seen.1.len()), (0, methods.len()));
    for (method, together) in &seen.1 {
        let most = if *method == Method::GET { BATCH_REQUESTS_AT_ONCE } else { 1 };
        assert!(*together <= most, "{:?}", seen.1);
    }
    assert!(seen.1.iter().any(|(_, together)| *together == BATCH_REQUESTS_AT_ONCE));
}

#[tokio::test]
async fn what_is_no_text_comes_in_base64() {
    let router = Router::new().fallback(async || vec![0xff_u8, 0xfe]);
    let harness = Harness::with(|options| options.elsewhere = Some(router)).await;
    let requests = json!([{ "id": "1", "method": "GET", "url": "/me/photo/$value" }]);
    let answer = harness.post(BATCH, json!({ "requests": requests })).await.ok();
    assert_eq!(part(&answer, "1")["body"], "//4=");
}
