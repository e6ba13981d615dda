//! Cases A: names, paths and empty files.

use std::sync::Arc;

use holdfast_simulation::edits::Dice;
use holdfast_simulation::wires::{Recorded, Rewritten};
use serde_json::json;

use crate::common::{copy_of, folder, plain, put, roll_back, true_point, wired};

#[tokio::test(flavor = "multi_thread")]
async fn a01_a_hash_sign_in_a_name() {
    let wire = Arc::new(Recorded::default());
    let (mut world, site) = wired(101, wire.clone()).await;
    let name = "A random title # some text.docx";
    let file = put(&world, &site, &site.root, name, b"twelve bytes").await;
    let decoy = folder(&world, &site, &site.root, "A random title").await;
    put(&world, &site, &decoy, "decoy", b"decoy").await;
    let (point, state) = true_point(&mut world, &site).await;
    world.node.graph.delete(&site.drive, &file).await.unwrap();
    wire.take();
    roll_back(&mut world, &site, &point, &state).await;
    let made: Vec<String> = wire
        .take()
        .into_iter()
        .map(|(_, path)| path)
        .filter(|path| path.contains("A%20random"))
        .collect();
    assert!(!made.is_empty() && made.iter().all(|path| path.contains("%23")), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a03_a_service_that_decodes_paths_twice() {
    let twice = Rewritten {
        address: Box::new(|path| path.contains(":/").then(|| path.replace("%25", "%"))),
        ..Rewritten::default()
    };
    let (mut world, site) = wired(103, Arc::new(twice)).await;
    let file = put(&world, &site, &site.root, "file%21%22%23", b"odd").await;
    let other = put(&world, &site, &site.root, "plain", b"plain").await;
    let (point, state) = true_point(&mut world, &site).await;
    world.node.graph.delete(&site.drive, &file).await.unwrap();
    world.node.graph.delete(&site.drive, &other).await.unwrap();
    // A new file has no id yet: its name must be in the address. The service then refuses it, and the restore says so.
    let ended = world.restore(&point, "inPlace").await.unwrap();
    assert_eq!(ended.status, "completedWithError");
    let listed: Vec<&str> = ended.failures.iter().map(|failure| failure.path.as_str()).collect();
    assert_eq!(listed, ["Documents/file%21%22%23"], "{:#?}", ended.failures);
    let live = world.read_site(&site.site).await.unwrap();
    assert_eq!(live.entries.keys().collect::<Vec<_>>(), ["Documents/plain"]);
    // One that exists is addressed by its id.
    let file = put(&world, &site, &site.root, "file%21%22%23", b"changed").await;
    world.restore(&point, "inPlace").await.unwrap().check_complete().unwrap();
    let live = world.read_site(&site.site).await.unwrap();
    assert_eq!(live.without_ids(), state.without_ids());
    assert_eq!(live.entries["Documents/file%21%22%23"].id, file);
}

#[tokio::test(flavor = "multi_thread")]
async fn a05_names_that_differ_in_case_only() {
    let (mut world, site) = plain(105).await;
    let file = put(&world, &site, &site.root, "File.txt", b"A").await;
    let (first, upper) = true_point(&mut world, &site).await;
    world.node.graph.patch(&site.drive, &file, &json!({"name": "file.txt"})).await.unwrap();
    put(&world, &site, &site.root, "file.txt", b"B").await;
    let (second, lower) = true_point(&mut world, &site).await;
    assert!(
        upper.entries.contains_key("Documents/File.txt")
            && lower.entries.contains_key("Documents/file.txt")
    );
    copy_of(&mut world, &first, &upper).await;
    copy_of(&mut world, &second, &lower).await;
    roll_back(&mut world, &site, &first, &upper).await;
    roll_back(&mut world, &site, &second, &lower).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_an_empty_file_needs_no_upload_session() {
    let wire = Arc::new(Recorded::default());
    let (mut world, site) = wired(110, wire.clone()).await;
    let file = put(&world, &site, &site.root, "test.txt", b"").await;
    let (point, state) = true_point(&mut world, &site).await;
    assert_eq!(state.entries["Documents/test.txt"].content.as_ref().unwrap().0, 0);
    world.node.graph.delete(&site.drive, &file).await.unwrap();
    wire.take();
    roll_back(&mut world, &site, &point, &state).await;
    copy_of(&mut world, &point, &state).await;
    put(&world, &site, &site.root, "test.txt", b"not empty").await;
    roll_back(&mut world, &site, &point, &state).await;
    assert!(wire.take().iter().all(|(_, path)| !path.contains("createUploadSession")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_a_long_legal_path() {
    let wire = Arc::new(Recorded::default());
    let (mut world, site) = wired(111, wire.clone()).await;
    let first = folder(&world, &site, &site.root, &"d".repeat(195)).await;
    let second = folder(&world, &site, &first, &"e".repeat(195)).await;
    let mut dice = Dice::new(111);
    let (small, large) = (
        put(&world, &site, &second, "abc", &dice.bytes(1024)).await,
        put(&world, &site, &second, "xyz", &dice.bytes(11 << 20)).await,
    );
    let (point, state) = true_point(&mut world, &site).await;
    assert!(state.entries.keys().any(|path| path.chars().count() == "Documents/".len() + 395));
    // Swapped names pass through a temporary one, for which this place is too deep.
    let graph = &world.node.graph;
    graph.patch(&site.drive, &small, &json!({"name": "-"})).await.unwrap();
    graph.patch(&site.drive, &large, &json!({"name": "abc"})).await.unwrap();
    graph.patch(&site.drive, &small, &json!({"name": "xyz"})).await.unwrap();
    roll_back(&mut world, &site, &point, &state).await;
    world.node.graph.delete(&site.drive, &first).await.unwrap();
    wire.take();
    roll_back(&mut world, &site, &point, &state).await;
    copy_of(&mut world, &point, &state).await;
    let longest = wire
        .take()
        .into_iter()
        .map(|(_, path)| path)
        .filter(|path| path.contains(":/"))
        .map(|path| path.len())
        .max()
        .unwrap();
    assert!(longest < 395 + 150, "a whole path is in an address of {longest} characters");
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_names_like_those_of_a_backup_tool() {
    let (mut world, site) = plain(113).await;
    for name in [
        "report",
        "report.meta",
        "report.dirmeta",
        "snapshot.json",
        "index",
        "unit.json",
        "gaps.json",
        "holdfast-01ABC",
    ] {
        put(&world, &site, &site.root, name, name.as_bytes()).await;
    }
    for name in ["holdfast", "content", "permissions"] {
        let inner = folder(&world, &site, &site.root, name).await;
        put(&world, &site, &inner, "unit.json", name.as_bytes()).await;
    }
    let (point, state) = true_point(&mut world, &site).await;
    for entry in state.entries.values().filter(|entry| entry.content.is_some()) {
        world.node.graph.delete(&site.drive, &entry.id).await.unwrap();
    }
    roll_back(&mut world, &site, &point, &state).await;
    copy_of(&mut world, &point, &state).await;
}
