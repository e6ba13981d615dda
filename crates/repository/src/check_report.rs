//! What a check found.

use std::fmt;

use crate::id::{BlobId, IndexId, PackId, SnapshotId};

/// How thorough a check is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Whether every pack is read and every blob in it verified. Without it only the sizes of packs are compared, and
    /// only trees are read.
    pub read_data: bool,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, for people.
    pub what: String,
    /// The index file, when it is inside one.
    pub index: Option<IndexId>,
    /// The pack, when it is inside one.
    pub pack: Option<PackId>,
    /// The blob that cannot be read.
    pub blob: Option<BlobId>,
    /// A snapshot that is affected.
    pub snapshot: Option<SnapshotId>,
    /// Where in that snapshot, with `/` between names.
    pub path: Option<String>,
}

impl Problem {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), index: None, pack: None, blob: None, snapshot: None, path: None }
    }

    pub(crate) fn in_pack(what: impl Into<String>, pack: PackId, blob: Option<BlobId>) -> Self {
        Self { pack: Some(pack), blob, ..Self::new(what) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)?;
        let ids: [(&str, Option<String>); 4] = [
            ("index", self.index.map(|id| id.to_string())),
            ("pack", self.pack.map(|id| id.to_string())),
            ("blob", self.blob.map(|id| id.to_string())),
            ("snapshot", self.snapshot.map(|id| id.to_string())),
        ];
        for (name, id) in ids {
            if let Some(id) = id {
                write!(formatter, ", {name} {id}")?;
            }
        }
        match &self.path {
            Some(path) => write!(formatter, ", path {path:?}"),
            None => Ok(()),
        }
    }
}

/// The outcome of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// What is wrong, up to 10,000 findings. Empty when the repository is sound.
    pub problems: Vec<Problem>,
    /// Findings beyond those in `problems`.
    pub omitted_problems: u64,
    /// Snapshots whose whole content was looked at.
    pub snapshots: u64,
    /// Distinct folders in them.
    pub trees: u64,
    /// Packs that an index names.
    pub packs: u64,
    /// Packs that no index names, which an interrupted writer leaves. They do no harm.
    pub unindexed_packs: u64,
    /// Bytes of packs that were read as a whole.
    pub pack_bytes_read: u64,
}

const MAX_PROBLEMS: usize = 10_000;

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn note(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.omitted_problems += 1;
        }
    }
}
