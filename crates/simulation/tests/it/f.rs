//! Cases F: what comes back is what was there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_simulation::truth::equal;
use holdfast_simulation::wires::Recorded;
use http::Method;
use serde_json::{Value, json};

use crate::common::{copy_of, folder, id, plain, put, roll_back, true_point, wired};
use crate::gaps::spoiling;

async fn users(world: &holdfast_simulation::World) -> Vec<String> {
    world.node.graph.list("/v1.0/users").await.unwrap().iter().map(id).collect()
}

/// Requests that change something, apart from asking for a token.
fn writes(wire: &Recorded) -> Vec<(String, String)> {
    wire.take()
        .into_iter()
        .filter(|(method, path)| method != "GET" && !path.contains("/oauth2/"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_restored_file_has_one_version() {
    let (mut world, site) = plain(501).await;
    for number in 0..20 {
        put(&world, &site, &site.root, &format!("file {number}"), &[7; 10_000]).await;
    }
    let (point, state) = true_point(&mut world, &site).await;
    let copy = copy_of(&mut world, &point, &state).await;
    let drive = id(&world.node.graph.list(&format!("/v1.0/sites/{copy}/drives")).await.unwrap()[0]);
    let files =
        world.node.graph.list(&format!("/v1.0/drives/{drive}/root/children")).await.unwrap();
    assert_eq!(files.len(), 20);
    for file in files {
        let versions = world
            .node
            .graph
            .list(&format!("/v1.0/drives/{drive}/items/{}/versions", id(&file)))
            .await
            .unwrap();
        assert_eq!(versions.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_fractions_of_seconds_cost_nothing() {
    let (mut world, wire, site) = spoiling(502).await;
    let file = put(&world, &site, &site.root, "file", b"bytes").await;
    let times = json!({"fileSystemInfo": {"createdDateTime": "2020-01-02T11:59:59.9Z", "lastModifiedDateTime": "2020-01-02T12:00:00.268Z"}});
    world.node.graph.patch(&site.drive, &file, &times).await.unwrap();
    let (point, state) = true_point(&mut world, &site).await;
    let downloads = wire.downloads.load(Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(world.make_point(site.unit).await.unwrap().unwrap().id, point.id);
    }
    assert_eq!(wire.downloads.load(Ordering::Relaxed), downloads);
    world.node.graph.delete(&site.drive, &file).await.unwrap();
    roll_back(&mut world, &site, &point, &state).await;
    copy_of(&mut world, &point, &state).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_a_restore_writes_no_permissions_that_it_need_not() {
    let wire = Arc::new(Recorded::default());
    let (mut world, site) = wired(503, wire.clone()).await;
    let a = folder(&world, &site, &site.root, "A").await;
    let b = folder(&world, &site, &a, "B").await;
    let file = put(&world, &site, &b, "file", b"bytes").await;
    let user = users(&world).await.swap_remove(0);
    world.node.graph.invite(&site.drive, &a, &user, "write").await.unwrap();
    let (point, state) = true_point(&mut world, &site).await;
    world.node.graph.delete(&site.drive, &file).await.unwrap();
    wire.take();
    roll_back(&mut world, &site, &point, &state).await;
    let writes = writes(&wire);
    assert!(
        writes.iter().all(|(_, path)| !path.contains("invite") && !path.contains("permissions")),
        "{writes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f05_explicit_rights_stay_explicit() {
    let (mut world, site) = plain(505).await;
    let a = folder(&world, &site, &site.root, "a").await;
    let b = folder(&world, &site, &a, "b").await;
    let users = users(&world).await;
    world.node.graph.invite(&site.drive, &a, &users[0], "write").await.unwrap();
    world.node.graph.invite(&site.drive, &a, &users[1], "write").await.unwrap();
    world.node.graph.invite(&site.drive, &b, &users[0], "read").await.unwrap();
    let (point, state) = true_point(&mut world, &site).await;
    assert_eq!(
        (
            state.entries["Documents/a"].permissions.len(),
            state.entries["Documents/a/b"].permissions.len()
        ),
        (2, 1)
    );
    world.node.graph.delete(&site.drive, &a).await.unwrap();
    roll_back(&mut world, &site, &point, &state).await;
    copy_of(&mut world, &point, &state).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_a_restore_to_a_new_site_writes_nothing_to_the_old_one() {
    let wire = Arc::new(Recorded::default());
    let (mut world, site) = wired(506, wire.clone()).await;
    let inner = folder(&world, &site, &site.root, "inner").await;
    put(&world, &site, &inner, "file", b"bytes").await;
    let (point, state) = true_point(&mut world, &site).await;
    put(&world, &site, &inner, "file", b"changed since").await;
    let before = world.read_site(&site.site).await.unwrap();
    wire.take();
    copy_of(&mut world, &point, &state).await;
    let writes = writes(&wire);
    assert!(
        writes.iter().all(|(_, path)| !path.contains(&site.drive) && !path.contains(&site.site)),
        "{writes:#?}"
    );
    equal("the original", &world.read_site(&site.site).await.unwrap(), &before).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn f07_three_rehearsals_leave_three_sites_and_an_equal_site_is_left_alone() {
    let wire = Arc::new(Recorded::default());
    let (mut world, site) = wired(507, wire.clone()).await;
    put(&world, &site, &site.root, "file", b"bytes").await;
    let (point, state) = true_point(&mut world, &site).await;
    for number in 0..3 {
        let copy = copy_of(&mut world, &point, &state).await;
        let copy = world
            .node
            .graph
            .call(Method::GET, &format!("/v1.0/sites/{copy}"), &Value::Null)
            .await
            .unwrap()
            .ok()
            .unwrap();
        assert!(
            copy["webUrl"].as_str().unwrap().ends_with(&format!("/sites/caseR{number}")),
            "{copy}"
        );
    }
    wire.take();
    roll_back(&mut world, &site, &point, &state).await;
    assert_eq!(writes(&wire), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_broad_and_deep_folder_comes_back_whole() {
    let (mut world, site) = plain(510).await;
    let mut folders = vec![site.root.clone()];
    for number in 0..60 {
        let parent = folders[number * 7 % folders.len()].clone();
        folders.push(folder(&world, &site, &parent, &format!("folder {number}")).await);
    }
    for number in 0..900 {
        let parent = &folders[number % folders.len()];
        put(
            &world,
            &site,
            parent,
            &format!("file {number}"),
            format!("content {number}").as_bytes(),
        )
        .await;
    }
    let (point, state) = true_point(&mut world, &site).await;
    assert_eq!((point.items, state.entries.len()), (960, 960));
    copy_of(&mut world, &point, &state).await;
    for item in world
        .node
        .graph
        .list(&format!("/v1.0/drives/{}/items/{}/children", site.drive, site.root))
        .await
        .unwrap()
    {
        world.node.graph.delete(&site.drive, &id(&item)).await.unwrap();
    }
    roll_back(&mut world, &site, &point, &state).await;
}
