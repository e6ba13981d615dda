//! Request bodies, from the fields that the contract lists.

use holdfast_graph_model::{Operation, Version, types};
use serde_json::{Map, Value, json};

use super::schemas::value_schema;

/// `None` where the operation takes no body.
pub(super) fn request_body(operation: &Operation, version: Version) -> Option<Value> {
    if operation.request_body_fields.is_empty() {
        return None;
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in &operation.request_body_fields {
        let is_beta_only = field.notes.starts_with("beta only");
        if is_beta_only && version == Version::V1 {
            continue;
        }
        let schema = field_schema(&field.type_name, version);
        if field.required == Some(true) {
            required.push(json!(field.name));
            properties.insert(field.name.clone(), schema);
        } else {
            // Null says the same as leaving it out.
            let schema = json!({ "anyOf": [schema, { "type": "null" }] });
            properties.insert(field.name.clone(), schema);
        }
    }
    let is_required = !required.is_empty();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { "^@": {} },
        "additionalProperties": false,
    });
    if is_required {
        schema["required"] = Value::Array(required);
    }
    Some(json!({
        "required": is_required,
        "content": { "application/json": { "schema": schema } },
    }))
}

/// Pages write types with and without the namespace, and `collection` for lists of changes.
fn field_schema(type_name: &str, version: Version) -> Value {
    if type_name.eq_ignore_ascii_case("collection") {
        return json!({ "type": "array", "items": { "type": "object" } });
    }
    if let Some(element) =
        type_name.strip_prefix("Collection(").and_then(|name| name.strip_suffix(')'))
    {
        return json!({ "type": "array", "items": field_schema(element, version) });
    }
    if type_name.starts_with("Edm.") {
        return value_schema(type_name, version);
    }
    let name = type_name.strip_prefix("microsoft.graph.").unwrap_or(type_name);
    match types().get(name) {
        // Requests name parts of an entity, such as its id.
        Some(info) if info.kind == "entity" => json!({ "type": "object" }),
        Some(info) if info.is_in(version) => {
            value_schema(&format!("microsoft.graph.{}", info.name), version)
        }
        Some(_) | None => json!({}),
    }
}
