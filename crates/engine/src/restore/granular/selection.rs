//! What of a point an artifact asks for.

use holdfast_domain::{BrowseSessionId, ItemKey};
use holdfast_store::{BrowseItem, BrowseItemKind, Store};

use crate::backup::layout::LibraryRecord;
use crate::error::JobError;

/// What is restored: whole libraries, or one item of one library.
pub(super) struct Selection {
    /// By the drives' ids at the point's time.
    pub(super) libraries: Vec<String>,
    /// From the library's root to the item; empty: everything in the libraries.
    pub(super) names: Vec<String>,
}

impl Selection {
    /// What a row of a browse session stands for.
    pub(super) async fn of(
        store: &dyn Store,
        session: BrowseSessionId,
        key: &str,
    ) -> Result<Self, JobError> {
        let gone = || JobError::give_up("ArtifactNotFound", "The browse session has no such item.");
        let key: ItemKey = key.parse().map_err(|_| gone())?;
        let mut tx = store.read().await?;
        let mut item: BrowseItem =
            tx.browse_item_of_guid(session, key.own()).await?.ok_or_else(gone)?;
        let mut names = Vec::new();
        loop {
            match item.kind {
                BrowseItemKind::Folder | BrowseItemKind::File => names.push(item.name),
                BrowseItemKind::Library => {
                    names.reverse();
                    return Ok(Self { libraries: vec![item.source_id], names });
                }
                BrowseItemKind::Site => return Ok(Self { libraries: Vec::new(), names }),
            }
            let parent = item.parent.ok_or_else(gone)?;
            item = tx.browse_item(session, parent).await?.ok_or_else(gone)?;
        }
    }

    pub(super) fn contains(&self, record: &LibraryRecord) -> bool {
        self.libraries.is_empty() || self.libraries.contains(&record.drive_id)
    }
}
