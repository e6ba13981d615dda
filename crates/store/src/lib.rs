//! What the control plane stores, as traits: one for each noun, joined in [`Tx`]. No driver is here.
//!
//! Nothing outside a transaction is read or written. A transaction sees one moment; dropping it without
//! [`Tx::commit`] undoes it. Writers exclude each other (SQLite) or find out at the latest when they write a
//! [`Versioned`] row that changed since they read it ([`StoreError::Stale`]).

pub mod activity;
mod browse;
mod catalogue;
mod collection;
mod nouns;
pub mod query;
pub mod testsuite;

use async_trait::async_trait;
use holdfast_domain::{
    Activity, BrowseSession, BulkAdditionJob, BulkRestoreRequest, ExclusionUnit, Mail, ServiceApp,
};

pub use browse::{
    BrowseItem, BrowseItemKind, BrowseItems, BrowseOrder, BrowsePlace, BrowsePosition, BrowseQuery,
};
pub use catalogue::{
    Catalogue, CatalogueDrive, CatalogueItem, ContentHint, FileContent, ItemGap, ItemKind,
    Publication, StagedChange,
};
pub use collection::{Collection, Listed, Noun, find, find_all};
pub use nouns::{
    Artifacts, ItemFailure, Jobs, Keys, Notifications, Policies, RestorePoints, RestoreSessions,
    Rules, SearchResponse, SearchResponses, Services, Units, find_unit,
};

/// A metastore.
#[async_trait]
pub trait Store: Send + Sync {
    /// A transaction that writes. On SQLite it holds the one write lock from the start.
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError>;

    /// A transaction that only reads; its writes fail.
    async fn read(&self) -> Result<Box<dyn Tx>, StoreError>;
}

/// One transaction over all nouns.
#[async_trait]
pub trait Tx:
    Services
    + Policies
    + Units
    + Rules
    + RestorePoints
    + SearchResponses
    + RestoreSessions
    + Artifacts
    + Collection<BulkAdditionJob>
    + Collection<BulkRestoreRequest>
    + Collection<ExclusionUnit>
    + Collection<ServiceApp>
    + Collection<Activity>
    + Collection<Mail>
    + Collection<BrowseSession>
    + BrowseItems
    + Notifications
    + Jobs
    + Keys
    + Catalogue
    + Send
{
    /// Makes the transaction durable.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// A transaction, whichever backend it is of.
pub type AnyTx = dyn Tx;

/// Counts the writes of a row.
pub type Version = i64;

/// A row, and the version to name when writing it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    pub value: T,
    pub version: Version,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was first. Begin again from the read.
    #[error("the row changed since it was read")]
    Stale,
    /// The job has gone to another worker: stop, and write nothing more for it.
    #[error("the lease has passed to another worker")]
    LeaseLost,
    /// The store cannot be used now (locked, full, unreachable).
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A row makes no sense: damage, or a newer version wrote it.
    #[error("the store holds a row that makes no sense: {0}")]
    Inconsistent(String),
}
