//! Takes in the libraries' changes page by page, and stages what differs from the catalogue.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use holdfast_connector::{Change, ConnectorError, DriveItem, ItemFacts};
use holdfast_domain::{DriveId, ItemId};
use holdfast_repository::{BlobId, BlobKind};
use holdfast_store::{
    CatalogueDrive, CatalogueItem, ContentHint, FileContent, ItemKind, StagedChange,
};

use super::content::{self, Unavailable};
use super::layout::grants_text;
use super::{Run, RunDrive, SETTLING_ROUNDS};
use crate::error::JobError;
use crate::observer::Progress;
use crate::writing::Writing;

/// Items with a gap that one run tries again.
const GAPS_RETRIED: usize = 100;

pub(crate) enum Enumerated {
    All(Vec<RunDrive>),
    ResyncRequired(DriveId),
}

/// Stages all changes of all drives. The drives come back with the links at which the next run goes on.
pub(crate) async fn enumerate(
    run: &Run<'_>,
    writing: &Writing,
    mut drives: Vec<RunDrive>,
    published: &[CatalogueDrive],
    from_the_start: &HashSet<DriveId>,
) -> Result<Enumerated, JobError> {
    let unavailable = Unavailable::default();
    let taking = Taking { run, writing, unavailable: &unavailable };
    for drive in &mut drives {
        let id = drive.drive.id.clone();
        let full = drive.delta_link.is_none() || from_the_start.contains(&id);
        if full {
            drive.delta_link = None;
        }
        match taking.take_round(drive, full).await {
            Ok(_) => {}
            Err(Stopped::ResyncRequired) => return Ok(Enumerated::ResyncRequired(id)),
            Err(Stopped::Failed(error)) => return Err(error),
        }
        if full {
            let mut tx = run.shared.store.begin().await?;
            tx.stage_removal_of_unstaged(run.unit, run.keeper.lease()?, &id).await?;
            tx.commit().await?;
        }
    }
    for gone in
        published.iter().filter(|known| !drives.iter().any(|drive| drive.drive.id == known.drive))
    {
        let mut tx = run.shared.store.begin().await?;
        tx.stage_removal_of_unstaged(run.unit, run.keeper.lease()?, &gone.drive).await?;
        tx.commit().await?;
    }
    taking.retry_gaps(&drives).await?;
    // What changed while the content was read comes with the next rounds; a quiet one makes all libraries one picture.
    for _ in 0..SETTLING_ROUNDS {
        let mut quiet = true;
        for drive in &mut drives {
            match taking.take_round(drive, false).await {
                Ok(changed) => quiet &= !changed,
                Err(Stopped::ResyncRequired) => {
                    return Ok(Enumerated::ResyncRequired(drive.drive.id.clone()));
                }
                Err(Stopped::Failed(error)) => return Err(error),
            }
        }
        if quiet {
            break;
        }
    }
    Ok(Enumerated::All(drives))
}

enum Stopped {
    ResyncRequired,
    Failed(JobError),
}

impl From<JobError> for Stopped {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

struct Taking<'a> {
    run: &'a Run<'a>,
    writing: &'a Writing,
    unavailable: &'a Unavailable,
}

impl Taking<'_> {
    /// Follows a drive's links from `drive.delta_link` to the round's end; whether anything was staged.
    async fn take_round(&self, drive: &mut RunDrive, full: bool) -> Result<bool, Stopped> {
        let mut changed = false;
        loop {
            let page = match self
                .run
                .connector
                .changes(&drive.drive.id, drive.delta_link.as_deref())
                .await
            {
                Ok(page) => page,
                Err(ConnectorError::ResyncRequired) if drive.delta_link.is_some() => {
                    return Err(Stopped::ResyncRequired);
                }
                Err(error) => return Err(Stopped::Failed(error.into())),
            };
            if !page.last && drive.delta_link.as_ref() == Some(&page.link) {
                return Err(Stopped::Failed(JobError::give_up(
                    "UnknownError",
                    "The service pages through its changes in a circle.",
                )));
            }
            changed |= self.take_in(&drive.drive.id, page.changes, full).await?;
            drive.delta_link = Some(page.link);
            if page.last {
                return Ok(changed);
            }
        }
    }

    /// Items that earlier runs could not read, read from the service as if they had changed.
    async fn retry_gaps(&self, drives: &[RunDrive]) -> Result<(), JobError> {
        let gaps = self.run.shared.store.read().await?.staged_gaps(self.run.unit).await?;
        for gap in gaps.into_iter().take(GAPS_RETRIED) {
            if !drives.iter().any(|drive| drive.drive.id == gap.drive) {
                continue;
            }
            // Gone: the next round tells, with everything below.
            if let Some(item) = self.run.connector.item(&gap.drive, &gap.item).await? {
                self.take_in(&gap.drive, vec![Change::Present(item)], false).await?;
            }
        }
        Ok(())
    }

    /// Stages one page's changes in one transaction, after all their content is stored; whether anything was staged.
    async fn take_in(
        &self,
        drive: &DriveId,
        changes: Vec<Change>,
        full: bool,
    ) -> Result<bool, JobError> {
        let run = self.run;
        if changes.is_empty() {
            return Ok(false);
        }
        run.shared.observer.observe(run.unit, Progress::Listed { items: changes.len() as u64 });
        let (mut staged, pending) = self.compare(drive, changes, full).await?;
        let mut hints = Vec::new();
        let mut reading = stream::iter(pending)
            .map(|pending| self.finish(pending))
            .buffer_unordered(run.shared.options.transfers);
        while let Some(item) = reading.try_next().await? {
            let Some(item) = item else { continue };
            if let ItemKind::File { size, quick_xor_hash, content: FileContent::Stored(blobs) } =
                &item.kind
                && item.gap.is_none()
                && !blobs.is_empty()
            {
                hints.push(ContentHint {
                    drive: drive.clone(),
                    item: item.item.clone(),
                    size: *size,
                    quick_xor_hash: quick_xor_hash.clone(),
                    content: blobs.clone(),
                });
            }
            staged.push(StagedChange::Put(item));
        }
        drop(reading);
        if staged.is_empty() {
            return Ok(false);
        }
        let mut tx = run.shared.store.begin().await?;
        let lease = run.keeper.lease()?;
        tx.stage(run.unit, lease, staged).await?;
        tx.put_hints(run.unit, lease, hints).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What the catalogue does not know yet: removals, and items that may need reading.
    async fn compare(
        &self,
        drive: &DriveId,
        changes: Vec<Change>,
        full: bool,
    ) -> Result<(Vec<StagedChange>, Vec<Pending>), JobError> {
        // An item that comes twice in a page: the last one holds.
        let mut latest: HashMap<ItemId, usize> = HashMap::new();
        for (position, change) in changes.iter().enumerate() {
            latest.insert(id_of(change).clone(), position);
        }
        let mut staged = Vec::new();
        let mut pending = Vec::new();
        let unit = self.run.unit;
        let mut tx = self.run.shared.store.read().await?;
        for (position, change) in changes.into_iter().enumerate() {
            if latest.get(id_of(&change)) != Some(&position) {
                continue;
            }
            match change {
                Change::Deleted(item) => {
                    if tx.staged_item(unit, drive, &item).await?.is_some() {
                        staged.push(StagedChange::Remove { drive: drive.clone(), item });
                    }
                }
                Change::Present(item) => {
                    let known = tx.staged_item(unit, drive, &item.id).await?;
                    let hint = match &item.facts {
                        ItemFacts::File(_) => tx.hint(unit, drive, &item.id).await?,
                        ItemFacts::Folder => None,
                    };
                    let shared = item.shared;
                    let pending_item = Pending::new(item, known, hint, full);
                    if full || shared || pending_item.differs() {
                        pending.push(pending_item);
                    }
                }
            }
        }
        Ok((staged, pending))
    }

    /// Reads what is missing: permissions and content. `None`: in the end nothing differs, or the item went away.
    async fn finish(&self, mut pending: Pending) -> Result<Option<CatalogueItem>, JobError> {
        let run = self.run;
        if pending.item.shared {
            match run.connector.direct_permissions(&pending.item.drive, &pending.item.id).await {
                Ok(permissions) => {
                    pending.next.permissions = grants_text(
                        permissions.into_iter().map(|permission| permission.grant).collect(),
                    )
                }
                Err(ConnectorError::NotFound) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        if pending.needs_content {
            if pending.hint.is_some() {
                // Locks, so that what is found in the index stays.
                self.writing.writer().await?;
            }
            let hinted = pending.hint.take().filter(|hint| {
                hint.content
                    .iter()
                    .all(|blob| run.repository.has_blob(BlobKind::Data, &BlobId::from_bytes(*blob)))
            });
            match (hinted, &mut pending.next.kind) {
                (Some(hint), ItemKind::File { content, .. }) => {
                    *content = FileContent::Stored(hint.content)
                }
                (_, _) => {
                    if !content::read_into(
                        run,
                        self.writing,
                        self.unavailable,
                        &mut pending.next,
                        pending.item.clone(),
                        pending.known.as_ref(),
                    )
                    .await?
                    {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(if pending.full || pending.differs() { Some(pending.next) } else { None })
    }
}

fn id_of(change: &Change) -> &ItemId {
    match change {
        Change::Present(item) => &item.id,
        Change::Deleted(item) => item,
    }
}

/// An item on its way into the staging.
struct Pending {
    item: DriveItem,
    known: Option<CatalogueItem>,
    hint: Option<ContentHint>,
    next: CatalogueItem,
    needs_content: bool,
    full: bool,
}

impl Pending {
    fn new(
        item: DriveItem,
        known: Option<CatalogueItem>,
        hint: Option<ContentHint>,
        full: bool,
    ) -> Self {
        let mut needs_content = false;
        let kind = match &item.facts {
            ItemFacts::Folder => ItemKind::Folder {
                tree: match known.as_ref().map(|known| &known.kind) {
                    Some(ItemKind::Folder { tree }) => *tree,
                    Some(ItemKind::File { .. }) | None => None,
                },
            },
            ItemFacts::File(facts) => {
                let hash = facts.quick_xor_hash.clone().unwrap_or_default();
                let stored = match known.as_ref() {
                    Some(CatalogueItem {
                        kind:
                            ItemKind::File { size, quick_xor_hash, content: FileContent::Stored(blobs) },
                        etag,
                        gap: None,
                        ..
                    }) if *size == facts.size
                        && (*quick_xor_hash == hash && !hash.is_empty() || *etag == item.etag) =>
                    {
                        Some(blobs.clone())
                    }
                    _ => None,
                };
                needs_content = stored.is_none();
                ItemKind::File {
                    size: facts.size,
                    quick_xor_hash: hash,
                    content: FileContent::Stored(stored.unwrap_or_default()),
                }
            }
        };
        let next = CatalogueItem {
            drive: item.drive.clone(),
            item: item.id.clone(),
            parent: item.parent.clone(),
            name: item.name.clone(),
            etag: item.etag.clone(),
            created: item.times.created,
            modified: item.times.modified,
            kind,
            permissions: None,
            gap: None,
        };
        let hint = hint.filter(|hint| matches!(&next.kind, ItemKind::File { size, quick_xor_hash, .. } if *size == hint.size && *quick_xor_hash == hint.quick_xor_hash && !hint.quick_xor_hash.is_empty()));
        Self { item, known, hint, next, needs_content, full }
    }

    /// In anything but the eTag, which moves without any change that a backup keeps.
    fn differs(&self) -> bool {
        match &self.known {
            None => true,
            Some(known) => {
                self.needs_content && self.next.gap.is_none()
                    || *known != CatalogueItem { etag: known.etag.clone(), ..self.next.clone() }
            }
        }
    }
}
