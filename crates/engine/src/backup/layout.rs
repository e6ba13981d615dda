//! What a snapshot of a site looks like: our part of restic's tree.
//!
//! ```text
//! /content/<site path>/<library>/…      the files, as a person expects them
//! /holdfast/unit.json                   the site, its libraries and their delta links ([`UnitRecord`])
//! /holdfast/gaps.json                   what is missing or stale
//! /holdfast/permissions/<library>/<xx>/<folder's item id>.json
//!                                       direct permissions of that folder's children; xx spreads them
//! ```
//! What belongs to one item (id, eTag, hash, time of creation) is an extended attribute of its node ([`NodeFacts`]).
//! Names of ours are only below `/holdfast`, so that no file of a user can clash with them.

use std::collections::BTreeMap;

use holdfast_connector::{Grant, Site};
use holdfast_domain::{Gap, Timestamp};
use holdfast_repository::{BlobId, Node};
use holdfast_store::{CatalogueItem, FileContent, ItemKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::JobError;
use crate::resource::Resource;

pub(crate) const CONTENT: &str = "content";
pub(crate) const HOLDFAST: &str = "holdfast";
pub(crate) const UNIT_FILE: &str = "unit.json";
pub(crate) const GAPS_FILE: &str = "gaps.json";
pub(crate) const PERMISSIONS: &str = "permissions";
const FORMAT_VERSION: u32 = 1;
/// restic drops larger attributes silently on some file systems.
const ATTRIBUTE_BYTES: usize = 1024;
const ATTRIBUTE: &str = "user.holdfast";

/// `/holdfast/unit.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnitRecord {
    pub(crate) version: u32,
    pub(crate) site_id: String,
    pub(crate) site_name: String,
    pub(crate) site_display_name: String,
    pub(crate) site_web_url: String,
    /// Of a OneDrive; the site is the personal one around it then, named as its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<OwnerRecord>,
    pub(crate) libraries: Vec<LibraryRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnerRecord {
    pub(crate) directory_object_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LibraryRecord {
    pub(crate) drive_id: String,
    pub(crate) name: String,
    /// Earlier points do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) web_url: Option<String>,
    /// Its folder in the snapshot, below `/content` and the site's path.
    pub(crate) folder: String,
    pub(crate) root_item_id: String,
    pub(crate) delta_link: Option<String>,
}

impl UnitRecord {
    pub(crate) fn new(resource: &Resource, libraries: Vec<LibraryRecord>) -> Self {
        let site = resource.site();
        let owner = resource.owner().map(|owner| OwnerRecord {
            directory_object_id: owner.id.clone(),
            email: owner.email.clone(),
        });
        Self {
            version: FORMAT_VERSION,
            site_id: site.id.clone(),
            site_name: site.name.clone(),
            site_display_name: site.display_name.clone(),
            site_web_url: site.web_url.clone(),
            owner,
            libraries,
        }
    }

    pub(crate) fn site(&self) -> Site {
        Site {
            id: self.site_id.clone(),
            name: self.site_name.clone(),
            display_name: self.site_display_name.clone(),
            web_url: self.site_web_url.clone(),
        }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, JobError> {
        let record: Self = serde_json::from_slice(bytes)
            .map_err(|error| unreadable(UNIT_FILE, &error.to_string()))?;
        if record.version == FORMAT_VERSION {
            Ok(record)
        } else {
            Err(unreadable(UNIT_FILE, "written by a newer version"))
        }
    }

    /// Host and server-relative path of the site.
    pub(crate) fn host_and_path(&self) -> (String, String) {
        let rest = self
            .site_web_url
            .split_once("://")
            .map_or(self.site_web_url.as_str(), |(_, rest)| rest);
        match rest.split_once('/') {
            Some((host, path)) => (host.to_owned(), format!("/{}", path.trim_end_matches('/'))),
            None => (rest.to_owned(), String::new()),
        }
    }

    /// Host and server-relative path to which `R0`, `R1` and so on are appended for a new site (`spec/behaviour.md` 4.2).
    pub(crate) fn host_and_stem_of_new_site(&self) -> (String, String) {
        let (host, path) = self.host_and_path();
        if self.owner.is_some() {
            // A drive becomes a SharePoint site, which lives on the host without `-my`.
            let (label, domain) = host.split_once('.').unwrap_or((&host, ""));
            let label = label.strip_suffix("-my").unwrap_or(label);
            let name = path.rsplit('/').next().unwrap_or_default();
            return (format!("{label}.{domain}"), format!("/sites/{name}"));
        }
        // The tenant's root has no name of its own to append to.
        (host, if path.is_empty() { "/sites/root".to_owned() } else { path })
    }

    /// Folders from the snapshot's root to the site's libraries.
    pub(crate) fn content_path(&self) -> Vec<String> {
        let (_, path) = self.host_and_path();
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned);
        std::iter::once(CONTENT.to_owned()).chain(segments).collect()
    }
}

pub(crate) fn unreadable(what: &str, why: &str) -> JobError {
    JobError::give_up(
        "ArtifactCannotBeRestored",
        format!("{what} of the backup cannot be read: {why}."),
    )
}

/// What a node cannot say in restic's own fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeFacts {
    pub(crate) id: String,
    #[serde(rename = "eTag")]
    pub(crate) etag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quick_xor_hash: Option<String>,
    /// Microseconds since 1970.
    pub(crate) created: i64,
    /// Digest of the direct permissions, so that a tree's id changes with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) permissions: Option<String>,
    /// An older version, since the newest could not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) stale: bool,
}

impl NodeFacts {
    pub(crate) fn read(node: &Node) -> Result<Self, JobError> {
        let attribute = node.extended_attributes.iter().find(|(name, _)| name == ATTRIBUTE);
        let (_, value) = attribute.ok_or_else(|| unreadable("An entry", "it has no item id"))?;
        serde_json::from_slice(value).map_err(|error| unreadable("An entry", &error.to_string()))
    }
}

/// The entry for `item`; `None` for a file of which nothing is stored. `tree` is given for folders.
pub(crate) fn node_of(
    item: &CatalogueItem,
    tree: Option<[u8; 32]>,
) -> Result<Option<Node>, JobError> {
    let modified = jiff_time(item.modified);
    let mut facts = NodeFacts {
        id: item.item.to_string(),
        etag: item.etag.clone(),
        quick_xor_hash: None,
        created: item.created.unix_micros(),
        permissions: item.permissions.as_deref().map(digest),
        stale: item.gap.is_some(),
    };
    let mut node = match &item.kind {
        ItemKind::Folder { .. } => {
            let tree = tree.ok_or_else(|| JobError::retry("a folder's tree is missing"))?;
            Node::directory(item.name.clone(), BlobId::from_bytes(tree), modified)
        }
        ItemKind::File { size, quick_xor_hash, content: FileContent::Stored(blobs) } => {
            facts.quick_xor_hash = Some(quick_xor_hash.clone());
            Node::file(
                item.name.clone(),
                *size,
                blobs.iter().map(|blob| BlobId::from_bytes(*blob)).collect(),
                modified,
            )
        }
        ItemKind::File { content: FileContent::Missing, .. } => return Ok(None),
    };
    let mut attribute = serde_json::to_vec(&facts).expect("texts serialize");
    if attribute.len() > ATTRIBUTE_BYTES {
        // An eTag of absurd length is no loss: it is not needed to restore.
        facts.etag.clear();
        attribute = serde_json::to_vec(&facts).expect("texts serialize");
    }
    node.extended_attributes.push((ATTRIBUTE.to_owned(), attribute));
    Ok(Some(node))
}

pub(crate) fn jiff_time(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(time.unix_micros()).expect("both know the same years")
}

pub(crate) fn domain_time(time: jiff::Timestamp) -> Timestamp {
    Timestamp::from_unix_micros(time.as_microsecond()).expect("both know the same years")
}

/// Direct permissions of a folder's children, by item id.
pub(crate) type FolderPermissions = BTreeMap<String, Vec<Grant>>;

pub(crate) fn permission_file(folder: &str) -> (String, String) {
    (digest(folder)[..2].to_owned(), format!("{folder}.json"))
}

/// Direct permissions as stored and compared: sorted, without names of people.
pub(crate) fn grants_text(mut grants: Vec<Grant>) -> Option<String> {
    grants.sort();
    grants.dedup();
    if grants.is_empty() {
        None
    } else {
        Some(serde_json::to_string(&grants).expect("texts serialize"))
    }
}

pub(crate) fn grants_of(text: Option<&str>) -> Vec<Grant> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

/// `/holdfast/gaps.json`
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GapRecord {
    pub(crate) drive_id: String,
    pub(crate) item_id: String,
    pub(crate) path: String,
    pub(crate) reason: String,
    pub(crate) since: String,
    pub(crate) stale: bool,
}

impl From<&Gap> for GapRecord {
    fn from(gap: &Gap) -> Self {
        Self {
            drive_id: gap.drive.clone(),
            item_id: gap.item.clone(),
            path: gap.path.clone(),
            reason: gap.reason.clone(),
            since: gap.since.to_string(),
            stale: gap.stale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(url: &str, owner: Option<OwnerRecord>) -> UnitRecord {
        UnitRecord {
            version: 1,
            site_id: String::new(),
            site_name: String::new(),
            site_display_name: String::new(),
            site_web_url: url.to_owned(),
            owner,
            libraries: Vec::new(),
        }
    }

    #[test]
    fn a_sites_path_becomes_folders() {
        let check = |url: &str, host: &str, path: &str, folders: &[&str]| {
            let record = record(url, None);
            assert_eq!(record.host_and_path(), (host.to_owned(), path.to_owned()));
            assert_eq!(record.content_path(), folders);
        };
        check(
            "https://contoso.sharepoint.com/sites/marketing",
            "contoso.sharepoint.com",
            "/sites/marketing",
            &["content", "sites", "marketing"],
        );
        check("https://contoso.sharepoint.com", "contoso.sharepoint.com", "", &["content"]);
    }

    #[test]
    fn a_new_site_is_named_after_the_old_one_and_a_drive_becomes_a_site() {
        let owner = OwnerRecord { directory_object_id: String::new(), email: None };
        let check = |url: &str, owner: Option<OwnerRecord>, host: &str, stem: &str| {
            let found = record(url, owner).host_and_stem_of_new_site();
            assert_eq!(found, (host.to_owned(), stem.to_owned()));
        };
        check("https://c.sharepoint.com/teams/a", None, "c.sharepoint.com", "/teams/a");
        check("https://c.sharepoint.com", None, "c.sharepoint.com", "/sites/root");
        check(
            "https://c-my.sharepoint.com/personal/u_c_com",
            Some(owner),
            "c.sharepoint.com",
            "/sites/u_c_com",
        );
    }
}
