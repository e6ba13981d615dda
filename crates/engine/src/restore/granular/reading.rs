//! Reads the items that an artifact asks for from the snapshot.

use std::collections::HashMap;

use holdfast_connector::Times;
use holdfast_domain::ItemId;
use holdfast_repository::{BlobId, Node};

use crate::error::JobError;
use crate::restore::RestoreTask;
use crate::restore::compare::target_item;
use crate::restore::plan::{Pictures, TargetItem, TargetKind};
use crate::restore::source::PermissionReader;

/// The folder that holds a library's items, and the dated one: no id of the service has a space.
pub(super) const DATED_FOLDER: &str = "dated folder";
pub(super) const LIBRARY_FOLDER: &str = "library folder";

/// Reads what is wanted from the snapshot.
pub(super) struct Reading<'a, 'b> {
    pub(super) task: &'a RestoreTask<'b>,
    pub(super) permissions: PermissionReader<'a>,
    /// The live root's id, which stands for the point's too.
    pub(super) root: ItemId,
    pub(super) target_root: String,
    pub(super) pictures: Pictures,
    pub(super) children: HashMap<ItemId, Vec<ItemId>>,
}

impl Reading<'_, '_> {
    pub(super) fn add_folder(
        &mut self,
        id: &str,
        above: &[ItemId],
        name: String,
        times: Times,
    ) -> ItemId {
        let id = ItemId::new(id);
        self.add(TargetItem {
            id: id.clone(),
            parent: above.last().unwrap_or(&self.root).clone(),
            name,
            times,
            kind: TargetKind::Folder,
            permissions: None,
            stale: false,
        });
        id
    }

    pub(super) fn add(&mut self, item: TargetItem) {
        self.children.entry(item.parent.clone()).or_default().push(item.id.clone());
        self.pictures.target.insert(item.id.clone(), item);
    }

    /// `parent`: as the point has it.
    pub(super) async fn item(
        &mut self,
        parent: &ItemId,
        node: Node,
    ) -> Result<(TargetItem, Option<BlobId>), JobError> {
        let file = if *parent == self.root { self.target_root.clone() } else { parent.to_string() };
        target_item(&mut self.permissions, &file, parent, node).await
    }

    /// Everything below a folder whose content is `tree`. The folder may stand for the root.
    pub(super) async fn add_below(&mut self, folder: ItemId, tree: BlobId) -> Result<(), JobError> {
        let mut next = vec![(folder, tree)];
        while let Some((folder, tree)) = next.pop() {
            for node in self.task.run.repository.load_tree(&tree).await?.into_nodes() {
                let is_made_up = [DATED_FOLDER, LIBRARY_FOLDER].contains(&folder.as_str());
                let parent = if is_made_up { self.root.clone() } else { folder.clone() };
                let (mut item, subtree) = self.item(&parent, node).await?;
                item.parent = folder.clone();
                if let Some(subtree) = subtree {
                    next.push((item.id.clone(), subtree));
                }
                self.add(item);
            }
        }
        Ok(())
    }
}
