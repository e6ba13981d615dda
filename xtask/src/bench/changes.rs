//! A hundred changes among few items and among many: a run must cost what changed, not what is there.
//!
//! Both sites have a hundred files in each folder, and the changes fall on twenty folders, five in each.

use std::path::Path;

use tempfile::TempDir;

use super::data::{self, ITEMS_IN_FOLDER, small_file};
use super::engine_log::{jobs, wait_for_job};
use super::restic::{Repository, Took};
use super::{BenchOptions, median};
use crate::backup_api::{self, wait_for};
use crate::dev_server::{DevOptions, DevServer};
use crate::graph::{Graph, encoded};
use crate::memory::{peak_mb, reset_peak};
use crate::random::Random;

pub(super) const FEW: usize = 2000;
const FOLDERS: usize = 20;
const CHANGES_IN_FOLDER: usize = 5;
const INTERVAL_SECONDS: u64 = 4;
const ROUNDS: u64 = 5;

pub(super) struct Changes {
    /// Medians of the runs that saved a hundred changes.
    pub(super) few_seconds: f64,
    pub(super) many_seconds: f64,
    /// Runs without a change, among many items.
    pub(super) unchanged_seconds: f64,
    pub(super) first_backup: Took,
    pub(super) restic_first_backup: Took,
    pub(super) restic_unchanged: Took,
}

struct Site {
    server: DevServer,
    graph: Graph,
    items: usize,
    first_backup: Took,
    seconds: Vec<f64>,
    _data: TempDir,
}

pub(super) fn measure(options: &BenchOptions, binary: &Path) -> anyhow::Result<Changes> {
    let source = tempfile::Builder::new().prefix("holdfast-bench-few-").tempdir()?;
    data::small_files(source.path(), FEW)?;
    let mut few = Site::start(binary, source.path(), FEW)?;
    let source = tempfile::Builder::new().prefix("holdfast-bench-many-").tempdir()?;
    data::small_files(source.path(), options.items)?;
    let repository = Repository::init()?;
    let folder = source.path().display().to_string();
    let restic_first_backup = repository.run(&["backup", &folder])?;
    let restic_unchanged = repository.run(&["backup", &folder])?;
    let mut many = Site::start(binary, source.path(), options.items)?;
    let from = many.server.log_length()?;
    let unchanged = wait_for("backups without a change", || {
        let runs = jobs(&many.server, from, "backUpUnit")?;
        Ok((runs.len() >= 3).then_some(runs))
    })?;
    for round in 0..ROUNDS {
        few.change_a_hundred(round)?;
        many.change_a_hundred(round)?;
        println!("100 changes: {:.3?} s, {:.3?} s", few.seconds.last(), many.seconds.last());
    }
    Ok(Changes {
        few_seconds: median(few.seconds.into_iter()),
        many_seconds: median(many.seconds.into_iter()),
        unchanged_seconds: median(unchanged.iter().map(|job| job.seconds)),
        first_backup: many.first_backup,
        restic_first_backup,
        restic_unchanged,
    })
}

impl Site {
    fn start(binary: &Path, source: &Path, items: usize) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("holdfast-bench-data-").tempdir()?;
        let server = DevServer::start(&DevOptions {
            binary: binary.to_owned(),
            data: data.path().to_owned(),
            backup_interval_seconds: INTERVAL_SECONDS,
            import: Some(source.to_owned()),
        })?;
        let graph = Graph::sign_in(&server)?;
        reset_peak(server.process_id())?;
        let from = server.log_length()?;
        backup_api::protect(&graph, server.variable("SITE_ID")?)?;
        let first = wait_for_job(&server, from, "protectUnit", |_| true)?;
        let first_backup = Took { seconds: first.seconds, mb: peak_mb(server.process_id()) };
        println!(
            "first backup of {items} items: {:.1} s, {:.0} MB",
            first.seconds, first_backup.mb
        );
        Ok(Self { server, graph, items, first_backup, seconds: Vec::new(), _data: data })
    }

    /// Changes them right after a backup, so that the next has all of them.
    fn change_a_hundred(&mut self, round: u64) -> anyhow::Result<()> {
        backup_api::settle(&self.server)?;
        let from = self.server.log_length()?;
        let drive = self.server.variable("DRIVE_ID")?;
        let folders = self.items / ITEMS_IN_FOLDER;
        for place in 0..FOLDERS {
            let folder = place * folders / FOLDERS;
            for change in 0..CHANGES_IN_FOLDER {
                let number = folder * ITEMS_IN_FOLDER + change * 20 + round as usize;
                let path = small_file(number);
                let path: Vec<String> =
                    path.iter().map(|name| encoded(&name.to_string_lossy())).collect();
                let content = Random::new(round, number as u64).bytes(1000);
                let address = format!("/drives/{drive}/root:/{}:/content", path.join("/"));
                self.graph.put_content(&address, content)?;
            }
        }
        let run = wait_for_job(&self.server, from, "backUpUnit", |job| job.made_point)?;
        self.seconds.push(run.seconds);
        Ok(())
    }
}
