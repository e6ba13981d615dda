//! One repetition of ours: import, first backup, runs without a change, one per cent changed, restore to a new site.

use std::path::Path;

use super::data::{Document, one_per_cent};
use super::engine_log::{jobs, wait_for_job};
use super::{Measured, median};
use crate::backup_api::{self, Destination, wait_for};
use crate::dev_server::{DevOptions, DevServer};
use crate::graph::{Graph, encoded};
use crate::memory::{peak_mb, reset_peak};

/// Long enough for all changes to fall between two backups.
const INTERVAL_SECONDS: u64 = 4;
const UNCHANGED_RUNS: usize = 3;

pub(super) fn measure(
    binary: &Path,
    source: &Path,
    files: &[Document],
) -> anyhow::Result<Measured> {
    let data = tempfile::Builder::new().prefix("holdfast-bench-data-").tempdir()?;
    let server = DevServer::start(&DevOptions {
        binary: binary.to_owned(),
        data: data.path().to_owned(),
        backup_interval_seconds: INTERVAL_SECONDS,
        import: Some(source.to_owned()),
    })?;
    let graph = Graph::sign_in(&server)?;
    let process = server.process_id();

    reset_peak(process)?;
    let start = server.log_length()?;
    let unit = backup_api::protect(&graph, server.variable("SITE_ID")?)?;
    let first = wait_for_job(&server, start, "protectUnit", |_| true)?;
    let first_backup_mb = peak_mb(process);

    let from = server.log_length()?;
    let unchanged = wait_for("backups without a change", || {
        let runs = jobs(&server, from, "backUpUnit")?;
        Ok((runs.len() >= UNCHANGED_RUNS).then_some(runs))
    })?;

    // Right after a backup there is time for all changes before the next.
    let from = server.log_length()?;
    let drive = server.variable("DRIVE_ID")?;
    for (file, content) in one_per_cent(files) {
        let path: Vec<String> = file.path.split('/').map(encoded).collect();
        graph
            .put_content(&format!("/drives/{drive}/root:/{}:/content", path.join("/")), content)?;
    }
    let changed = wait_for_job(&server, from, "backUpUnit", |job| job.made_point)?;

    let newest = backup_api::points(&graph, &unit)?.swap_remove(0);
    reset_peak(process)?;
    let from = server.log_length()?;
    let session = backup_api::restore(&graph, &newest.id, Destination::New)?;
    let restore = wait_for_job(&server, from, "restoreArtifact", |_| true)?;
    let restore_mb = peak_mb(process);
    backup_api::wait_until_restored(&graph, &session)?;
    Ok(Measured {
        first_backup_seconds: first.seconds,
        first_backup_mb,
        unchanged_seconds: median(unchanged.iter().map(|job| job.seconds)),
        changed_seconds: changed.seconds,
        restore_seconds: restore.seconds,
        restore_mb,
    })
}
