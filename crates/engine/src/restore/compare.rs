//! Reads both pictures of a library, leaving out the subtrees that are equal.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::future::try_join_all;
use holdfast_connector::{Change, Connector, ItemFacts, Times};
use holdfast_domain::{DriveId, ItemId, Timestamp, UnitId};
use holdfast_repository::{BlobId, Node, NodeKind, Repository};
use holdfast_store::{CatalogueItem, FileContent, ItemKind, Store};

use super::plan::{Pictures, TargetItem, TargetKind};
use super::source::PermissionReader;
use crate::backup::layout::{NodeFacts, domain_time, grants_text, unreadable};
use crate::error::JobError;

/// Trees loaded together.
const BATCH: usize = 32;

/// Where the live picture comes from.
pub(crate) enum Live<'a> {
    /// The catalogue, right after a backup.
    Catalogue { store: &'a dyn Store, unit: UnitId },
    /// A listing of the whole library: for one that is no unit's.
    Listed(HashMap<ItemId, Vec<CatalogueItem>>),
}

impl Live<'_> {
    async fn children(
        &self,
        drive: &DriveId,
        folders: &[ItemId],
    ) -> Result<Vec<CatalogueItem>, JobError> {
        let mut children = Vec::new();
        match self {
            Self::Catalogue { store, unit } => {
                let mut tx = store.read().await?;
                for folder in folders {
                    children.extend(tx.staged_children(*unit, drive, folder).await?);
                }
            }
            Self::Listed(by_parent) => children.extend(
                folders.iter().filter_map(|folder| by_parent.get(folder)).flatten().cloned(),
            ),
        }
        Ok(children)
    }
}

/// Lists a library from the service.
pub(crate) async fn list_library(
    connector: &dyn Connector,
    drive: &DriveId,
) -> Result<HashMap<ItemId, Vec<CatalogueItem>>, JobError> {
    let mut items: BTreeMap<ItemId, CatalogueItem> = BTreeMap::new();
    let mut link = None;
    loop {
        let page = connector.changes(drive, link.as_deref()).await?;
        for change in page.changes {
            match change {
                Change::Deleted(item) => {
                    items.remove(&item);
                }
                Change::Present(item) => {
                    let permissions = if item.shared {
                        connector.direct_permissions(drive, &item.id).await?
                    } else {
                        Vec::new()
                    };
                    let kind = match item.facts {
                        ItemFacts::Folder => ItemKind::Folder { tree: None },
                        ItemFacts::File(facts) => ItemKind::File {
                            size: facts.size,
                            quick_xor_hash: facts.quick_xor_hash.unwrap_or_default(),
                            content: FileContent::Missing,
                        },
                    };
                    let listed = CatalogueItem {
                        drive: drive.clone(),
                        item: item.id.clone(),
                        parent: item.parent,
                        name: item.name,
                        etag: item.etag,
                        created: item.times.created,
                        modified: item.times.modified,
                        kind,
                        permissions: grants_text(
                            permissions.into_iter().map(|permission| permission.grant).collect(),
                        ),
                        gap: None,
                    };
                    items.insert(item.id, listed);
                }
            }
        }
        if page.last {
            break;
        }
        link = Some(page.link);
    }
    let mut by_parent: HashMap<ItemId, Vec<CatalogueItem>> = HashMap::new();
    for item in items.into_values() {
        if let Some(parent) = &item.parent {
            by_parent.entry(parent.clone()).or_default().push(item);
        }
    }
    Ok(by_parent)
}

/// One library's two roots.
pub(crate) struct Roots {
    pub(crate) drive: DriveId,
    /// The live root's id stands for both.
    pub(crate) root: ItemId,
    /// The root's id at the point's time: its permission file is named so.
    pub(crate) target_root_id: String,
    pub(crate) target_tree: BlobId,
    /// `None` when unknown: then everything is compared.
    pub(crate) live_tree: Option<[u8; 32]>,
    /// Live folders whose trees do not tell everything, since an item below could not be read.
    pub(crate) incomplete: HashSet<ItemId>,
}

/// What is known of a folder, on each side.
#[derive(Default)]
struct Folder {
    target: Option<BlobId>,
    live: Option<Option<[u8; 32]>>,
    target_opened: bool,
    live_opened: bool,
}

impl Folder {
    fn is_on_both_sides(&self) -> bool {
        self.target.is_some() && self.live.is_some()
    }

    /// Equal trees mean equal items all the way down; but once one side is open, so must be the other.
    fn is_equal(&self) -> bool {
        !self.target_opened
            && !self.live_opened
            && matches!((&self.target, &self.live), (Some(target), Some(Some(live))) if target.as_bytes() == live)
    }
}

/// Reads the parts of both pictures that differ.
pub(crate) async fn compare(
    repository: &Repository,
    permissions: &mut PermissionReader<'_>,
    live: &Live<'_>,
    roots: &Roots,
) -> Result<Pictures, JobError> {
    let mut comparing = Comparing {
        repository,
        permissions,
        live,
        roots,
        pictures: Pictures::default(),
        folders: BTreeMap::new(),
    };
    comparing.folders.insert(
        roots.root.clone(),
        Folder {
            target: Some(roots.target_tree),
            live: Some(roots.live_tree),
            ..Folder::default()
        },
    );
    loop {
        // Folders known on both sides first: a folder that moved is then found equal before either side of it is opened.
        if comparing.open(Folder::is_on_both_sides).await? {
            continue;
        }
        if !comparing.open(|_| true).await? {
            return Ok(comparing.pictures);
        }
    }
}

struct Comparing<'a, 'b> {
    repository: &'a Repository,
    permissions: &'a mut PermissionReader<'b>,
    live: &'a Live<'a>,
    roots: &'a Roots,
    pictures: Pictures,
    folders: BTreeMap<ItemId, Folder>,
}

impl Comparing<'_, '_> {
    /// Opens the chosen folders that are not equal; whether there were any.
    async fn open(&mut self, chosen: impl Fn(&Folder) -> bool) -> Result<bool, JobError> {
        let mut targets = Vec::new();
        let mut lives = Vec::new();
        let incomplete = &self.roots.incomplete;
        for (id, folder) in self.folders.iter_mut().filter(|(id, folder)| {
            chosen(folder) && (!folder.is_equal() || incomplete.contains(*id))
        }) {
            if let Some(tree) = folder.target
                && !folder.target_opened
            {
                targets.push((id.clone(), tree));
            }
            if folder.live.is_some() && !folder.live_opened {
                lives.push(id.clone());
            }
        }
        let any = !targets.is_empty() || !lives.is_empty();
        for batch in targets.chunks(BATCH) {
            let trees =
                try_join_all(batch.iter().map(|(_, tree)| self.repository.load_tree(tree))).await?;
            for ((folder, _), tree) in batch.iter().zip(trees) {
                self.folders.entry(folder.clone()).or_default().target_opened = true;
                for node in tree.into_nodes() {
                    self.add_target(folder, node).await?;
                }
            }
        }
        for folder in &lives {
            self.folders.entry(folder.clone()).or_default().live_opened = true;
        }
        for child in self.live.children(&self.roots.drive, &lives).await? {
            if let ItemKind::Folder { tree } = &child.kind {
                self.folders.entry(child.item.clone()).or_default().live = Some(*tree);
            }
            self.pictures.live.insert(child.item.clone(), child);
        }
        Ok(any)
    }

    async fn add_target(&mut self, parent: &ItemId, node: Node) -> Result<(), JobError> {
        let file = if *parent == self.roots.root {
            self.roots.target_root_id.as_str()
        } else {
            parent.as_str()
        };
        let (item, subtree) = target_item(self.permissions, file, parent, node).await?;
        if let Some(subtree) = subtree {
            self.folders.entry(item.id.clone()).or_default().target = Some(subtree);
        }
        self.pictures.target.insert(item.id.clone(), item);
        Ok(())
    }
}

/// An entry of a snapshot, and its tree if it is a folder. `permission_file` is named after the parent's id at the point's time.
pub(super) async fn target_item(
    permissions: &mut PermissionReader<'_>,
    permission_file: &str,
    parent: &ItemId,
    node: Node,
) -> Result<(TargetItem, Option<BlobId>), JobError> {
    let facts = NodeFacts::read(&node)?;
    let permissions = if facts.permissions.is_some() {
        let grants = permissions.of_folder(permission_file).await?.get(&facts.id).cloned();
        grants_text(
            grants.ok_or_else(|| unreadable("A permission file", "an item is missing in it"))?,
        )
    } else {
        None
    };
    let created = Timestamp::from_unix_micros(facts.created)
        .ok_or_else(|| unreadable("An entry", "its time is out of range"))?;
    let (kind, subtree) = match node.kind {
        NodeKind::Directory { subtree } => (TargetKind::Folder, Some(subtree)),
        NodeKind::File { size, content } => {
            let quick_xor_hash = facts.quick_xor_hash.unwrap_or_default();
            (TargetKind::File { size, quick_xor_hash, content }, None)
        }
    };
    let item = TargetItem {
        id: ItemId::new(facts.id),
        parent: parent.clone(),
        name: node.name,
        times: Times { created, modified: domain_time(node.modified) },
        kind,
        permissions,
        stale: facts.stale,
    };
    Ok((item, subtree))
}

/// The folders above the live items that could not be read, as the catalogue has them.
pub(crate) async fn folders_with_gaps(
    store: &dyn Store,
    unit: UnitId,
    drive: &DriveId,
) -> Result<HashSet<ItemId>, JobError> {
    let mut tx = store.read().await?;
    let mut folders = HashSet::new();
    for gap in tx.staged_gaps(unit).await? {
        let mut above = gap.parent.filter(|_| gap.drive == *drive);
        while let Some(folder) = above {
            let item = tx.staged_item(unit, drive, &folder).await?;
            if !folders.insert(folder) {
                break;
            }
            above = item.and_then(|item| item.parent);
        }
    }
    Ok(folders)
}

/// The ids of a point's gaps in one library.
pub(crate) fn gaps_of(gaps: &[holdfast_domain::Gap], drive: &str) -> HashSet<ItemId> {
    gaps.iter().filter(|gap| gap.drive == drive).map(|gap| ItemId::new(gap.item.clone())).collect()
}
