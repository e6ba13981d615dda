//! Items that cannot be read: never the end of a run, never silent, read later.

use std::sync::Arc;

use holdfast_simulation::wires::{Spoilt, SpoiltDownloads};
use holdfast_simulation::{Protected, World, WorldOptions};

use serde_json::json;

use crate::common::{folder, put, roll_back, true_point};

pub(crate) async fn spoiling(seed: u64) -> (World, Arc<SpoiltDownloads>, Protected) {
    let wire = Arc::new(SpoiltDownloads::default());
    let mut options = WorldOptions::new(seed);
    options.wire = Some(wire.clone());
    let world = World::new(options).await.unwrap();
    let protected = world.protected("gaps").await.unwrap();
    (world, wire, protected)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_item_is_a_gap_until_it_can_be_read() {
    for how in [Spoilt::Refused, Spoilt::Body(b"{\"error\": \"as content\"}")] {
        let (mut world, wire, site) = spoiling(41).await;
        let inner = folder(&world, &site, &site.root, "inner").await;
        let bad = put(&world, &site, &inner, "bad", &[7; 777]).await;
        put(&world, &site, &inner, "good", &[1; 100]).await;
        wire.spoil(777, how);
        let point = world.make_point(site.unit).await.unwrap().unwrap();
        assert_eq!(point.gaps, 1);
        let tenant = world.tenant.facts().tenant_id;
        let gaps = world.node.store.read().await.unwrap().gaps(tenant, point.id).await.unwrap();
        assert_eq!(
            (gaps[0].item.as_str(), gaps[0].path.as_str(), gaps[0].stale),
            (bad.as_str(), "inner/bad", false)
        );
        let stored = world.read_point(&point).await.unwrap();
        assert!(stored.entries.contains_key("Documents/inner/good"));
        assert!(
            !stored.entries.contains_key("Documents/inner/bad"),
            "what was not read is not there"
        );

        // In place, the item and its folder stay, and are listed.
        put(&world, &site, &inner, "good", &[2; 100]).await;
        let before = world.read_site(&site.site).await.unwrap();
        let ended = world.restore(&point, "inPlace").await.unwrap();
        assert_eq!(ended.status, "completedWithError");
        let listed: Vec<(&str, &str)> = ended
            .failures
            .iter()
            .map(|failure| (failure.path.as_str(), failure.code.as_str()))
            .collect();
        assert_eq!(listed, [("Documents/inner/bad", "gapInRestorePoint")]);
        let after = world.read_site(&site.site).await.unwrap();
        assert_eq!(after.entries["Documents/inner/bad"], before.entries["Documents/inner/bad"]);
        assert_eq!(
            after.entries["Documents/inner/good"].content,
            stored.entries["Documents/inner/good"].content
        );

        // A run with nothing else to do tries again, and closes it.
        let same = world.make_point(site.unit).await.unwrap().unwrap();
        assert_eq!(same.gaps, 1);
        wire.heal();
        let closed = world.make_point(site.unit).await.unwrap().unwrap();
        assert_eq!(closed.gaps, 0);
        let live = world.read_site(&site.site).await.unwrap();
        assert_eq!(
            world.read_point(&closed).await.unwrap().differences(&live),
            Vec::<String>::new()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_read_leaves_the_older_one_marked() {
    let (mut world, wire, site) = spoiling(42).await;
    put(&world, &site, &site.root, "file", &[1; 500]).await;
    let first = world.make_point(site.unit).await.unwrap().unwrap();
    wire.spoil(777, Spoilt::Refused);
    put(&world, &site, &site.root, "file", &[2; 777]).await;
    let second = world.make_point(site.unit).await.unwrap().unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(second.gaps, 1);
    let tenant = world.tenant.facts().tenant_id;
    let gaps = world.node.store.read().await.unwrap().gaps(tenant, second.id).await.unwrap();
    assert!(gaps[0].stale);
    assert_eq!(
        world.read_point(&second).await.unwrap().entries["Documents/file"]
            .content
            .as_ref()
            .unwrap()
            .0,
        500
    );
    // In place, the newer version of the live item is not overwritten by what the point has instead of it.
    let before = world.read_site(&site.site).await.unwrap();
    put(&world, &site, &site.root, "other", &[3; 10]).await;
    let ended = world.restore(&second, "inPlace").await.unwrap();
    assert_eq!(ended.status, "completedWithError");
    assert_eq!(ended.failures.len(), 1, "{:?}", ended.failures);
    assert_eq!(world.read_site(&site.site).await.unwrap().without_ids(), before.without_ids());
    // To a new site, the older version is restored and listed.
    let ended = world.restore(&second, "new").await.unwrap();
    assert_eq!(ended.status, "completedWithError");
    assert_eq!(ended.failures[0].code, "olderVersionRestored");
    let new_site = ended.restored.unwrap().id;
    let restored = world.read_site(&new_site).await.unwrap();
    assert_eq!(restored.entries["Documents/file"].content.as_ref().unwrap().0, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_and_the_folders_above_it_are_neither_moved_nor_deleted() {
    let (mut world, wire, site) = spoiling(43).await;
    let inner = folder(&world, &site, &site.root, "inner").await;
    put(&world, &site, &inner, "bad", &[7; 777]).await;
    put(&world, &site, &inner, "good", &[1; 100]).await;
    put(&world, &site, &site.root, "elsewhere", &[5; 50]).await;
    wire.spoil(777, Spoilt::Refused);
    let point = world.make_point(site.unit).await.unwrap().unwrap();
    // The folder gets another name and place, and something else takes its name.
    let graph = &world.node.graph;
    let new_home = folder(&world, &site, &site.root, "new home").await;
    let moved = json!({"name": "moved", "parentReference": {"id": new_home}});
    graph.patch(&site.drive, &inner, &moved).await.unwrap();
    let usurper = folder(&world, &site, &site.root, "inner").await;
    put(&world, &site, &usurper, "not in the point", &[3; 30]).await;
    put(&world, &site, &inner, "good", &[2; 100]).await;
    let ended = world.restore(&point, "inPlace").await.unwrap();
    assert_eq!(ended.status, "completedWithError");
    let listed: Vec<&str> = ended.failures.iter().map(|failure| failure.path.as_str()).collect();
    // Where it is now, and the folder that is not where the point has it.
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed.contains(&"Documents/new home/moved/bad"), "{listed:?}");
    assert!(listed.contains(&"Documents/inner"), "{listed:?}");
    let after = world.read_site(&site.site).await.unwrap();
    let paths: Vec<&str> = after.entries.keys().map(String::as_str).collect();
    let wanted = [
        "Documents/elsewhere",
        "Documents/new home",
        "Documents/new home/moved",
        "Documents/new home/moved/bad",
        "Documents/new home/moved/good",
    ];
    assert_eq!(paths, wanted);
    assert_eq!(after.entries["Documents/new home/moved/good"].content.as_ref().unwrap().0, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_is_gone_is_still_listed() {
    let (mut world, wire, site) = spoiling(44).await;
    let bad = put(&world, &site, &site.root, "bad", &[7; 777]).await;
    put(&world, &site, &site.root, "good", &[1; 100]).await;
    wire.spoil(777, Spoilt::Refused);
    let point = world.make_point(site.unit).await.unwrap().unwrap();
    world.node.graph.delete(&site.drive, &bad).await.unwrap();
    put(&world, &site, &site.root, "good", &[2; 100]).await;
    for destination in ["inPlace", "new"] {
        let ended = world.restore(&point, destination).await.unwrap();
        assert_eq!(ended.status, "completedWithError");
        let listed: Vec<(&str, &str)> = ended
            .failures
            .iter()
            .map(|failure| (failure.path.as_str(), failure.code.as_str()))
            .collect();
        assert_eq!(listed, [("Documents/bad", "gapInRestorePoint")]);
    }
    let stored = world.read_point(&point).await.unwrap();
    let after = world.read_site(&site.site).await.unwrap();
    assert_eq!(after.without_ids(), stored.without_ids());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_version_that_cannot_be_read_is_overwritten_by_the_points() {
    let (mut world, wire, site) = spoiling(45).await;
    put(&world, &site, &site.root, "file", &[1; 500]).await;
    let (point, state) = true_point(&mut world, &site).await;
    // The catalogue keeps the older version for this one: it must not be taken for what is there.
    wire.spoil(777, Spoilt::Refused);
    put(&world, &site, &site.root, "file", &[2; 777]).await;
    assert_eq!(world.make_point(site.unit).await.unwrap().unwrap().gaps, 1);
    roll_back(&mut world, &site, &point, &state).await;
    assert_eq!(world.latest(site.unit).await.unwrap().unwrap().gaps, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_item_that_cannot_be_read_goes_when_the_point_does_not_have_it() {
    let (mut world, wire, site) = spoiling(46).await;
    let outer = folder(&world, &site, &site.root, "outer").await;
    let inner = folder(&world, &site, &outer, "inner").await;
    let (point, state) = true_point(&mut world, &site).await;
    // It is in no tree, so that the folders' trees are equal.
    wire.spoil(777, Spoilt::Refused);
    put(&world, &site, &inner, "bad", &[2; 777]).await;
    world.make_point(site.unit).await.unwrap();
    roll_back(&mut world, &site, &point, &state).await;
}
