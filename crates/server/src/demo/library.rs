//! A library as a listing: what the demo compares and damages.

use std::collections::BTreeMap;

use holdfast_connector::{Change, Connector, DriveItem, Grant, ItemFacts};
use holdfast_domain::{DriveId, ItemId};

/// An item with its path in the library.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) item: DriveItem,
    /// Direct permissions.
    pub(super) grants: Vec<Grant>,
}

impl Listed {
    pub(super) fn is_file(&self) -> bool {
        matches!(self.item.facts, ItemFacts::File(_))
    }

    pub(super) fn size(&self) -> u64 {
        match &self.item.facts {
            ItemFacts::File(facts) => facts.size,
            ItemFacts::Folder => 0,
        }
    }
}

/// Every item of the library but the root, by path.
pub(super) async fn list(
    connector: &dyn Connector,
    drive: &DriveId,
) -> anyhow::Result<BTreeMap<String, Listed>> {
    let mut items: BTreeMap<ItemId, DriveItem> = BTreeMap::new();
    let mut link = None;
    loop {
        let page = connector.changes(drive, link.as_deref()).await?;
        for change in page.changes {
            match change {
                Change::Present(item) => drop(items.insert(item.id.clone(), item)),
                Change::Deleted(id) => drop(items.remove(&id)),
            }
        }
        if page.last {
            break;
        }
        link = Some(page.link);
    }
    let mut listed = BTreeMap::new();
    for item in items.values().filter(|item| item.parent.is_some()) {
        let mut path = item.name.clone();
        let mut above = item.parent.as_ref();
        while let Some(folder) =
            above.and_then(|parent| items.get(parent)).filter(|folder| folder.parent.is_some())
        {
            path = format!("{}/{path}", folder.name);
            above = folder.parent.as_ref();
        }
        let mut grants = Vec::new();
        if item.shared {
            grants.extend(
                connector
                    .direct_permissions(drive, &item.id)
                    .await?
                    .into_iter()
                    .map(|permission| permission.grant),
            );
            grants.sort();
        }
        listed.insert(path, Listed { item: item.clone(), grants });
    }
    Ok(listed)
}
