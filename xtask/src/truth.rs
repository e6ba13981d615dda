//! `cargo xtask truth`: the random walk of `crates/simulation`, optimized.

use crate::{project, shell};

pub(crate) fn truth(seed: u64, steps: u32) -> anyhow::Result<()> {
    let (seed, steps) = (seed.to_string(), steps.to_string());
    shell::run(project::cargo().args([
        "run",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "holdfast-simulation",
        "--bin",
        "truth",
        "--",
        "--seed",
        &seed,
        "--steps",
        &steps,
    ]))
}
