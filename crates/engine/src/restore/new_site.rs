//! Restores a site or drive to a new site, named after the original: `…R0`, `…R1` and so on, read-only in the end.

use std::collections::{BTreeSet, HashSet};

use holdfast_connector::{ConnectorError, Drive, NewSite, Site};
use holdfast_domain::{RestorePoint, RestoredSite};
use holdfast_store::ItemFailure;

use super::apply::{Destination, TakenNames, apply};
use super::compare::{Live, Roots, compare, list_library};
use super::in_place::{left_alone_failure, library_failure};
use super::plan::{Pictures, Plan, fold, live_path, plan, target_path};
use super::source::{PermissionReader, Picture};
use super::{PASSES, RestoreTask, Restored, RestoredTo};
use crate::backup::layout::LibraryRecord;
use crate::error::JobError;
use crate::observer::Progress;

/// Names tried before old copies must be cleaned up.
const NEW_SITES: u32 = 1000;

pub(crate) async fn restore_to_new_site(
    mut task: RestoreTask<'_>,
    point: &RestorePoint,
) -> Result<Restored, JobError> {
    let picture = Picture::open(&task.run.repository, point).await?;
    let site = make_site(&mut task, &picture).await?;
    let run = &task.run;
    // A killed attempt may have locked it already. A tenant that cannot lock cannot unlock either.
    match run.connector.lock_site(&site.id, false).await {
        Ok(()) | Err(ConnectorError::NotSupported(_) | ConnectorError::AccessDenied) => {}
        Err(error) => return Err(error.into()),
    }
    let mut failures = Vec::new();
    let libraries = make_libraries(&task, &picture, &site, &mut failures).await?;
    let gaps = run.shared.store.read().await?.gaps(task.artifact.tenant, point.id).await?;
    for (record, drive) in &libraries {
        failures.extend(restore_library(&task, &picture, record, drive).await?);
        for gap in gaps.iter().filter(|gap| gap.drive == record.drive_id) {
            let why = if gap.stale { "olderVersionRestored" } else { "gapInRestorePoint" };
            failures.push(left_alone_failure(record, why, &gap.path));
        }
    }
    match run.connector.lock_site(&site.id, true).await {
        Ok(()) => {}
        Err(error @ ConnectorError::Unavailable { .. }) => return Err(error.into()),
        Err(error) => failures.push(ItemFailure {
            path: String::new(),
            code: "siteNotLocked".to_owned(),
            message: format!("The new site could not be made read-only: {error}."),
        }),
    }
    let site = RestoredSite { id: site.id, name: site.display_name, web_url: site.web_url };
    Ok(Restored { to: Some(RestoredTo::Site(site)), failures })
}

/// The site whose path an earlier attempt noted, or one at the first free path. The path is noted before the site is
/// made, so that a kill between the two leaves no second site; it is taken before, so that no other restore notes it, however long
/// the tenant refuses to make the site.
async fn make_site(task: &mut RestoreTask<'_>, picture: &Picture) -> Result<Site, JobError> {
    let (host, stem) = picture.record.host_and_stem_of_new_site();
    let connector = task.run.connector.clone();
    if task.progress.new_site_path.is_none() {
        for number in 0..NEW_SITES {
            let path = format!("{stem}R{number}");
            // Taken before it is looked for: another restore that took it and ended has made its site.
            if take_address(task, &format!("{host}{path}")).await?
                && connector.site_by_path(&host, &path).await?.is_none()
            {
                task.progress.new_site_path = Some(path);
                break;
            }
        }
        if task.progress.new_site_path.is_none() {
            return Err(JobError::give_up(
                "ArtifactCannotBeRestored",
                format!("All {NEW_SITES} names for a new site are taken."),
            ));
        }
        task.save_progress().await?;
    }
    let path = task.progress.new_site_path.clone().expect("noted above");
    if let Some(site) = connector.site_by_path(&host, &path).await? {
        return Ok(site);
    }
    task.run.keeper.lease()?;
    let number = path.rsplit('R').next().unwrap_or_default().to_owned();
    let display_name = format!("{} R{number}", picture.record.site_display_name);
    Ok(connector.create_site(NewSite { host, path, display_name }).await?)
}

async fn take_address(task: &RestoreTask<'_>, address: &str) -> Result<bool, JobError> {
    let artifact = task.artifact;
    let mut tx = task.run.shared.store.begin().await?;
    tx.guard(task.run.keeper.lease()?).await?;
    let is_taken = tx.take_new_site(artifact.tenant, artifact.id, address).await?;
    tx.commit().await?;
    Ok(is_taken)
}

/// The new site's libraries, one for each of the point's, and no other.
async fn make_libraries(
    task: &RestoreTask<'_>,
    picture: &Picture,
    site: &Site,
    failures: &mut Vec<ItemFailure>,
) -> Result<Vec<(LibraryRecord, Drive)>, JobError> {
    let connector = &*task.run.connector;
    let mut present = connector.drives(&site.id).await?;
    let mut libraries = Vec::new();
    for record in &picture.record.libraries {
        let found = present.iter().position(|drive| {
            // A new site's own library takes what was in a drive.
            fold(&drive.name) == fold(&record.name) || picture.record.owner.is_some()
        });
        let made = match found {
            Some(position) => Ok(present.swap_remove(position)),
            None => connector.create_library(&site.id, &record.name).await,
        };
        match made {
            Ok(drive) => libraries.push((record.clone(), drive)),
            Err(error) => failures.push(library_failure(&record.name, &error)?),
        }
    }
    for extra in present {
        if let Err(error) = connector.delete_library(&site.id, &extra.id).await {
            failures.push(library_failure(&extra.name, &error)?);
        }
    }
    Ok(libraries)
}

async fn restore_library(
    task: &RestoreTask<'_>,
    picture: &Picture,
    record: &LibraryRecord,
    drive: &Drive,
) -> Result<Vec<ItemFailure>, JobError> {
    let run = &task.run;
    let mut failed = Vec::new();
    for _ in 0..PASSES {
        let (pictures, plan) = plan_library(task, picture, record, drive).await?;
        if plan.is_empty() {
            return Ok(Vec::new());
        }
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
            is_units_own: false,
            taken_names: TakenNames::Replace,
        };
        failed = apply(&destination, &pictures, plan).await?;
    }
    let (pictures, plan) = plan_library(task, picture, record, drive).await?;
    let remaining = remaining(&pictures, &plan, &record.name)
        .into_iter()
        .filter(|failure| !failed.iter().any(|known| known.path == failure.path))
        .collect::<Vec<_>>();
    failed.extend(remaining);
    Ok(failed)
}

async fn plan_library(
    task: &RestoreTask<'_>,
    picture: &Picture,
    record: &LibraryRecord,
    drive: &Drive,
) -> Result<(Pictures, Plan), JobError> {
    let run = &task.run;
    let live = Live::Listed(list_library(&*run.connector, &drive.id).await?);
    let mut permissions = PermissionReader::open(&run.repository, picture, &record.folder).await?;
    let roots = Roots {
        drive: drive.id.clone(),
        root: drive.root.clone(),
        target_root_id: record.root_item_id.clone(),
        target_tree: picture.library(&record.folder)?,
        live_tree: None,
        incomplete: HashSet::new(),
    };
    let pictures = compare(&run.repository, &mut permissions, &live, &roots).await?;
    let plan = plan(&pictures, &drive.root, &HashSet::new());
    Ok((pictures, plan))
}

/// What a plan would still do, as failures: after the last pass nothing should be left.
pub(super) fn remaining(pictures: &Pictures, plan: &Plan, library: &str) -> Vec<ItemFailure> {
    let targets = plan.folders.iter().chain(&plan.files).map(|step| &step.target);
    let targets = targets
        .chain(plan.folder_times.iter().map(|(target, _)| target))
        .chain(plan.permissions.iter().map(|step| &step.target));
    let mut paths: BTreeSet<String> = targets.map(|target| target_path(pictures, target)).collect();
    paths.extend(
        plan.delete_first.iter().chain(&plan.delete_last).map(|live| live_path(pictures, live)),
    );
    paths
        .into_iter()
        .map(|path| ItemFailure {
            path: format!("{library}/{path}"),
            code: "notEqual".to_owned(),
            message: "The item differs from the restore point after the restore.".to_owned(),
        })
        .collect()
}
