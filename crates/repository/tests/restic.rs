//! restic judges what we write: its check passes, and what it restores equals what was stored.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeMap;

use holdfast_repository::{Node, Tree};
use support::{Bench, files_under, noise, owner, small_packs, snapshot, store, text, time};

#[tokio::test(flavor = "multi_thread")]
async fn restic_checks_and_restores_what_we_write() {
    let bench = Bench::new(small_packs()).await;
    let contents: BTreeMap<&str, Vec<u8>> = [
        ("empty.txt", Vec::new()),
        ("tiny", b"x".to_vec()),
        ("letter.txt", text(1, 20_000)),
        ("photo.jpg", noise(2, 300_000)),
        ("copy of photo.jpg", noise(2, 300_000)),
        ("large.zip", noise(3, 9_000_000)),
        ("large.txt", text(4, 5_000_000)),
        ("zeros", vec![0; 20 << 20]),
        ("exactly the least chunk", noise(5, 512 << 10)),
        (
            "\u{1f600} Übersicht & <Ümlaut> \"quoted\" \\ 日本語\u{a0}\t\n\u{7}.docx",
            b"names".to_vec(),
        ),
        ("decomposed e\u{301}", b"mark".to_vec()),
    ]
    .into();
    let writer = bench.repository.writer();
    let mut nodes = Vec::new();
    for (name, content) in &contents {
        let stored = store(&writer, content, 70_001).await;
        assert_eq!(stored.size, content.len() as u64);
        let mut node = Node::file((*name).to_owned(), stored.size, stored.content, time());
        node.extended_attributes.push(("user.holdfast".to_owned(), b"{\"id\":1}".to_vec()));
        nodes.push(node);
    }
    let folder = writer.store_tree(&Tree::from_unsorted(nodes).unwrap()).await.unwrap();
    let mut root = Tree::new();
    root.push(Node::directory("content".to_owned(), folder, time())).unwrap();
    let root = writer.store_tree(&root).await.unwrap();
    let summary = writer.finish().await.unwrap();
    assert!(summary.packs > 10 && summary.index_files > 1, "{summary:?}");
    let id = bench.repository.save_snapshot(&snapshot(root)).await.unwrap();

    bench.restic_ok(&["check", "--read-data"]);
    assert!(bench.restic_ok(&["snapshots", "--json"]).contains(&id.to_string()));
    let target = bench.folder.path().join("restored");
    bench.restic_ok(&["restore", "latest", "--target", target.to_str().unwrap()]);
    let restored = files_under(&target);
    assert_eq!(restored.len(), contents.len());
    for (name, content) in &contents {
        let path = target.join("content").join(name);
        assert!(std::fs::read(&path).unwrap() == *content, "{name:?} differs");
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(jiff::Timestamp::try_from(modified).unwrap(), time());
    }
    // Its maintenance leaves a repository that both can read.
    bench.restic_ok(&["rebuild-index"]);
    bench.restic_ok(&["prune"]);
    bench.restic_ok(&["check", "--read-data"]);
    let reopened = bench.reopen().await;
    assert_eq!(reopened.load_tree(&folder).await.unwrap().nodes().len(), contents.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn we_read_what_restic_writes() {
    let bench = Bench::new(small_packs()).await;
    let source = bench.folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    let name = "weird \u{1} \u{200b} \"name\" \\ ü";
    std::fs::write(source.join(name), text(9, 3_000_000)).unwrap();
    bench.restic_ok(&["backup", source.to_str().unwrap()]);
    let repository = bench.reopen().await;
    let ids = repository.list_snapshots().await.unwrap();
    let snapshot = repository.load_snapshot(&ids[0]).await.unwrap();
    let mut tree = repository.load_tree(&snapshot.tree).await.unwrap();
    loop {
        let node = &tree.nodes()[0];
        match &node.kind {
            holdfast_repository::NodeKind::Directory { subtree } => {
                tree = repository.load_tree(subtree).await.unwrap();
            }
            holdfast_repository::NodeKind::File { size, content } => {
                assert_eq!((node.name.as_str(), *size), (name, 3_000_000));
                assert!(support::read(&repository, content).await.unwrap() == text(9, 3_000_000));
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restic_sees_our_lock_and_we_see_its() {
    let bench = Bench::new(small_packs()).await;
    let now = jiff::Timestamp::try_from(
        std::fs::metadata(bench.path().join("config")).unwrap().modified().unwrap(),
    )
    .unwrap();
    let mut lock = bench.repository.lock(now, owner()).await.unwrap();
    assert!(!bench.restic(&["check"]).status.success(), "check needs to be alone");
    bench.restic_ok(&["snapshots"]);
    lock.refresh(now).await.unwrap();
    let locks = bench.repository.list_locks().await.unwrap();
    assert_eq!(locks.iter().map(|lock| lock.id).collect::<Vec<_>>(), [lock.id()]);
    assert_eq!((locks[0].time, locks[0].is_exclusive, &locks[0].owner), (now, false, &owner()));
    assert!(bench.restic_ok(&["list", "locks"]).contains(&lock.id().to_string()));
    lock.release().await.unwrap();
    assert!(bench.repository.list_locks().await.unwrap().is_empty());
    bench.restic_ok(&["check"]);
}
