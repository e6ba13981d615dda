//! A power cut at any moment: what the object store had not acknowledged is gone, in any combination.
//!
//! The local store needs no test of this kind here: it syncs each object and its folder before it acknowledges, which
//! only a machine that loses power could refute; a killed process loses nothing that the system was given.

use std::sync::Arc;
use std::time::Duration;

use holdfast_repository::CheckOptions;
use holdfast_simulation::edits::Dice;
use holdfast_simulation::truth::equal;
use holdfast_simulation::{Objects, World, WorldOptions};
use holdfast_testkit::{Fault, PowerStore};

use crate::common::{folder, put};

#[tokio::test(flavor = "multi_thread")]
async fn no_published_point_is_lost_in_a_power_cut() {
    let power = Arc::new(PowerStore::default());
    let mut options = WorldOptions::new(51);
    options.objects = Objects::Given(power.clone());
    let mut world = World::new(options).await.unwrap();
    let mut dice = Dice::new(51);
    let site = world.protected("power").await.unwrap();
    let mut published = Vec::new();
    let (mut cuts, mut at) = (0, 1);
    loop {
        let inner = folder(&world, &site, &site.root, &format!("folder {at}")).await;
        for name in ["a", "b", "c", "d", "e"] {
            put(&world, &site, &inner, name, &dice.bytes(600_000)).await;
        }
        let live = world.read_site(&site.site).await.unwrap();
        world.clock.advance(Duration::from_secs(601));
        world.node.object_faults.plan(at, Fault::KillBefore);
        let died = world.node.settle_or_die(&world.clock).await.unwrap();
        if died {
            power.cut_power(|| dice.chance(50)).await.unwrap();
            cuts += 1;
            world.restart_node().unwrap();
            // Before anything is written again, all that was published stands on its own.
            for (point, state) in &published {
                equal("a published point", &world.read_point(point).await.unwrap(), state).unwrap();
            }
            world.clock.advance(Duration::from_secs(61));
            world.settle().await.unwrap();
        }
        let point = world.latest(site.unit).await.unwrap().unwrap();
        equal("the point and the site", &world.read_point(&point).await.unwrap(), &live).unwrap();
        published.push((point, live));
        if !died {
            break;
        }
        at += 2;
    }
    assert!(cuts > 5, "{cuts}");
    for (point, state) in &published {
        equal("a published point", &world.read_point(point).await.unwrap(), state).unwrap();
    }
    let report = world
        .repository(site.unit)
        .await
        .unwrap()
        .check(CheckOptions { read_data: true })
        .await
        .unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
}
