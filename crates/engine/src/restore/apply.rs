//! Carries out a plan. Every step may be done twice; a step that fails is noted and the others go on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use futures::{StreamExt, stream};
use holdfast_connector::{
    Connector, ConnectorError, DriveItem, Grant, ItemFacts, ItemUpdate, PermissionUpdate, Upload,
    UploadTarget,
};
use holdfast_domain::{DriveId, ItemId, UnitId, limits};
use holdfast_repository::{BlobId, Repository};
use holdfast_store::{ContentHint, ItemFailure};

use super::plan::{
    PermissionStep, Pictures, Plan, Step, TargetItem, TargetKind, live_path, target_path,
};
use super::source::StoredContent;
use crate::Shared;
use crate::backup::layout::grants_of;
use crate::error::JobError;
use crate::lease::LeaseKeeper;
use crate::observer::Progress;

/// Steps that may find the service unavailable before the whole restore waits.
const UNAVAILABLE_STEPS: usize = 10;
/// Content hints written together.
const HINTS: usize = 256;

/// The one library that a plan may touch. Nothing here writes to any other.
pub(crate) struct Destination<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) keeper: &'a LeaseKeeper,
    pub(crate) connector: &'a dyn Connector,
    pub(crate) repository: &'a Repository,
    pub(crate) unit: UnitId,
    pub(crate) drive: &'a DriveId,
    /// The library's name, for the paths of failures.
    pub(crate) library: &'a str,
    /// The library belongs to the unit: what is written need not be read again by its next backup.
    pub(crate) is_units_own: bool,
    pub(crate) taken_names: TakenNames,
}

/// What becomes of a new file when somebody made one of its name since the library was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TakenNames {
    /// Theirs gets our content as its newest version.
    Replace,
    /// Ours is not written: `nameAlreadyExists`.
    Keep,
}

pub(crate) async fn apply(
    destination: &Destination<'_>,
    pictures: &Pictures,
    plan: Plan,
) -> Result<Vec<ItemFailure>, JobError> {
    let applying = Applying {
        destination,
        pictures,
        places: Mutex::new(HashMap::new()),
        aside: Mutex::default(),
        failures: Mutex::new(Failures::default()),
        hints: Mutex::new(Vec::new()),
    };
    applying.run(plan).await
}

#[derive(Default)]
struct Failures {
    list: Vec<ItemFailure>,
    /// Live items that did not get where they belong: the folders around them must not be deleted.
    live: HashSet<ItemId>,
    unavailable: usize,
}

struct Applying<'a> {
    destination: &'a Destination<'a>,
    pictures: &'a Pictures,
    /// Target id to live id, of the root and of every item that has its place.
    places: Mutex<HashMap<ItemId, ItemId>>,
    /// Live items that were put aside in another folder.
    aside: Mutex<HashSet<ItemId>>,
    failures: Mutex<Failures>,
    hints: Mutex<Vec<ContentHint>>,
}

impl Applying<'_> {
    async fn run(self, plan: Plan) -> Result<Vec<ItemFailure>, JobError> {
        *self.places.lock().expect("no panic while held") = plan.places.clone();
        self.each(&plan.delete_first, |item| self.delete(item)).await?;
        self.each(&plan.put_aside, |item| self.put_aside(item)).await?;
        // Folders one by one: each needs its parent's place.
        for step in &plan.folders {
            self.destination.keeper.lease()?;
            self.folder(step).await?;
        }
        let files = self.in_pack_order(&plan.files);
        self.each(&files, |step| self.file(step)).await?;
        self.flush_hints(0).await?;
        let spared = self.folders_around_failures();
        let deletions: Vec<ItemId> =
            plan.delete_last.iter().filter(|item| !spared.contains(*item)).cloned().collect();
        self.each(&deletions, |item| self.delete(item)).await?;
        for (target, times) in &plan.folder_times {
            self.destination.keeper.lease()?;
            let Some(live) = self.place(target) else { continue };
            let update = ItemUpdate { times: Some(*times), ..ItemUpdate::default() };
            let updated =
                self.destination.connector.update_item(self.destination.drive, &live, update).await;
            self.note(target, Some(&live), updated.map(|_| ()))?;
            self.restored(0);
        }
        self.each(&plan.permissions, |step| self.permissions(step)).await?;
        Ok(self.failures.into_inner().expect("no panic while held").list)
    }

    /// Runs `work` on every step, some at once; stops at an error of the job itself.
    async fn each<'s, S: Sync, F: Future<Output = Result<(), JobError>>>(
        &self,
        steps: &'s [S],
        work: impl Fn(&'s S) -> F,
    ) -> Result<(), JobError> {
        let mut running = stream::iter(steps.iter().map(work))
            .buffer_unordered(self.destination.shared.options.transfers);
        while let Some(done) = running.next().await {
            done?;
            self.destination.keeper.lease()?;
        }
        drop(running);
        Ok(())
    }

    /// Files whose bytes lie together in the repository are written together.
    fn in_pack_order(&self, files: &[Step]) -> Vec<Step> {
        let mut files = files.to_vec();
        files.sort_by_cached_key(|step| {
            match &self.pictures.target.get(&step.target).map(|item| &item.kind) {
                Some(TargetKind::File { content, .. }) => {
                    self.destination.repository.locality(content)
                }
                Some(TargetKind::Folder) | None => None,
            }
        });
        files
    }

    async fn delete(&self, item: &ItemId) -> Result<(), JobError> {
        let deleted = self.destination.connector.delete_item(self.destination.drive, item).await;
        self.note_live(item, deleted)?;
        self.restored(0);
        Ok(())
    }

    /// The new name tells whose it is; a killed restore finds the item by its id. Where the folder is too deep for that
    /// name, the item moves to the nearest folder above it that is not.
    async fn put_aside(&self, item: &ItemId) -> Result<(), JobError> {
        let Destination { connector, drive, .. } = self.destination;
        let parent_of =
            |item: &ItemId| self.pictures.live.get(item).and_then(|item| item.parent.clone());
        let mut parent = None;
        let mut above = parent_of(item);
        loop {
            let name = Some(format!("holdfast-{item}"));
            let update = ItemUpdate { name, parent: parent.clone(), times: None };
            let renamed = connector.update_item(drive, item, update).await;
            above = above.and_then(|folder| parent_of(&folder));
            match renamed {
                Err(ConnectorError::Refused(_)) if above.is_some() => parent.clone_from(&above),
                renamed => {
                    if parent.is_some() && renamed.is_ok() {
                        self.aside.lock().expect("no panic while held").insert(item.clone());
                    }
                    return self.note_live(item, renamed.map(|_| ()));
                }
            }
        }
    }

    async fn folder(&self, step: &Step) -> Result<(), JobError> {
        let target = self.target(&step.target);
        let Some(parent) = self.place(&target.parent) else {
            return self.note(&step.target, step.live.as_ref(), Err(ConnectorError::NotFound));
        };
        let done = match &step.live {
            None => {
                self.destination
                    .connector
                    .create_folder(self.destination.drive, &parent, &target.name, target.times)
                    .await
            }
            Some(live) => self.move_to(live, target, parent, false).await,
        };
        match done {
            Ok(item) => {
                self.set_place(&step.target, item.id);
                self.restored(0);
                Ok(())
            }
            Err(error) => self.note(&step.target, step.live.as_ref(), Err(error)),
        }
    }

    async fn file(&self, step: &Step) -> Result<(), JobError> {
        let target = self.target(&step.target);
        let Some(parent) = self.place(&target.parent) else {
            return self.note(&step.target, step.live.as_ref(), Err(ConnectorError::NotFound));
        };
        match self.write_file(step, target, parent).await {
            Ok(item) => {
                self.set_place(&step.target, item.id.clone());
                self.restored(if step.writes { size_of(target) } else { 0 });
                self.hint(&item, target).await
            }
            Err(error) => self.note(&step.target, step.live.as_ref(), Err(error)),
        }
    }

    async fn write_file(
        &self,
        step: &Step,
        target: &TargetItem,
        parent: ItemId,
    ) -> Result<DriveItem, ConnectorError> {
        let Destination { connector, drive, repository, .. } = self.destination;
        let TargetKind::File { size, content, .. } = &target.kind else {
            return Err(ConnectorError::Protocol("a folder among files".to_owned()));
        };
        let source = StoredContent { repository: (*repository).clone(), content: content.clone() };
        let upload = |place| Upload {
            drive,
            target: place,
            size: *size,
            times: target.times,
            content: &source,
        };
        match &step.live {
            None => {
                let (parent, name) = (&parent, target.name.as_str());
                let place = match self.destination.taken_names {
                    TakenNames::Replace => UploadTarget::Child { parent, name },
                    TakenNames::Keep => UploadTarget::NewChild { parent, name },
                };
                connector.upload(upload(place)).await
            }
            Some(live) if step.writes => {
                if step.moves {
                    self.move_to(live, target, parent, false).await?;
                }
                connector.upload(upload(UploadTarget::Existing { item: live })).await
            }
            Some(live) => self.move_to(live, target, parent, step.times).await,
        }
    }

    async fn move_to(
        &self,
        live: &ItemId,
        target: &TargetItem,
        parent: ItemId,
        times: bool,
    ) -> Result<DriveItem, ConnectorError> {
        let before = self.pictures.live.get(live);
        let stays = before.is_some_and(|before| before.parent.as_ref() == Some(&parent))
            && !self.aside.lock().expect("no panic while held").contains(live);
        let update = ItemUpdate {
            name: Some(target.name.clone()),
            parent: if stays { None } else { Some(parent) },
            times: times.then_some(target.times),
        };
        self.destination.connector.update_item(self.destination.drive, live, update).await
    }

    async fn permissions(&self, step: &PermissionStep) -> Result<(), JobError> {
        let target = &step.target;
        let Some(live) = self.place(target).or_else(|| step.live.clone()) else { return Ok(()) };
        let wanted: Vec<Grant> = grants_of(self.target(target).permissions.as_deref());
        let Destination { connector, drive, .. } = self.destination;
        let done =
            async {
                let present = connector.direct_permissions(drive, &live).await?;
                for extra in present.iter().filter(|present| {
                    !wanted.iter().any(|wanted| same_grant(wanted, &present.grant))
                }) {
                    connector
                        .update_permission(drive, &live, PermissionUpdate::Remove(extra.id.clone()))
                        .await?;
                }
                for missing in wanted.iter().filter(|wanted| {
                    !present.iter().any(|present| same_grant(wanted, &present.grant))
                }) {
                    connector
                        .update_permission(drive, &live, PermissionUpdate::Add(missing.clone()))
                        .await?;
                }
                Ok(())
            };
        let done = done.await;
        self.note(target, Some(&live), done)?;
        self.restored(0);
        Ok(())
    }

    fn target(&self, id: &ItemId) -> &TargetItem {
        &self.pictures.target[id]
    }

    fn place(&self, target: &ItemId) -> Option<ItemId> {
        self.places.lock().expect("no panic while held").get(target).cloned()
    }

    fn set_place(&self, target: &ItemId, live: ItemId) {
        self.places.lock().expect("no panic while held").insert(target.clone(), live);
    }

    fn restored(&self, bytes: u64) {
        self.destination
            .shared
            .observer
            .observe(self.destination.unit, Progress::Restored { bytes });
    }

    fn note(
        &self,
        target: &ItemId,
        live: Option<&ItemId>,
        done: Result<(), ConnectorError>,
    ) -> Result<(), JobError> {
        match done {
            Ok(()) => Ok(()),
            Err(error) => self.fail(target_path(self.pictures, target), live, error),
        }
    }

    fn note_live(&self, live: &ItemId, done: Result<(), ConnectorError>) -> Result<(), JobError> {
        match done {
            Ok(()) => Ok(()),
            Err(error) => self.fail(live_path(self.pictures, live), Some(live), error),
        }
    }

    fn fail(
        &self,
        path: String,
        live: Option<&ItemId>,
        error: ConnectorError,
    ) -> Result<(), JobError> {
        let mut failures = self.failures.lock().expect("no panic while held");
        if let ConnectorError::Unavailable { reason, retry_after } = &error {
            failures.unavailable += 1;
            if failures.unavailable > UNAVAILABLE_STEPS {
                return Err(JobError::Retry { reason: reason.clone(), after: *retry_after });
            }
        }
        tracing::warn!(unit = %self.destination.unit, code = error.code(), "an item could not be restored");
        failures.live.extend(live.cloned());
        failures.list.push(ItemFailure {
            path: format!("{}/{path}", self.destination.library),
            code: error.code().to_owned(),
            message: error.to_string(),
        });
        Ok(())
    }

    fn folders_around_failures(&self) -> HashSet<ItemId> {
        let mut around = HashSet::new();
        for live in &self.failures.lock().expect("no panic while held").live {
            let mut current = self.pictures.live.get(live).and_then(|item| item.parent.clone());
            while let Some(folder) = current {
                if !around.insert(folder.clone()) {
                    break;
                }
                current = self.pictures.live.get(&folder).and_then(|item| item.parent.clone());
            }
        }
        around
    }

    /// Notes that the item now has content that the repository holds.
    async fn hint(&self, item: &DriveItem, target: &TargetItem) -> Result<(), JobError> {
        let (TargetKind::File { content, .. }, ItemFacts::File(facts)) =
            (&target.kind, &item.facts)
        else {
            return Ok(());
        };
        let Some(hash) = &facts.quick_xor_hash else { return Ok(()) };
        if !self.destination.is_units_own || content.is_empty() {
            return Ok(());
        }
        let hint = ContentHint {
            drive: self.destination.drive.clone(),
            item: item.id.clone(),
            size: facts.size,
            quick_xor_hash: hash.clone(),
            content: content.iter().map(BlobId::as_bytes).copied().collect(),
        };
        // Only when the service kept the bytes as they were.
        if let TargetKind::File { size, quick_xor_hash, .. } = &target.kind
            && (*size, quick_xor_hash) == (facts.size, hash)
        {
            self.hints.lock().expect("no panic while held").push(hint);
        }
        self.flush_hints(HINTS).await
    }

    /// Writes the hints when there are more than `keep`.
    async fn flush_hints(&self, keep: usize) -> Result<(), JobError> {
        let hints = {
            let mut hints = self.hints.lock().expect("no panic while held");
            if hints.len() <= keep {
                return Ok(());
            }
            std::mem::take(&mut *hints)
        };
        let mut tx = self.destination.shared.store.begin().await?;
        tx.put_hints(self.destination.unit, self.destination.keeper.lease()?, hints).await?;
        Ok(tx.commit().await?)
    }
}

fn size_of(target: &TargetItem) -> u64 {
    match target.kind {
        TargetKind::File { size, .. } => size,
        TargetKind::Folder => 0,
    }
}

/// Names of people may change; who they are does not.
fn same_grant(left: &Grant, right: &Grant) -> bool {
    match (left, right) {
        (
            Grant::Principal { kind, id, roles, .. },
            Grant::Principal { kind: other_kind, id: other_id, roles: other_roles, .. },
        ) => (kind, id, roles) == (other_kind, other_id, other_roles),
        (left, right) => left == right,
    }
}

/// The first failures as details of a public error, and a count of all.
pub(crate) fn public_error(failures: &[ItemFailure]) -> Option<holdfast_domain::PublicError> {
    if failures.is_empty() {
        return None;
    }
    let mut by_code: BTreeMap<&str, usize> = BTreeMap::new();
    for failure in failures {
        *by_code.entry(&failure.code).or_default() += 1;
    }
    let counts: Vec<String> =
        by_code.iter().map(|(code, count)| format!("{count} {code}")).collect();
    let mut error = holdfast_domain::PublicError::new(
        "ArtifactCannotBeRestored",
        format!("{} items could not be restored: {}.", failures.len(), counts.join(", ")),
    );
    error.details = failures
        .iter()
        .take(limits::FAILURES_SHOWN)
        .map(|failure| holdfast_domain::PublicErrorDetail {
            code: failure.code.clone(),
            message: failure.message.clone(),
            target: Some(failure.path.clone()),
        })
        .collect();
    Some(error)
}
