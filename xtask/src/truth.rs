//! `cargo xtask truth` and `cargo xtask scale`: programs of `crates/simulation`, optimized.

use crate::{project, shell};

pub(crate) fn truth(seed: u64, steps: u32) -> anyhow::Result<()> {
    let options = ["--seed", &seed.to_string(), "--steps", &steps.to_string()].map(str::to_owned);
    simulate("truth", &options)
}

pub(crate) fn scale(options: &[String]) -> anyhow::Result<()> {
    simulate("scale", options)
}

fn simulate(program: &str, options: &[String]) -> anyhow::Result<()> {
    let cargo = ["run", "--quiet", "--locked", "--release", "--package", "holdfast-simulation"];
    shell::run(project::cargo().args(cargo).args(["--bin", program, "--"]).args(options))
}
