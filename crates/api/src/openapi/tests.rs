//! The document against the routes and itself.

use std::collections::HashSet;

use axum::body::Body;
use axum::http::Method;
use holdfast_graph_model::operations;
use serde_json::Value;

use super::{VERSIONS, build};
use crate::harness::Harness;
use crate::routes::{GRAPH, HOLDFAST};

#[test]
fn every_served_operation_is_described() {
    let document = build();
    let mut expected = 2 * VERSIONS.len() + HOLDFAST.len();
    for version in VERSIONS {
        for route in GRAPH {
            let operation = operations().get(route.operation).expect("it exists");
            if !operation.is_in(version) {
                continue;
            }
            expected += 1;
            let path = format!("/{}{}", version.name(), operation.path);
            let method = operation.method.to_ascii_lowercase();
            let described = &document["paths"][&path][&method];
            assert!(described.is_object(), "{method} {path}");
            for status in &operation.response_status {
                let answer = &described["responses"][status.to_string()];
                assert!(answer["description"].is_string(), "{method} {path}: {status}");
                assert_eq!(
                    answer["content"].is_object(),
                    *status != 204 && operation.response_type.is_some(),
                    "{method} {path}"
                );
            }
            let permissions = &operation.permissions;
            let scopes = described["security"].as_array().expect("a list");
            assert_eq!(scopes.len(), permissions.delegated.len() + permissions.application.len());
            for (kind, names) in
                [("delegated", &permissions.delegated), ("application", &permissions.application)]
            {
                for name in names {
                    assert!(scopes.iter().any(|scope| scope[kind][0] == **name), "{path}: {name}");
                }
            }
            for error in operation.known_errors.iter().filter(|error| error.level == "request") {
                let answer = &described["responses"][error.http_status.to_string()];
                assert!(answer.is_object(), "{path}: {}", error.http_status);
            }
        }
    }
    let paths = document["paths"].as_object().expect("an object");
    let described: usize = paths.values().map(|path| path.as_object().map_or(0, |p| p.len())).sum();
    assert_eq!(described, expected, "nothing else is described");
}

fn references(value: &Value, found: &mut HashSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                found.insert(reference.to_owned());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn references_resolve_and_names_are_unique() {
    let document = build();
    let mut found = HashSet::new();
    references(&document, &mut found);
    assert!(found.len() > 100, "{}", found.len());
    for reference in found {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some_and(Value::is_object), "{reference}");
    }
    let (mut ids, mut count) = (HashSet::new(), 0);
    for (path, item) in document["paths"].as_object().expect("an object") {
        for described in item.as_object().expect("an object").values() {
            count += 1;
            ids.insert(described["operationId"].as_str().expect("a name").to_owned());
            let in_path = described["parameters"].as_array().into_iter().flatten();
            let in_path = in_path.filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{path}");
        }
    }
    assert_eq!(ids.len(), count);
}

#[tokio::test]
async fn what_is_ours_comes_as_described() {
    let harness = Harness::new().await;
    let document = build();
    let paths = document["paths"].as_object().expect("an object");
    let ours = paths.iter().filter(|(path, _)| path.starts_with("/holdfast/"));
    // What needs an object of its own is JSON as the list is.
    let mut seen = 0;
    for (path, item) in ours.filter(|(path, _)| !path.contains('{')) {
        let reply = harness.get(path).await;
        assert_eq!(reply.status.as_u16(), 200, "{path}");
        let kind = reply.header("content-type").split(';').next().unwrap_or_default().to_owned();
        let described = &item["get"]["responses"]["200"]["content"];
        assert!(described[&kind].is_object(), "{path}: {kind} {described}");
        seen += 1;
    }
    assert!(seen >= 2, "{seen}");
}

#[tokio::test]
async fn it_is_served_to_everyone() {
    let harness = Harness::new().await;
    let reply = harness.send(Method::GET, "/openapi.json", &[], Body::empty()).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"));
    assert_eq!(reply.json, build());
}
