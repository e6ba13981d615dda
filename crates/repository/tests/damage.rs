//! Damage is an error that names it, never wrong bytes, and the check finds and names it too.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::path::PathBuf;

use holdfast_repository::{
    BlobId, CheckOptions, CheckReport, NodeKind, PackId, RepositoryError, RepositoryOptions,
    SnapshotId,
};
use support::{Bench, back_up, noise, read, small_packs};

const NAMES: [&str; 3] = ["a.bin", "b.bin", "c.bin"];

/// Three files of the same length, each in a pack of its own, and the packs of equal length too.
async fn three_packs() -> (Bench, SnapshotId, Vec<Vec<BlobId>>) {
    let bench = Bench::new(RepositoryOptions { pack_size_bytes: 1 << 17, ..small_packs() }).await;
    let files: Vec<_> =
        NAMES.iter().zip(1..).map(|(name, seed)| (*name, noise(seed, 100_000))).collect();
    let id = back_up(&bench.repository, &files).await;
    let tree = bench.repository.load_snapshot(&id).await.unwrap().tree;
    let mut contents = Vec::new();
    for node in bench.repository.load_tree(&tree).await.unwrap().nodes() {
        let NodeKind::File { content, .. } = &node.kind else { panic!("only files were stored") };
        contents.push(content.clone());
    }
    (bench, id, contents)
}

fn pack_file(bench: &Bench, pack: &PackId) -> PathBuf {
    let name = pack.to_string();
    bench.path().join("data").join(&name[..2]).join(name)
}

async fn check(bench: &Bench, read_data: bool) -> CheckReport {
    bench.repository.check(CheckOptions { read_data }).await.unwrap()
}

fn pack_of(bench: &Bench, content: &[BlobId]) -> PackId {
    bench.repository.locality(content).unwrap().0
}

async fn expect_damage(bench: &Bench, content: &[BlobId], pack: PackId) {
    for repository in [bench.repository.clone(), bench.repository.with_read_cache(1 << 20)] {
        match read(&repository, content).await {
            Err(RepositoryError::Damaged { pack: named, blob, .. }) => {
                assert_eq!((named, blob), (Some(pack), Some(content[0])));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn expect_path(report: &CheckReport, snapshot: SnapshotId, name: &str, pack: PackId, blob: BlobId) {
    let path = format!("/{name}");
    let is_named = report.problems.iter().any(|problem| {
        problem.path.as_deref() == Some(path.as_str())
            && problem.snapshot == Some(snapshot)
            && problem.pack == Some(pack)
            && problem.blob == Some(blob)
    });
    assert!(is_named, "{path} in {:#?}", report.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_repository_has_no_problems() {
    let (bench, _, contents) = three_packs().await;
    for (content, seed) in contents.iter().zip(1..) {
        assert!(read(&bench.repository, content).await.unwrap() == noise(seed, 100_000));
    }
    for read_data in [false, true] {
        let report = check(&bench, read_data).await;
        assert!(report.is_sound(), "{:#?}", report.problems);
        assert_eq!((report.snapshots, report.trees, report.packs), (1, 1, 4));
        assert_eq!(report.pack_bytes_read > 300_000, read_data);
    }
    bench.restic_ok(&["check", "--read-data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_packs_are_noticed() {
    let (bench, snapshot, contents) = three_packs().await;
    let (first, second) = (pack_of(&bench, &contents[0]), pack_of(&bench, &contents[1]));
    let (first_file, second_file) = (pack_file(&bench, &first), pack_file(&bench, &second));
    let bytes = std::fs::read(&first_file).unwrap();
    std::fs::copy(&second_file, &first_file).unwrap();
    std::fs::write(&second_file, bytes).unwrap();
    // Both are authentic and of the right length: only the digests tell.
    assert!(check(&bench, false).await.is_sound());
    expect_damage(&bench, &contents[0], first).await;
    expect_damage(&bench, &contents[1], second).await;
    assert!(read(&bench.repository, &contents[2]).await.is_ok());
    let report = check(&bench, true).await;
    expect_path(&report, snapshot, "a.bin", first, contents[0][0]);
    expect_path(&report, snapshot, "b.bin", second, contents[1][0]);
    assert!(!report.problems.iter().any(|problem| problem.path.as_deref() == Some("/c.bin")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_pack_is_noticed() {
    let (bench, snapshot, contents) = three_packs().await;
    let pack = pack_of(&bench, &contents[1]);
    let file = std::fs::OpenOptions::new().write(true).open(pack_file(&bench, &pack)).unwrap();
    file.set_len(8_000).unwrap();
    expect_damage(&bench, &contents[1], pack).await;
    assert!(read(&bench.repository, &contents[0]).await.is_ok());
    for read_data in [false, true] {
        expect_path(&check(&bench, read_data).await, snapshot, "b.bin", pack, contents[1][0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_pack_is_noticed() {
    let (bench, snapshot, contents) = three_packs().await;
    let pack = pack_of(&bench, &contents[2]);
    std::fs::remove_file(pack_file(&bench, &pack)).unwrap();
    expect_damage(&bench, &contents[2], pack).await;
    for read_data in [false, true] {
        expect_path(&check(&bench, read_data).await, snapshot, "c.bin", pack, contents[2][0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere_is_noticed() {
    let (bench, snapshot, contents) = three_packs().await;
    let pack = pack_of(&bench, &contents[0]);
    let path = pack_file(&bench, &pack);
    let intact = std::fs::read(&path).unwrap();
    for position in [0, 17, 50_000, 100_000 + 31] {
        let mut flipped = intact.clone();
        flipped[position] ^= 0x10;
        std::fs::write(&path, flipped).unwrap();
        expect_damage(&bench, &contents[0], pack).await;
        assert!(check(&bench, false).await.is_sound());
        expect_path(&check(&bench, true).await, snapshot, "a.bin", pack, contents[0][0]);
    }
    // In the header the content is readable, but the pack is not what was written.
    let mut flipped = intact;
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&path, flipped).unwrap();
    assert!(read(&bench.repository, &contents[0]).await.is_ok());
    let report = check(&bench, true).await;
    assert!(report.problems.iter().all(|problem| problem.pack == Some(pack)), "{report:#?}");
    assert_eq!(report.problems.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_folder_is_named_and_its_siblings_are_readable() {
    let (bench, snapshot, contents) = three_packs().await;
    let tree = bench.repository.load_snapshot(&snapshot).await.unwrap().tree;
    let tree_pack = bench
        .packs()
        .into_iter()
        .find(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let id: PackId = name.parse().unwrap();
            contents.iter().all(|content| pack_of(&bench, content) != id)
        })
        .unwrap();
    std::fs::remove_file(tree_pack).unwrap();
    let reopened = bench.reopen().await;
    assert!(matches!(reopened.load_tree(&tree).await, Err(RepositoryError::Damaged { .. })));
    assert!(read(&reopened, &contents[0]).await.is_ok());
    let report = check(&bench, true).await;
    let folder = report.problems.iter().find(|problem| problem.snapshot == Some(snapshot)).unwrap();
    assert_eq!((folder.blob, folder.path.as_deref()), (Some(tree), Some("")));
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_small_files_are_named_and_do_not_stop_the_rest() {
    let (bench, snapshot, contents) = three_packs().await;
    let second = back_up(&bench.repository, &[("d.bin", noise(9, 5_000))]).await;
    for folder in ["index", "snapshots"] {
        for file in support::files_under(&bench.path().join(folder)) {
            let id = file.file_name().unwrap().to_str().unwrap().to_owned();
            let intact = std::fs::read(&file).unwrap();
            let mut flipped = intact.clone();
            flipped[40] ^= 1;
            std::fs::write(&file, flipped).unwrap();
            let report = check(&bench, false).await;
            assert!(report.problems.iter().any(|problem| problem.to_string().contains(&id)));
            bench.reopen().await;
            std::fs::write(&file, intact).unwrap();
        }
    }
    assert!(check(&bench, true).await.is_sound());
    let file = bench.path().join("snapshots").join(snapshot.to_string());
    std::fs::copy(bench.path().join("snapshots").join(second.to_string()), file).unwrap();
    let swapped = bench.repository.load_snapshot(&snapshot).await;
    assert!(matches!(swapped, Err(RepositoryError::Damaged { .. })));
    assert!(read(&bench.repository, &contents[0]).await.is_ok());
}
