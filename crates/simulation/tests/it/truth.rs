//! Random walks of a few hundred steps. A longer one: `cargo run -p holdfast-simulation --release --bin truth`.

use holdfast_simulation::truth::{Walk, walk};

async fn check(seed: u64, in_folder: bool) {
    let walked = walk(Walk { seed, steps: 300, in_folder }).await.unwrap();
    assert!(walked.points > 10 && walked.restores_in_place > 5, "seed {seed}: {walked:?}");
    assert!(walked.refused * 4 < walked.edits, "seed {seed}: {walked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_point_is_the_site_and_every_restore_is_the_point() {
    check(1, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_walk() {
    check(2, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn and_a_third() {
    check(3, false).await;
}
