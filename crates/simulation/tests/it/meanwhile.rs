//! People go on working while a backup or a restore runs.

use std::sync::Arc;
use std::time::Duration;

use holdfast_simulation::edits::Dice;
use holdfast_simulation::truth::equal;
use holdfast_simulation::wires::Meanwhile;
use holdfast_simulation::{Protected, World, WorldOptions};
use serde_json::{Value, json};

use crate::common::{id, put};

/// A world whose wire is interrupted on demand.
async fn interrupted(seed: u64) -> (World, Arc<Meanwhile>, Protected) {
    let wire = Arc::new(Meanwhile::default());
    let mut options = WorldOptions::new(seed);
    options.wire = Some(wire.clone());
    let world = World::new(options).await.unwrap();
    let protected = world.protected("busy").await.unwrap();
    (world, wire, protected)
}

/// Edits that look broken when only half of them is seen. They begin and end with the same names.
async fn shuffle(world: &World, site: &Protected, dice: &mut Dice) {
    let (graph, drive) = (&world.node.graph, &site.drive);
    let find = async |name: &str| {
        let path = format!("/v1.0/drives/{drive}/root:/{name}");
        id(&graph.call(http::Method::GET, &path, &Value::Null).await.unwrap().ok().unwrap())
    };
    let (outer, inner, first, second) =
        (find("outer").await, find("outer/inner").await, find("first").await, find("second").await);
    graph.patch(drive, &inner, &json!({"parentReference": {"id": site.root}})).await.unwrap();
    graph.delete(drive, &outer).await.unwrap();
    let outer = id(&graph.make_folder(drive, &site.root, "outer").await.unwrap());
    graph.patch(drive, &inner, &json!({"parentReference": {"id": outer}})).await.unwrap();
    graph.patch(drive, &first, &json!({"name": "third"})).await.unwrap();
    graph.patch(drive, &second, &json!({"name": "first"})).await.unwrap();
    graph.patch(drive, &first, &json!({"name": "second"})).await.unwrap();
    put(world, site, &inner, "deep", &dice.bytes(1000)).await;
    put(world, site, &outer, "added", &dice.bytes(900)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_shows_the_site_before_or_after_an_edit_and_never_half() {
    let (mut world, wire, site) = interrupted(31).await;
    let mut dice = Dice::new(31);
    let outer = id(&world.node.graph.make_folder(&site.drive, &site.root, "outer").await.unwrap());
    let inner = id(&world.node.graph.make_folder(&site.drive, &outer, "inner").await.unwrap());
    put(&world, &site, &inner, "deep", b"one").await;
    put(&world, &site, &site.root, "first", b"first").await;
    put(&world, &site, &site.root, "second", b"second").await;
    world.make_point(site.unit).await.unwrap();
    let world_for_deeds = Arc::new(world.another_node().unwrap());
    let mut interruptions = 0;
    for at in 1.. {
        shuffle(&world, &site, &mut dice).await;
        let before = world.read_site(&site.site).await.unwrap();
        let (node, protected, clock) = (world_for_deeds.clone(), site.clone(), world.clock.clone());
        wire.plan(
            at,
            Box::new(move || {
                Box::pin(async move {
                    clock.advance(Duration::from_secs(1));
                    let (graph, drive) = (&node.graph, &protected.drive);
                    let found = graph
                        .list(&format!("/v1.0/drives/{drive}/items/{}/children", protected.root))
                        .await
                        .unwrap();
                    let named = |name: &str| {
                        found.iter().find(|item| item["name"] == name).map(id).unwrap()
                    };
                    let (first, second, outer) = (named("first"), named("second"), named("outer"));
                    graph.patch(drive, &first, &json!({"name": "third"})).await.unwrap();
                    graph.patch(drive, &second, &json!({"name": "first"})).await.unwrap();
                    graph.patch(drive, &first, &json!({"name": "second"})).await.unwrap();
                    graph
                        .put_file(
                            drive,
                            &protected.root,
                            "first",
                            format!("written at {at}").into(),
                        )
                        .await
                        .unwrap();
                    let inner = graph
                        .list(&format!("/v1.0/drives/{drive}/items/{outer}/children"))
                        .await
                        .unwrap();
                    let inner = inner.iter().find(|item| item["name"] == "inner").map(id).unwrap();
                    graph
                        .patch(drive, &inner, &json!({"parentReference": {"id": protected.root}}))
                        .await
                        .unwrap();
                    graph.delete(drive, &outer).await.unwrap();
                    let outer =
                        id(&graph.make_folder(drive, &protected.root, "outer").await.unwrap());
                    graph
                        .patch(drive, &inner, &json!({"parentReference": {"id": outer}}))
                        .await
                        .unwrap();
                })
            }),
        );
        let point = world.make_point(site.unit).await.unwrap().unwrap();
        let was_done = wire.is_done();
        let after = world.read_site(&site.site).await.unwrap();
        let stored = world.read_point(&point).await.unwrap();
        assert!(
            stored == before || stored == after,
            "interrupted at request {at}: {:#?}",
            stored.differences(&after)
        );
        if !was_done {
            break;
        }
        interruptions += 1;
        let point = world.make_point(site.unit).await.unwrap().unwrap();
        equal("the next point", &world.read_point(&point).await.unwrap(), &after).unwrap();
    }
    assert!(interruptions > 5, "{interruptions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_during_a_restore_harms_nothing() {
    let (mut world, wire, site) = interrupted(32).await;
    let mut dice = Dice::new(32);
    for name in ["a", "b", "c"] {
        put(&world, &site, &site.root, name, &dice.bytes(2000)).await;
    }
    let folder =
        id(&world.node.graph.make_folder(&site.drive, &site.root, "folder").await.unwrap());
    put(&world, &site, &folder, "d", &dice.bytes(100)).await;
    let point = world.make_point(site.unit).await.unwrap().unwrap();
    let state = world.read_site(&site.site).await.unwrap();
    let node = Arc::new(world.another_node().unwrap());
    let mut interruptions = 0;
    for at in 1.. {
        put(&world, &site, &site.root, "a", &dice.bytes(1500)).await;
        let b = world
            .node
            .graph
            .call(http::Method::GET, &format!("/v1.0/drives/{}/root:/b", site.drive), &Value::Null)
            .await
            .unwrap()
            .ok();
        if let Ok(b) = b {
            world.node.graph.delete(&site.drive, &id(&b)).await.unwrap();
        }
        let (node, protected) = (node.clone(), site.clone());
        wire.plan(
            at,
            Box::new(move || {
                Box::pin(async move {
                    let found = node
                        .graph
                        .list(&format!(
                            "/v1.0/drives/{}/items/{}/children",
                            protected.drive, protected.root
                        ))
                        .await
                        .unwrap();
                    for item in
                        found.iter().filter(|item| item["name"] == "c" || item["name"] == "folder")
                    {
                        node.graph.delete(&protected.drive, &id(item)).await.unwrap();
                    }
                    node.graph
                        .put_file(&protected.drive, &protected.root, "new", "new".into())
                        .await
                        .unwrap();
                    node.graph
                        .put_file(&protected.drive, &protected.root, "b", "mine".into())
                        .await
                        .unwrap();
                })
            }),
        );
        let ended = world.restore(&point, "inPlace").await.unwrap();
        let was_done = wire.is_done();
        let after = world.read_site(&site.site).await.unwrap();
        if after.without_ids() == state.without_ids() {
            ended.check_complete().unwrap();
        } else {
            // Done after the last look: it is a change after the restore. All of it or nothing.
            let names: Vec<&str> = after.entries.keys().map(String::as_str).collect();
            assert_eq!(
                names,
                ["Documents/a", "Documents/b", "Documents/new"],
                "interrupted at request {at}"
            );
        }
        assert_eq!(ended.status, "completed", "interrupted at request {at}: {ended:#?}");
        if !was_done {
            break;
        }
        interruptions += 1;
        world.restore(&point, "inPlace").await.unwrap().check_complete().unwrap();
        equal(
            "the restored site",
            &world.read_site(&site.site).await.unwrap().without_ids(),
            &state.without_ids(),
        )
        .unwrap();
    }
    assert!(interruptions > 5, "{interruptions}");
}
