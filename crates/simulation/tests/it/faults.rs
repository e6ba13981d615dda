//! Every call of every job fails once, is killed once before and once after it takes effect. The outcome is the same.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_domain::RestorePoint;
use holdfast_simulation::edits::Dice;
use holdfast_simulation::truth::{check_ids_survive, check_read_only, equal};
use holdfast_simulation::{Node, Protected, SiteState, World, WorldOptions};
use holdfast_testkit::{Fault, Faults};
use serde_json::{Value, json};

/// So many calls are hit one after the other; then every third, beginning where the seed says.
const ALL_OF_THE_FIRST: u64 = 6;
const STRIDE: u64 = 3;
/// More calls than any of these jobs makes.
const MOST_CALLS: u64 = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    FirstBackup,
    Backup,
    RestoreInPlace,
    RestoreToNewSite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Transport,
    Objects,
}

fn faults(node: &Node, place: Place) -> &Faults {
    match place {
        Place::Transport => &node.transport_faults,
        Place::Objects => &node.object_faults,
    }
}

struct Trial {
    world: World,
    dice: Dice,
    job: Job,
    protected: Protected,
    /// The state to which restores go back.
    point: RestorePoint,
    state: SiteState,
    sites_made: usize,
}

/// Edits of every kind, each time with other names and contents.
async fn edit(
    world: &World,
    dice: &mut Dice,
    protected: &Protected,
    number: u64,
) -> anyhow::Result<()> {
    let (graph, drive, root) = (&world.node.graph, &protected.drive, &protected.root);
    let id = |value: Value| value["id"].as_str().unwrap().to_owned();
    world.clock.advance(Duration::from_secs(7));
    let folder = id(graph.make_folder(drive, root, &format!("folder {number}")).await?);
    let file = id(graph.put_file(drive, &folder, "one.txt", dice.bytes(3000)).await?);
    graph.put_file(drive, &folder, "empty", dice.bytes(0)).await?;
    graph.put_file(drive, root, "shared name", dice.bytes(20_000)).await?;
    let large = id(graph.put_file(drive, root, "large", dice.bytes(700_000)).await?);
    let user = graph.list("/v1.0/users").await?.swap_remove(0);
    graph.invite(drive, &file, &id(user), "read").await?;
    // What was in the way of a name and what takes it change places with every edit.
    let present = graph.list(&format!("/v1.0/drives/{drive}/items/{root}/children")).await?;
    for item in
        present.iter().filter(|item| ["left", "right"].contains(&item["name"].as_str().unwrap()))
    {
        graph
            .patch(
                drive,
                item["id"].as_str().unwrap(),
                &json!({"name": format!("{}-", item["name"].as_str().unwrap())}),
            )
            .await?;
    }
    for item in
        present.iter().filter(|item| ["left", "right"].contains(&item["name"].as_str().unwrap()))
    {
        let other = if item["name"] == "left" { "right" } else { "left" };
        graph.patch(drive, item["id"].as_str().unwrap(), &json!({"name": other})).await?;
    }
    if present.iter().all(|item| item["name"] != "left") {
        graph.put_file(drive, root, "left", dice.bytes(10)).await?;
        graph.make_folder(drive, root, "right").await?;
    }
    let old = present.iter().find(|item| {
        item["name"].as_str().unwrap().starts_with("folder ") && item["id"] != json!(folder)
    });
    if let Some(old) = old {
        graph.delete(drive, old["id"].as_str().unwrap()).await?;
    }
    graph.patch(drive, &large, &json!({"parentReference": {"id": folder}})).await?;
    Ok(())
}

impl Trial {
    async fn new(job: Job, seed: u64) -> Self {
        let mut world = World::new(WorldOptions::new(seed)).await.unwrap();
        let mut dice = Dice::new(seed);
        let protected = world.protected("trial").await.unwrap();
        for number in 0..3 {
            edit(&world, &mut dice, &protected, number).await.unwrap();
        }
        let point = world.make_point(protected.unit).await.unwrap().unwrap();
        let state = world.read_site(&protected.site).await.unwrap();
        Self { world, dice, job, protected, point, state, sites_made: 0 }
    }

    /// The job once, with a fault at call `at`; whether the fault struck.
    async fn run(&mut self, place: Place, at: u64, fault: Fault) -> anyhow::Result<bool> {
        if self.job != Job::RestoreToNewSite {
            if self.job == Job::FirstBackup {
                let site = self.world.make_site(&format!("first{at}")).await?;
                self.protected = Protected {
                    site: site.0.clone(),
                    drive: site.1.clone(),
                    root: site.2.clone(),
                    unit: self.protected.unit,
                };
            }
            edit(&self.world, &mut self.dice, &self.protected, at + 10).await?;
        }
        let before = self.world.read_site(&self.protected.site).await?;
        let mut session = None;
        match self.job {
            Job::FirstBackup => {
                let Protected { site, drive, root, .. } = self.protected.clone();
                self.protected = self.world.protect((site, drive, root)).await?;
            }
            Job::Backup => self.world.clock.advance(Duration::from_secs(601)),
            Job::RestoreInPlace => {
                session = Some(self.world.start_restore(&self.point, "inPlace").await?)
            }
            Job::RestoreToNewSite => {
                session = Some(self.world.start_restore(&self.point, "new").await?)
            }
        }
        faults(&self.world.node, place).plan(at, fault);
        let died = self.world.node.settle_or_die(&self.world.clock).await?;
        let struck = faults(&self.world.node, place).has_struck();
        faults(&self.world.node, place).reset();
        if died {
            self.world.restart_node()?;
            self.world.clock.advance(Duration::from_secs(61));
            self.world.settle().await?;
        }
        self.check(&before, session).await?;
        Ok(struck)
    }

    async fn check(
        &mut self,
        before: &SiteState,
        session: Option<(String, String)>,
    ) -> anyhow::Result<()> {
        let after = self.world.read_site(&self.protected.site).await?;
        anyhow::ensure!(
            after.entries.keys().all(|path| !path.contains("holdfast-")),
            "a temporary name stayed"
        );
        let latest = self.world.latest(self.protected.unit).await?.unwrap();
        if self.job != Job::RestoreToNewSite {
            equal("the latest point and the site", &self.world.read_point(&latest).await?, &after)?;
        }
        equal(
            "the old point and its state",
            &self.world.read_point(&self.point).await?,
            &self.state,
        )?;
        let Some(session) = session else {
            return equal("the site before and after", before, &after);
        };
        let ended = self.world.session(&session).await?;
        ended.check_complete()?;
        if self.job == Job::RestoreInPlace {
            equal("the site and the point", &after.without_ids(), &self.state.without_ids())?;
            return check_ids_survive(before, &self.state, &after);
        }
        self.sites_made += 1;
        let site = ended.restored.as_ref().unwrap().id.clone();
        equal(
            "the new site and the point",
            &self.world.read_site(&site).await?.without_ids(),
            &self.state.without_ids(),
        )?;
        equal("the original before and after", before, &after)?;
        check_read_only(&self.world, &site).await?;
        let sites = self.world.node.graph.list("/v1.0/sites?search=*").await?;
        let copies: BTreeSet<&str> = sites
            .iter()
            .filter_map(|site| site["webUrl"].as_str())
            .filter(|url| url.contains("/trialR"))
            .collect();
        anyhow::ensure!(
            copies.len() == self.sites_made,
            "{copies:?} after {} restores",
            self.sites_made
        );
        Ok(())
    }
}

async fn trials(job: Job, place: Place, fault: Fault, seed: u64) {
    let mut trial = Trial::new(job, seed).await;
    let mut at = 1;
    let mut struck = 0;
    loop {
        assert!(at < MOST_CALLS, "{job:?} makes too many calls");
        match trial.run(place, at, fault).await {
            Ok(true) => struck += 1,
            Ok(false) => break,
            Err(error) => {
                panic!("{job:?}, seed {seed}: {fault:?} at {place:?} call {at}: {error:#}")
            }
        }
        at += if at <= ALL_OF_THE_FIRST + seed % STRIDE { 1 } else { STRIDE };
    }
    assert!(struck > 2, "{job:?} makes no calls to {place:?}");
    println!("{job:?} {place:?} {fault:?}: {struck} faults, {at} calls");
    let repository = trial.world.repository(trial.protected.unit).await.unwrap();
    let report =
        repository.check(holdfast_repository::CheckOptions { read_data: true }).await.unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
}

macro_rules! fault_tests {
    ($($name:ident: $job:ident, $place:ident, $fault:ident, $seed:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            trials(Job::$job, Place::$place, Fault::$fault, $seed).await;
        })*
    };
}

fault_tests! {
    first_backup_goes_on_after_failed_requests: FirstBackup, Transport, Fail, 1;
    first_backup_survives_a_kill_before_requests: FirstBackup, Transport, KillBefore, 2;
    first_backup_survives_a_kill_after_requests: FirstBackup, Transport, KillAfter, 3;
    first_backup_goes_on_after_failed_object_calls: FirstBackup, Objects, Fail, 4;
    first_backup_survives_a_kill_before_object_calls: FirstBackup, Objects, KillBefore, 5;
    first_backup_survives_a_kill_after_object_calls: FirstBackup, Objects, KillAfter, 6;
    backup_goes_on_after_failed_requests: Backup, Transport, Fail, 7;
    backup_survives_a_kill_before_requests: Backup, Transport, KillBefore, 8;
    backup_survives_a_kill_after_requests: Backup, Transport, KillAfter, 9;
    backup_goes_on_after_failed_object_calls: Backup, Objects, Fail, 10;
    backup_survives_a_kill_before_object_calls: Backup, Objects, KillBefore, 11;
    backup_survives_a_kill_after_object_calls: Backup, Objects, KillAfter, 12;
    restore_in_place_goes_on_after_failed_requests: RestoreInPlace, Transport, Fail, 13;
    restore_in_place_survives_a_kill_before_requests: RestoreInPlace, Transport, KillBefore, 14;
    restore_in_place_survives_a_kill_after_requests: RestoreInPlace, Transport, KillAfter, 15;
    restore_in_place_goes_on_after_failed_object_calls: RestoreInPlace, Objects, Fail, 16;
    restore_in_place_survives_a_kill_before_object_calls: RestoreInPlace, Objects, KillBefore, 17;
    restore_in_place_survives_a_kill_after_object_calls: RestoreInPlace, Objects, KillAfter, 18;
    restore_to_new_site_goes_on_after_failed_requests: RestoreToNewSite, Transport, Fail, 19;
    restore_to_new_site_survives_a_kill_before_requests: RestoreToNewSite, Transport, KillBefore, 20;
    restore_to_new_site_survives_a_kill_after_requests: RestoreToNewSite, Transport, KillAfter, 21;
    restore_to_new_site_goes_on_after_failed_object_calls: RestoreToNewSite, Objects, Fail, 22;
    restore_to_new_site_survives_a_kill_before_object_calls: RestoreToNewSite, Objects, KillBefore, 23;
    restore_to_new_site_survives_a_kill_after_object_calls: RestoreToNewSite, Objects, KillAfter, 24;
}
