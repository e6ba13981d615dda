//! A service that is down for a while: what was asked for happens afterwards.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use holdfast_connector_graph::Transport;
use holdfast_domain::{Clock, Timestamp};
use holdfast_simulation::truth::equal;
use holdfast_simulation::{Wire, World, WorldOptions};
use holdfast_testkit::ManualClock;
use http::{Method, Request, Response};

use crate::common::{plain, put, true_point};

/// Answers 503 until a time: to everything, or to the making of sites only.
#[derive(Default)]
struct Outage {
    only_new_sites: bool,
    until: Mutex<Option<(Arc<ManualClock>, Timestamp)>>,
}

#[async_trait]
impl Wire for Outage {
    async fn pass(
        &self,
        request: Request<Body>,
        on: &dyn Transport,
    ) -> Result<Response<Body>, String> {
        let is_down =
            self.until.lock().unwrap().as_ref().is_some_and(|(clock, until)| clock.now() < *until);
        let is_meant = !self.only_new_sites
            || (request.method() == Method::POST && request.uri().path() == "/beta/sites");
        if is_down && is_meant {
            return Ok(Response::builder().status(503).body(Body::empty()).unwrap());
        }
        on.send(request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_of_an_hour_without_the_service_is_survived() {
    let wire = Arc::new(Outage::default());
    let mut options = WorldOptions::new(91);
    options.wire = Some(wire.clone());
    let mut world = World::new(options).await.unwrap();
    let fall = |world: &World| {
        let until = world.clock.now().plus(Duration::from_secs(15 * 60));
        *wire.until.lock().unwrap() = Some((world.clock.clone(), until));
    };
    // The first backup.
    let site = world.make_site("outage").await.unwrap();
    let site = world.protect(site).await.unwrap();
    put(&world, &site, &site.root, "file", b"before").await;
    fall(&world);
    world.settle().await.unwrap();
    let (point, state) = true_point(&mut world, &site).await;
    // A restore.
    put(&world, &site, &site.root, "file", b"damaged").await;
    fall(&world);
    world.restore(&point, "inPlace").await.unwrap().check_complete().unwrap();
    equal(
        "the site and the point",
        &world.read_site(&site.site).await.unwrap().without_ids(),
        &state.without_ids(),
    )
    .unwrap();
    // A later backup.
    put(&world, &site, &site.root, "file", b"newer").await;
    fall(&world);
    world.settle().await.unwrap();
    true_point(&mut world, &site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_again_and_again_still_gets_on() {
    let (mut world, site) = plain(92).await;
    for number in 0..20 {
        put(&world, &site, &site.root, &format!("file {number}"), &[number; 2000]).await;
    }
    let (point, state) = true_point(&mut world, &site).await;
    for number in 0..20 {
        put(&world, &site, &site.root, &format!("file {number}"), b"damaged").await;
    }
    let session = world.start_restore(&point, "inPlace").await.unwrap();
    for number in 0..12 {
        world.node.transport_faults.plan(3 + number, holdfast_testkit::Fault::KillAfter);
        assert!(
            world.node.settle_or_die(&world.clock).await.unwrap(),
            "it takes more than {number} requests"
        );
        world.restart_node().unwrap();
        world.clock.advance(Duration::from_secs(61));
    }
    world.settle().await.unwrap();
    world.session(&session).await.unwrap().check_complete().unwrap();
    equal(
        "the site and the point",
        &world.read_site(&site.site).await.unwrap().without_ids(),
        &state.without_ids(),
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_that_wait_for_the_same_address_make_sites_of_their_own() {
    let wire = Arc::new(Outage { only_new_sites: true, ..Outage::default() });
    let mut options = WorldOptions::new(93);
    options.wire = Some(wire.clone());
    let mut world = World::new(options).await.unwrap();
    let site = world.make_site("outage").await.unwrap();
    let site = world.protect(site).await.unwrap();
    put(&world, &site, &site.root, "file", b"before").await;
    let (older, older_state) = true_point(&mut world, &site).await;
    put(&world, &site, &site.root, "file", b"after").await;
    let (newer, newer_state) = true_point(&mut world, &site).await;
    let until = world.clock.now().plus(Duration::from_secs(60));
    *wire.until.lock().unwrap() = Some((world.clock.clone(), until));
    let first = world.start_restore(&older, "new").await.unwrap();
    let second = world.start_restore(&newer, "new").await.unwrap();
    world.settle().await.unwrap();
    let mut copies = Vec::new();
    for (ids, state) in [(first, older_state), (second, newer_state)] {
        let ended = world.session(&ids).await.unwrap();
        ended.check_complete().unwrap();
        let copy = ended.restored.unwrap().id;
        let read = world.read_site(&copy).await.unwrap();
        equal("the new site and its point", &read.without_ids(), &state.without_ids()).unwrap();
        copies.push(copy);
    }
    assert_ne!(copies[0], copies[1]);
}
