//! Batches as Microsoft's clients send them.

use axum::http::{Method, header};
use holdfast_domain::Clock;
use serde_json::{Value, json};

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
