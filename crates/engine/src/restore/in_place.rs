//! Rolls a site or drive back to a restore point.

use std::collections::{BTreeMap, HashMap, HashSet};

use holdfast_connector::{ConnectorError, Drive};
use holdfast_domain::{Gap, ItemId, RestorePoint, RestoredSite};
use holdfast_repository::BlobId;
use holdfast_store::{ItemFailure, ItemKind};

use super::apply::{Destination, TakenNames, apply};
use super::compare::{Live, Roots, compare, folders_with_gaps, gaps_of};
use super::plan::{Pictures, Plan, fold, plan};
use super::source::{PermissionReader, Picture};
use super::{PASSES, RestoreTask, Restored, RestoredTo};
use crate::backup::back_up;
use crate::backup::layout::LibraryRecord;
use crate::error::JobError;
use crate::observer::Progress;
use crate::resource::Resource;

pub(crate) async fn restore_in_place(
    mut task: RestoreTask<'_>,
    point: &RestorePoint,
) -> Result<Restored, JobError> {
    save_present(&task).await?;
    if !task.progress.is_saved {
        task.progress.is_saved = true;
        task.save_progress().await?;
    }
    let run = &task.run;
    let picture = Picture::open(&run.repository, point).await?;
    let gaps = run.shared.store.read().await?.gaps(task.artifact.tenant, point.id).await?;
    // Of all passes: what a later one finds equal, it does not look into.
    let mut left_alone: BTreeMap<ItemId, ItemFailure> = BTreeMap::new();
    let mut failures = Vec::new();
    for pass in 1..=PASSES {
        let mut outstanding = Outstanding::default();
        let libraries = match_libraries(&task, &picture, &mut outstanding).await?;
        for (record, drive) in &libraries {
            let (pictures, plan) = plan_library(&task, &picture, &gaps, record, drive).await?;
            for left in &plan.left_alone {
                let failure = left_alone_failure(record, left.why, &left.path);
                left_alone.entry(left.item.clone()).or_insert(failure);
            }
            if plan.is_empty() {
                continue;
            }
            outstanding.is_equal = false;
            let (items, bytes) = plan.totals(&pictures);
            run.shared.observer.observe(run.unit, Progress::Planned { items, bytes });
            let destination = Destination {
                shared: run.shared,
                keeper: run.keeper,
                connector: &*run.connector,
                repository: &run.repository,
                unit: run.unit,
                drive: &drive.id,
                library: &record.name,
                is_units_own: true,
                taken_names: TakenNames::Replace,
            };
            outstanding.failed.extend(apply(&destination, &pictures, plan).await?);
        }
        if outstanding.is_equal {
            break;
        }
        save_present(&task).await?;
        if pass == PASSES {
            failures = outstanding.failed;
            let listed: HashSet<String> = failures
                .iter()
                .chain(left_alone.values())
                .map(|known| known.path.clone())
                .collect();
            failures.extend(differences(&task, &picture, &gaps, &listed).await?);
        }
    }
    // A gap is listed even where nothing had to be done around it.
    for gap in &gaps {
        let Some(record) =
            picture.record.libraries.iter().find(|record| record.drive_id == gap.drive)
        else {
            continue;
        };
        left_alone
            .entry(ItemId::new(gap.item.clone()))
            .or_insert_with(|| left_alone_failure(record, "gapInRestorePoint", &gap.path));
    }
    failures.splice(0..0, left_alone.into_values());
    let site = RestoredSite {
        id: run.resource.site().id.clone(),
        name: run.resource.display_name().to_owned(),
        web_url: run.resource.site().web_url.clone(),
    };
    Ok(Restored { to: Some(RestoredTo::Site(site)), failures })
}

/// A backup of the site as it is now: a point to come back to, and the live picture for the plan.
pub(super) async fn save_present(task: &RestoreTask<'_>) -> Result<(), JobError> {
    let finished = back_up(&task.run, false).await?;
    Ok(finished.tx.commit().await?)
}

/// What one pass found.
struct Outstanding {
    is_equal: bool,
    failed: Vec<ItemFailure>,
}

impl Default for Outstanding {
    fn default() -> Self {
        Self { is_equal: true, failed: Vec::new() }
    }
}

/// `path` is the item's in the library, `why` one of [`super::plan::LeftAlone`]'s reasons.
pub(super) fn left_alone_failure(record: &LibraryRecord, why: &str, path: &str) -> ItemFailure {
    let message = match why {
        "olderVersionRestored" => "The restore point has an older version only; it was restored.",
        "nameOfGapInRestorePoint" => {
            "An item that the restore point could not read has this name; it was left as it is."
        }
        _ => "The restore point lacks this item as it was then.",
    };
    ItemFailure {
        path: format!("{}/{path}", record.name),
        code: why.to_owned(),
        message: message.to_owned(),
    }
}

/// The point's libraries with the live ones that are, or become, theirs. Live ones that the point does not have go.
async fn match_libraries(
    task: &RestoreTask<'_>,
    picture: &Picture,
    outstanding: &mut Outstanding,
) -> Result<Vec<(LibraryRecord, Drive)>, JobError> {
    let run = &task.run;
    let mut live = run.resource.drives(&*run.connector).await?;
    let site = match &run.resource {
        Resource::Site(site) => site,
        // A user has one drive, whatever its name and id are now.
        Resource::Drive(_) => {
            return Ok(picture.record.libraries.iter().cloned().zip(live).collect());
        }
    };
    let mut matched = Vec::new();
    let mut missing = Vec::new();
    for record in &picture.record.libraries {
        match live.iter().position(|drive| drive.id.as_str() == record.drive_id) {
            Some(position) => matched.push((record.clone(), live.swap_remove(position))),
            None => missing.push(record),
        }
    }
    for record in missing {
        match live.iter().position(|drive| fold(&drive.name) == fold(&record.name)) {
            Some(position) => matched.push((record.clone(), live.swap_remove(position))),
            None => {
                outstanding.is_equal = false;
                run.keeper.lease()?;
                match run.connector.create_library(&site.id, &record.name).await {
                    Ok(drive) => matched.push((record.clone(), drive)),
                    Err(error) => outstanding.failed.push(library_failure(&record.name, &error)?),
                }
            }
        }
    }
    for extra in live {
        outstanding.is_equal = false;
        run.keeper.lease()?;
        if let Err(error) = run.connector.delete_library(&site.id, &extra.id).await {
            outstanding.failed.push(library_failure(&extra.name, &error)?);
        }
    }
    Ok(matched)
}

pub(super) fn library_failure(name: &str, error: &ConnectorError) -> Result<ItemFailure, JobError> {
    if let ConnectorError::Unavailable { reason, retry_after } = error {
        return Err(JobError::Retry { reason: reason.clone(), after: *retry_after });
    }
    Ok(ItemFailure {
        path: name.to_owned(),
        code: error.code().to_owned(),
        message: error.to_string(),
    })
}

async fn plan_library(
    task: &RestoreTask<'_>,
    picture: &Picture,
    gaps: &[Gap],
    record: &LibraryRecord,
    drive: &Drive,
) -> Result<(Pictures, Plan), JobError> {
    let run = &task.run;
    let published =
        run.shared.store.read().await?.published_item(run.unit, &drive.id, &drive.root).await?;
    let live_tree = match published.map(|root| root.kind) {
        Some(ItemKind::Folder { tree }) => tree,
        Some(ItemKind::File { .. }) | None => None,
    };
    // A library made a moment ago is in no catalogue yet: it is empty.
    let is_known = live_tree.is_some();
    let live = if is_known {
        Live::Catalogue { store: &*run.shared.store, unit: run.unit }
    } else {
        Live::Listed(HashMap::new())
    };
    let target_tree: BlobId = picture.library(&record.folder)?;
    let mut permissions = PermissionReader::open(&run.repository, picture, &record.folder).await?;
    let roots = Roots {
        drive: drive.id.clone(),
        root: drive.root.clone(),
        target_root_id: record.root_item_id.clone(),
        target_tree,
        live_tree,
        incomplete: folders_with_gaps(&*run.shared.store, run.unit, &drive.id).await?,
    };
    let pictures = compare(&run.repository, &mut permissions, &live, &roots).await?;
    let gaps: HashSet<_> = gaps_of(gaps, &record.drive_id);
    let plan = plan(&pictures, &drive.root, &gaps);
    Ok((pictures, plan))
}

/// What still differs after the last pass, beyond the failures that are listed already.
async fn differences(
    task: &RestoreTask<'_>,
    picture: &Picture,
    gaps: &[Gap],
    listed: &HashSet<String>,
) -> Result<Vec<ItemFailure>, JobError> {
    let mut found = Vec::new();
    let libraries = match_libraries(task, picture, &mut Outstanding::default()).await?;
    for (record, drive) in &libraries {
        let (pictures, plan) = plan_library(task, picture, gaps, record, drive).await?;
        found.extend(super::new_site::remaining(&pictures, &plan, &record.name));
    }
    found.retain(|failure| !listed.contains(&failure.path));
    Ok(found)
}
