//! Writes the trees of changed folders and their ancestors; unchanged subtrees are referenced by id.

use std::collections::HashMap;

use futures::future::try_join_all;
use holdfast_domain::{DriveId, ItemId};
use holdfast_repository::Tree;
use holdfast_store::{CatalogueItem, ItemKind, StagedChange};

use super::layout::{FolderPermissions, grants_of, node_of};
use super::{Run, RunDrive};
use crate::error::JobError;
use crate::writing::Writing;

/// Folders whose trees are made and stored together.
const BATCH: usize = 64;

/// A library's trees, all stored.
pub(crate) struct LibraryTree {
    /// The tree of the library's root.
    pub(crate) root: [u8; 32],
    /// For each folder whose tree was written: its children's permissions, empty when they have none.
    pub(crate) permissions: Vec<(ItemId, FolderPermissions)>,
}

pub(crate) async fn write_trees(
    run: &Run<'_>,
    writing: &Writing,
    drive: &RunDrive,
) -> Result<LibraryTree, JobError> {
    let id = &drive.drive.id;
    let by_depth = folders_by_depth(run, id).await?;
    let mut written: HashMap<ItemId, [u8; 32]> = HashMap::new();
    let mut permissions = Vec::new();
    for folders in by_depth.into_iter().rev() {
        for batch in folders.chunks(BATCH) {
            write_batch(run, writing, id, batch, &mut written, &mut permissions).await?;
        }
    }
    let root = match written.get(&drive.drive.root) {
        Some(root) => *root,
        None => match run
            .shared
            .store
            .read()
            .await?
            .staged_item(run.unit, id, &drive.drive.root)
            .await?
        {
            Some(CatalogueItem { kind: ItemKind::Folder { tree: Some(root) }, .. }) => root,
            _ => return Err(JobError::retry("the library's root is not in its change list")),
        },
    };
    Ok(LibraryTree { root, permissions })
}

/// The changed folders and all their ancestors, those at the same depth together, roots first.
async fn folders_by_depth(run: &Run<'_>, drive: &DriveId) -> Result<Vec<Vec<ItemId>>, JobError> {
    let mut tx = run.shared.store.read().await?;
    let mut depths: HashMap<ItemId, usize> = HashMap::new();
    let mut by_depth: Vec<Vec<ItemId>> = Vec::new();
    for changed in tx.staged_folders(run.unit, drive).await? {
        // Up to the root, or to a folder whose depth is known.
        let mut path = Vec::new();
        let mut current = changed;
        let base = loop {
            if let Some(depth) = depths.get(&current) {
                break depth + 1;
            }
            if path.contains(&current) {
                return Err(JobError::retry("folders contain each other in the change list"));
            }
            let Some(item) = tx.staged_item(run.unit, drive, &current).await? else {
                return Err(JobError::retry("a folder is missing in the change list"));
            };
            path.push(current);
            match item.parent {
                Some(parent) => current = parent,
                None => break 0,
            }
        };
        for (depth, folder) in (base..).zip(path.into_iter().rev()) {
            if by_depth.len() <= depth {
                by_depth.resize_with(depth + 1, Vec::new);
            }
            by_depth[depth].push(folder.clone());
            depths.insert(folder, depth);
        }
    }
    Ok(by_depth)
}

async fn write_batch(
    run: &Run<'_>,
    writing: &Writing,
    drive: &DriveId,
    batch: &[ItemId],
    written: &mut HashMap<ItemId, [u8; 32]>,
    permissions: &mut Vec<(ItemId, FolderPermissions)>,
) -> Result<(), JobError> {
    let mut tx = run.shared.store.read().await?;
    let mut folders = Vec::with_capacity(batch.len());
    let mut trees = Vec::with_capacity(batch.len());
    for folder in batch {
        let Some(item) = tx.staged_item(run.unit, drive, folder).await? else { continue };
        let children = tx.staged_children(run.unit, drive, folder).await?;
        permissions.push((folder.clone(), permissions_of(&children)));
        trees.push(tree_of(&children, written)?);
        folders.push(item);
    }
    drop(tx);
    let writer = writing.writer().await?;
    let stored = try_join_all(trees.iter().map(|tree| writer.store_tree(tree))).await?;
    let mut changes = Vec::with_capacity(folders.len());
    for (folder, tree) in folders.into_iter().zip(stored) {
        let tree = *tree.as_bytes();
        written.insert(folder.item.clone(), tree);
        changes.push(StagedChange::Put(CatalogueItem {
            kind: ItemKind::Folder { tree: Some(tree) },
            ..folder
        }));
    }
    let mut tx = run.shared.store.begin().await?;
    tx.stage(run.unit, run.keeper.lease()?, changes).await?;
    tx.commit().await?;
    Ok(())
}

fn permissions_of(children: &[CatalogueItem]) -> FolderPermissions {
    children
        .iter()
        .filter(|child| child.permissions.is_some())
        .map(|child| (child.item.to_string(), grants_of(child.permissions.as_deref())))
        .collect()
}

fn tree_of(
    children: &[CatalogueItem],
    written: &HashMap<ItemId, [u8; 32]>,
) -> Result<Tree, JobError> {
    let mut nodes = Vec::with_capacity(children.len());
    for child in children {
        let tree = match &child.kind {
            ItemKind::Folder { tree } => written.get(&child.item).copied().or(*tree),
            ItemKind::File { .. } => None,
        };
        nodes.extend(node_of(child, tree)?);
    }
    // Two items of one name: the enumeration did not come to rest. Another attempt sees them apart.
    Tree::from_unsorted(nodes).map_err(JobError::retry)
}
