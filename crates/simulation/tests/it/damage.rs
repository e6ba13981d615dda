//! A repository that somebody damaged: a restore says so, and never writes wrong bytes.

use std::fs;
use std::path::PathBuf;

use holdfast_simulation::edits::Dice;
use holdfast_simulation::{Objects, World, WorldOptions};

use crate::common::{folder, put};

#[derive(Debug, Clone, Copy)]
enum Damage {
    SwapPacks,
    CutPack,
    FlipBit,
    RemovePack,
}

/// The largest packs first: those hold files' bytes.
fn packs(repository: &std::path::Path) -> Vec<PathBuf> {
    let mut packs: Vec<(u64, PathBuf)> = fs::read_dir(repository.join("data"))
        .unwrap()
        .flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap())
        .map(|pack| {
            let path = pack.unwrap().path();
            (fs::metadata(&path).unwrap().len(), path)
        })
        .collect();
    packs.sort();
    packs.into_iter().rev().map(|(_, path)| path).collect()
}

async fn check(damage: Damage, seed: u64) {
    let mut options = WorldOptions::new(seed);
    options.objects = Objects::Folder;
    let mut world = World::new(options).await.unwrap();
    let mut dice = Dice::new(seed);
    let site = world.protected("damage").await.unwrap();
    let inner = folder(&world, &site, &site.root, "inner").await;
    for number in 0..8 {
        put(&world, &site, &inner, &format!("file {number}"), &dice.bytes(400_000)).await;
    }
    let point = world.make_point(site.unit).await.unwrap().unwrap();
    let wanted = world.read_site(&site.site).await.unwrap();
    for number in 0..8 {
        put(
            &world,
            &site,
            &inner,
            &format!("file {number}"),
            format!("encrypted {number}").as_bytes(),
        )
        .await;
    }
    world.make_point(site.unit).await.unwrap();
    let found = world.read_site(&site.site).await.unwrap();

    let packs = packs(&world.repository_folder(site.unit));
    assert!(packs.len() > 3, "{packs:?}");
    match damage {
        Damage::SwapPacks => {
            let (one, other) = (fs::read(&packs[0]).unwrap(), fs::read(&packs[1]).unwrap());
            fs::write(&packs[0], other).unwrap();
            fs::write(&packs[1], one).unwrap();
        }
        Damage::CutPack => {
            let bytes = fs::read(&packs[0]).unwrap();
            fs::write(&packs[0], &bytes[..bytes.len() / 2]).unwrap();
        }
        Damage::FlipBit => {
            let mut bytes = fs::read(&packs[0]).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&packs[0], bytes).unwrap();
        }
        Damage::RemovePack => fs::remove_file(&packs[0]).unwrap(),
    }
    world.restart_node().unwrap();
    let ended = world.restore(&point, "inPlace").await.unwrap();
    assert!(
        ["completedWithError", "failed"].contains(&ended.status.as_str()),
        "{damage:?}: {ended:#?}"
    );
    let after = world.read_site(&site.site).await.unwrap();
    let (mut restored, mut left) = (0, Vec::new());
    for (path, entry) in &after.entries {
        if entry.content == wanted.entries[path].content {
            restored += 1;
        } else {
            assert_eq!(
                entry.content, found.entries[path].content,
                "{damage:?}: {path} has wrong bytes"
            );
            left.push(path.clone());
        }
    }
    assert_eq!(after.entries.len(), wanted.entries.len());
    assert!(!left.is_empty(), "{damage:?} touched nothing");
    if ended.status == "completedWithError" {
        let mut listed: Vec<String> =
            ended.failures.iter().map(|failure| failure.path.clone()).collect();
        listed.sort();
        assert_eq!(listed, left, "{damage:?}: {:#?}", ended.failures);
        assert!(
            ended.failures.iter().all(|failure| failure.code == "damagedBackup"),
            "{:#?}",
            ended.failures
        );
        assert!(restored > 1, "{damage:?}: what is sound was restored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_packs_are_noticed() {
    check(Damage::SwapPacks, 71).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_pack_is_noticed() {
    check(Damage::CutPack, 72).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_noticed() {
    check(Damage::FlipBit, 73).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_pack_is_noticed() {
    check(Damage::RemovePack, 74).await;
}
