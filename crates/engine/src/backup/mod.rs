//! One backup of one site or drive: delta in, changed content and trees out, a restore point published.
//!
//! Order of writes: content, then trees, then the index (all in [`holdfast_repository::Writer::finish`]), then the
//! snapshot, then one metastore transaction that publishes the restore point's row, the catalogue's changes and the delta
//! links. Only the row publishes: whatever ends a run early leaves garbage and content hints, never a point.

mod content;
mod enumerate;
pub(crate) mod layout;
mod permissions;
mod publish;
mod trees;

use std::collections::HashSet;
use std::sync::Arc;

use holdfast_connector::{Connector, Drive};
use holdfast_domain::{DriveId, RestorePoint, TenantId, Timestamp, UnitId};
use holdfast_repository::Repository;
use holdfast_store::{CatalogueDrive, Tx};

use crate::Shared;
use crate::error::JobError;
use crate::lease::LeaseKeeper;
use crate::resource::Resource;
use crate::writing::Writing;

/// Enumerations are repeated until one brings nothing new, so that the point shows one moment; but not for ever.
const SETTLING_ROUNDS: u32 = 5;

/// The unit, and everything a run of it works with.
pub(crate) struct Run<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) keeper: &'a LeaseKeeper,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) repository: Repository,
    pub(crate) tenant: TenantId,
    pub(crate) unit: UnitId,
    pub(crate) resource: Resource,
}

/// A library in this run.
pub(crate) struct RunDrive {
    pub(crate) drive: Drive,
    /// Its folder in the snapshot.
    pub(crate) folder: String,
    pub(crate) delta_link: Option<String>,
}

/// A finished run whose transaction the caller commits, after adding what else belongs to it.
pub(crate) struct Finished {
    pub(crate) tx: Box<dyn Tx>,
    /// `None`: nothing changed.
    pub(crate) point: Option<RestorePoint>,
}

/// Backs the unit up. With `full`, every library is listed from the start.
pub(crate) async fn back_up(run: &Run<'_>, full: bool) -> Result<Finished, JobError> {
    let writing = Writing::new(run.repository.clone(), run.shared.clock.clone());
    let finished = back_up_with(run, full, &writing).await;
    // Whatever happened, our lock must not stay; a lock that cannot be removed dies by age.
    writing.release_lock().await;
    if finished.is_err() {
        run.shared.repositories.close(run.unit).await;
    }
    finished
}

async fn back_up_with(run: &Run<'_>, full: bool, writing: &Writing) -> Result<Finished, JobError> {
    let started_at = run.shared.clock.now();
    let mut from_the_start: HashSet<DriveId> = HashSet::new();
    let (published, drives) = loop {
        let published = begin(run).await?;
        let drives = list_drives(run, &published).await?;
        if full {
            from_the_start.extend(drives.iter().map(|drive| drive.drive.id.clone()));
        }
        match enumerate::enumerate(run, writing, drives, &published, &from_the_start).await? {
            enumerate::Enumerated::All(drives) => break (published, drives),
            // Staged so far may be of the time before: start over, this drive without its link.
            enumerate::Enumerated::ResyncRequired(drive) => {
                tracing::info!(unit = %run.unit, "a full enumeration, because the delta link expired");
                if !from_the_start.insert(drive) {
                    return Err(JobError::retry("the service refuses a full enumeration"));
                }
            }
        }
    };
    publish::publish(run, writing, &published, drives, started_at).await
}

async fn begin(run: &Run<'_>) -> Result<Vec<CatalogueDrive>, JobError> {
    let mut tx = run.shared.store.begin().await?;
    tx.begin_staging(run.unit, run.keeper.lease()?).await?;
    let published = tx.catalogue_drives(run.unit).await?;
    tx.commit().await?;
    Ok(published)
}

/// The libraries as they are now, each with a folder of its own in the snapshot.
async fn list_drives(
    run: &Run<'_>,
    published: &[CatalogueDrive],
) -> Result<Vec<RunDrive>, JobError> {
    let mut taken: HashSet<String> = HashSet::new();
    let mut drives = Vec::new();
    for drive in run.resource.drives(&*run.connector).await? {
        // A name is data: what cannot be one path component, or is taken, is told apart by a number.
        let plain = drive.name.replace(['/', '\0'], "_");
        let plain =
            if matches!(plain.as_str(), "" | "." | "..") { format!("_{plain}") } else { plain };
        let mut folder = plain.clone();
        let mut number = 1;
        while !taken.insert(folder.to_lowercase()) {
            number += 1;
            folder = format!("{plain} ({number})");
        }
        let delta_link = published
            .iter()
            .find(|known| known.drive == drive.id)
            .and_then(|known| known.delta_link.clone());
        drives.push(RunDrive { drive, folder, delta_link });
    }
    Ok(drives)
}

/// Strictly after every earlier point of the unit.
pub(crate) fn strictly_after(now: Timestamp, earlier: Option<Timestamp>) -> Timestamp {
    match earlier {
        Some(earlier) if now <= earlier => earlier.plus(std::time::Duration::from_micros(1)),
        Some(_) | None => now,
    }
}
