//! The types of the contract (`spec/types.json`): which properties each has, own and inherited.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::Version;

/// An entity, complex type or enum of `microsoft.graph`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeInfo {
    pub name: String,
    /// `entity`, `complex` or `enum`.
    pub kind: String,
    pub base_type: Option<String>,
    versions: Vec<String>,
    #[serde(default)]
    pub properties: Vec<PropertyInfo>,
    /// Of an enum, in Graph's order.
    #[serde(default)]
    pub members: Vec<MemberInfo>,
    #[serde(default)]
    pub is_flags: bool,
    #[serde(default, rename = "abstract")]
    pub is_abstract: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyInfo {
    pub name: String,
    /// Such as `Edm.String` or `Collection(microsoft.graph.retentionSetting)`.
    #[serde(rename = "type")]
    pub type_name: String,
    pub navigation: bool,
    pub nullable: bool,
    versions: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct MemberInfo {
    pub name: String,
    versions: Vec<String>,
}

impl TypeInfo {
    #[must_use]
    pub fn is_in(&self, version: Version) -> bool {
        self.versions.iter().any(|name| name == version.name())
    }
}

impl PropertyInfo {
    #[must_use]
    pub fn is_in(&self, version: Version) -> bool {
        self.versions.iter().any(|name| name == version.name())
    }
}

impl MemberInfo {
    #[must_use]
    pub fn is_in(&self, version: Version) -> bool {
        self.versions.iter().any(|name| name == version.name())
    }
}

/// All types of the contract.
#[derive(Debug)]
pub struct Types {
    all: Vec<TypeInfo>,
    by_name: HashMap<String, usize>,
}

impl Types {
    /// The type of that name, without the namespace.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&TypeInfo> {
        self.by_name.get(name).map(|index| &self.all[*index])
    }

    #[must_use]
    pub fn all(&self) -> &[TypeInfo] {
        &self.all
    }

    /// The property of that name that the type has or inherits in `version`.
    #[must_use]
    pub fn property(
        &self,
        type_name: &str,
        property: &str,
        version: Version,
    ) -> Option<&PropertyInfo> {
        let mut next = self.get(type_name);
        while let Some(info) = next {
            let found = info.properties.iter().find(|found| found.name == property);
            if let Some(found) = found.filter(|found| found.is_in(version)) {
                return Some(found);
            }
            next = info.base_type.as_deref().and_then(|base| self.get(base));
        }
        None
    }

    /// All properties that the type has or inherits in `version`, its own first.
    pub fn properties<'a>(
        &'a self,
        type_name: &str,
        version: Version,
    ) -> impl Iterator<Item = &'a PropertyInfo> {
        let base = |info: &&TypeInfo| info.base_type.as_deref().and_then(|base| self.get(base));
        std::iter::successors(self.get(type_name), base)
            .flat_map(|info| &info.properties)
            .filter(move |property| property.is_in(version))
    }

    /// Does the type have or inherit a property of that name, in either version?
    #[must_use]
    pub fn has_property(&self, type_name: &str, property: &str) -> bool {
        [Version::V1, Version::Beta]
            .into_iter()
            .any(|version| self.property(type_name, property, version).is_some())
    }

    /// The types that are or derive from `base`.
    pub fn family<'a>(&'a self, base: &'a str) -> impl Iterator<Item = &'a TypeInfo> {
        self.all.iter().filter(move |info| {
            let mut next = Some(*info);
            while let Some(candidate) = next {
                if candidate.name == base {
                    return true;
                }
                next = candidate.base_type.as_deref().and_then(|base| self.get(base));
            }
            false
        })
    }
}

#[derive(Deserialize)]
struct File {
    types: Vec<TypeInfo>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let file: File = serde_json::from_str(include_str!("../../../spec/types.json"))
        .expect("the contract is well-formed: a test reads it");
    let by_name =
        file.types.iter().enumerate().map(|(index, info)| (info.name.clone(), index)).collect();
    Types { all: file.types, by_name }
});

/// The contract's types, read once.
#[must_use]
pub fn types() -> &'static Types {
    &TYPES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_inherited_by_version() {
        let has = |name, property, version| types().property(name, property, version).is_some();
        assert!(has("siteProtectionUnit", "siteId", Version::V1));
        assert!(has("siteProtectionUnit", "status", Version::V1));
        assert!(has("siteProtectionUnit", "id", Version::V1));
        assert!(!has("siteProtectionUnit", "billingPolicyId", Version::V1));
        assert!(has("siteProtectionUnit", "billingPolicyId", Version::Beta));
        assert!(!has("protectionUnitBase", "siteId", Version::Beta));
        let family: Vec<&str> =
            types().family("protectionRuleBase").map(|info| info.name.as_str()).collect();
        assert_eq!(family.len(), 4, "{family:?}");
    }
}
