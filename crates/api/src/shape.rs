//! An object of a Graph type, built property by property for one viewer: what the viewer's version lacks is left out.

use holdfast_domain as domain;
use holdfast_domain::Timestamp;
use holdfast_graph_model::{Evolvable, Viewer, types};
use serde_json::{Map, Value, json};

/// An object on its way out.
pub(crate) struct Shape {
    type_name: String,
    viewer: Viewer,
    object: Map<String, Value>,
}

impl Shape {
    /// An object of `microsoft.graph.<type_name>`, with `@odata.type`.
    pub(crate) fn of(type_name: impl Into<String>, viewer: Viewer) -> Self {
        let mut shape = Self::untyped(type_name, viewer);
        let odata_type = format!("#microsoft.graph.{}", shape.type_name);
        shape.object.insert("@odata.type".to_owned(), json!(odata_type));
        shape
    }

    /// For complex types, whose type is the declared one.
    pub(crate) fn untyped(type_name: impl Into<String>, viewer: Viewer) -> Self {
        Self { type_name: type_name.into(), viewer, object: Map::new() }
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        if types().property(&self.type_name, name, self.viewer.version).is_some() {
            self.object.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Left out when it is `None`.
    pub(crate) fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    pub(crate) fn time(self, name: &str, time: Timestamp) -> Self {
        self.set(name, time.to_string())
    }

    pub(crate) fn maybe_time(self, name: &str, time: Option<Timestamp>) -> Self {
        self.maybe(name, time.map(|time| time.to_string()))
    }

    /// Where an unset time is the year 1 (`spec/api.md` section 4).
    pub(crate) fn time_or_year_one(self, name: &str, time: Option<Timestamp>) -> Self {
        self.set(name, time.map_or_else(|| Timestamp::YEAR_ONE.to_owned(), |at| at.to_string()))
    }

    pub(crate) fn member(self, name: &str, member: impl Evolvable) -> Self {
        let rendered = member.render(self.viewer).as_str();
        self.set(name, rendered)
    }

    /// Null when there is none.
    pub(crate) fn error(self, error: Option<&domain::PublicError>) -> Self {
        self.set("error", error.map_or(Value::Null, public_error))
    }

    pub(crate) fn identities(self, name: &str, actor: &domain::Actor) -> Self {
        self.set(name, identity_set(actor))
    }

    /// The four properties that most objects share.
    pub(crate) fn stamps(self, stamps: &domain::Stamps) -> Self {
        self.identities("createdBy", &stamps.created_by)
            .time("createdDateTime", stamps.created_at)
            .identities("lastModifiedBy", &stamps.last_modified_by)
            .time("lastModifiedDateTime", stamps.last_modified_at)
    }

    pub(crate) fn done(self) -> Map<String, Value> {
        self.object
    }
}

impl From<Shape> for Value {
    fn from(shape: Shape) -> Self {
        Self::Object(shape.object)
    }
}

fn identity_set(actor: &domain::Actor) -> Value {
    let mut set = Map::new();
    for (name, identity) in [("application", &actor.application), ("user", &actor.user)] {
        let Some(identity) = identity else { continue };
        let mut shown = json!({ "id": identity.id });
        if let Some(display_name) = &identity.display_name {
            shown["displayName"] = json!(display_name);
        }
        set.insert(name.to_owned(), shown);
    }
    Value::Object(set)
}

fn public_error(error: &domain::PublicError) -> Value {
    let entry = |code: &str, message: &str, target: &Option<String>| {
        let mut entry = json!({ "code": code, "message": message });
        if let Some(target) = target {
            entry["target"] = json!(target);
        }
        entry
    };
    let mut shown = entry(&error.code, &error.message, &error.target);
    let details = error.details.iter();
    let details = details.map(|detail| entry(&detail.code, &detail.message, &detail.target));
    shown["details"] = Value::Array(details.collect());
    shown
}
