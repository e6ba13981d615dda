//! `/openapi.json`: OpenAPI 3.1 of what is served, made from the routes and the contract and from nothing else.
//!
//! Both versions are described, each path with its version and each type as that version has it. Operations that are refused
//! are left out.

mod bodies;
mod schemas;

use std::sync::LazyLock;

use holdfast_graph_model::{Operation, Permissions, Version, operations, types};
use serde_json::{Map, Value, json};

use crate::routes::{GRAPH, HOLDFAST};
use schemas::{named, value_schema};

const VERSIONS: [Version; 2] = [Version::V1, Version::Beta];

static DOCUMENT: LazyLock<String> = LazyLock::new(|| build().to_string());

/// The document, made once.
pub(crate) fn document() -> &'static str {
    &DOCUMENT
}

fn build() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut add = |path: String, method: &str, described: Value| {
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method.to_ascii_lowercase()] = described;
    };
    for version in VERSIONS {
        for route in GRAPH {
            let operation = operations().get(route.operation).expect("a test looks every id up");
            if operation.is_in(version) {
                let path = format!("/{}{}", version.name(), operation.path);
                let described = described(operation, &path, version);
                add(path, &operation.method, described);
            }
        }
        let root = format!("/{}", version.name());
        add(format!("{root}/$batch"), "post", batch(version));
        add(format!("{root}/$metadata"), "get", metadata(version));
    }
    for route in HOLDFAST {
        let operation = operations().get(route.operation).expect("a test looks every id up");
        let path = format!("/holdfast/v1{}", route.path);
        let name: Vec<&str> = route
            .path
            .split('/')
            .filter(|part| !part.is_empty() && !part.starts_with('{'))
            // One of a list.
            .chain(route.path.ends_with('}').then_some("get"))
            .collect();
        let answer = if route.path.ends_with("/$count") { "string" } else { "object" };
        let described = json!({
            "operationId": format!("holdfast.{}", name.join(".")),
            "summary": "An extension of Holdfast's own.",
            "parameters": path_parameters(&path),
            "security": security(&operation.permissions),
            "responses": responses(&[(200, json!({ "type": answer }))], &[]),
        });
        add(path, route.method.as_str(), described);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast: the backup API of Microsoft Graph",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "responses": {
                "Error": {
                    "description": "The request was not carried out.",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
                },
            },
            "securitySchemes": security_schemes(),
        },
    })
}

fn described(operation: &Operation, path: &str, version: Version) -> Value {
    let mut parameters = path_parameters(path);
    parameters.extend(query_parameters(operation, version));
    let known: Vec<u16> = operation
        .known_errors
        .iter()
        .filter(|error| error.level == "request")
        .map(|error| error.http_status)
        .collect();
    let body = response_schema(operation.response_type.as_deref(), version);
    let answers: Vec<(u16, Value)> = operation
        .response_status
        .iter()
        .map(|status| (*status, if *status == 204 { Value::Null } else { body.clone() }))
        .collect();
    let prefix = if version == Version::Beta { "beta." } else { "" };
    let mut described = json!({
        "operationId": format!("{prefix}{}", operation.id),
        "summary": operation.summary,
        "parameters": parameters,
        "security": security(&operation.permissions),
        "responses": responses(&answers, &known),
    });
    if let Some(role) = &operation.permissions.delegated_role {
        described["description"] = json!(format!("Users must also hold the role {role}."));
    }
    if let Some(body) = bodies::request_body(operation, version) {
        described["requestBody"] = body;
    }
    described
}

/// Schema and content type are told apart by whether there is a schema: `null` stands for an answer without a body.
fn response_schema(response_type: Option<&str>, version: Version) -> Value {
    match response_type {
        None => Value::Null,
        Some("Edm.Int32 (text/plain)") => json!({ "type": "string", "pattern": "^[0-9]+$" }),
        Some(name) => {
            match name.strip_prefix("Collection(").and_then(|name| name.strip_suffix(')')) {
                Some(element) => json!({
                    "type": "object",
                    "properties": {
                        "@odata.context": { "type": "string" },
                        "@odata.count": { "type": "integer" },
                        "@odata.nextLink": { "type": "string" },
                        "value": { "type": "array", "items": value_schema(element, version) },
                    },
                    "required": ["value"],
                    "patternProperties": { "@": {} },
                    "additionalProperties": false,
                }),
                None if name.starts_with("microsoft.graph.") => value_schema(name, version),
                None => json!({ "type": "object" }),
            }
        }
    }
}

fn responses(answers: &[(u16, Value)], errors: &[u16]) -> Value {
    let mut responses = Map::new();
    for (status, schema) in answers {
        let mut response = json!({ "description": "Carried out." });
        if !schema.is_null() {
            let is_text = schema["type"] == "string";
            let media = if is_text { "text/plain" } else { "application/json" };
            response["content"] = json!({ media: { "schema": schema } });
        }
        responses.insert(status.to_string(), response);
    }
    let error = json!({ "$ref": "#/components/responses/Error" });
    for status in [400, 401, 403, 404].iter().chain(errors) {
        responses.entry(status.to_string()).or_insert_with(|| error.clone());
    }
    responses.insert("default".to_owned(), error);
    Value::Object(responses)
}

/// What is in braces.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1).filter_map(|part| part.split_once('}'));
    let parameter = |name: &str| {
        json!({
            "name": name, "in": "path", "required": true,
            "schema": { "type": "string", "minLength": 1 },
        })
    };
    names.map(|(name, _)| parameter(name)).collect()
}

/// The options that our lists, counts and single objects take. Everything else is refused by name.
fn query_parameters(operation: &Operation, version: Version) -> Vec<Value> {
    let text = |name: &str, about: &str| json!({ "name": name, "in": "query", "schema": { "type": "string" }, "description": about });
    let number = |name: &str, maximum: u32| {
        json!({
            "name": name, "in": "query",
            "schema": { "type": "integer", "minimum": 0, "maximum": maximum },
        })
    };
    let response = operation.response_type.as_deref().unwrap_or_default();
    let element = response
        .strip_prefix("Collection(")
        .and_then(|name| name.strip_suffix(')'))
        .unwrap_or(response);
    let base = named(element).unwrap_or_default();
    let filter = text(
        "$filter",
        "Comparisons (eq, ne, lt, le, gt, ge, in, has), startswith, endswith, contains, isof, any, all, joined by and, or, not.",
    );
    let search = text("$search", "Words and quoted phrases, joined by AND, OR, NOT.");
    // Where names can be searched: `Resource::searchable`.
    let is_searched = ["protectionPolicyBase", "protectionUnitBase"]
        .into_iter()
        .any(|searched| types().family(searched).any(|info| info.name == base));
    let last = operation.id.rsplit('.').next().unwrap_or_default();
    if operation.method != "GET" {
        return Vec::new();
    }
    match last {
        "count" => vec![filter],
        "list" => {
            let mut parameters = vec![
                select(base, version),
                filter,
                text("$orderby", "Properties, each with asc or desc."),
                text("$expand", "Navigation properties, with options in parentheses."),
                number("$top", holdfast_domain::limits::PAGE_MAX),
                number("$skip", u32::MAX),
                json!({ "name": "$count", "in": "query", "schema": { "type": "boolean" } }),
                text("$skiptoken", "Only as an @odata.nextLink has it."),
            ];
            if is_searched {
                parameters.push(search);
            }
            parameters
        }
        "get" => vec![select(base, version)],
        _ => Vec::new(),
    }
}

fn select(base: &str, version: Version) -> Value {
    let mut names: Vec<&str> = types()
        .family(base)
        .flat_map(|info| schemas::properties(&info.name, version))
        .map(|property| property.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let items =
        if names.is_empty() { json!({ "type": "string" }) } else { json!({ "enum": names }) };
    json!({
        "name": "$select", "in": "query", "style": "form", "explode": false,
        "schema": { "type": "array", "minItems": 1, "items": items },
    })
}

/// Any one of the permissions suffices.
fn security(permissions: &Permissions) -> Value {
    let delegated = permissions.delegated.iter().map(|name| json!({ "delegated": [name] }));
    let application = permissions.application.iter().map(|name| json!({ "application": [name] }));
    Value::Array(delegated.chain(application).collect())
}

fn security_schemes() -> Value {
    let mut scopes = Map::new();
    for operation in operations().all() {
        let permissions = &operation.permissions;
        for name in permissions.delegated.iter().chain(&permissions.application) {
            scopes.entry(name.clone()).or_insert_with(|| json!(""));
        }
    }
    let token = "/organizations/oauth2/v2.0/token";
    json!({
        "application": {
            "type": "oauth2",
            "description": "An application's own permissions: the claim roles.",
            "flows": { "clientCredentials": { "tokenUrl": token, "scopes": scopes } },
        },
        "delegated": {
            "type": "oauth2",
            "description": "A user's, through an application: the claim scp.",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": "/organizations/oauth2/v2.0/authorize",
                    "tokenUrl": token,
                    "scopes": scopes,
                },
            },
        },
    })
}

fn batch(version: Version) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let request = json!({
        "type": "object",
        "properties": {
            "id": text, "url": text,
            "method": { "enum": ["GET", "POST", "PATCH", "PUT", "DELETE"] },
            "dependsOn": { "type": "array", "items": text },
            "headers": { "type": ["object", "null"], "additionalProperties": { "type": "string" } },
            "body": {},
        },
        "required": ["id", "method", "url"],
        "additionalProperties": false,
    });
    let schema = json!({
        "type": "object",
        "properties": {
            "requests": {
                "type": "array", "items": request,
                "minItems": 1, "maxItems": holdfast_domain::limits::BATCH_REQUESTS,
            },
        },
        "required": ["requests"],
        "additionalProperties": false,
    });
    let part = json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" }, "status": { "type": "integer" },
            "headers": { "type": "object" }, "body": {},
        },
        "required": ["id", "status"],
        "additionalProperties": false,
    });
    let answer = json!({
        "type": "object",
        "properties": { "responses": { "type": "array", "items": part } },
        "required": ["responses"],
    });
    json!({
        "operationId": format!("{}.batch", version.name()),
        "summary": "Up to 20 requests in one.",
        "security": [{ "application": [] }, { "delegated": [] }],
        "requestBody": { "required": true, "content": { "application/json": { "schema": schema } } },
        "responses": responses(&[(200, answer)], &[413, 415]),
    })
}

fn metadata(version: Version) -> Value {
    let content = json!({ "application/xml": { "schema": { "type": "string" } } });
    json!({
        "operationId": format!("{}.metadata", version.name()),
        "summary": "The metadata document of this version.",
        "security": [],
        "responses": { "200": { "description": "CSDL.", "content": content } },
    })
}

#[cfg(test)]
mod tests;
