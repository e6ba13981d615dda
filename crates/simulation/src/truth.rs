//! The truth: every point is the site as it was, and a restore gives the point, whatever happened in between.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use holdfast_domain::{DriveId, RestorePoint};
use http::Method;
use serde_json::{Value, json};

use crate::edits::{Dice, Editor};
use crate::restic::restic;
use crate::state::SiteState;
use crate::world::{Objects, Protected, World, WorldOptions};

/// Points that are kept in mind to restore to.
const REMEMBERED: usize = 12;

/// How a walk goes.
#[derive(Debug, Clone, Copy)]
pub struct Walk {
    pub seed: u64,
    /// Edits, points, restores and so on together. A walk with fewer steps is the beginning of one with more.
    pub steps: u32,
    /// Repositories are in a folder, where restic judges the last state.
    pub in_folder: bool,
}

/// What a walk did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walked {
    pub edits: u32,
    /// Of the edits: those that the service refused, for example because a name was taken.
    pub refused: u32,
    pub points: u32,
    pub restores_in_place: u32,
    pub restores_to_new_sites: u32,
    pub restarts: u32,
    pub resyncs: u32,
    pub libraries_made: u32,
    pub libraries_deleted: u32,
}

struct Walker {
    world: World,
    protected: Protected,
    /// One for each library.
    editors: Vec<Editor>,
    /// What was done, for a person who looks for a bug.
    log: Vec<String>,
    dice: Dice,
    in_folder: bool,
    points: Vec<(RestorePoint, SiteState)>,
    new_sites: u32,
    done: Walked,
}

/// Walks.
///
/// # Errors
/// At the first thing that is not true, with the seed, the step and the last edits.
pub async fn walk(walk: Walk) -> anyhow::Result<Walked> {
    let mut options = WorldOptions::new(walk.seed);
    if walk.in_folder {
        options.objects = Objects::Folder;
    }
    let world = World::new(options).await?;
    let protected = world.protected("truth").await?;
    let mut walker = Walker {
        world,
        protected,
        editors: Vec::new(),
        log: Vec::new(),
        dice: Dice::new(walk.seed),
        in_folder: walk.in_folder,
        points: Vec::new(),
        new_sites: 0,
        done: Walked::default(),
    };
    walker.open_editors().await?;
    walker.check_point().await.context("the first point")?;
    for step in 1..=walk.steps {
        if let Err(error) = walker.step().await {
            let log = &walker.log;
            let last = log[log.len().saturating_sub(40)..].join("\n");
            return Err(
                error.context(format!("seed {}, step {step}; the last edits:\n{last}", walk.seed))
            );
        }
    }
    walker.finish().await?;
    Ok(walker.done)
}

impl Walker {
    async fn step(&mut self) -> anyhow::Result<()> {
        match self.dice.below(1000) {
            0..815 => self.edit().await,
            815..918 => self.check_point().await,
            918..972 => self.restore_in_place().await,
            972..977 => self.restore_to_new_site().await,
            977..984 => self.make_library().await,
            984..988 => self.delete_library().await,
            988..994 => {
                self.note("restart");
                self.done.restarts += 1;
                self.world.restart().await
            }
            _ => {
                self.note("the delta tokens expire");
                self.done.resyncs += 1;
                let drives = self.drives().await?;
                let drive = self.dice.pick(&drives).context("no library")?;
                Ok(self.world.tenant.expire_delta_tokens(&DriveId::new(id_of(drive)?))?)
            }
        }
    }

    async fn edit(&mut self) -> anyhow::Result<()> {
        self.world.clock.advance(Duration::from_millis(1_700));
        let chosen = if self.dice.chance(60) { 0 } else { self.dice.below(self.editors.len()) };
        let edited = self.editors[chosen].edit(&self.world.node.graph, &mut self.dice).await;
        self.done.edits += 1;
        let what = match edited {
            Ok(done) => done,
            Err(error) => {
                self.done.refused += 1;
                format!("refused: {error:#}")
            }
        };
        self.log.push(format!("{chosen} {what}"));
        Ok(())
    }

    async fn drives(&self) -> anyhow::Result<Vec<Value>> {
        self.world.node.graph.list(&format!("/v1.0/sites/{}/drives", self.protected.site)).await
    }

    /// Libraries and what is in them may have changed.
    async fn open_editors(&mut self) -> anyhow::Result<()> {
        let graph = &self.world.node.graph;
        let mut editors = BTreeMap::new();
        for drive in self.drives().await? {
            let id = id_of(&drive)?;
            let path = format!("/v1.0/drives/{id}/root");
            let root = graph.call(Method::GET, &path, &Value::Null).await?.ok()?;
            let name = drive["name"].as_str().context("a name")?.to_owned();
            editors.insert(name, Editor::open(graph, &id, &id_of(&root)?).await?);
        }
        self.editors = editors.into_values().collect();
        Ok(())
    }

    async fn make_library(&mut self) -> anyhow::Result<()> {
        if self.editors.len() > 3 {
            return Ok(());
        }
        let name = format!("Library {}", self.dice.below(3));
        let body = json!({"displayName": name, "list": {"template": "documentLibrary"}});
        let lists = format!("/v1.0/sites/{}/lists", self.protected.site);
        let made = self.world.node.graph.call(Method::POST, &lists, &body).await?;
        self.note(format!("make {name}: {}", made.status));
        self.done.libraries_made += u32::from(made.status.is_success());
        self.open_editors().await
    }

    async fn delete_library(&mut self) -> anyhow::Result<()> {
        let drives = self.drives().await?;
        let others: Vec<&Value> =
            drives.iter().filter(|drive| drive["name"] != "Documents").collect();
        let Some(drive) = self.dice.pick(&others) else { return Ok(()) };
        let graph = &self.world.node.graph;
        let path = format!("/v1.0/drives/{}/list", id_of(drive)?);
        let list = id_of(&graph.call(Method::GET, &path, &Value::Null).await?.ok()?)?;
        let path = format!("/v1.0/sites/{}/lists/{list}", self.protected.site);
        graph.call(Method::DELETE, &path, &Value::Null).await?.ok()?;
        self.note(format!("delete {}", drive["name"]));
        self.done.libraries_deleted += 1;
        self.open_editors().await
    }

    fn note(&mut self, what: impl Into<String>) {
        self.log.push(format!("-- {}", what.into()));
    }

    async fn read_live(&mut self) -> anyhow::Result<SiteState> {
        let site = self.protected.site.clone();
        self.world.read_site(&site).await
    }

    /// Makes a point and compares it with the site.
    async fn check_point(&mut self) -> anyhow::Result<()> {
        self.note("a point");
        let live = self.read_live().await?;
        let point =
            self.world.make_point(self.protected.unit).await?.context("there is no point")?;
        self.done.points += 1;
        equal("the point and the site", &self.world.read_point(&point).await?, &live)?;
        if self.points.last().is_none_or(|(last, _)| last.id != point.id) {
            self.remember(point, live);
        }
        Ok(())
    }

    fn remember(&mut self, point: RestorePoint, state: SiteState) {
        if self.points.len() == REMEMBERED {
            let forgotten = self.dice.below(REMEMBERED);
            self.points.remove(forgotten);
        }
        self.points.push((point, state));
    }

    async fn restore_in_place(&mut self) -> anyhow::Result<()> {
        // Often a recent one: most items are there still, but in each other's way.
        let recent = if self.dice.chance(60) { 3 } else { REMEMBERED };
        let back = self.dice.below(recent.min(self.points.len()));
        let chosen = self.points.len() - 1 - back;
        let (point, expected) = self.points[chosen].clone();
        self.note(format!("restore in place to {}", point.protection_date_time));
        let before = self.read_live().await?;
        let ended = self.world.restore(&point, "inPlace").await?;
        let after = self.read_live().await?;
        equal("the restored site and the point", &after.without_ids(), &expected.without_ids())?;
        ended.check_complete()?;
        check_ids_survive(&before, &expected, &after)?;
        self.done.restores_in_place += 1;
        self.open_editors().await?;
        // The engine's own last picture of it must be the same.
        let latest = self.world.latest(self.protected.unit).await?.context("there is no point")?;
        equal(
            "the point after the restore and the site",
            &self.world.read_point(&latest).await?,
            &after,
        )
    }

    async fn restore_to_new_site(&mut self) -> anyhow::Result<()> {
        let chosen = self.dice.below(self.points.len());
        let (point, expected) = self.points[chosen].clone();
        self.note(format!("restore to a new site as of {}", point.protection_date_time));
        let before = self.read_live().await?;
        let ended = self.world.restore(&point, "new").await?;
        ended.check_complete()?;
        let restored = ended.restored.context("no new site")?;
        let (site, url) = (restored.id, restored.web_url);
        let suffix = format!("truthR{}", self.new_sites);
        anyhow::ensure!(url.ends_with(&suffix), "{url} does not end with {suffix}");
        self.new_sites += 1;
        let restored = self.world.read_site(&site).await?;
        equal("the new site and the point", &restored.without_ids(), &expected.without_ids())?;
        check_read_only(&self.world, &site).await?;
        equal("the original", &self.read_live().await?, &before)?;
        self.done.restores_to_new_sites += 1;
        Ok(())
    }

    /// All points are still what they were, and the repository is sound.
    async fn finish(&mut self) -> anyhow::Result<()> {
        for (point, expected) in &self.points {
            equal(
                "an old point and the site of its time",
                &self.world.read_point(point).await?,
                expected,
            )?;
        }
        let repository = self.world.repository(self.protected.unit).await?;
        let report =
            repository.check(holdfast_repository::CheckOptions { read_data: true }).await?;
        anyhow::ensure!(report.is_sound(), "{:?}", report.problems);
        if self.in_folder {
            restic(&self.world, self.protected.unit, &["check", "--read-data"]).await?;
        }
        Ok(())
    }
}

fn id_of(value: &Value) -> anyhow::Result<String> {
    Ok(value["id"].as_str().context("an id")?.to_owned())
}

/// # Errors
/// When the site takes a new folder.
pub async fn check_read_only(world: &World, site: &str) -> anyhow::Result<()> {
    let body = json!({"name": "not allowed", "folder": {}});
    let path = format!("/v1.0/sites/{site}/drive/root/children");
    let answer = world.node.graph.call(Method::POST, &path, &body).await?;
    anyhow::ensure!(answer.status.as_u16() == 423, "{} instead of 423", answer.status);
    Ok(())
}

/// # Errors
/// With what differs.
pub fn equal(what: &str, left: &SiteState, right: &SiteState) -> anyhow::Result<()> {
    let differences = left.differences(right);
    anyhow::ensure!(differences.is_empty(), "{what} differ:\n  {}", differences.join("\n  "));
    Ok(())
}

/// Whatever was there before and is in the point keeps its id.
///
/// # Errors
/// With the path of one that did not.
pub fn check_ids_survive(
    before: &SiteState,
    point: &SiteState,
    after: &SiteState,
) -> anyhow::Result<()> {
    let before: BTreeMap<&str, bool> =
        before.entries.values().map(|entry| (entry.id.as_str(), entry.content.is_none())).collect();
    for (path, entry) in &point.entries {
        if before.get(entry.id.as_str()) == Some(&entry.content.is_none()) {
            let id = after.entries.get(path).map(|entry| entry.id.as_str());
            anyhow::ensure!(id == Some(entry.id.as_str()), "{path} was {} and is {id:?}", entry.id);
        }
    }
    Ok(())
}
