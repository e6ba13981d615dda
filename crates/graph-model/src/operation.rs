//! The operations of the contract (`spec/operations.json`), with the permissions that each needs.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::Version;

/// One operation as the contract describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    pub id: String,
    pub method: String,
    /// Below the version, keys as `{name}`.
    pub path: String,
    versions: Vec<String>,
    /// `documented`, `metadata-only` or `permissions-only`.
    pub tier: String,
    pub summary: String,
    pub permissions: Permissions,
    /// Of the body, where it is an object of a type.
    pub request_type: Option<String>,
    pub request_body_fields: Vec<BodyField>,
    /// Statuses of success.
    pub response_status: Vec<u16>,
    /// Such as `microsoft.graph.serviceStatus`; `None`: no body.
    pub response_type: Option<String>,
    pub known_errors: Vec<KnownError>,
}

/// A property of a request's body.
#[derive(Debug, Deserialize)]
pub struct BodyField {
    pub name: String,
    /// As the pages write it: `Edm.String`, `siteProtectionUnit`, `Collection(…)`, `collection`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// `None` where only the metadata is known.
    pub required: Option<bool>,
    pub notes: String,
}

/// An error that the contract lists for an operation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownError {
    pub http_status: u16,
    /// `request`: the answer is an error. `item` and `property`: part of an answer of success.
    pub level: String,
}

/// Any one of a list suffices; an empty list means that callers of that kind are refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    pub delegated: Vec<String>,
    pub application: Vec<String>,
    /// A directory role that a delegated caller must hold as well.
    pub delegated_role: Option<String>,
}

impl Operation {
    #[must_use]
    pub fn is_in(&self, version: Version) -> bool {
        self.versions.iter().any(|name| name == version.name())
    }
}

/// All operations of the contract.
#[derive(Debug)]
pub struct Operations {
    all: Vec<Operation>,
    by_id: HashMap<String, usize>,
}

impl Operations {
    /// The operation of that id, as in `spec/operations.json`.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Operation> {
        self.by_id.get(id).map(|index| &self.all[*index])
    }

    #[must_use]
    pub fn all(&self) -> &[Operation] {
        &self.all
    }
}

#[derive(Deserialize)]
struct File {
    operations: Vec<Operation>,
}

static OPERATIONS: LazyLock<Operations> = LazyLock::new(|| {
    let file: File = serde_json::from_str(include_str!("../../../spec/operations.json"))
        .expect("the contract is well-formed: a test reads it");
    let by_id = file
        .operations
        .iter()
        .enumerate()
        .map(|(index, operation)| (operation.id.clone(), index))
        .collect();
    Operations { all: file.operations, by_id }
});

/// The contract, read once.
#[must_use]
pub fn operations() -> &'static Operations {
    &OPERATIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_read_whole() {
        let all = operations().all();
        assert_eq!(all.len(), 349);
        assert_eq!(operations().by_id.len(), all.len(), "ids are unique");
        assert_eq!(all.iter().filter(|operation| operation.is_in(Version::V1)).count(), 272);
        let update = operations().get("sharePointRestoreSessions.update").expect("it exists");
        assert_eq!(update.permissions.delegated, ["BackupRestore-Restore.ReadWrite.All"]);
    }
}
