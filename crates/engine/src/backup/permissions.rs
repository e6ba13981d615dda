//! The permission files of a snapshot: the last snapshot's, with those of changed folders replaced.

use std::collections::BTreeMap;

use futures::stream;
use holdfast_domain::ItemId;
use holdfast_repository::{BlobId, Node, NodeKind, Repository, Tree, Writer};

use super::layout::{FolderPermissions, permission_file};
use crate::error::JobError;

/// Stores a library's permission tree; `None` when no item of it has permissions of its own. `before` is that of the
/// last snapshot.
pub(crate) async fn write_permissions(
    repository: &Repository,
    writer: &Writer,
    before: Option<BlobId>,
    changed: Vec<(ItemId, FolderPermissions)>,
    now: jiff::Timestamp,
) -> Result<Option<BlobId>, JobError> {
    if before.is_none() && changed.iter().all(|(_, permissions)| permissions.is_empty()) {
        return Ok(None);
    }
    let mut shards: BTreeMap<String, Node> = entries(repository, before).await?;
    let mut by_shard: BTreeMap<String, Vec<(String, FolderPermissions)>> = BTreeMap::new();
    for (folder, permissions) in changed {
        let (shard, file) = permission_file(folder.as_str());
        by_shard.entry(shard).or_default().push((file, permissions));
    }
    for (shard, changes) in by_shard {
        let before = shards.get(&shard).and_then(subtree);
        if before.is_none() && changes.iter().all(|(_, permissions)| permissions.is_empty()) {
            continue;
        }
        let mut files = entries(repository, before).await?;
        for (file, permissions) in changes {
            if permissions.is_empty() {
                files.remove(&file);
            } else {
                let node = store_file(writer, file.clone(), &permissions, now).await?;
                files.insert(file, node);
            }
        }
        if files.is_empty() {
            shards.remove(&shard);
        } else {
            let tree = store_tree(writer, files).await?;
            shards.insert(shard.clone(), Node::directory(shard, tree, now));
        }
    }
    if shards.is_empty() { Ok(None) } else { Ok(Some(store_tree(writer, shards).await?)) }
}

async fn entries(
    repository: &Repository,
    tree: Option<BlobId>,
) -> Result<BTreeMap<String, Node>, JobError> {
    let Some(tree) = tree else { return Ok(BTreeMap::new()) };
    Ok(repository
        .load_tree(&tree)
        .await?
        .into_nodes()
        .into_iter()
        .map(|node| (node.name.clone(), node))
        .collect())
}

fn subtree(node: &Node) -> Option<BlobId> {
    match &node.kind {
        NodeKind::Directory { subtree } => Some(*subtree),
        NodeKind::File { .. } => None,
    }
}

async fn store_tree(writer: &Writer, nodes: BTreeMap<String, Node>) -> Result<BlobId, JobError> {
    let tree = Tree::from_unsorted(nodes.into_values().collect()).map_err(JobError::retry)?;
    Ok(writer.store_tree(&tree).await?)
}

/// Stores a value as a JSON file of ours.
pub(crate) async fn store_file(
    writer: &Writer,
    name: String,
    value: &impl serde::Serialize,
    now: jiff::Timestamp,
) -> Result<Node, JobError> {
    let bytes = serde_json::to_vec(value).expect("texts serialize");
    let stored = writer
        .store_file(stream::iter([Ok::<_, std::convert::Infallible>(bytes.into())]))
        .await
        .map_err(|error| match error {
            holdfast_repository::StoreFileError::Repository(error) => JobError::from(error),
            holdfast_repository::StoreFileError::Source(never) => match never {},
        })?;
    Ok(Node::file(name, stored.size, stored.content, now))
}
