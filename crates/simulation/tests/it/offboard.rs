//! The end of a unit's backups: nothing opens them, nothing tells of them, and nothing else is touched.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use holdfast_domain::{UnitId, UnitState, limits};
use holdfast_simulation::restic::restic;
use holdfast_simulation::truth::equal;
use holdfast_simulation::{Objects, Protected, World, WorldOptions};
use holdfast_testkit::Fault;
use http::Method;
use serde_json::Value;

use crate::common::{put, roll_back, true_point};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// More calls than the job makes to the object store.
const MOST_CALLS: u64 = 200;

/// Two protected sites with something in them. The first will be offboarded.
async fn two_sites(seed: u64) -> (World, Protected, Protected) {
    let mut options = WorldOptions::new(seed);
    options.objects = Objects::Folder;
    let world = World::new(options).await.unwrap();
    let (site, other) =
        (world.protected("leaving").await.unwrap(), world.protected("staying").await.unwrap());
    for site in [&site, &other] {
        put(&world, site, &site.root, "file", b"content").await;
    }
    world.make_point(site.unit).await.unwrap();
    (world, site, other)
}

async fn state(world: &World, unit: UnitId) -> UnitState {
    let tenant = world.tenant.facts().tenant_id;
    let found = world.node.store.read().await.unwrap().unit(tenant, unit).await.unwrap();
    found.unwrap().value.state
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

async fn check_gone(world: &World, unit: UnitId) {
    assert!(matches!(state(world, unit).await, UnitState::Offboarded { .. }));
    assert!(world.secret(unit).await.is_err(), "the key beside the repository");
    assert_eq!(files(&world.repository_folder(unit)), 0);
    let tenant = world.tenant.facts().tenant_id;
    let mut tx = world.node.store.read().await.unwrap();
    assert_eq!(tx.wrapped_repository_secret(unit).await.unwrap(), None);
    assert_eq!(tx.latest_restore_point(tenant, unit).await.unwrap(), None);
    assert_eq!(tx.catalogue_drives(unit).await.unwrap(), []);
    assert_eq!(tx.staged_totals(unit).await.unwrap(), (0, 0));
}

/// What the activity log says of offboarding, in order of time.
async fn offboarding_log(world: &World) -> Vec<String> {
    let path = "/activityLogs?$orderby=eventDateTime";
    let log = world.node.graph.beta(Method::GET, path, &Value::Null).await.unwrap();
    let entries = log["value"].as_array().unwrap().iter();
    entries
        .filter(|entry| entry["activityType"] == "protectionUnitLevelOffboarding")
        .map(|entry| entry["offboardingDetails"]["offboardingStatus"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_grace_nothing_is_left() {
    let (world, site, other) = two_sites(601).await;
    let secret = world.secret(site.unit).await.unwrap();
    world.offboard(site.unit).await.unwrap();
    world.clock.advance(limits::OFFBOARD_GRACE - DAY);
    world.node.engine.run_until_idle().await.unwrap();
    assert!(matches!(state(&world, site.unit).await, UnitState::OffboardRequested { .. }));
    restic(&world, site.unit, &["check", "--read-data"]).await.unwrap();
    world.clock.advance(DAY);
    world.node.engine.run_until_idle().await.unwrap();
    check_gone(&world, site.unit).await;
    assert_eq!(offboarding_log(&world).await, ["requested", "completed"]);
    // Whoever kept the password has nothing to open with it.
    let opened = Command::new("restic")
        .args(["--no-cache", "cat", "config"])
        .env("RESTIC_REPOSITORY", world.repository_folder(site.unit))
        .env("RESTIC_PASSWORD", secret.expose())
        .output()
        .unwrap();
    assert!(!opened.status.success());
    assert_eq!(state(&world, other.unit).await, UnitState::Protected);
    restic(&world, other.unit, &["check", "--read-data"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_in_time_everything_stays() {
    let (mut world, site, _) = two_sites(602).await;
    let (point, before) = true_point(&mut world, &site).await;
    world.offboard(site.unit).await.unwrap();
    world.clock.advance(DAY);
    world.cancel_offboard(site.unit).await.unwrap();
    world.node.engine.run_until_idle().await.unwrap();
    assert_eq!(offboarding_log(&world).await, ["requested", "cancelled"]);
    assert_eq!(state(&world, site.unit).await, UnitState::Detached);
    // The first wish's job comes too early for the second.
    world.offboard(site.unit).await.unwrap();
    world.clock.advance(limits::OFFBOARD_GRACE - DAY / 2);
    world.node.engine.run_until_idle().await.unwrap();
    assert!(matches!(state(&world, site.unit).await, UnitState::OffboardRequested { .. }));
    equal("the point", &world.read_point(&point).await.unwrap(), &before).unwrap();
    put(&world, &site, &site.root, "file", b"other").await;
    roll_back(&mut world, &site, &point, &before).await;
    check_gone(&world, site.unit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_leaves_it_to_the_next() {
    let mut half_done = 0;
    for fault in [Fault::Fail, Fault::KillBefore, Fault::KillAfter] {
        let mut at = 1;
        loop {
            assert!(at < MOST_CALLS);
            let (mut world, site, other) = two_sites(603).await;
            world.offboard(site.unit).await.unwrap();
            world.clock.advance(limits::OFFBOARD_GRACE);
            world.node.object_faults.plan(at, fault);
            let died = world.node.settle_or_die(&world.clock).await.unwrap();
            let struck = world.node.object_faults.has_struck();
            world.node.object_faults.reset();
            let is_half_done =
                matches!(state(&world, site.unit).await, UnitState::Destroying { .. });
            if is_half_done {
                let refused = world.cancel_offboard(site.unit).await.unwrap_err().to_string();
                assert!(refused.contains("OperationNotAllowed"), "{refused}");
                half_done += 1;
            }
            if died {
                world.restart_node().unwrap();
                world.clock.advance(Duration::from_secs(61));
                world.settle().await.unwrap();
            }
            check_gone(&world, site.unit).await;
            assert_eq!(state(&world, other.unit).await, UnitState::Protected);
            if !struck {
                break;
            }
            at += 4;
        }
        assert!(at > 4, "no calls to the object store");
    }
    assert!(half_done > 0, "nothing was interrupted while it was destroyed");
}
