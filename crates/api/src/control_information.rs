//! `odata.metadata=none`, `minimal` and `full`: how much an answer says about itself (`spec/api.md` section 4).
//!
//! Operations answer with what minimal asks for. None takes it away; full adds the rest from the contract's types: the type of
//! every object and of every value that JSON does not show, where an entity lives, and where its navigation properties lead.

use axum::http::{HeaderMap, header};
use holdfast_graph_model::{PropertyInfo, Version, types};
use serde_json::{Map, Value, json};

const NAMESPACE: &str = "microsoft.graph.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    None,
    Minimal,
    Full,
}

/// The form of JSON that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) level: Level,
    /// Numbers of 64 bits as texts: only counts are such numbers here.
    pub(crate) ieee754_compatible: bool,
}

impl Format {
    /// By `Accept`, unless `$format`, decoded, says otherwise. Without either: minimal.
    pub(crate) fn of(headers: &HeaderMap, format: Option<&str>) -> Self {
        let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let parameters = accept.chain(format).flat_map(|value| value.split([',', ';']));
        let mut found = Self { level: Level::Minimal, ieee754_compatible: false };
        for parameter in parameters {
            match parameter.trim().to_ascii_lowercase().as_str() {
                "odata.metadata=none" => found.level = Level::None,
                "odata.metadata=minimal" => found.level = Level::Minimal,
                "odata.metadata=full" => found.level = Level::Full,
                "ieee754compatible=true" => found.ieee754_compatible = true,
                _ => {}
            }
        }
        found
    }

    pub(crate) fn content_type(self) -> &'static str {
        match (self.level, self.ieee754_compatible) {
            (Level::None, false) => "application/json;odata.metadata=none",
            (Level::Minimal, false) => "application/json;odata.metadata=minimal",
            (Level::Full, false) => "application/json;odata.metadata=full",
            (Level::None, true) => "application/json;odata.metadata=none;IEEE754Compatible=true",
            (Level::Minimal, true) => {
                "application/json;odata.metadata=minimal;IEEE754Compatible=true"
            }
            (Level::Full, true) => "application/json;odata.metadata=full;IEEE754Compatible=true",
        }
    }

    /// Brings the body of an answer, as operations make it, into this form. `response_type` is the contract's.
    pub(crate) fn apply(
        self,
        body: &mut Map<String, Value>,
        response_type: Option<&str>,
        version: Version,
    ) {
        match self.level {
            Level::None => body.values_mut().for_each(strip),
            Level::Minimal => {}
            Level::Full => annotate_answer(body, response_type, version),
        }
        if self.level == Level::None {
            strip_object(body);
        }
        if self.ieee754_compatible {
            for (name, value) in body.iter_mut() {
                if name.ends_with("@odata.count") && value.is_number() {
                    *value = json!(value.to_string());
                }
            }
        }
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            strip_object(object);
            object.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Only what the client cannot do without stays.
fn strip_object(object: &mut Map<String, Value>) {
    object.retain(|name, _| {
        !name.contains("@odata.")
            || name.ends_with("@odata.nextLink")
            || name.ends_with("@odata.count")
    });
}

fn annotate_answer(body: &mut Map<String, Value>, response_type: Option<&str>, version: Version) {
    let declared = response_type.map(|name| element(name).unwrap_or(name));
    // Where the answer lives. Results of actions and functions have a type there instead, and no address.
    let context = body.get("@odata.context").and_then(Value::as_str).unwrap_or_default();
    let url = context.split_once("$metadata#").and_then(|(root, fragment)| {
        let path = fragment.strip_suffix("/$entity").unwrap_or(fragment);
        path.starts_with("solutions/").then(|| format!("{root}{path}"))
    });
    if let Some(Value::Array(rows)) = body.get_mut("value") {
        for row in rows {
            if let Value::Object(row) = row {
                let place = url.as_deref().map(|url| Place { url, is_collection: true });
                annotate(row, declared, place, version);
            }
        }
        return;
    }
    let is_singleton = url.as_deref().is_some_and(is_singleton);
    let place = url.as_deref().map(|url| Place { url, is_collection: !is_singleton });
    annotate(body, declared, place, version);
}

/// Is it the root itself, or a property of the root that is no collection?
fn is_singleton(url: &str) -> bool {
    let last = url.rsplit('/').next().unwrap_or_default();
    let of_root = |name| types().property("backupRestoreRoot", name, Version::Beta);
    last.eq_ignore_ascii_case("backupRestore")
        || of_root(last).is_some_and(|property| element(&property.type_name).is_none())
}

#[derive(Clone, Copy)]
struct Place<'a> {
    url: &'a str,
    /// The object is one of several there, so that its key follows.
    is_collection: bool,
}

fn annotate(
    object: &mut Map<String, Value>,
    declared: Option<&str>,
    place: Option<Place<'_>>,
    version: Version,
) {
    let own = object.get("@odata.type").and_then(Value::as_str);
    let own = own.map(|name| name.trim_start_matches('#')).or(declared);
    let Some(type_name) = own.and_then(|name| name.strip_prefix(NAMESPACE)).map(str::to_owned)
    else {
        return;
    };
    let Some(info) = types().get(&type_name) else { return };
    let url = place.and_then(|place| {
        if !place.is_collection {
            return Some(place.url.to_owned());
        }
        let id = object.get("id")?.as_str()?;
        Some(format!("{}('{}')", place.url, id.replace('\'', "''")))
    });
    let mut added = Map::new();
    added.insert("@odata.type".to_owned(), json!(format!("#{NAMESPACE}{type_name}")));
    for property in types().properties(&type_name, version) {
        let name = &property.name;
        if let Some(value) = object.get_mut(name) {
            if let Some(shown) = shown_type(property, value) {
                added.insert(format!("{name}@odata.type"), json!(shown));
            }
            annotate_value(value, property, url.as_deref(), version);
        }
        if let Some(url) = url.as_deref().filter(|_| property.navigation) {
            let link = format!("{url}/{name}");
            added.insert(format!("{name}@odata.associationLink"), json!(format!("{link}/$ref")));
            added.insert(format!("{name}@odata.navigationLink"), json!(link));
        }
    }
    if let Some(url) = url.filter(|_| info.kind == "entity") {
        added.insert("@odata.id".to_owned(), json!(url));
        added.insert("@odata.editLink".to_owned(), json!(url));
    }
    object.extend(added);
}

fn annotate_value(value: &mut Value, property: &PropertyInfo, url: Option<&str>, version: Version) {
    let declared = element(&property.type_name);
    let below = url.filter(|_| property.navigation).map(|url| format!("{url}/{}", property.name));
    match value {
        Value::Object(inner) => {
            let place = below.as_deref().map(|url| Place { url, is_collection: false });
            annotate(inner, Some(&property.type_name), place, version);
        }
        Value::Array(items) => {
            for item in items {
                if let Value::Object(inner) = item {
                    let place = below.as_deref().map(|url| Place { url, is_collection: true });
                    annotate(inner, declared, place, version);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The type of a value that cannot be seen from its JSON. Texts, numbers of 32 bits and truth values can; an object has its own.
fn shown_type(property: &PropertyInfo, value: &Value) -> Option<String> {
    if value.is_null() || property.navigation {
        return None;
    }
    let short = |name: &str| name.strip_prefix("Edm.").unwrap_or(name).to_owned();
    if let Some(inner) = element(&property.type_name) {
        return Some(format!("#Collection({})", short(inner)));
    }
    let name = property.type_name.as_str();
    let is_enum = name
        .strip_prefix(NAMESPACE)
        .and_then(|name| types().get(name))
        .is_some_and(|info| info.kind == "enum");
    let is_hidden = matches!(name, "Edm.DateTimeOffset" | "Edm.Duration" | "Edm.Guid") || is_enum;
    is_hidden.then(|| format!("#{}", short(name)))
}

/// What a collection holds.
fn element(type_name: &str) -> Option<&str> {
    type_name.strip_prefix("Collection(")?.strip_suffix(')')
}

#[cfg(test)]
mod tests;
