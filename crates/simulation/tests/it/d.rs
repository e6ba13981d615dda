//! Cases D: delta and incremental state.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_domain::DriveId;
use holdfast_simulation::truth::equal;
use holdfast_simulation::wires::{Recorded, Rewritten};
use http::Method;
use serde_json::{Value, json};

use crate::common::{copy_of, folder, id, plain, put, roll_back, true_point, wired};
use crate::gaps::spoiling;

#[tokio::test(flavor = "multi_thread")]
async fn d01_an_expired_token_costs_a_listing_and_no_content() {
    let (mut world, wire, site) = spoiling(401).await;
    let mut files = Vec::new();
    for number in 0..1000 {
        files.push(
            put(
                &world,
                &site,
                &site.root,
                &format!("file {number}"),
                format!("content {number}").as_bytes(),
            )
            .await,
        );
    }
    true_point(&mut world, &site).await;
    world.tenant.expire_delta_tokens(&DriveId::new(site.drive.clone())).unwrap();
    for number in 0..10 {
        world.node.graph.delete(&site.drive, &files[number]).await.unwrap();
        put(&world, &site, &site.root, &format!("new {number}"), b"new").await;
        world
            .node
            .graph
            .patch(&site.drive, &files[500 + number], &json!({"name": format!("renamed {number}")}))
            .await
            .unwrap();
    }
    wire.downloads.store(0, Ordering::Relaxed);
    world.clock.advance(Duration::from_secs(601));
    world.settle().await.unwrap();
    assert_eq!(wire.downloads.load(Ordering::Relaxed), 10);
    let live = world.read_site(&site.site).await.unwrap();
    let point = world.latest(site.unit).await.unwrap().unwrap();
    equal("the point and the site", &world.read_point(&point).await.unwrap(), &live).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn d02_many_drives_after_a_long_silence() {
    let (mut world, first) = plain(402).await;
    let mut sites = vec![first];
    for number in 0..5 {
        sites.push(world.protected(&format!("silent{number}")).await.unwrap());
    }
    for site in &sites {
        put(&world, site, &site.root, "file", b"before").await;
        world.tenant.expire_delta_tokens(&DriveId::new(site.drive.clone())).unwrap();
    }
    world.clock.advance(Duration::from_secs(35 * 24 * 3600));
    world.settle().await.unwrap();
    for site in &sites {
        let live = world.read_site(&site.site).await.unwrap();
        let point = world.latest(site.unit).await.unwrap().unwrap();
        equal("the point and the site", &world.read_point(&point).await.unwrap(), &live).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_a_next_link_that_never_changes() {
    let circle = Rewritten {
        answer: Box::new(|path, answer| {
            if path.contains("/delta") && path.contains("token=") {
                let link = "http://tenant.internal/v1.0/circle/delta?token=same";
                answer["value"] = json!([]);
                answer.as_object_mut().unwrap().remove("@odata.deltaLink");
                answer["@odata.nextLink"] = json!(link);
            }
        }),
        address: Box::new(|path| {
            path.contains("/circle/").then(|| "/v1.0/organization".to_owned())
        }),
    };
    let wire = Arc::new(circle);
    let mut options = holdfast_simulation::WorldOptions::new(403);
    options.wire = Some(wire);
    let world = holdfast_simulation::World::new(options).await.unwrap();
    let site = world.protect(world.make_site("case").await.unwrap()).await.unwrap();
    world.settle().await.unwrap();
    assert!(world.latest(site.unit).await.unwrap().is_none());
    let unit = world
        .node
        .graph
        .backup(Method::GET, &format!("/protectionUnits/{}", site.unit), &Value::Null)
        .await
        .unwrap();
    assert!(
        unit["error"]["message"].as_str().is_some_and(|message| message.contains("circle")),
        "{unit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d06_a_deletion_is_seen_and_older_points_keep_the_file() {
    let (mut world, site) = plain(406).await;
    let mut files = Vec::new();
    for name in ["one", "two", "three"] {
        files.push(put(&world, &site, &site.root, name, name.as_bytes()).await);
    }
    let (first, before) = true_point(&mut world, &site).await;
    world.node.graph.delete(&site.drive, &files[1]).await.unwrap();
    let (second, after) = true_point(&mut world, &site).await;
    assert_eq!((before.entries.len(), after.entries.len()), (3, 2));
    assert_eq!((first.items, second.items), (3, 2));
    equal("the first point", &world.read_point(&first).await.unwrap(), &before).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn d07_a_parent_made_again_around_an_unchanged_child() {
    let (mut world, site) = plain(407).await;
    let f1 = folder(&world, &site, &site.root, "f1").await;
    let f2 = folder(&world, &site, &f1, "f2").await;
    put(&world, &site, &f2, "item1", b"unchanged").await;
    let (first, before) = true_point(&mut world, &site).await;
    let graph = &world.node.graph;
    graph.patch(&site.drive, &f2, &json!({"parentReference": {"id": site.root}})).await.unwrap();
    graph.delete(&site.drive, &f1).await.unwrap();
    let f1 = id(&graph.make_folder(&site.drive, &site.root, "f1").await.unwrap());
    graph.patch(&site.drive, &f2, &json!({"parentReference": {"id": f1}})).await.unwrap();
    let (second, after) = true_point(&mut world, &site).await;
    assert!(after.entries.contains_key("Documents/f1/f2/item1"));
    roll_back(&mut world, &site, &first, &before).await;
    roll_back(&mut world, &site, &second, &after).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_a_library_that_was_removed() {
    let (mut world, site) = plain(409).await;
    let lists = format!("/v1.0/sites/{}/lists", site.site);
    let list = json!({"displayName": "More Documents", "list": {"template": "documentLibrary"}});
    let list = id(&world.node.graph.call(Method::POST, &lists, &list).await.unwrap().ok().unwrap());
    let drive = world
        .node
        .graph
        .call(Method::GET, &format!("{lists}/{list}/drive"), &Value::Null)
        .await
        .unwrap()
        .ok()
        .unwrap();
    let root = world
        .node
        .graph
        .call(Method::GET, &format!("/v1.0/drives/{}/root", id(&drive)), &Value::Null)
        .await
        .unwrap()
        .ok()
        .unwrap();
    let more =
        holdfast_simulation::Protected { drive: id(&drive), root: id(&root), ..site.clone() };
    let inner = folder(&world, &more, &more.root, "folder").await;
    put(&world, &more, &inner, "file", b"in the other library").await;
    put(&world, &site, &site.root, "file", b"in the first library").await;
    let (first, both) = true_point(&mut world, &site).await;
    assert_eq!(both.libraries.len(), 2);
    world
        .node
        .graph
        .call(Method::DELETE, &format!("{lists}/{list}"), &Value::Null)
        .await
        .unwrap()
        .ok()
        .unwrap();
    let (second, one) = true_point(&mut world, &site).await;
    assert_eq!(one.libraries.len(), 1);
    roll_back(&mut world, &site, &first, &both).await;
    copy_of(&mut world, &first, &both).await;
    roll_back(&mut world, &site, &second, &one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_every_point_is_whole_without_the_others() {
    let (mut world, site) = plain(411).await;
    for number in 0..100 {
        put(
            &world,
            &site,
            &site.root,
            &format!("file {number}"),
            format!("content {number}").as_bytes(),
        )
        .await;
    }
    let (first, _) = true_point(&mut world, &site).await;
    put(&world, &site, &site.root, "file 7", b"changed").await;
    let (second, state) = true_point(&mut world, &site).await;
    assert_eq!(second.items, 100);
    copy_of(&mut world, &second, &state).await;
    // As retention will: the first point's snapshot goes.
    let repository = world.repository(site.unit).await.unwrap();
    repository.remove_snapshot(&first.snapshot.parse().unwrap()).await.unwrap();
    world.restart_node().unwrap();
    copy_of(&mut world, &second, &state).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_pages_of_odd_sizes_with_the_root_in_each() {
    let small_pages = Rewritten {
        address: Box::new(|path| {
            (path.contains("/delta") && path.contains("top=1000"))
                .then(|| path.replace("top=1000", "top=3"))
        }),
        answer: Box::new(|path, answer| {
            let is_page = path.contains("/delta");
            let Some(values) = answer["value"].as_array_mut().filter(|_| is_page) else { return };
            if let Some(root) = values.iter().find(|item| item["root"].is_object()).cloned() {
                values.push(root);
            }
        }),
    };
    let (mut world, site) = wired(415, Arc::new(small_pages)).await;
    let mut inner = site.root.clone();
    for number in 0..20 {
        put(&world, &site, &inner, "file", format!("content {number}").as_bytes()).await;
        inner = folder(&world, &site, &inner, "inner").await;
    }
    let (point, _) = true_point(&mut world, &site).await;
    assert_eq!(point.items, 40);
    world.tenant.expire_delta_tokens(&DriveId::new(site.drive.clone())).unwrap();
    put(&world, &site, &inner, "last", b"last").await;
    let (point, _) = true_point(&mut world, &site).await;
    assert_eq!(point.items, 41);
}

/// What a run does must follow what changed, not what there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_asks_for_what_changed_only() {
    let wire = Arc::new(Recorded::default());
    let (mut world, site) = wired(420, wire.clone()).await;
    for outer in 0..20 {
        let outer = folder(&world, &site, &site.root, &format!("folder {outer}")).await;
        for number in 0..30 {
            put(
                &world,
                &site,
                &outer,
                &format!("file {number}"),
                format!("{outer} {number}").as_bytes(),
            )
            .await;
        }
    }
    true_point(&mut world, &site).await;
    wire.take();
    let objects = world.node.object_faults.calls();
    world.make_point(site.unit).await.unwrap();
    let unchanged = wire.take();
    assert!(unchanged.len() <= 10, "{unchanged:#?}");
    assert!(world.node.object_faults.calls() - objects <= 2, "an unchanged unit writes nothing");
    put(&world, &site, &site.root, "one", b"one").await;
    world.make_point(site.unit).await.unwrap();
    let changed = wire.take();
    assert!(changed.len() <= unchanged.len() + 3, "{changed:#?}");
}
