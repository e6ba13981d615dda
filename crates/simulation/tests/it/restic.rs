//! restic as the judge: it opens what the engine wrote, and what it removes is not relied on.

use std::path::Path;

use holdfast_simulation::edits::{Dice, Editor};
use holdfast_simulation::restic::restic;
use holdfast_simulation::truth::equal;
use holdfast_simulation::{Objects, Protected, World, WorldOptions};
use sha2::{Digest, Sha256};

use crate::common::{put, true_point};

async fn in_folder(seed: u64) -> (World, Protected) {
    let mut options = WorldOptions::new(seed);
    options.objects = Objects::Folder;
    let world = World::new(options).await.unwrap();
    let site = world.protected("judged").await.unwrap();
    (world, site)
}

#[tokio::test(flavor = "multi_thread")]
async fn restic_checks_and_restores_every_point() {
    let (mut world, site) = in_folder(81).await;
    let mut dice = Dice::new(81);
    let mut editor = Editor::open(&world.node.graph, &site.drive, &site.root).await.unwrap();
    let mut points = Vec::new();
    for _ in 0..3 {
        for _ in 0..40 {
            // A refused edit is none.
            drop(editor.edit(&world.node.graph, &mut dice).await);
        }
        points.push(true_point(&mut world, &site).await);
    }
    restic(&world, site.unit, &["check", "--read-data"]).await.unwrap();
    for (point, state) in &points {
        let folder = tempfile::tempdir().unwrap();
        restic(
            &world,
            site.unit,
            &["restore", &point.snapshot, "--target", folder.path().to_str().unwrap()],
        )
        .await
        .unwrap();
        let mut files = 0;
        for (path, entry) in &state.entries {
            let path = folder.path().join("content/sites/judged").join(path);
            match &entry.content {
                None => assert!(path.is_dir(), "{path:?}"),
                Some((size, digest)) => {
                    let bytes = std::fs::read(&path).unwrap();
                    assert_eq!(
                        (bytes.len() as u64, &hex::encode(Sha256::digest(&bytes))),
                        (*size, digest),
                        "{path:?}"
                    );
                    files += 1;
                }
            }
        }
        assert_eq!(count_files(&folder.path().join("content")), files);
    }
}

fn count_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_pruned_is_stored_again() {
    let (mut world, site) = in_folder(82).await;
    let bytes = Dice::new(82).bytes(900_000);
    let file = put(&world, &site, &site.root, "file", &bytes).await;
    true_point(&mut world, &site).await;
    world.node.graph.delete(&site.drive, &file).await.unwrap();
    true_point(&mut world, &site).await;
    // The engine keeps the repository open meanwhile.
    restic(&world, site.unit, &["forget", "--keep-last", "1", "--prune"]).await.unwrap();
    put(&world, &site, &site.root, "file", &bytes).await;
    let (point, state) = true_point(&mut world, &site).await;
    restic(&world, site.unit, &["check", "--read-data"]).await.unwrap();
    world.restart_node().unwrap();
    equal("the point", &world.read_point(&point).await.unwrap(), &state).unwrap();
}
