//! The rows of one session with what they do not say themselves: their keys, and their addresses.

use std::collections::HashMap;

use holdfast_domain::{BrowseSessionId, ItemKey, address_below};
use holdfast_store::{AnyTx, BrowseItem, BrowseItemKind, StoreError};

/// Reads rows; those above the ones that were asked for once only.
pub(super) struct Items<'a> {
    tx: &'a mut AnyTx,
    session: BrowseSessionId,
    above: HashMap<u64, BrowseItem>,
}

/// An item's own row, and those above it up to the site, which is the last.
type Path = Vec<BrowseItem>;

impl<'a> Items<'a> {
    pub(super) fn of(tx: &'a mut AnyTx, session: BrowseSessionId) -> Self {
        Self { tx, session, above: HashMap::new() }
    }

    pub(super) fn tx(&mut self) -> &mut AnyTx {
        self.tx
    }

    async fn at(&mut self, ordinal: u64) -> Result<BrowseItem, StoreError> {
        if let Some(known) = self.above.get(&ordinal) {
            return Ok(known.clone());
        }
        let item = self.tx.browse_item(self.session, ordinal).await?.ok_or_else(|| {
            StoreError::Inconsistent("a browse session lacks an item's parent".to_owned())
        })?;
        self.above.insert(ordinal, item.clone());
        Ok(item)
    }

    pub(super) async fn site(&mut self) -> Result<BrowseItem, StoreError> {
        self.at(0).await
    }

    pub(super) async fn first_library(&mut self) -> Result<Option<BrowseItem>, StoreError> {
        self.tx.browse_item(self.session, 1).await
    }

    async fn path(&mut self, item: &BrowseItem) -> Result<Path, StoreError> {
        let mut path = vec![item.clone()];
        let mut parent = item.parent;
        while let Some(ordinal) = parent {
            let above = self.at(ordinal).await?;
            parent = above.parent;
            path.push(above);
        }
        Ok(path)
    }

    /// The item with that key, if the key is the one that the session gave it.
    pub(super) async fn of_key(&mut self, key: &str) -> Result<Option<BrowseItem>, StoreError> {
        let Ok(parsed) = key.parse::<ItemKey>() else { return Ok(None) };
        let own = parsed.own();
        let Some(item) = self.tx.browse_item_of_guid(self.session, own).await? else {
            return Ok(None);
        };
        let is_it = self.key(&item).await? == parsed;
        Ok(is_it.then_some(item))
    }

    pub(super) async fn key(&mut self, item: &BrowseItem) -> Result<ItemKey, StoreError> {
        let path = self.path(item).await?;
        let site = path.last().and_then(|site| site.source_id.parse::<ItemKey>().ok());
        let site = site.ok_or_else(|| {
            StoreError::Inconsistent("the site of a browse session has no key".to_owned())
        })?;
        let library = path.iter().find(|above| above.kind == BrowseItemKind::Library);
        Ok(match (item.kind, library) {
            (BrowseItemKind::Site, _) | (_, None) => site,
            (BrowseItemKind::Library, Some(library)) => site.library(library.guid),
            (BrowseItemKind::Folder | BrowseItemKind::File, Some(library)) => {
                site.library(library.guid).item(item.guid)
            }
        })
    }

    pub(super) async fn web_url(&mut self, item: &BrowseItem) -> Result<String, StoreError> {
        let mut path = self.path(item).await?;
        let mut names: Vec<String> = Vec::new();
        let mut base = String::new();
        for above in path.drain(..) {
            if let Some(url) = above.web_url {
                base = url;
                break;
            }
            names.push(above.name);
        }
        names.reverse();
        Ok(address_below(&base, names.iter().map(String::as_str)))
    }
}
