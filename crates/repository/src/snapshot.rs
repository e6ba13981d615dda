//! Snapshots: a root tree with where, when and by whom it was taken.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{BlobId, SnapshotId};

/// What a snapshot file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When the state that it shows was read.
    pub time: Timestamp,
    /// The snapshot before it, for people and for restic's choice of what to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SnapshotId>,
    /// The root tree.
    pub tree: BlobId,
    /// What was backed up; restic groups snapshots by it.
    pub paths: Vec<String>,
    /// The machine; restic groups snapshots by it.
    #[serde(default)]
    pub hostname: String,
    /// The account.
    #[serde(default)]
    pub username: String,
    /// Labels that restic's commands can filter by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The program that wrote it, such as `holdfast 1.0.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_version: Option<String>,
}
