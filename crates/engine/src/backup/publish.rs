//! The end of a run: trees, snapshot, and the transaction that makes it a restore point.

use holdfast_domain::{Gap, RestorePoint, RestorePointId, Timestamp};
use holdfast_repository::{BlobId, Node, Snapshot, SnapshotId, Tree, Writer};
use holdfast_store::{CatalogueDrive, FileContent, ItemKind, Publication};

use super::layout::{
    GAPS_FILE, GapRecord, HOLDFAST, LibraryRecord, PERMISSIONS, UNIT_FILE, UnitRecord, jiff_time,
};
use super::permissions::{store_file, write_permissions};
use super::trees::write_trees;
use super::{Finished, Run, RunDrive, strictly_after};
use crate::error::JobError;
use crate::restore::source::Picture;
use crate::writing::Writing;

pub(crate) async fn publish(
    run: &Run<'_>,
    writing: &Writing,
    published: &[CatalogueDrive],
    drives: Vec<RunDrive>,
    started_at: Timestamp,
) -> Result<Finished, JobError> {
    let record = UnitRecord::new(&run.resource, drives.iter().map(library_record).collect());
    let catalogue_drives: Vec<CatalogueDrive> = drives.iter().map(catalogue_drive).collect();
    let (changes, latest) = {
        let mut tx = run.shared.store.read().await?;
        (tx.staged_changes(run.unit).await?, tx.latest_restore_point(run.tenant, run.unit).await?)
    };
    let same_libraries = without_links(published) == without_links(&catalogue_drives);
    if changes == 0
        && same_libraries
        && let Some(latest) = &latest
        && is_same_site(run, latest, &record).await?
    {
        let tx = publish_rows(
            run,
            Publication { point: None, gaps: Vec::new(), drives: catalogue_drives },
        )
        .await?;
        return Ok(Finished { tx, point: None });
    }
    let protection_date_time = strictly_after(
        run.connector.now().await?,
        latest.as_ref().map(|point| point.protection_date_time),
    );
    let gaps = list_gaps(run).await?;
    let snapshot = write_snapshot(
        run,
        writing,
        &drives,
        &record,
        &gaps,
        latest.as_ref(),
        protection_date_time,
    )
    .await?;
    let unit = run.shared.store.read().await?.unit(run.tenant, run.unit).await?;
    let retention = unit.map(|row| row.value.retention).unwrap_or_default();
    let (items, size_bytes) = run.shared.store.read().await?.staged_totals(run.unit).await?;
    let point = RestorePoint {
        id: RestorePointId::new(run.unit, protection_date_time),
        tenant: run.tenant,
        unit: run.unit,
        protection_date_time,
        started_at,
        expires_at: retention.at(protection_date_time).window.expiry_of(protection_date_time),
        snapshot: snapshot.to_string(),
        items,
        size_bytes,
        gaps: gaps.len() as u64,
    };
    let tx = publish_rows(
        run,
        Publication { point: Some(point.clone()), gaps, drives: catalogue_drives },
    )
    .await?;
    Ok(Finished { tx, point: Some(point) })
}

async fn publish_rows(
    run: &Run<'_>,
    publication: Publication,
) -> Result<Box<dyn holdfast_store::Tx>, JobError> {
    let mut tx = run.shared.store.begin().await?;
    tx.publish(run.unit, run.keeper.lease()?, publication).await?;
    Ok(tx)
}

fn library_record(drive: &RunDrive) -> LibraryRecord {
    LibraryRecord {
        drive_id: drive.drive.id.to_string(),
        name: drive.drive.name.clone(),
        web_url: Some(drive.drive.web_url.clone()),
        folder: drive.folder.clone(),
        root_item_id: drive.drive.root.to_string(),
        delta_link: drive.delta_link.clone(),
    }
}

fn catalogue_drive(drive: &RunDrive) -> CatalogueDrive {
    let properties =
        serde_json::json!({"name": drive.drive.name, "rootItemId": drive.drive.root.as_str()})
            .to_string();
    CatalogueDrive {
        drive: drive.drive.id.clone(),
        folder: drive.folder.clone(),
        delta_link: drive.delta_link.clone(),
        properties,
    }
}

fn without_links(drives: &[CatalogueDrive]) -> Vec<CatalogueDrive> {
    let mut drives: Vec<CatalogueDrive> =
        drives.iter().map(|drive| CatalogueDrive { delta_link: None, ..drive.clone() }).collect();
    drives.sort_by(|left, right| left.drive.cmp(&right.drive));
    drives
}

/// A site that was renamed is a change, even when no item is.
async fn is_same_site(
    run: &Run<'_>,
    latest: &RestorePoint,
    record: &UnitRecord,
) -> Result<bool, JobError> {
    let unit = run.shared.store.read().await?.unit(run.tenant, run.unit).await?;
    let known = unit.map(|unit| (unit.value.name, unit.value.web_url));
    let (name, web_url) =
        (run.resource.display_name().to_owned(), run.resource.web_url().to_owned());
    if known == Some((Some(name), Some(web_url))) {
        return Ok(true);
    }
    let before = Picture::open(&run.repository, latest).await?.record;
    Ok((before.site_display_name, before.site_web_url)
        == (record.site_display_name.clone(), record.site_web_url.clone()))
}

async fn list_gaps(run: &Run<'_>) -> Result<Vec<Gap>, JobError> {
    let mut tx = run.shared.store.read().await?;
    let mut gaps = Vec::new();
    for item in tx.staged_gaps(run.unit).await? {
        let mut path = item.name.clone();
        let mut above = item.parent.clone();
        while let Some(parent) = above {
            let Some(folder) = tx.staged_item(run.unit, &item.drive, &parent).await? else { break };
            if folder.parent.is_some() {
                path = format!("{}/{path}", folder.name);
            }
            above = folder.parent;
        }
        let Some(gap) = item.gap else { continue };
        let stale = !matches!(item.kind, ItemKind::File { content: FileContent::Missing, .. });
        gaps.push(Gap {
            drive: item.drive.to_string(),
            item: item.item.to_string(),
            path,
            reason: gap.reason,
            since: gap.since,
            stale,
        });
    }
    Ok(gaps)
}

/// Writes the trees, makes everything durable, then saves the snapshot.
async fn write_snapshot(
    run: &Run<'_>,
    writing: &Writing,
    drives: &[RunDrive],
    record: &UnitRecord,
    gaps: &[Gap],
    latest: Option<&RestorePoint>,
    protection_date_time: Timestamp,
) -> Result<SnapshotId, JobError> {
    let time = jiff_time(protection_date_time);
    let writer = writing.writer().await?;
    let before = match latest {
        Some(point) => Some(Picture::open(&run.repository, point).await?),
        None => None,
    };
    let mut libraries = Vec::new();
    let mut permissions = Vec::new();
    for drive in drives {
        let trees = write_trees(run, writing, drive).await?;
        libraries.push(Node::directory(drive.folder.clone(), BlobId::from_bytes(trees.root), time));
        let before = before.as_ref().and_then(|before| before.permissions_of(&drive.folder));
        if let Some(tree) =
            write_permissions(&run.repository, &writer, before, trees.permissions, time).await?
        {
            permissions.push(Node::directory(drive.folder.clone(), tree, time));
        }
    }
    let content = nest(&writer, record.content_path(), libraries, time).await?;
    let mut ours = vec![store_file(&writer, UNIT_FILE.to_owned(), record, time).await?];
    let gap_records: Vec<GapRecord> = gaps.iter().map(GapRecord::from).collect();
    ours.push(store_file(&writer, GAPS_FILE.to_owned(), &gap_records, time).await?);
    if !permissions.is_empty() {
        ours.push(Node::directory(
            PERMISSIONS.to_owned(),
            store_tree(&writer, permissions).await?,
            time,
        ));
    }
    let ours = Node::directory(HOLDFAST.to_owned(), store_tree(&writer, ours).await?, time);
    let tree = store_tree(&writer, vec![content, ours]).await?;
    writer.finish().await?;
    let snapshot = Snapshot {
        time,
        parent: latest.and_then(|point| point.snapshot.parse().ok()),
        tree,
        paths: vec![format!("/{}", record.content_path().join("/"))],
        hostname: "holdfast".to_owned(),
        username: "holdfast".to_owned(),
        tags: vec![format!("unit-{}", run.unit)],
        program_version: Some(format!("holdfast {}", env!("CARGO_PKG_VERSION"))),
    };
    run.keeper.lease()?;
    Ok(run.repository.save_snapshot(&snapshot).await?)
}

/// `entries` below the folders of `path`, the outermost of which comes back.
async fn nest(
    writer: &Writer,
    mut path: Vec<String>,
    mut entries: Vec<Node>,
    time: jiff::Timestamp,
) -> Result<Node, JobError> {
    loop {
        let name = path.pop().expect("the path has at least its first folder");
        let node = Node::directory(name, store_tree(writer, entries).await?, time);
        if path.is_empty() {
            return Ok(node);
        }
        entries = vec![node];
    }
}

async fn store_tree(writer: &Writer, nodes: Vec<Node>) -> Result<BlobId, JobError> {
    let tree = Tree::from_unsorted(nodes).map_err(JobError::retry)?;
    Ok(writer.store_tree(&tree).await?)
}
