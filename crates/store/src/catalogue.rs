//! The catalogue: what a unit's last published snapshot contains, and the changes that a run has staged over it.
//!
//! It is a cache: everything in it can be read from the snapshot again. Identity is drive id and item id. `(parent, name)`
//! is not unique, since swaps and case-only renames pass through such states.

use async_trait::async_trait;
use holdfast_domain::{DriveId, Gap, ItemId, Lease, RestorePoint, Timestamp, UnitId};

use crate::StoreError;

/// A library of a unit, as the last published run left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueDrive {
    pub drive: DriveId,
    /// The folder below `/content/<site path>/` that holds it in the snapshot.
    pub folder: String,
    /// Continues the enumeration where the published snapshot's run ended.
    pub delta_link: Option<String>,
    /// Properties to make the library again, as JSON of the engine's own.
    pub properties: String,
}

/// An item of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueItem {
    pub drive: DriveId,
    pub item: ItemId,
    /// `None` for the drive's root.
    pub parent: Option<ItemId>,
    pub name: String,
    pub etag: String,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub kind: ItemKind,
    /// Direct permissions, as JSON of the engine's own; `None` when all are inherited.
    pub permissions: Option<String>,
    /// Why the newest version is not stored, if it is not.
    pub gap: Option<ItemGap>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// `tree`: the id of its stored tree; `None` until stored.
    Folder {
        tree: Option<[u8; 32]>,
    },
    File {
        size: u64,
        quick_xor_hash: String,
        content: FileContent,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// The blobs in order.
    Stored(Vec<[u8; 32]>),
    /// Could not be read, and no older version is stored.
    Missing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemGap {
    pub reason: String,
    pub since: Timestamp,
}

/// One staged change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are the large one")]
pub enum StagedChange {
    Put(CatalogueItem),
    Remove { drive: DriveId, item: ItemId },
}

/// Content that was read (or written by a restore) but is in no published snapshot yet: it need not be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentHint {
    pub drive: DriveId,
    pub item: ItemId,
    pub size: u64,
    pub quick_xor_hash: String,
    pub content: Vec<[u8; 32]>,
}

/// Everything that becomes visible at once when a run ends.
#[derive(Debug, Clone)]
pub struct Publication {
    /// `None`: only the delta links move on, since nothing changed.
    pub point: Option<RestorePoint>,
    pub gaps: Vec<Gap>,
    /// All libraries of the unit, with their new delta links. Libraries not named are dropped with their items.
    pub drives: Vec<CatalogueDrive>,
}

/// Of one unit each. `lease` is checked by every method that writes: a worker whose lease passed on writes nothing.
#[async_trait]
pub trait Catalogue {
    async fn catalogue_drives(&mut self, unit: UnitId) -> Result<Vec<CatalogueDrive>, StoreError>;

    /// Starts a run: what an unpublished run staged is dropped; its content hints stay.
    async fn begin_staging(&mut self, unit: UnitId, lease: Lease) -> Result<(), StoreError>;

    async fn stage(
        &mut self,
        unit: UnitId,
        lease: Lease,
        changes: Vec<StagedChange>,
    ) -> Result<(), StoreError>;

    /// Stages the removal of every item of `drive` that is published but not in `seen`-marked staging: for a full
    /// enumeration, after all of its items were staged with [`Catalogue::stage`].
    async fn stage_removal_of_unstaged(
        &mut self,
        unit: UnitId,
        lease: Lease,
        drive: &DriveId,
    ) -> Result<u64, StoreError>;

    /// The item with staged changes applied; `None` when there is none or its removal is staged.
    async fn staged_item(
        &mut self,
        unit: UnitId,
        drive: &DriveId,
        item: &ItemId,
    ) -> Result<Option<CatalogueItem>, StoreError>;

    /// The item as last published.
    async fn published_item(
        &mut self,
        unit: UnitId,
        drive: &DriveId,
        item: &ItemId,
    ) -> Result<Option<CatalogueItem>, StoreError>;

    /// All children with staged changes applied, by item id.
    async fn staged_children(
        &mut self,
        unit: UnitId,
        drive: &DriveId,
        parent: &ItemId,
    ) -> Result<Vec<CatalogueItem>, StoreError>;

    /// Folders whose own entry or a direct child's entry differs between staged and published: their trees must be
    /// written, and those of their ancestors. Sorted, without repeats; folders whose removal is staged are left out.
    async fn staged_folders(
        &mut self,
        unit: UnitId,
        drive: &DriveId,
    ) -> Result<Vec<ItemId>, StoreError>;

    /// Number of staged changes that differ from what is published, over all drives.
    async fn staged_changes(&mut self, unit: UnitId) -> Result<u64, StoreError>;

    /// Items (without roots) and bytes with staged changes applied.
    async fn staged_totals(&mut self, unit: UnitId) -> Result<(u64, u64), StoreError>;

    /// Items with a gap, staged changes applied.
    async fn staged_gaps(&mut self, unit: UnitId) -> Result<Vec<CatalogueItem>, StoreError>;

    async fn put_hints(
        &mut self,
        unit: UnitId,
        lease: Lease,
        hints: Vec<ContentHint>,
    ) -> Result<(), StoreError>;

    async fn hint(
        &mut self,
        unit: UnitId,
        drive: &DriveId,
        item: &ItemId,
    ) -> Result<Option<ContentHint>, StoreError>;

    /// Deletes up to about `limit` rows of what tells of the unit's backups: its restore points first, then the rest. Says how
    /// many there were; none when nothing is left.
    async fn forget_backups(
        &mut self,
        unit: UnitId,
        lease: Lease,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Makes the point, the catalogue and the delta links visible together, and drops the unit's staging and hints.
    async fn publish(
        &mut self,
        unit: UnitId,
        lease: Lease,
        publication: Publication,
    ) -> Result<(), StoreError>;
}
