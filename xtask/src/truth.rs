//! `cargo xtask truth` and `cargo xtask scale`: programs of `crates/simulation`, optimized.

use crate::{project, shell};

pub(crate) fn truth(seed: u64, steps: u32) -> anyhow::Result<()> {
    simulate("truth", &["--seed", &seed.to_string(), "--steps", &steps.to_string()])
}

pub(crate) fn scale(units: u32, browse: Option<u32>) -> anyhow::Result<()> {
    match browse {
        Some(files) => simulate("scale", &["--browse", &files.to_string()]),
        None => simulate("scale", &["--units", &units.to_string()]),
    }
}

fn simulate(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let cargo = ["run", "--quiet", "--locked", "--release", "--package", "holdfast-simulation"];
    shell::run(project::cargo().args(cargo).args(["--bin", program, "--"]).args(arguments))
}
