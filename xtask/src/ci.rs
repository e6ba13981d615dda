//! `cargo xtask ci`: everything that must hold, cheapest first, each step with its time.
//!
//! All of it in the release profile: what the tests need is then built once, C libraries included, for the binary too.

use std::process::Command;

use anyhow::Context;

use crate::interop::InteropOptions;
use crate::stopwatch::Stopwatch;
use crate::{interop, kill, layers, licences, project, shell};

const KILL_SEED: u64 = 1;
const KILL_ROUNDS: u32 = 20;

struct Step {
    name: &'static str,
    run: fn() -> anyhow::Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", run: || cargo(&["fmt", "--all", "--check"]) },
    Step { name: "layers", run: layers::layers },
    Step { name: "deny", run: licences::licences },
    Step { name: "clippy", run: clippy },
    Step { name: "docs", run: docs },
    Step {
        name: "tests",
        run: || cargo(&["test", "--quiet", "--locked", "--release", "--workspace"]),
    },
    Step { name: "release build", run: || project::release_binary().map(drop) },
    Step { name: "demo", run: demo },
    Step { name: "interop", run: clients },
    Step { name: "kill", run: || kill::kill(KILL_SEED, KILL_ROUNDS) },
];

pub(crate) fn ci() -> anyhow::Result<()> {
    // What is missing should be said before the long steps.
    shell::require("restic", "version", "restic")?;
    shell::require("python3", "--version", "python3")?;
    let whole = Stopwatch::start();
    let mut times = Vec::new();
    for step in STEPS {
        println!("== {}", step.name);
        let watch = Stopwatch::start();
        (step.run)().with_context(|| format!("the step {:?} failed", step.name))?;
        println!("== {}: {:.0} s", step.name, watch.seconds());
        times.push((step.name, watch.seconds()));
    }
    println!("\nAll steps passed:");
    for (name, seconds) in times {
        println!("  {name:<14} {seconds:>5.0} s");
    }
    println!("  {:<14} {:>5.0} s", "all", whole.seconds());
    Ok(())
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    shell::run(project::cargo().args(arguments))
}

fn clippy() -> anyhow::Result<()> {
    let arguments = ["clippy", "--quiet", "--locked", "--release", "--workspace", "--all-targets"];
    shell::run(project::cargo().args(arguments).args(["--", "-D", "warnings"]))
}

fn docs() -> anyhow::Result<()> {
    let arguments = ["doc", "--quiet", "--locked", "--release", "--workspace", "--no-deps"];
    shell::run(project::cargo().args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
}

fn clients() -> anyhow::Result<()> {
    interop::interop(&InteropOptions { only: None, fuzz_requests: interop::FUZZ_REQUESTS })
}

/// The main job, on the sample that comes with the source.
fn demo() -> anyhow::Result<()> {
    shell::run(Command::new(project::release_binary()?).arg("demo"))
}
