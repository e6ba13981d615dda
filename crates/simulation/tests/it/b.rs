//! Cases B: integrity of the bytes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use holdfast_simulation::wires::{CutDownload, Spoilt};
use holdfast_simulation::{World, WorldOptions};

use crate::common::{put, true_point};
use crate::gaps::spoiling;

#[tokio::test(flavor = "multi_thread")]
async fn b03_a_body_that_is_shorter_than_listed_never_passes_as_the_file() {
    let (world, wire, site) = spoiling(203).await;
    put(&world, &site, &site.root, "photo.heic", &[9; 3000]).await;
    put(&world, &site, &site.root, "other", &[1; 30]).await;
    wire.spoil(3000, Spoilt::Body(&[8; 2550]));
    let point = world.make_point(site.unit).await.unwrap().unwrap();
    assert_eq!(point.gaps, 1);
    // Today's answer: the item is a gap. To keep bytes that come twice the same, marked, is not built.
    let stored = world.read_point(&point).await.unwrap();
    assert_eq!(stored.entries.keys().collect::<Vec<_>>(), ["Documents/other"]);
    assert!(wire.spoilt.load(Ordering::Relaxed) < 30, "not tried for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn b06_an_error_page_never_becomes_content() {
    let (mut world, wire, site) = spoiling(206).await;
    put(&world, &site, &site.root, "file", &[9; 3000]).await;
    wire.spoil(3000, Spoilt::Page { times: 2 });
    true_point(&mut world, &site).await;
    assert_eq!(wire.spoilt.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn b09_a_notice_instead_of_the_file() {
    let (world, wire, site) = spoiling(209).await;
    put(&world, &site, &site.root, "file", &[9; 12_000]).await;
    let notice = br#"{"error": "This file was found to be infected and was withheld."}"#;
    wire.spoil(12_000, Spoilt::Body(notice));
    let point = world.make_point(site.unit).await.unwrap().unwrap();
    assert_eq!(point.gaps, 1);
    assert!(world.read_point(&point).await.unwrap().entries.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn b10_a_file_that_changes_while_its_transfer_is_resumed() {
    let wire = Arc::new(CutDownload { size: 50_000, deed: Mutex::new(None) });
    let mut options = WorldOptions::new(210);
    options.wire = Some(wire.clone());
    let mut world = World::new(options).await.unwrap();
    let site = world.protected("case").await.unwrap();
    put(&world, &site, &site.root, "file", &[1; 50_000]).await;
    let (node, protected) = (world.another_node().unwrap(), site.clone());
    *wire.deed.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            node.graph
                .put_file(&protected.drive, &protected.root, "file", vec![2; 50_000].into())
                .await
                .unwrap();
        })
    }));
    let point = world.make_point(site.unit).await.unwrap().unwrap();
    assert!(wire.deed.lock().unwrap().is_none(), "the transfer was cut");
    let live = world.read_site(&site.site).await.unwrap();
    assert_eq!(
        (point.gaps, world.read_point(&point).await.unwrap().differences(&live)),
        (0, Vec::new())
    );
}
