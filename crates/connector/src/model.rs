//! Sites, drives, items and permissions, as far as backup and restore need them.

use holdfast_domain::{DriveId, ItemId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ContentSource;

/// `microsoft.graph.site`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// `host,siteCollectionGuid,webGuid`
    pub id: String,
    pub name: String,
    pub display_name: String,
    pub web_url: String,
}

/// A site in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteSummary {
    pub site: Site,
    /// The site itself or anything in it.
    pub last_modified: Timestamp,
}

/// `microsoft.graph.user`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The directory's GUID.
    pub id: String,
    pub display_name: String,
    /// `None` for somebody without a mailbox.
    pub mail: Option<String>,
    pub user_principal_name: String,
}

/// `microsoft.graph.drive`, a document library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    pub id: DriveId,
    pub name: String,
    /// Where its root is in a browser; the library's own segment need not be its name.
    pub web_url: String,
    pub description: Option<String>,
    pub root: ItemId,
}

/// The OneDrive of a user: the one drive of a personal site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDrive {
    pub owner: Owner,
    pub site: Site,
    pub drive: Drive,
}

/// Whose a drive is (`drive.owner.user`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user's directory object id.
    pub id: String,
    pub display_name: String,
    pub email: Option<String>,
}

/// The times that a client may set (`fileSystemInfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    #[serde(with = "micros")]
    pub created: Timestamp,
    #[serde(with = "micros")]
    pub modified: Timestamp,
}

mod micros {
    use holdfast_domain::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.unix_micros())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        Timestamp::from_unix_micros(i64::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("a time out of range"))
    }
}

/// `microsoft.graph.driveItem`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveItem {
    pub drive: DriveId,
    pub id: ItemId,
    /// `None` for the root.
    pub parent: Option<ItemId>,
    pub name: String,
    pub etag: String,
    pub times: Times,
    pub facts: ItemFacts,
    /// Has permissions of its own (`shared` facet).
    pub shared: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemFacts {
    /// A folder, the root, or a notebook (`package`).
    Folder,
    File(FileFacts),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    pub size: u64,
    /// Base64; `None` when the service serves none.
    pub quick_xor_hash: Option<String>,
    /// `malware` facet: the content is never delivered.
    pub malware: bool,
    /// Pre-authenticated and short-lived. Never stored, never logged.
    pub download_url: Option<String>,
}

/// One entry of a delta page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Present(DriveItem),
    Deleted(ItemId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePage {
    pub changes: Vec<Change>,
    /// The next page, or the next round.
    pub link: String,
    /// This was the round's last page.
    pub last: bool,
}

/// Where the bytes of an upload go.
#[derive(Debug, Clone, Copy)]
pub enum UploadTarget<'a> {
    /// A file in this folder; one of that name is replaced.
    Child { parent: &'a ItemId, name: &'a str },
    /// A file in this folder where nothing has the name; else [`crate::ConnectorError::AlreadyExists`], whenever it was made.
    NewChild { parent: &'a ItemId, name: &'a str },
    /// A new version of this file.
    Existing { item: &'a ItemId },
}

pub struct Upload<'a> {
    pub drive: &'a DriveId,
    pub target: UploadTarget<'a>,
    pub size: u64,
    pub times: Times,
    pub content: &'a dyn ContentSource,
}

/// What to change; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemUpdate {
    pub name: Option<String>,
    pub parent: Option<ItemId>,
    pub times: Option<Times>,
}

/// A direct permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The service's id, good for removing it.
    pub id: String,
    pub grant: Grant,
}

/// What a permission says, apart from its id: this is what a backup stores and compares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Grant {
    /// To a user or group of the directory.
    Principal { kind: String, id: String, display_name: Option<String>, roles: Vec<String> },
    /// A sharing link.
    Link { kind: String, scope: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionUpdate {
    Add(Grant),
    /// By the service's id.
    Remove(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSite {
    pub host: String,
    /// Server-relative, for example `/sites/marketingR0`.
    pub path: String,
    pub display_name: String,
}
