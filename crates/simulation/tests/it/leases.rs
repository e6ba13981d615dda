//! Several nodes over one store: a job is done once, and a node that wakes after its lease publishes nothing.

use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::RestorePoint;
use holdfast_simulation::edits::Dice;
use holdfast_simulation::truth::equal;
use holdfast_simulation::wires::Meanwhile;
use holdfast_simulation::{Node, Protected, World, WorldOptions};
use holdfast_store::Listed;
use holdfast_store::query::ListQuery;
use tokio::sync::oneshot;

use crate::common::put;

async fn paused_world(seed: u64) -> (World, Arc<Meanwhile>, Protected) {
    let wire = Arc::new(Meanwhile::default());
    let mut options = WorldOptions::new(seed);
    options.wire = Some(wire.clone());
    let world = World::new(options).await.unwrap();
    let site = world.protected("leases").await.unwrap();
    (world, wire, site)
}

async fn count_points(world: &World, site: &Protected) -> usize {
    let mut tx = world.node.store.read().await.unwrap();
    let page = Listed::<RestorePoint>::list(
        &mut *tx,
        world.tenant.facts().tenant_id,
        &ListQuery::first(1000, None),
    )
    .await
    .unwrap();
    page.rows.iter().filter(|point| point.unit == site.unit).count()
}

/// Works on the world's node, which stands still at request `at` while its lease runs out and `other` takes the job over;
/// whether it did.
async fn work_with_pause(world: &World, wire: &Meanwhile, at: u64, other: &Node) -> bool {
    let (paused, is_paused) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    wire.plan(
        at,
        Box::new(move || {
            Box::pin(async move {
                paused.send(()).unwrap();
                may_go_on.await.unwrap();
            })
        }),
    );
    let take_over = async {
        if is_paused.await.is_ok() {
            world.clock.advance(Duration::from_secs(61));
            other.engine.run_until_idle().await.unwrap();
            go_on.send(()).unwrap();
        }
    };
    let work = async {
        world.settle().await.unwrap();
        // Not reached: the other side need not wait any more.
        wire.is_done()
    };
    tokio::join!(work, take_over).0
}

// On one thread, so that the paused node's own renewal does not run before the other node claims.
#[tokio::test]
async fn a_node_that_wakes_after_its_lease_publishes_nothing() {
    let (mut world, wire, site) = paused_world(61).await;
    let mut dice = Dice::new(61);
    let other = world.another_node().unwrap();
    let mut pauses = 0;
    for at in 1.. {
        put(&world, &site, &site.root, "file", &dice.bytes(5000)).await;
        let points = count_points(&world, &site).await;
        world.clock.advance(Duration::from_secs(601));
        let paused = work_with_pause(&world, &wire, at, &other).await;
        assert_eq!(count_points(&world, &site).await, points + 1, "paused at request {at}");
        let point = world.latest(site.unit).await.unwrap().unwrap();
        let live = world.read_site(&site.site).await.unwrap();
        equal("the point and the site", &world.read_point(&point).await.unwrap(), &live).unwrap();
        if !paused {
            break;
        }
        pauses += 1;
    }
    assert!(pauses > 3, "{pauses}");
}

#[tokio::test]
async fn a_restore_that_another_node_took_over_is_done_once() {
    let (mut world, wire, site) = paused_world(62).await;
    let mut dice = Dice::new(62);
    for name in ["a", "b", "c"] {
        put(&world, &site, &site.root, name, &dice.bytes(3000)).await;
    }
    let point = world.make_point(site.unit).await.unwrap().unwrap();
    let state = world.read_site(&site.site).await.unwrap();
    let other = world.another_node().unwrap();
    let mut pauses = 0;
    for at in 1.. {
        put(&world, &site, &site.root, "b", &dice.bytes(100)).await;
        put(&world, &site, &site.root, "new", &dice.bytes(100)).await;
        let session = world.start_restore(&point, "inPlace").await.unwrap();
        let paused = work_with_pause(&world, &wire, at, &other).await;
        world.session(&session).await.unwrap().check_complete().unwrap();
        equal(
            "the site and the point",
            &world.read_site(&site.site).await.unwrap().without_ids(),
            &state.without_ids(),
        )
        .unwrap();
        if !paused {
            break;
        }
        pauses += 1;
    }
    assert!(pauses > 3, "{pauses}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_work_and_do_nothing_twice() {
    let mut world = World::new(WorldOptions::new(63)).await.unwrap();
    let mut dice = Dice::new(63);
    let mut sites = Vec::new();
    for number in 0..4 {
        sites.push(world.protected(&format!("shared{number}")).await.unwrap());
    }
    let other = world.another_node().unwrap();
    for round in 0..3 {
        let mut before = Vec::new();
        for site in &sites {
            put(&world, site, &site.root, "file", &dice.bytes(50_000)).await;
            before.push(count_points(&world, site).await);
        }
        world.clock.advance(Duration::from_secs(601));
        let (one, two) =
            tokio::join!(world.node.engine.run_until_idle(), other.engine.run_until_idle());
        one.unwrap();
        two.unwrap();
        world.settle().await.unwrap();
        for (site, before) in sites.iter().zip(before) {
            assert_eq!(count_points(&world, site).await, before + 1, "round {round}");
            let point = world.latest(site.unit).await.unwrap().unwrap();
            let live = world.read_site(&site.site).await.unwrap();
            equal("the point and the site", &world.read_point(&point).await.unwrap(), &live)
                .unwrap();
        }
    }
}
