//! One data folder and its four rounds.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::edits::edit;
use super::verdict::{self, Recorded};
use crate::backup_api::{self, Destination};
use crate::dev_server::{DevOptions, DevServer};
use crate::graph::{Graph, text};
use crate::listing::{self, Listing};
use crate::random::Random;
use crate::stopwatch::Stopwatch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    FirstBackup,
    NextBackup,
    RestoreInPlace,
    RestoreToNewSite,
}

pub(super) const PHASES: [Phase; 4] =
    [Phase::FirstBackup, Phase::NextBackup, Phase::RestoreInPlace, Phase::RestoreToNewSite];

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FirstBackup => "first backup",
            Self::NextBackup => "next backup",
            Self::RestoreInPlace => "restore in place",
            Self::RestoreToNewSite => "restore to new site",
        }
    }
}

pub(super) struct Cycle {
    options: DevOptions,
    data: TempDir,
    server: DevServer,
    graph: Graph,
    site: String,
    drive: String,
    /// Known after the first round.
    unit: String,
    recorded: Vec<Recorded>,
    rounds: usize,
}

impl Cycle {
    /// A new data folder with the files imported.
    pub(super) fn start(binary: &Path, files: &Path) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("holdfast-kill-").tempdir()?;
        let mut options = DevOptions {
            binary: binary.to_owned(),
            data: data.path().to_owned(),
            backup_interval_seconds: 1,
            import: Some(files.to_owned()),
        };
        let server = DevServer::start(&options)?;
        options.import = None;
        let graph = Graph::sign_in(&server)?;
        let site = server.variable("SITE_ID")?.to_owned();
        let drive = server.variable("DRIVE_ID")?.to_owned();
        Ok(Self {
            options,
            data,
            server,
            graph,
            site,
            drive,
            unit: String::new(),
            recorded: Vec::new(),
            rounds: 0,
        })
    }

    /// What the next round does, and which of [`PHASES`] that is.
    pub(super) fn phase(&self) -> (Phase, usize) {
        (PHASES[self.rounds], self.rounds)
    }

    pub(super) fn is_over(&self) -> bool {
        self.rounds == PHASES.len()
    }

    /// Leaves the data folder for a person to look into.
    pub(super) fn keep_data(self) -> PathBuf {
        self.data.keep()
    }

    /// One round with a kill `kill_after` the phase began, or none. Gives the time from the phase's beginning to its end.
    pub(super) fn round(
        &mut self,
        number: u32,
        random: &mut Random,
        kill_after: Option<Duration>,
    ) -> anyhow::Result<Duration> {
        let (phase, index) = self.phase();
        let took = match phase {
            Phase::FirstBackup => self.first_backup(kill_after),
            Phase::NextBackup => self.next_backup(number, random, kill_after),
            Phase::RestoreInPlace => self.restore_in_place(number, random, kill_after),
            Phase::RestoreToNewSite => self.restore_to_new_site(random, kill_after),
        }?;
        let live = self.at_rest()?;
        // All bytes once in a cycle, and in every round a point restored by restic: the newest, or any recorded one.
        let read_data = phase == Phase::RestoreToNewSite;
        let sampled = match phase {
            Phase::FirstBackup | Phase::NextBackup => self.recorded.len() - 1,
            Phase::RestoreInPlace | Phase::RestoreToNewSite => random.below(self.recorded.len()),
        };
        verdict::names(&live)?;
        verdict::repository(
            &self.options,
            &self.unit,
            &backup_api::points(&self.graph, &self.unit)?,
            &self.recorded[sampled],
            read_data,
        )?;
        self.rounds = index + 1;
        Ok(took)
    }

    fn first_backup(&mut self, kill_after: Option<Duration>) -> anyhow::Result<Duration> {
        let before = self.list()?;
        let watch = Stopwatch::start();
        self.unit = backup_api::protect(&self.graph, &self.site)?;
        self.kill(watch, kill_after)?;
        backup_api::wait_until_protected(&self.graph, &self.unit)?;
        let took = watch.elapsed();
        verdict::same("the site after the kill", &before, &self.list()?)?;
        Ok(took)
    }

    fn next_backup(
        &mut self,
        number: u32,
        random: &mut Random,
        kill_after: Option<Duration>,
    ) -> anyhow::Result<Duration> {
        let before = self.list()?;
        edit(&self.graph, &self.drive, &before, random, number)?;
        backup_api::wait_for_backup(&self.server)?;
        let watch = Stopwatch::start();
        match kill_after {
            Some(_) => self.kill(watch, kill_after)?,
            None => backup_api::wait_for_end_of_backup(&self.server)?,
        }
        Ok(watch.elapsed())
    }

    fn restore_in_place(
        &mut self,
        number: u32,
        random: &mut Random,
        kill_after: Option<Duration>,
    ) -> anyhow::Result<Duration> {
        edit(&self.graph, &self.drive, &self.list()?, random, number)?;
        let wanted = self.recorded[random.below(self.recorded.len())].clone();
        let watch = Stopwatch::start();
        let session = backup_api::restore(&self.graph, &wanted.point.id, Destination::InPlace)?;
        self.kill(watch, kill_after)?;
        backup_api::wait_until_restored(&self.graph, &session)?;
        let took = watch.elapsed();
        verdict::same("the site restored in place", &wanted.listing, &self.list()?)?;
        Ok(took)
    }

    fn restore_to_new_site(
        &mut self,
        random: &mut Random,
        kill_after: Option<Duration>,
    ) -> anyhow::Result<Duration> {
        let before = self.list()?;
        let sites = self.count_sites()?;
        let wanted = self.recorded[random.below(self.recorded.len())].clone();
        let watch = Stopwatch::start();
        let session = backup_api::restore(&self.graph, &wanted.point.id, Destination::New)?;
        self.kill(watch, kill_after)?;
        let artifact = backup_api::wait_until_restored(&self.graph, &session)?;
        let took = watch.elapsed();
        let site = text(&artifact, "restoredSiteId")?;
        let drive = self.graph.get(&format!("/sites/{site}/drive"))?;
        let restored = listing::list(&self.graph, text(&drive, "id")?)?;
        verdict::same("the new site", &wanted.listing, &restored)?;
        verdict::names(&restored)?;
        verdict::same("the original after a restore elsewhere", &before, &self.list()?)?;
        let now = self.count_sites()?;
        if now != sites + 1 {
            bail!("one restore to a new site made {} of them", now - sites);
        }
        Ok(took)
    }

    /// Waits until the newest point shows the site as it is, and records it.
    fn at_rest(&mut self) -> anyhow::Result<Listing> {
        backup_api::settle(&self.server)?;
        let live = self.list()?;
        let points = backup_api::points(&self.graph, &self.unit)?;
        let newest = points.into_iter().next().context("there is no restore point")?;
        if self.recorded.iter().all(|recorded| recorded.point.id != newest.id) {
            self.recorded.push(Recorded { point: newest, listing: live.clone() });
        }
        Ok(live)
    }

    fn list(&self) -> anyhow::Result<Listing> {
        listing::list(&self.graph, &self.drive)
    }

    fn count_sites(&self) -> anyhow::Result<usize> {
        Ok(self.graph.list("/sites/getAllSites")?.values.len())
    }

    /// SIGKILL when that much has passed on the watch, and a new start on the same data folder.
    fn kill(&mut self, watch: Stopwatch, after: Option<Duration>) -> anyhow::Result<()> {
        let Some(after) = after else { return Ok(()) };
        thread::sleep(after.saturating_sub(watch.elapsed()));
        self.server.kill()?;
        self.server = DevServer::start(&self.options)?;
        self.graph = Graph::sign_in(&self.server)?;
        Ok(())
    }
}
