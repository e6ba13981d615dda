//! Backups in restic's repository format, version 2, in any object store.
//!
//! restic and compatible programs open, check and restore what this crate writes, given the
//! [`RepositorySecret`] as password. The crate knows nothing of policies, sites or mail.
//!
//! # Invariants
//! - What a reader gets was verified: every blob's SHA-256 is compared after opening. Damage is an error that names pack
//!   and blob, never wrong bytes.
//! - Names in a [`Tree`] are strictly ascending by their bytes, and each is one path component.
//! - Memory is bounded by [`RepositoryOptions`], not by the lengths of files; except for the index, 56 bytes per blob,
//!   and the tree in hand.
//! - Nothing is overwritten: all names but the config's are digests of the content.
//!
//! # Order of writes
//! A pack is durable before the index file that names it is written, and that before a snapshot that needs it
//! ([`Repository::save_snapshot`] refuses a tree that no published index names). Whatever ends a writer early leaves packs
//! without an index, which the next `prune` removes, and never a reference to what is not there. In a new repository the
//! key is written before the config, which makes the repository exist.
//!
//! # What it deliberately does not do
//! It removes no data ([`Repository::remove_snapshot`] only forgets). Locks are taken by who knows how long the work takes
//! ([`Repository::lock`]), not by each operation. Where files are cut is ours (FastCDC): the same file backed up by restic
//! itself is stored again.

mod check;
mod check_report;
mod chunker;
mod codec;
mod crypto;
mod error;
mod id;
mod index;
mod index_loading;
mod key_file;
mod lock;
mod pack;
mod polynomial;
mod pool;
mod quote;
mod reader;
mod repository;
mod secret;
mod snapshot;
mod storage;
mod store_file;
mod tree;
mod uploader;
mod window_cache;
mod writer;

pub use check_report::{CheckOptions, CheckReport, Problem};
pub use error::{RepositoryError, StoreFileError};
pub use id::{BlobId, BlobKind, IndexId, LockId, PackId, ParseIdError, SnapshotId};
pub use lock::{Lock, LockInfo, LockOwner};
pub use pool::CpuPool;
pub use repository::{Repository, RepositoryOptions};
pub use secret::RepositorySecret;
pub use snapshot::Snapshot;
pub use storage::local_store;
pub use store_file::StoredFile;
pub use tree::{Node, NodeKind, Tree, TreeError};
pub use writer::{BlobTotals, WriteSummary, Writer};
