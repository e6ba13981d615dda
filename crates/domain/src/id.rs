//! Typed ids. An id is parsed once, at the edge; inside, no bare `Uuid` or `String` stands for one.

/// Makes a newtype over a UUID: parsed from its hyphenated form (either letter case), written in lower case.
#[macro_export]
macro_rules! define_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// A new random id.
            #[must_use]
            pub fn random(entropy: &dyn $crate::Entropy) -> Self {
                Self(entropy.uuid())
            }

            #[must_use]
            pub const fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }

            #[must_use]
            pub const fn as_uuid(self) -> uuid::Uuid {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::MalformedId;

            fn from_str(text: &str) -> Result<Self, $crate::MalformedId> {
                // Uuid also parses braces, URN and bare hexadecimal; Graph writes the hyphenated form only.
                if text.len() != 36 {
                    return Err($crate::MalformedId);
                }
                uuid::Uuid::try_parse(text).map(Self).map_err(|_| $crate::MalformedId)
            }
        }
    };
}

/// Makes a newtype over a non-empty text that another system chose.
#[macro_export]
macro_rules! define_text_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// The text has not the form that ids of this kind have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed id")]
pub struct MalformedId;

define_id!(
    /// A tenant: the directory (`tid`) whose users and data an object belongs to.
    TenantId
);
define_id!(
    /// `protectionPolicyBase.id`
    PolicyId
);
define_id!(
    /// `protectionUnitBase.id`; also the name of the unit's repository.
    UnitId
);
define_id!(
    /// `restoreSessionBase.id`
    RestoreSessionId
);
define_id!(
    /// `restoreArtifactBase.id`
    ArtifactId
);
define_id!(
    /// An application (client) id; `serviceApp.id`.
    AppId
);
define_id!(
    /// A row of work for the engine.
    JobId
);
define_id!(
    /// `protectionRuleBase.id`
    RuleId
);
define_id!(
    /// `protectionUnitsBulkJobBase.id`, `exclusionUnitBulkAdditionJob.id`, `restoreArtifactsBulkRequestBase.id`
    BulkJobId
);
define_id!(
    /// `exclusionUnitBase.id`
    ExclusionId
);
define_id!(
    /// `activityLogBase.id`
    ActivityId
);
define_id!(
    /// A mail in the outbox; also the beginning of its `Message-ID`.
    MailId
);
define_id!(
    /// `searchResponseId`
    SearchResponseId
);
define_id!(
    /// `browseSessionBase.id`
    BrowseSessionId
);
define_text_id!(
    /// A drive (document library) of the protected tenant, in its own spelling.
    DriveId
);
define_text_id!(
    /// An item of a drive. Unique within its drive only.
    ItemId
);
