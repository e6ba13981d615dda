//! The rows of browse sessions: a restore point's sites, libraries, folders and files, ready to be paged through.

use async_trait::async_trait;
use holdfast_domain::{BrowseSession, BrowseSessionId, Lease, Timestamp};

use uuid::Uuid;

use crate::query::Direction;
use crate::{StoreError, Versioned};

/// `browsableResourceType`, and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrowseItemKind {
    Site,
    Library,
    Folder,
    File,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowseItem {
    /// The row's place in path order, from zero. What is below an item follows it in one piece.
    pub ordinal: u64,
    /// The place of the last item below; its own when nothing is.
    pub last: u64,
    /// `None` for the site.
    pub parent: Option<u64>,
    pub kind: BrowseItemKind,
    /// The GUID of the thing itself, the last part of its `itemKey`.
    pub guid: Uuid,
    /// The service's id of the drive or item; of the site its whole key, since the service's id need not tell it.
    pub source_id: String,
    pub name: String,
    /// Direct children.
    pub items: u64,
    /// Of a folder: with everything below.
    pub size_bytes: u64,
    /// When it was created and changed last, as far as it is known.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Its address, of sites and libraries; an item's is its library's with its path.
    pub web_url: Option<String>,
}

/// One page of what is in a place.
#[derive(Debug, Clone)]
pub struct BrowseQuery {
    pub place: BrowsePlace,
    /// Part of the name, in any letter case.
    pub name_contains: Option<String>,
    pub order: BrowseOrder,
    pub direction: Direction,
    /// Go on after this row.
    pub after: Option<BrowsePosition>,
    pub limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrowsePlace {
    /// The direct children of the item with this ordinal. By path and by name is the same here.
    In { parent: u64 },
    /// Everything in these ordinals, both included.
    Range { first: u64, last: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrowseOrder {
    Path,
    Name,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowsePosition {
    pub name: String,
    pub ordinal: u64,
}

#[async_trait]
pub trait BrowseItems {
    /// Adds rows to a session that is being created.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] unless `lease` is its job's newest.
    async fn add_browse_items(
        &mut self,
        session: BrowseSessionId,
        lease: Lease,
        items: Vec<BrowseItem>,
    ) -> Result<(), StoreError>;
    async fn browse_item(
        &mut self,
        session: BrowseSessionId,
        ordinal: u64,
    ) -> Result<Option<BrowseItem>, StoreError>;
    async fn browse_item_of_guid(
        &mut self,
        session: BrowseSessionId,
        guid: Uuid,
    ) -> Result<Option<BrowseItem>, StoreError>;
    /// At most `query.limit` rows.
    async fn browse(
        &mut self,
        session: BrowseSessionId,
        query: &BrowseQuery,
    ) -> Result<Vec<BrowseItem>, StoreError>;
    /// How many rows the query has on all its pages.
    async fn count_browse(
        &mut self,
        session: BrowseSessionId,
        query: &BrowseQuery,
    ) -> Result<u64, StoreError>;
    /// Deletes up to `limit` rows of the session; says how many there were.
    async fn delete_browse_items(
        &mut self,
        session: BrowseSessionId,
        limit: u32,
    ) -> Result<u64, StoreError>;
    /// Sessions of any tenant that have expired and from which nothing is being restored.
    async fn expired_browse_sessions(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Versioned<BrowseSession>>, StoreError>;
}
