//! The contract's types as JSON Schema, once for each version.

use holdfast_graph_model::{PropertyInfo, TypeInfo, Version, types};
use serde_json::{Map, Value, json};

use super::VERSIONS;

/// All named schemas.
pub(super) fn all() -> Map<String, Value> {
    let mut schemas = Map::new();
    schemas.insert("Error".to_owned(), error());
    for version in VERSIONS {
        for info in types().all().iter().filter(|info| info.is_in(version)) {
            let name = schema_name(&info.name, version);
            if info.kind == "enum" {
                schemas.insert(name, members(info, version));
                continue;
            }
            let heirs: Vec<&TypeInfo> =
                types().family(&info.name).filter(|heir| heir.is_in(version)).collect();
            if heirs.len() == 1 {
                schemas.insert(name, object(info, version));
                continue;
            }
            // A type from which others derive: its name stands for all of them.
            if !info.is_abstract {
                schemas.insert(own_name(info, version), object(info, version));
            }
            let concrete = heirs.into_iter().filter(|heir| !heir.is_abstract);
            let mut choices = Vec::new();
            let mut mapping = Map::new();
            for heir in concrete {
                let reference = format!("#/components/schemas/{}", own_name(heir, version));
                mapping.insert(format!("#microsoft.graph.{}", heir.name), json!(reference));
                choices.push(json!({ "$ref": reference }));
            }
            if choices.is_empty() {
                schemas.insert(name, object(info, version));
                continue;
            }
            let mut schema = json!({ "anyOf": choices });
            if info.kind == "entity" {
                schema["discriminator"] =
                    json!({ "propertyName": "@odata.type", "mapping": mapping });
            }
            schemas.insert(name, schema);
        }
    }
    schemas
}

fn schema_name(type_name: &str, version: Version) -> String {
    format!("{}.{type_name}", version.name())
}

/// Of the type alone, without those that derive from it.
fn own_name(info: &TypeInfo, version: Version) -> String {
    let has_heirs = types().family(&info.name).filter(|heir| heir.is_in(version)).count() > 1;
    let name = schema_name(&info.name, version);
    if has_heirs { format!("{name}.itself") } else { name }
}

/// Own and inherited.
pub(super) fn properties(type_name: &str, version: Version) -> Vec<&'static PropertyInfo> {
    types().properties(type_name, version).collect()
}

fn object(info: &TypeInfo, version: Version) -> Value {
    let mut shown = Map::new();
    for property in properties(&info.name, version) {
        let mut schema = value_schema(&property.type_name, version);
        if property.nullable && !property.type_name.starts_with("Collection(") {
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
        shown.insert(property.name.clone(), schema);
    }
    let mut schema = json!({
        "type": "object",
        "properties": shown,
        // Control information.
        "patternProperties": { "@": {} },
        "additionalProperties": false,
    });
    if info.kind == "entity" {
        schema["properties"]["@odata.type"] =
            json!({ "type": "string", "const": format!("#microsoft.graph.{}", info.name) });
    }
    schema
}

fn members(info: &TypeInfo, version: Version) -> Value {
    let names: Vec<&str> = info
        .members
        .iter()
        .filter(|member| member.is_in(version))
        .map(|member| member.name.as_str())
        .collect();
    if info.is_flags {
        let any = names.join("|");
        return json!({ "type": "string", "pattern": format!("^({any})(,({any}))*$") });
    }
    json!({ "type": "string", "enum": names })
}

/// The schema of a value of the type with that full name.
pub(super) fn value_schema(type_name: &str, version: Version) -> Value {
    if let Some(element) =
        type_name.strip_prefix("Collection(").and_then(|name| name.strip_suffix(')'))
    {
        return json!({ "type": "array", "items": value_schema(element, version) });
    }
    match type_name {
        "Edm.Boolean" => json!({ "type": "boolean" }),
        "Edm.Int32" => json!({ "type": "integer", "format": "int32" }),
        "Edm.DateTimeOffset" => json!({ "type": "string", "format": "date-time" }),
        "Edm.Duration" => json!({ "type": "string", "format": "duration" }),
        "Edm.String" => json!({ "type": "string" }),
        _ => match named(type_name).and_then(|name| types().get(name)) {
            Some(info) if info.is_in(version) => {
                json!({ "$ref": format!("#/components/schemas/{}", schema_name(&info.name, version)) })
            }
            Some(_) | None => json!({}),
        },
    }
}

/// The name without `microsoft.graph.`.
pub(super) fn named(type_name: &str) -> Option<&str> {
    type_name.strip_prefix("microsoft.graph.")
}

fn error() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "code": text, "message": text, "target": text,
                    "details": { "type": "array", "items": { "type": "object" } },
                    "innerError": {
                        "type": "object",
                        "properties": { "date": text, "request-id": text, "client-request-id": text },
                    },
                },
                "required": ["code", "message"],
                "additionalProperties": false,
            },
        },
        "required": ["error"],
        "additionalProperties": false,
    })
}
