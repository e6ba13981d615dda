//! Random walks of a few hundred steps. A longer one: `cargo run -p holdfast-simulation --release --bin truth`.

use holdfast_simulation::truth::{Walk, walk};

#[tokio::test(flavor = "multi_thread")]
async fn every_point_is_the_site_and_every_restore_is_the_point() {
    let walked = walk(Walk { seed: 1, steps: 300, in_folder: false }).await.unwrap();
    assert!(walked.points > 10 && walked.restores_in_place > 5, "{walked:?}");
}
