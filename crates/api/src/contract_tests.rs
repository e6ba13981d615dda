//! The contract as a whole: every operation is served or refused by name, with its permissions; every answer has only what
//! Graph's types have.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Method;
use holdfast_graph_model::{Version, operations};
use serde_json::{Value, json};

use crate::harness::{Harness, PERMISSIONS, Token, artifact, site};
use crate::routes::{GRAPH, HOLDFAST};

const KEY: &str = "00000000-0000-4000-8000-000000000001";

/// The path with every key filled in.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let part = part.replace("'{policyId}'", &format!("'{KEY}'"));
        filled.push('/');
        filled.push_str(if part.starts_with('{') { KEY } else { &part });
    }
    filled
}

#[test]
fn routes_are_the_contracts() {
    let mut seen = BTreeSet::new();
    for route in GRAPH {
        let operation = operations().get(route.operation).expect(route.operation);
        assert!(seen.insert(route.operation), "{} is there twice", route.operation);
        assert_eq!(operation.method, route.method.as_str(), "{}", operation.id);
        let theirs = operation.path.trim_start_matches("/solutions/backupRestore");
        let plain = |path: &str| -> Vec<String> {
            path.split('/')
                .map(|part| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() })
                .collect()
        };
        assert_eq!(plain(route.path), plain(&theirs.replace("microsoft.graph.", "graph.")));
    }
    for route in HOLDFAST {
        assert!(operations().get(route.operation).is_some(), "{}", route.operation);
    }
}

#[tokio::test]
async fn every_operation_is_served_or_refused_by_name() {
    let harness = Harness::new().await;
    // A user who holds every role, so that only what is not served is refused.
    let token = Token::delegated().claim(
        "wids",
        json!(["62e90394-69f5-4237-9190-012177145e10", "9d3e04ba-3ee4-4d1b-a3a7-9aef423a09be"]),
    );
    let (mut served, mut generic) = (0, 0);
    for operation in operations().all() {
        for version in [Version::V1, Version::Beta] {
            let method: Method = operation.method.parse().expect("a method");
            let path = format!("/{}{}", version.name(), filled(&operation.path));
            let reply = harness.by(&token, method.clone(), &path, &Value::Null).await;
            let code = reply.json["error"]["code"].as_str();
            let is_route = GRAPH.iter().any(|route| route.operation == operation.id);
            if is_route && operation.is_in(version) {
                assert!(
                    !matches!(code, Some("MethodNotAllowed" | "Forbidden")),
                    "{method} {path}: {}",
                    reply.text
                );
                served += 1;
            } else if !operation.is_in(version) {
                assert!(
                    matches!(reply.status.as_u16(), 404 | 405),
                    "{method} {path}: {}",
                    reply.text
                );
            } else {
                assert!(method != Method::GET && operation.tier != "documented", "{method} {path}");
                reply.refused(405, "MethodNotAllowed");
                assert!(!reply.header("allow").is_empty());
                generic += 1;
            }
        }
    }
    // The counts are those of COMPATIBILITY.md: a change here is a change there.
    assert_eq!((served, generic), EXPECTED);
}

/// Operations served and generic writes, counted for each version.
const EXPECTED: (u32, u32) = (473, 148);

type MakeToken = fn(&[&str]) -> Token;

#[tokio::test]
async fn every_operation_checks_its_permission() {
    let harness = Harness::new().await;
    for (root, routes) in [("", GRAPH), ("/holdfast/v1", HOLDFAST)] {
        for route in routes {
            let permissions = &operations().get(route.operation).expect("it exists").permissions;
            // What only beta has is asked for there.
            let is_in_v1 = operations()
                .get(route.operation)
                .is_some_and(|operation| operation.is_in(Version::V1));
            let root = match (root, is_in_v1) {
                ("", false) => "/beta/solutions/backupRestore",
                (root, _) => root,
            };
            let path = format!("{root}{}", filled(route.path));
            let reply = harness.send(route.method.clone(), &path, &[], Body::empty()).await;
            reply.refused(401, "InvalidAuthenticationToken");
            let kinds: [(MakeToken, &Vec<String>); 2] = [
                (Token::delegated_with, &permissions.delegated),
                (Token::application_with, &permissions.application),
            ];
            for (token, accepted) in kinds {
                for permission in PERMISSIONS {
                    let token = token(&[permission]);
                    let reply = harness.by(&token, route.method.clone(), &path, &Value::Null).await;
                    let refusals = ["permission", "not available to"];
                    let forbidden = reply.json["error"]["code"] == "Forbidden"
                        && reply.json["error"]["message"].as_str().is_some_and(|text| {
                            refusals.iter().any(|refusal| text.contains(refusal))
                        });
                    let expected = !accepted.iter().any(|name| name == permission);
                    assert_eq!(
                        forbidden, expected,
                        "{} {permission}: {}",
                        route.operation, reply.text
                    );
                }
                let reply =
                    harness.by(&token(&[]), route.method.clone(), &path, &Value::Null).await;
                reply.refused(403, "Forbidden");
            }
        }
    }
}

#[tokio::test]
async fn delegated_operations_are_closed_to_applications() {
    let harness = Harness::new().await;
    let path = format!("/protectionUnits/{KEY}/offboard");
    let reply = harness.by(&Token::application(), Method::POST, &path, &Value::Null).await;
    reply.refused(403, "Forbidden");
    let reply = harness.by(&Token::delegated(), Method::POST, &path, &Value::Null).await;
    reply.refused(404, "ProtectionUnitNotFound");
    // Browsing needs a directory role as well, of users only.
    let path = "/sharePointBrowseSessions";
    harness.get(path).await.ok();
    let reply = harness.by(&Token::delegated(), Method::GET, path, &Value::Null).await;
    reply.refused(403, "Forbidden");
}

#[tokio::test]
async fn addresses_are_forgiving() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[1]).await;
    for path in [
        format!("/v1.0/solutions/backupRestore/protectionPolicies/{policy}"),
        format!("/beta/backupRestore/PROTECTIONPOLICIES('{policy}')"),
        format!("/v1.0//solutions/backuprestore//protectionPolicies({policy})/"),
    ] {
        assert_eq!(harness.get(&path).await.ok()["id"], policy, "{path}");
    }
    for cast in ["graph.siteProtectionUnit", "microsoft.graph.siteProtectionUnit"] {
        let list = harness.get(&format!("/protectionUnits/{cast}?%24top=5")).await.ok();
        assert_eq!(list["value"].as_array().map(Vec::len), Some(1));
    }
    harness.get("/nothing").await.refused(404, "ResourceNotFound");
    harness.get("/elsewhere").await.refused(404, "ResourceNotFound");
    harness.get("/restorePoints/a/b/c/d").await.refused(404, "ResourceNotFound");
    let reply = harness.delete("/enable").await;
    reply.refused(405, "MethodNotAllowed");
    assert_eq!(reply.header("allow"), "POST");
}

#[tokio::test]
async fn ids_and_preferences_come_back() {
    let harness = Harness::new().await;
    let reply = harness.get_with("", "client-request-id", "my own id").await;
    assert_eq!(reply.header("client-request-id"), "my own id");
    assert_eq!(reply.header("odata-version"), "4.0");
    assert_eq!(reply.header("content-type"), "application/json;odata.metadata=minimal");
    assert_eq!(reply.header("preference-applied"), "");
    let reply = harness.get_with("", "prefer", "respond-async, include-unknown-enum-members").await;
    assert_eq!(reply.header("preference-applied"), "include-unknown-enum-members");
    harness.policy(&[1]).await;
    let none = "application/json;odata.metadata=none";
    let reply = harness.get_with("/protectionUnits?$count=true", "accept", none).await;
    assert_eq!(reply.header("content-type"), none);
    assert_eq!(reply.json["@odata.count"], 1);
    assert!(!reply.text.contains("@odata.type") && !reply.text.contains("@odata.context"));
}

#[tokio::test]
async fn bodies_are_limited_and_typed() {
    let harness = Harness::new().await;
    let bearer = Token::application().bearer(holdfast_domain::Clock::now(&*harness.clock));
    let send = |content_type: &'static str, body: Vec<u8>| {
        let headers =
            [("authorization", bearer.clone()), ("content-type", content_type.to_owned())];
        let harness = &harness;
        async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            harness.send(Method::POST, "/sharePointRestoreSessions", &headers, body).await
        }
    };
    send("text/plain", b"{}".to_vec()).await.refused(415, "UnsupportedMediaType");
    send("application/json; charset=utf-8", b"{}".to_vec()).await.ok();
    send("text/plain", Vec::new()).await.ok();
    for body in ["{", "[]", "null", "7", "{\"a\":}"] {
        send("application/json", body.into()).await.refused(400, "BadRequest");
    }
    let nested = "[".repeat(100_000);
    send("application/json", nested.into()).await.refused(400, "BadRequest");
    let big = vec![b' '; holdfast_domain::limits::BODY_BYTES + 1];
    send("application/json", big).await.refused(413, "RequestEntityTooLarge");
}

/// Checks every property of an answer against Graph's types, into nested objects.
fn check_shape(value: &Value, type_name: &str, place: &str) {
    let types: Value =
        serde_json::from_str(include_str!("../../../spec/types.json")).expect("JSON");
    shape(&types, value, type_name, place);
}

fn shape(types: &Value, value: &Value, type_name: &str, place: &str) {
    let all = types["types"].as_array().expect("a list");
    let find = |name: &str| all.iter().find(|found| found["name"] == name);
    let declared = value["@odata.type"]
        .as_str()
        .map_or(type_name, |name| name.trim_start_matches("#microsoft.graph."));
    let Some(object) = value.as_object() else {
        assert!(value.is_null(), "{place} is no object");
        return;
    };
    for (name, inner) in object.iter().filter(|(name, _)| !name.starts_with('@')) {
        let mut next = find(declared);
        let mut property = None;
        while let Some(found) = next {
            property = found["properties"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|property| property["name"] == *name);
            if property.is_some() {
                break;
            }
            next = found["baseType"].as_str().and_then(find);
        }
        let place = format!("{place}/{name}");
        let kind = match property {
            Some(property) => property["type"].as_str().expect("text"),
            None if name == "id" => "Edm.String",
            None => panic!("{place}: {declared} has no such property"),
        };
        let (inner_type, many) = match kind.strip_prefix("Collection(") {
            Some(rest) => (rest.trim_end_matches(')'), true),
            None => (kind, false),
        };
        let items: Vec<&Value> = match (many, inner) {
            (true, Value::Array(items)) => items.iter().collect(),
            (true, _) => panic!("{place} is no list"),
            (false, one) => vec![one],
        };
        for item in items.into_iter().filter(|item| !item.is_null()) {
            match inner_type {
                "Edm.String" | "Edm.Duration" => assert!(item.is_string(), "{place}"),
                "Edm.Boolean" => assert!(item.is_boolean(), "{place}"),
                "Edm.Int32" | "Edm.Int64" => assert!(item.is_number(), "{place}"),
                "Edm.DateTimeOffset" => {
                    let text = item.as_str().expect(&place);
                    assert!(text.parse::<holdfast_domain::Timestamp>().is_ok(), "{place}: {text}");
                }
                graph => {
                    let graph = graph.trim_start_matches("microsoft.graph.");
                    let found = find(graph).expect(graph);
                    if found["kind"] == "enum" {
                        let members = found["members"].as_array().expect("a list");
                        assert!(
                            members.iter().any(|member| member["name"] == *item),
                            "{place}: {item}"
                        );
                    } else {
                        shape(types, item, graph, &place);
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn answers_have_graphs_shapes() {
    let harness = Harness::new().await;
    let (unit, point) = harness.protected(&[1, 2]).await[0];
    let session = harness.draft(&[point]).await;
    let lists = [
        (
            "/protectionPolicies?$select=id,displayName,protectionPolicyArtifactCount".to_owned(),
            "protectionPolicyBase",
        ),
        ("/sharePointProtectionPolicies".to_owned(), "sharePointProtectionPolicy"),
        ("/protectionUnits".to_owned(), "protectionUnitBase"),
        ("/siteProtectionUnits".to_owned(), "siteProtectionUnit"),
        ("/restorePoints?$expand=protectionUnit".to_owned(), "restorePoint"),
        ("/restoreSessions".to_owned(), "restoreSessionBase"),
        (
            format!("/sharePointRestoreSessions/{session}/siteRestoreArtifacts"),
            "siteRestoreArtifact",
        ),
    ];
    for token in [Token::application(), Token::delegated()] {
        for (path, name) in &lists {
            let list = harness.by(&token, Method::GET, path, &Value::Null).await.ok();
            let rows = list["value"].as_array().expect("a list");
            assert!(!rows.is_empty(), "{path}");
            for row in rows {
                check_shape(row, name, path);
            }
        }
        for (path, name) in [
            (String::new(), "backupRestoreRoot"),
            (format!("/protectionUnits/{unit}"), "protectionUnitBase"),
            (format!("/restorePoints/{point}"), "restorePoint"),
            (format!("/restorePoints/{point}/protectionUnit"), "protectionUnitBase"),
            (format!("/restoreSessions/{session}"), "restoreSessionBase"),
        ] {
            let body = harness.by(&token, Method::GET, &path, &Value::Null).await.ok();
            assert!(
                body["@odata.context"]
                    .as_str()
                    .is_some_and(|url| url.starts_with("https://localhost:8443/v1.0/$metadata#")),
                "{path}"
            );
            check_shape(&body, name, &path);
        }
    }
}

/// The published examples of what is served: ours has every property that theirs has, of the same JSON type.
#[tokio::test]
async fn published_examples_are_answered_in_kind() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[8, 9]).await;
    // Lists show the newest first: those whose names are known.
    harness.clock.advance(std::time::Duration::from_secs(1));
    let points = harness.protected(&[1, 2, 3]).await;
    let unit = harness.get(&format!("/protectionUnits/{}", points[0].0)).await.ok();
    let protected = unit["policyId"].as_str().expect("an id").to_owned();
    let session = harness.draft(&[points[0].1, points[1].1]).await;
    let ids: Vec<String> = {
        let path = format!("/sharePointProtectionPolicies/{policy}/siteProtectionUnits");
        let list = harness.get(&path).await.ok();
        list["value"].as_array().expect("a list").iter().map(Harness::id).collect()
    };
    let artifacts = harness.artifact_ids(&session).await;
    let cases: Vec<(&str, Method, String, Value)> = vec![
        ("siteProtectionUnits.list", Method::GET, "/siteProtectionUnits".to_owned(), Value::Null),
        (
            "protectionUnits.get",
            Method::GET,
            format!("/protectionUnits/{}", points[0].0),
            Value::Null,
        ),
        (
            "protectionUnits.asSiteProtectionUnit.list",
            Method::GET,
            "/protectionUnits/microsoft.graph.siteProtectionUnit".to_owned(),
            Value::Null,
        ),
        ("enable", Method::POST, "/enable".to_owned(), json!({ "appOwnerTenantId": KEY })),
        ("backupRestore.get", Method::GET, String::new(), Value::Null),
        ("protectionPolicies.list", Method::GET, "/protectionPolicies".to_owned(), Value::Null),
        (
            "protectionPolicies.get",
            Method::GET,
            format!("/protectionPolicies/{policy}"),
            Value::Null,
        ),
        (
            "sharePointProtectionPolicies.create",
            Method::POST,
            "/sharePointProtectionPolicies".to_owned(),
            json!({ "displayName": "P", "siteProtectionUnits": [{ "siteId": site(20) }] }),
        ),
        (
            "sharePointProtectionPolicies.update",
            Method::PATCH,
            format!("/sharePointProtectionPolicies/{policy}"),
            json!({ "displayName": "Q", "siteProtectionUnits@delta": [
                { "siteId": site(21) }, { "siteId": site(22) },
                { "@removed": { "reason": "changed" }, "id": ids[0] },
                { "@removed": { "reason": "changed" }, "id": KEY } ] }),
        ),
        (
            "sharePointProtectionPolicies.siteProtectionUnits.list",
            Method::GET,
            format!("/sharePointProtectionPolicies/{protected}/siteProtectionUnits"),
            Value::Null,
        ),
        (
            "restorePoints.list",
            Method::GET,
            format!(
                "/restorePoints?$expand=protectionUnit($filter=id eq '{}')&$filter=protectionDateTime lt 2027-03-04T10:00:00Z",
                points[0].0
            ),
            Value::Null,
        ),
        (
            "restorePoints.search",
            Method::POST,
            "/restorePoints/search".to_owned(),
            json!({ "protectionUnitIds": [points[0].0.to_string(), KEY], "protectionTimePeriod": { "startDateTime": "2025-03-01T00:00:00Z", "endDateTime": "2027-03-08T00:00:00Z" },
                "restorePointPreference": "latest", "tags": "fastRestore" }),
        ),
        (
            "sharePointRestoreSessions.create",
            Method::POST,
            "/sharePointRestoreSessions".to_owned(),
            json!({ "siteRestoreArtifacts": [artifact(points[0].1, "inPlace"), artifact(points[1].1, "inPlace")] }),
        ),
        (
            "sharePointRestoreSessions.create.empty",
            Method::POST,
            "/sharePointRestoreSessions".to_owned(),
            json!({}),
        ),
        (
            "sharePointRestoreSessions.update",
            Method::PATCH,
            format!("/sharePointRestoreSessions/{session}"),
            json!({ "siteRestoreArtifacts@delta": [ artifact(points[2].1, "new"),
                { "@removed": { "reason": "changed" }, "id": artifacts[0] }, { "@removed": { "reason": "changed" }, "id": KEY } ] }),
        ),
        (
            "sharePointRestoreSessions.update.first-published.beta",
            Method::PATCH,
            format!("/beta/solutions/backupRestore/sharePointRestoreSessions/{session}"),
            json!({ "@odata.type": "#microsoft.graph.sharePointRestoreSession", "status": "draft", "createdBy": { "@odata.type": "microsoft.graph.identitySet" },
                "completedDateTime": "2024-03-01T09:00:00Z", "error": { "@odata.type": "microsoft.graph.publicError" } }),
        ),
        ("restoreSessions.get", Method::GET, format!("/restoreSessions/{session}"), Value::Null),
        ("restoreSessions.list", Method::GET, "/restoreSessions".to_owned(), Value::Null),
        (
            "restoreSessions.activate",
            Method::POST,
            format!("/restoreSessions/{session}/activate"),
            Value::Null,
        ),
        (
            "protectionPolicies.activate",
            Method::POST,
            format!("/protectionPolicies/{policy}/activate"),
            Value::Null,
        ),
        (
            "protectionPolicies.activate.alreadyActive",
            Method::POST,
            format!("/protectionPolicies/{policy}/activate"),
            Value::Null,
        ),
        (
            "protectionPolicies.deactivate.whileUpdating",
            Method::POST,
            format!("/protectionPolicies/{policy}/deactivate"),
            Value::Null,
        ),
    ];
    for (name, method, path, body) in cases {
        let file = format!("{}/../../spec/examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let example: Value =
            serde_json::from_str(&std::fs::read_to_string(&file).expect(&file)).expect("JSON");
        let reply = harness.by(&Token::delegated(), method, &path, &body).await;
        let expected = &example["response"];
        assert_eq!(json!(reply.status.as_u16()), expected["status"], "{name}: {}", reply.text);
        for header in expected["headers"].as_object().into_iter().flat_map(|map| map.keys()) {
            assert!(!reply.header(header).is_empty(), "{name}: no {header}");
        }
        alike(&reply.json, &expected["body"], name);
    }
}

/// Lists are compared by their first items: what is in them differs, what they are like does not.
fn alike(ours: &Value, theirs: &Value, place: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (name, value) in theirs {
                // A link is there when there is more; the objects were made by an application.
                if matches!(name.as_str(), "@odata.nextLink" | "identity" | "email" | "user") {
                    continue;
                }
                let place = format!("{place}/{name}");
                alike(ours.get(name).expect(&place), value, &place);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            if let (Some(ours), Some(theirs)) = (ours.first(), theirs.first()) {
                alike(ours, theirs, place);
            }
            assert_eq!(ours.is_empty(), theirs.is_empty(), "{place}");
        }
        (Value::Null, _) | (_, Value::Null) => {}
        (ours, theirs) => assert_eq!(
            std::mem::discriminant(ours),
            std::mem::discriminant(theirs),
            "{place}: {ours} {theirs}"
        ),
    }
}
