//! Graph's side of the wire: enums, error codes, operations with their permissions, types and OData's query
//! language. Written once and checked by tests against the pinned contract in `spec/`.
//!
//! Nothing here knows the domain's state machines or the store. An [`evolvable`] enum does not serialize; only
//! its rendered name does, so that no property can forget to hide newer members from clients that do not know them.

mod error_code;
pub mod evolvable;
pub mod odata;
mod operation;
mod types;

pub use error_code::ErrorCode;
pub use evolvable::{Evolvable, Members, Rendered, Viewer};
pub use operation::{BodyField, KnownError, Operation, Operations, Permissions, operations};
pub use types::{MemberInfo, PropertyInfo, TypeInfo, Types, types};

/// The metadata document of a version, XML (`spec/*.csdl`).
#[must_use]
pub const fn metadata_document(version: Version) -> &'static str {
    match version {
        Version::V1 => include_str!("../../../spec/backuprestore-v1.0.csdl"),
        Version::Beta => include_str!("../../../spec/backuprestore-beta.reconstructed.csdl"),
    }
}

/// Which of the two versions of the API a request names. They share all stored objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    Beta,
}

impl Version {
    /// As written in paths and in `spec/`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::Beta => "beta",
        }
    }
}
