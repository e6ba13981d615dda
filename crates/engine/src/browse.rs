//! Reads a restore point into the rows of a browse session, in path order.
//!
//! One walk over the trees; what is held in memory is the folders on the way to the present one, and one batch of rows.

use holdfast_domain::{BrowseSessionId, DriveId, ItemId, RestorePoint, Timestamp};
use holdfast_repository::{BlobId, Node, NodeKind, Repository};
use holdfast_store::{BrowseItem, BrowseItemKind, Store};
use uuid::Uuid;

use crate::backup::layout::{LibraryRecord, NodeFacts, domain_time, unreadable};
use crate::error::JobError;
use crate::item_keys::{item_guid, library_guid, site_key};
use crate::lease::LeaseKeeper;
use crate::restore::source::Picture;

/// Rows of one transaction.
const BATCH: usize = 2_000;

/// Where the rows go.
pub(crate) struct Rows<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) keeper: &'a LeaseKeeper,
    pub(crate) session: BrowseSessionId,
}

impl Rows<'_> {
    /// What an earlier attempt wrote.
    async fn clear(&self) -> Result<(), JobError> {
        loop {
            let mut tx = self.store.begin().await?;
            tx.guard(self.keeper.lease()?).await?;
            let deleted = tx.delete_browse_items(self.session, BATCH as u32).await?;
            tx.commit().await?;
            if deleted == 0 {
                return Ok(());
            }
        }
    }

    async fn add(&self, items: Vec<BrowseItem>) -> Result<(), JobError> {
        let mut tx = self.store.begin().await?;
        tx.add_browse_items(self.session, self.keeper.lease()?, items).await?;
        Ok(tx.commit().await?)
    }
}

/// Writes all rows of the point.
pub(crate) async fn index(
    rows: &Rows<'_>,
    repository: &Repository,
    point: &RestorePoint,
) -> Result<(), JobError> {
    rows.clear().await?;
    let picture = Picture::open(repository, point).await?;
    let mut indexing = Indexing { rows, repository, next: 0, open: Vec::new(), batch: Vec::new() };
    let record = &picture.record;
    indexing.enter(Opening {
        kind: BrowseItemKind::Site,
        guid: site_key(&record.site_id).own(),
        source_id: site_key(&record.site_id).to_string(),
        name: record.site_display_name.clone(),
        times: None,
        web_url: Some(record.site_web_url.clone()),
        entries: Vec::new(),
    });
    let mut libraries: Vec<&LibraryRecord> = record.libraries.iter().collect();
    libraries.sort_by_key(|library| sort_key(&library.name));
    for library in libraries {
        let drive = DriveId::new(library.drive_id.clone());
        indexing.walk_library(library, &drive, picture.library(&library.folder)?).await?;
    }
    indexing.leave().await?;
    rows.add(indexing.batch).await
}

/// Names as lists show them: without regard to letter case first.
fn sort_key(name: &str) -> (String, String) {
    (name.to_lowercase(), name.to_owned())
}

/// A site, library or folder when the walk comes to it.
struct Opening {
    kind: BrowseItemKind,
    guid: Uuid,
    source_id: String,
    name: String,
    times: Option<(Timestamp, Timestamp)>,
    web_url: Option<String>,
    /// What is in it, the last one first.
    entries: Vec<Node>,
}

/// The same while the walk is below it.
struct Open {
    opening: Opening,
    ordinal: u64,
    items: u64,
    size_bytes: u64,
}

struct Indexing<'a> {
    rows: &'a Rows<'a>,
    repository: &'a Repository,
    next: u64,
    open: Vec<Open>,
    batch: Vec<BrowseItem>,
}

impl Indexing<'_> {
    fn enter(&mut self, opening: Opening) {
        let ordinal = self.next;
        self.next += 1;
        self.open.push(Open { opening, ordinal, items: 0, size_bytes: 0 });
    }

    /// Everything below the innermost open one has its row: now it gets its own.
    async fn leave(&mut self) -> Result<(), JobError> {
        let Some(Open { opening, ordinal, items, size_bytes }) = self.open.pop() else {
            return Ok(());
        };
        let item = BrowseItem {
            ordinal,
            last: self.next - 1,
            parent: None,
            kind: opening.kind,
            guid: opening.guid,
            source_id: opening.source_id,
            name: opening.name,
            items,
            size_bytes,
            times: opening.times,
            web_url: opening.web_url,
        };
        self.add(item).await
    }

    /// Counts it in its parent.
    async fn add(&mut self, mut item: BrowseItem) -> Result<(), JobError> {
        if let Some(parent) = self.open.last_mut() {
            item.parent = Some(parent.ordinal);
            parent.items += 1;
            parent.size_bytes += item.size_bytes;
        }
        self.batch.push(item);
        if self.batch.len() >= BATCH {
            self.rows.add(std::mem::take(&mut self.batch)).await?;
        }
        Ok(())
    }

    async fn walk_library(
        &mut self,
        library: &LibraryRecord,
        drive: &DriveId,
        tree: BlobId,
    ) -> Result<(), JobError> {
        let depth = self.open.len();
        let entries = self.entries(tree).await?;
        self.enter(Opening {
            kind: BrowseItemKind::Library,
            guid: library_guid(drive),
            source_id: library.drive_id.clone(),
            name: library.name.clone(),
            times: None,
            web_url: library.web_url.clone(),
            entries,
        });
        while self.open.len() > depth {
            let innermost = self.open.last_mut().expect("longer than before");
            match innermost.opening.entries.pop() {
                None => self.leave().await?,
                Some(node) => self.walk_entry(drive, node).await?,
            }
        }
        Ok(())
    }

    async fn walk_entry(&mut self, drive: &DriveId, node: Node) -> Result<(), JobError> {
        let facts = NodeFacts::read(&node)?;
        let created = Timestamp::from_unix_micros(facts.created)
            .ok_or_else(|| unreadable("An entry", "its time is out of range"))?;
        let times = Some((created, domain_time(node.modified)));
        let guid = item_guid(drive, &ItemId::new(facts.id.clone()));
        match node.kind {
            NodeKind::Directory { subtree } => {
                let entries = self.entries(subtree).await?;
                self.enter(Opening {
                    kind: BrowseItemKind::Folder,
                    guid,
                    source_id: facts.id,
                    name: node.name,
                    times,
                    web_url: None,
                    entries,
                });
                Ok(())
            }
            NodeKind::File { size, .. } => {
                let ordinal = self.next;
                self.next += 1;
                let item = BrowseItem {
                    ordinal,
                    last: ordinal,
                    parent: None,
                    kind: BrowseItemKind::File,
                    guid,
                    source_id: facts.id,
                    name: node.name,
                    items: 0,
                    size_bytes: size,
                    times,
                    web_url: None,
                };
                self.add(item).await
            }
        }
    }

    async fn entries(&self, tree: BlobId) -> Result<Vec<Node>, JobError> {
        let mut nodes = self.repository.load_tree(&tree).await?.into_nodes();
        nodes.sort_by_cached_key(|node| std::cmp::Reverse(sort_key(&node.name)));
        Ok(nodes)
    }
}
