//! Restores single items: files, folders with everything below, libraries, or all of a site.
//!
//! To the original place, or into one folder for the whole restore session, named by its time. Nothing live is deleted, and
//! nothing is overwritten unless the session says `replace`. The steps are computed from what is there, as for whole
//! restores; what must not be computed anew after a kill is noted before it is done: the names that were chosen, and the
//! folders that are ours.

mod reading;
mod selection;

use std::collections::{HashMap, HashSet};

use holdfast_connector::{ConnectorError, Drive, DriveItem, ItemFacts, Site, Times};
use holdfast_domain::{
    BrowseSessionId, ConflictBehavior, DestinationType, ItemId, RestorePoint, RestoreSession,
    RestoreState, RestoredItem, address_below,
};
use holdfast_store::ItemFailure;

use reading::{DATED_FOLDER, LIBRARY_FOLDER, Reading};
use selection::Selection;

use super::apply::{Destination, TakenNames, apply};
use super::in_place::{left_alone_failure, library_failure, save_present};
use super::names::{Names, numbered};
use super::plan::{
    PermissionStep, Pictures, Plan, Step, TargetItem, TargetKind, fold, target_path,
};
use super::source::{PermissionReader, Picture};
use super::{PASSES, RestoreTask, Restored, RestoredTo};
use crate::backup::layout::{LibraryRecord, jiff_time, unreadable};
use crate::error::JobError;
use crate::item_keys::{item_guid, library_guid, site_key};
use crate::observer::Progress;
use crate::resource::Resource;

/// So few names are looked up one by one; for more, the folder is listed.
const LOOKUPS: usize = 3;
/// Names tried for an item whose own is taken.
const NAMES: u32 = 1000;

pub(crate) async fn restore_item(
    mut task: RestoreTask<'_>,
    session: &RestoreSession,
    browse_session: BrowseSessionId,
    key: &str,
    point: &RestorePoint,
) -> Result<Restored, JobError> {
    let selection = Selection::of(&*task.run.shared.store, browse_session, key).await?;
    let in_place = task.artifact.destination == DestinationType::InPlace;
    if in_place && session.conflict_behavior == ConflictBehavior::Replace && !task.progress.is_saved
    {
        // So that what is overwritten can be had back.
        save_present(&task).await?;
        task.progress.is_saved = true;
        task.save_progress().await?;
    }
    let picture = Picture::open(&task.run.repository, point).await?;
    let gaps = task.run.shared.store.read().await?.gaps(task.artifact.tenant, point.id).await?;
    let mut failures = Vec::new();
    let mut parts = Vec::new();
    for record in picture.record.libraries.iter().filter(|record| selection.contains(record)) {
        let drive = match live_drive(&task, record).await? {
            Ok(drive) => drive,
            Err(error) => {
                failures.push(library_failure(&record.name, &error)?);
                continue;
            }
        };
        let mut part =
            Part::read(&task, session, &picture, record, drive, &selection.names).await?;
        part.restore(&mut task).await?;
        failures.append(&mut part.failures);
        let below = selection.names.join("/");
        for gap in gaps.iter().filter(|gap| gap.drive == record.drive_id) {
            let rest = gap.path.strip_prefix(&below);
            if rest.is_some_and(|rest| below.is_empty() || rest.is_empty() || rest.starts_with('/'))
            {
                let why = if gap.stale { "olderVersionRestored" } else { "gapInRestorePoint" };
                failures.push(left_alone_failure(record, why, &gap.path));
            }
        }
        parts.push(part.outcome());
    }
    let restored = parts.iter().any(|part| part.is_anything_there);
    let site = task.run.resource.site();
    let to = (restored || failures.is_empty())
        .then(|| RestoredTo::Item(restored_item(&picture.record.site_id, site, parts)));
    Ok(Restored { to, failures })
}

/// The library where it is now: by id, then by name, else made again.
async fn live_drive(
    task: &RestoreTask<'_>,
    record: &LibraryRecord,
) -> Result<Result<Drive, ConnectorError>, JobError> {
    let run = &task.run;
    let mut live = run.resource.drives(&*run.connector).await?;
    let Resource::Site(site) = &run.resource else {
        return Ok(live.pop().ok_or(ConnectorError::NotFound));
    };
    let by_id = live.iter().position(|drive| drive.id.as_str() == record.drive_id);
    let found =
        by_id.or_else(|| live.iter().position(|drive| fold(&drive.name) == fold(&record.name)));
    if let Some(position) = found {
        return Ok(Ok(live.swap_remove(position)));
    }
    run.keeper.lease()?;
    Ok(run.connector.create_library(&site.id, &record.name).await)
}

/// What became of one library's part.
struct PartOutcome {
    drive: Drive,
    /// Folders from the library's root to the one that received the item.
    receiver: Vec<String>,
    /// The item's name and live id; `None` for a whole library in place, or for an item that is not there.
    item: Option<(String, ItemId)>,
    is_anything_there: bool,
}

/// `live`: the site as it is now.
fn restored_item(site_id: &str, live: &Site, mut parts: Vec<PartOutcome>) -> RestoredItem {
    let site = site_key(site_id);
    let only = if parts.len() == 1 { parts.pop() } else { None };
    let Some(part) = only else {
        // A whole site: what received everything is the site, in which the paths of libraries begin.
        let (key, web_url) = (site.to_string(), live.web_url.clone());
        return RestoredItem { key, path: "/".to_owned(), web_url };
    };
    let mut key = site.library(library_guid(&part.drive.id));
    let path: Vec<&str> = std::iter::once(part.drive.name.as_str())
        .chain(part.receiver.iter().map(String::as_str))
        .collect();
    let mut names: Vec<&str> = part.receiver.iter().map(String::as_str).collect();
    if let Some((name, id)) = &part.item {
        key = key.item(item_guid(&part.drive.id, id));
        names.push(name);
    }
    RestoredItem {
        key: key.to_string(),
        path: path.join("/"),
        web_url: address_below(&part.drive.web_url, names),
    }
}

/// One library's part of what is restored.
struct Part<'a> {
    record: &'a LibraryRecord,
    drive: Drive,
    conflicts: ConflictBehavior,
    keeps_permissions: bool,
    pictures: Pictures,
    children: HashMap<ItemId, Vec<ItemId>>,
    /// Folders from the library's root to the one that receives the items.
    receiver: Vec<ItemId>,
    /// The items that were chosen, all in the receiver, with the names that they have in the point.
    tops: Vec<(ItemId, String)>,
    /// One item was chosen, not all of a library.
    is_single: bool,
    failures: Vec<ItemFailure>,
    /// What the last look found in its place: of items that were chosen, and of any.
    found_tops: HashMap<ItemId, ItemId>,
    is_anything_there: bool,
}

impl<'a> Part<'a> {
    async fn read(
        task: &RestoreTask<'_>,
        session: &RestoreSession,
        picture: &Picture,
        record: &'a LibraryRecord,
        drive: Drive,
        names: &[String],
    ) -> Result<Self, JobError> {
        let is_new = task.artifact.destination == DestinationType::New;
        let mut reading = Reading {
            task,
            permissions: PermissionReader::open(&task.run.repository, picture, &record.folder)
                .await?,
            root: drive.root.clone(),
            target_root: record.root_item_id.clone(),
            pictures: Pictures::default(),
            children: HashMap::new(),
        };
        let mut receiver = Vec::new();
        if is_new {
            let times = session_times(session, task);
            receiver.push(reading.add_folder(DATED_FOLDER, &receiver, dated_name(times), times));
            if names.is_empty() {
                let name = record.name.clone();
                receiver.push(reading.add_folder(LIBRARY_FOLDER, &receiver, name, times));
            }
        }
        let mut tree = picture.library(&record.folder)?;
        let mut parent = reading.root.clone();
        let mut tops = Vec::new();
        for (depth, name) in names.iter().enumerate() {
            let loaded = task.run.repository.load_tree(&tree).await?;
            let node = loaded.get(name).cloned();
            let node = node.ok_or_else(|| unreadable("The item", "it is not in the snapshot"))?;
            let is_chosen = depth + 1 == names.len();
            let (mut item, subtree) = reading.item(&parent, node).await?;
            parent = item.id.clone();
            if is_chosen {
                item.parent = receiver.last().unwrap_or(&reading.root).clone();
                tops.push(item.id.clone());
                reading.add(item);
                if let Some(subtree) = subtree {
                    reading.add_below(parent.clone(), subtree).await?;
                }
            } else {
                tree = subtree.ok_or_else(|| unreadable("The item", "its folder is a file"))?;
                if !is_new {
                    receiver.push(item.id.clone());
                    reading.add(item);
                }
            }
        }
        if names.is_empty() {
            let place = receiver.last().unwrap_or(&reading.root).clone();
            reading.add_below(place.clone(), tree).await?;
            tops = reading.children.get(&place).cloned().unwrap_or_default();
        }
        let name = |top: ItemId| (top.clone(), reading.pictures.target[&top].name.clone());
        let tops = tops.into_iter().map(name).collect();
        Ok(Self {
            record,
            conflicts: if is_new { ConflictBehavior::Rename } else { session.conflict_behavior },
            keeps_permissions: session.keeps_item_permissions,
            pictures: reading.pictures,
            children: reading.children,
            drive,
            receiver,
            tops,
            is_single: !names.is_empty(),
            failures: Vec::new(),
            found_tops: HashMap::new(),
            is_anything_there: false,
        })
    }

    async fn restore(&mut self, task: &mut RestoreTask<'_>) -> Result<(), JobError> {
        let mut written: HashSet<ItemId> = HashSet::new();
        for pass in 0..=PASSES {
            let (plan, conflicts) = self.look(task, &written).await?;
            if plan.is_empty() || pass == PASSES {
                let listed: HashSet<String> =
                    self.failures.iter().map(|known| known.path.clone()).collect();
                if plan.is_empty() {
                    self.failures.clear();
                }
                let remaining =
                    super::new_site::remaining(&self.pictures, &plan, &self.record.name);
                self.failures
                    .extend(remaining.into_iter().filter(|left| !listed.contains(&left.path)));
                self.failures.extend(conflicts);
                return Ok(());
            }
            task.save_progress().await?;
            let files: Vec<ItemId> = plan.files.iter().map(|step| step.target.clone()).collect();
            let run = &task.run;
            let (items, bytes) = plan.totals(&self.pictures);
            run.shared.observer.observe(run.unit, Progress::Planned { items, bytes });
            let destination = Destination {
                shared: run.shared,
                keeper: run.keeper,
                connector: &*run.connector,
                repository: &run.repository,
                unit: run.unit,
                drive: &self.drive.id,
                library: &self.record.name,
                is_units_own: true,
                taken_names: TakenNames::Keep,
            };
            self.failures = apply(&destination, &self.pictures, plan).await?;
            let failed: HashSet<&str> =
                self.failures.iter().map(|failure| failure.path.as_str()).collect();
            let done = files.into_iter().filter(|file| !failed.contains(&*self.path(file)));
            written.extend(done);
        }
        Ok(())
    }

    /// Compares what is there with what is wanted: the steps that are left, and the items that stand in the way. `written`:
    /// what this attempt wrote already; it cannot stand in its own way.
    async fn look(
        &mut self,
        task: &mut RestoreTask<'_>,
        written: &HashSet<ItemId>,
    ) -> Result<(Plan, Vec<ItemFailure>), JobError> {
        let mut looking = Looking {
            plan: Plan::default(),
            conflicts: Vec::new(),
            is_there: false,
            written,
            next: Vec::new(),
        };
        looking.plan.places.insert(self.drive.root.clone(), self.drive.root.clone());
        let mut place = Some(self.drive.root.clone());
        let mut is_own = false;
        for folder in self.receiver.clone() {
            let live =
                self.live_children(task, place.as_ref(), std::slice::from_ref(&folder)).await?;
            let live = live.get(&fold(&self.pictures.target[&folder].name));
            (place, is_own) =
                match self.fit_folder(&mut looking, &mut task.progress, &folder, live, is_own) {
                    Fit::Blocked => return Ok((looking.plan, looking.conflicts)),
                    Fit::There(live, is_own) => (Some(live), is_own),
                    Fit::Made => (None, true),
                };
        }
        let tops: Vec<ItemId> = self.tops.iter().map(|(top, _)| top.clone()).collect();
        let mut live = self.live_children(task, place.as_ref(), &tops).await?;
        if self.conflicts == ConflictBehavior::Rename {
            self.choose_names(task, place.as_ref(), &mut live, written).await?;
        }
        self.found_tops.clear();
        for top in tops {
            let name = fold(&self.pictures.target[&top].name);
            self.fit(&mut looking, &mut task.progress, &top, live.get(&name), is_own);
            if let Some(found) = live.get(&name) {
                self.found_tops.insert(top, found.id.clone());
            }
        }
        while let Some((folder, place, is_own)) = looking.next.pop() {
            let children = self.children.get(&folder).cloned().unwrap_or_default();
            let live = self.live_children(task, place.as_ref(), &children).await?;
            for child in children {
                let name = fold(&self.pictures.target[&child].name);
                self.fit(&mut looking, &mut task.progress, &child, live.get(&name), is_own);
            }
        }
        looking.plan.folder_times.reverse();
        self.is_anything_there = looking.is_there;
        Ok((looking.plan, looking.conflicts))
    }

    /// The live items with the names of `targets`, by folded name.
    async fn live_children(
        &self,
        task: &RestoreTask<'_>,
        place: Option<&ItemId>,
        targets: &[ItemId],
    ) -> Result<HashMap<String, DriveItem>, JobError> {
        let (Some(place), false) = (place, targets.is_empty()) else { return Ok(HashMap::new()) };
        let (connector, drive) = (&*task.run.connector, &self.drive.id);
        task.run.keeper.lease()?;
        let mut found = Vec::new();
        if targets.len() <= LOOKUPS {
            for target in targets {
                let name = &self.pictures.target[target].name;
                found.extend(connector.child(drive, place, name).await?);
            }
        } else {
            found = connector.children(drive, place).await?;
        }
        Ok(found.into_iter().map(|item| (fold(&item.name), item)).collect())
    }

    /// Gives every chosen item whose name is taken another one, and notes all names before anything is written: what has
    /// a noted name is ours, unless it is a file that somebody made before we could.
    async fn choose_names(
        &mut self,
        task: &mut RestoreTask<'_>,
        place: Option<&ItemId>,
        live: &mut HashMap<String, DriveItem>,
        written: &HashSet<ItemId>,
    ) -> Result<(), JobError> {
        let noted = task.progress.chosen_names.iter();
        let mut owners: HashMap<String, String> =
            noted.map(|(note, name)| (fold(name), note.clone())).collect();
        for (top, original) in self.tops.clone() {
            let note = format!("{}/{top}", self.record.drive_id);
            let target = &self.pictures.target[&top];
            let mut names = Names { live, place, looked_up: fold(&target.name) };
            let is_ours = |occupant: Option<DriveItem>| {
                occupant.is_none_or(|occupant| has_content(target, &occupant))
            };
            let mut chosen = None;
            if let Some(noted) = task.progress.chosen_names.get(&note).cloned() {
                let occupant = names.occupant(task, &self.drive.id, &noted).await?;
                let is_file = matches!(target.kind, TargetKind::File { .. });
                if !is_file || written.contains(&top) || is_ours(occupant) {
                    chosen = Some(noted);
                }
            }
            let mut number = 0;
            while chosen.is_none() {
                let name = numbered(&original, number, &target.kind);
                let occupant = names.occupant(task, &self.drive.id, &name).await?;
                let is_noted = owners.get(&fold(&name)).is_some_and(|owner| *owner != note);
                let is_free = if occupant.is_none() { !is_noted } else { is_ours(occupant) };
                if is_free {
                    chosen = Some(name);
                } else if number == NAMES {
                    return Err(JobError::give_up(
                        "ArtifactCannotBeRestored",
                        format!("All {NAMES} names for the restored item are taken."),
                    ));
                }
                number += 1;
            }
            if let (Some(chosen), Some(target)) = (chosen, self.pictures.target.get_mut(&top)) {
                owners.insert(fold(&chosen), note.clone());
                task.progress.chosen_names.insert(note, chosen.clone());
                target.name = chosen;
            }
        }
        Ok(())
    }

    /// Adds what one item needs.
    fn fit(
        &self,
        looking: &mut Looking<'_>,
        progress: &mut super::RestoreProgress,
        id: &ItemId,
        live: Option<&DriveItem>,
        is_own: bool,
    ) {
        let target = &self.pictures.target[id];
        if matches!(target.kind, TargetKind::Folder) {
            match self.fit_folder(looking, progress, id, live, is_own) {
                Fit::Blocked => {}
                Fit::There(live, is_own) => looking.next.push((id.clone(), Some(live), is_own)),
                Fit::Made => looking.next.push((id.clone(), None, true)),
            }
            return;
        }
        let step = |live: Option<ItemId>| Step {
            target: id.clone(),
            live,
            moves: false,
            writes: true,
            times: false,
        };
        match live {
            None => {
                looking.plan.files.push(step(None));
                self.add_permissions(looking, target, None);
            }
            Some(live) if has_content(target, live) => looking.is_there = true,
            Some(_) if looking.written.contains(id) => looking.conflicts.push(self.failure(
                id,
                "notEqual",
                "The item differs from the restore point after the restore.",
            )),
            Some(live)
                if self.conflicts == ConflictBehavior::Replace
                    && matches!(live.facts, ItemFacts::File(_)) =>
            {
                looking.plan.files.push(step(Some(live.id.clone())));
                self.add_permissions(looking, target, Some(&live.id));
            }
            Some(_) => looking.conflicts.push(self.taken(id)),
        }
    }

    fn fit_folder(
        &self,
        looking: &mut Looking<'_>,
        progress: &mut super::RestoreProgress,
        id: &ItemId,
        live: Option<&DriveItem>,
        is_own: bool,
    ) -> Fit {
        let target = &self.pictures.target[id];
        let note = format!("{}/{id}", self.record.drive_id);
        match live {
            None => {
                looking.plan.folders.push(Step {
                    target: id.clone(),
                    live: None,
                    moves: false,
                    writes: true,
                    times: false,
                });
                looking.plan.folder_times.push((id.clone(), target.times));
                self.add_permissions(looking, target, None);
                if !is_own {
                    progress.made_folders.insert(note);
                }
                Fit::Made
            }
            Some(live) if live.facts == ItemFacts::Folder => {
                let is_own = is_own || progress.made_folders.contains(&note);
                looking.plan.places.insert(id.clone(), live.id.clone());
                if is_own {
                    looking.is_there = true;
                    if seconds(live.times) != seconds(target.times) {
                        looking.plan.folder_times.push((id.clone(), target.times));
                    }
                }
                Fit::There(live.id.clone(), is_own)
            }
            Some(_) => {
                looking.conflicts.push(self.taken(id));
                Fit::Blocked
            }
        }
    }

    fn add_permissions(
        &self,
        looking: &mut Looking<'_>,
        target: &TargetItem,
        live: Option<&ItemId>,
    ) {
        if self.keeps_permissions && target.permissions.is_some() {
            looking
                .plan
                .permissions
                .push(PermissionStep { target: target.id.clone(), live: live.cloned() });
        }
    }

    fn taken(&self, id: &ItemId) -> ItemFailure {
        self.failure(id, "nameAlreadyExists", "Another item has this name.")
    }

    fn failure(&self, id: &ItemId, code: &str, message: &str) -> ItemFailure {
        ItemFailure { path: self.path(id), code: code.to_owned(), message: message.to_owned() }
    }

    /// As failures name it.
    fn path(&self, id: &ItemId) -> String {
        format!("{}/{}", self.record.name, target_path(&self.pictures, id))
    }

    fn outcome(self) -> PartOutcome {
        let name = |id: &ItemId| self.pictures.target[id].name.clone();
        let mut receiver: Vec<String> = self.receiver.iter().map(name).collect();
        let mut item = None;
        if self.is_single {
            item = self
                .tops
                .first()
                .and_then(|(top, _)| Some((name(top), self.found_tops.get(top)?.clone())));
        } else if receiver.len() > 1 {
            // The folder of the library is the item.
            receiver.truncate(1);
        }
        PartOutcome { is_anything_there: self.is_anything_there, drive: self.drive, receiver, item }
    }
}

/// A look at what is there.
struct Looking<'w> {
    plan: Plan,
    conflicts: Vec<ItemFailure>,
    /// Something that was wanted is there.
    is_there: bool,
    /// Files that this attempt wrote.
    written: &'w HashSet<ItemId>,
    /// Folders to look into, with their place and whether they are ours.
    next: Vec<(ItemId, Option<ItemId>, bool)>,
}

/// How a wanted folder fits what is there.
enum Fit {
    /// Something else has its name.
    Blocked,
    /// With its live id; `true` when it is ours.
    There(ItemId, bool),
    /// It will be made.
    Made,
}

fn has_content(target: &TargetItem, live: &DriveItem) -> bool {
    matches!(
        (&target.kind, &live.facts),
        (TargetKind::File { size, quick_xor_hash, .. }, ItemFacts::File(facts))
            if *size == facts.size
                && (*size == 0 || !quick_xor_hash.is_empty() && facts.quick_xor_hash.as_ref() == Some(quick_xor_hash))
    )
}

fn seconds(times: Times) -> (i64, i64) {
    (times.created.unix_seconds(), times.modified.unix_seconds())
}

/// When the session was started: the same for all its artifacts and attempts.
fn session_times(session: &RestoreSession, task: &RestoreTask<'_>) -> Times {
    let at = match session.state {
        RestoreState::Activating { requested_at: at }
        | RestoreState::Active { started_at: at }
        | RestoreState::Ended { ended_at: at, .. } => at,
        RestoreState::Draft => task.artifact.created_at,
    };
    Times { created: at, modified: at }
}

fn dated_name(times: Times) -> String {
    format!("Restored Items {}", jiff_time(times.created).strftime("%Y-%m-%d %H-%M-%S"))
}
