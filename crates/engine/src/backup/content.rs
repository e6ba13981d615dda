//! Reads one file into the repository. What cannot be read becomes a gap of the point, never its failure.

use std::sync::atomic::{AtomicU32, Ordering};

use holdfast_connector::{ConnectorError, DriveItem, ItemFacts};
use holdfast_repository::{StoreFileError, StoredFile};
use holdfast_store::{CatalogueItem, FileContent, ItemGap, ItemKind};

use super::Run;
use crate::error::JobError;
use crate::observer::Progress;
use crate::writing::Writing;

/// How often a file that changes while being read is read again in one run.
const ATTEMPTS: u32 = 4;
/// Items that one run may find unavailable before the service counts as down.
const UNAVAILABLE_ITEMS: u32 = 10;

/// Counts the items that the service did not deliver although it has them.
#[derive(Default)]
pub(crate) struct Unavailable(AtomicU32);

/// Stores `item`'s content and completes `next` with it, or with a gap. `false`: the item went away meanwhile.
pub(crate) async fn read_into(
    run: &Run<'_>,
    writing: &Writing,
    unavailable: &Unavailable,
    next: &mut CatalogueItem,
    mut item: DriveItem,
    known: Option<&CatalogueItem>,
) -> Result<bool, JobError> {
    let mut attempt = 0;
    let reason = loop {
        attempt += 1;
        let error = match store(run, writing, &item).await {
            Ok(stored) => {
                set_content(next, &item, &stored);
                run.shared.observer.observe(run.unit, Progress::Stored { bytes: stored.size });
                return Ok(true);
            }
            Err(StoreFileError::Repository(error)) => return Err(error.into()),
            Err(StoreFileError::Source(error)) => error,
        };
        match error {
            ConnectorError::NotFound => return Ok(false),
            ConnectorError::Changed | ConnectorError::ContentMismatch(_) if attempt < ATTEMPTS => {
                match run.connector.item(&item.drive, &item.id).await? {
                    Some(newer) => item = newer,
                    None => return Ok(false),
                }
            }
            ConnectorError::Unavailable { reason, retry_after } => {
                if unavailable.0.fetch_add(1, Ordering::Relaxed) >= UNAVAILABLE_ITEMS {
                    return Err(JobError::Retry { reason, after: retry_after });
                }
                break ConnectorError::Unavailable { reason, retry_after };
            }
            error => break error,
        }
    };
    tracing::warn!(unit = %run.unit, item = %item.id, code = reason.code(), "an item could not be read");
    set_gap(run, next, reason.code(), known);
    Ok(true)
}

async fn store(
    run: &Run<'_>,
    writing: &Writing,
    item: &DriveItem,
) -> Result<StoredFile, StoreFileError<ConnectorError>> {
    let unavailable = |error: JobError| {
        StoreFileError::Source(ConnectorError::Unavailable {
            reason: error.to_string(),
            retry_after: None,
        })
    };
    let ItemFacts::File(facts) = &item.facts else {
        return Err(StoreFileError::Source(ConnectorError::Changed));
    };
    let content = run.connector.read(item).await.map_err(StoreFileError::Source)?;
    let writer = writing.writer().await.map_err(unavailable)?;
    let stored = writer.store_file(content).await?;
    if stored.size == facts.size {
        Ok(stored)
    } else {
        Err(StoreFileError::Source(ConnectorError::ContentMismatch("length differs".to_owned())))
    }
}

/// `item` may be newer than the listing that `next` was made of.
fn set_content(next: &mut CatalogueItem, item: &DriveItem, stored: &StoredFile) {
    let hash = match &item.facts {
        ItemFacts::File(facts) => facts.quick_xor_hash.clone().unwrap_or_default(),
        ItemFacts::Folder => String::new(),
    };
    next.etag.clone_from(&item.etag);
    next.parent.clone_from(&item.parent);
    next.name.clone_from(&item.name);
    next.created = item.times.created;
    next.modified = item.times.modified;
    next.kind = ItemKind::File {
        size: stored.size,
        quick_xor_hash: hash,
        content: FileContent::Stored(stored.content.iter().map(|blob| *blob.as_bytes()).collect()),
    };
    next.gap = None;
}

/// An older version that is stored stays, marked; else the item is missing.
fn set_gap(run: &Run<'_>, next: &mut CatalogueItem, reason: &str, known: Option<&CatalogueItem>) {
    let since = known
        .and_then(|known| known.gap.as_ref())
        .map_or_else(|| run.shared.clock.now(), |gap| gap.since);
    if let Some(CatalogueItem {
        kind: older @ ItemKind::File { content: FileContent::Stored(_), .. },
        ..
    }) = known
    {
        next.kind = older.clone();
    } else if let ItemKind::File { content, .. } = &mut next.kind {
        *content = FileContent::Missing;
    }
    next.gap = Some(ItemGap { reason: reason.to_owned(), since });
}
