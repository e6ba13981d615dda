//! `cargo xtask kill`: SIGKILL at random moments, and what must hold afterwards.
//!
//! Four rounds make a cycle on one data folder: a kill in the first backup, in a later one, in a restore in place and in a
//! restore to a new site. Where the kill falls is drawn evenly from the time that the phase took undisturbed in a first
//! cycle without kills, and a little beyond. Then the same data folder is started again, and must come to rest with
//! nothing lost: see `cycle.rs` and `verdict.rs`.

mod cycle;
mod edits;
mod site;
mod verdict;

use std::time::Duration;

use anyhow::bail;

use crate::random::Random;
use crate::stopwatch::Stopwatch;
use crate::{project, shell};
use cycle::{Cycle, PHASES, Phase};

/// A kill may fall this much after the phase's usual end: what follows it has kill points too.
const BEYOND: f64 = 1.15;

struct Round {
    number: u32,
    phase: Phase,
    moment: Moment,
    failure: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    after: Duration,
    /// Of the phase's usual time.
    fraction: f64,
}

pub(crate) fn kill(seed: u64, rounds: u32) -> anyhow::Result<()> {
    shell::require("restic", "version", "restic")?;
    let binary = project::release_binary()?;
    let files = tempfile::Builder::new().prefix("holdfast-kill-site-").tempdir()?;
    let bytes = site::generate(seed, files.path())?;
    println!("seed {seed}: {} files, {bytes} bytes", site::FILES);
    let whole = Stopwatch::start();
    let usual = measure(&binary, files.path(), seed)?;
    for (phase, took) in PHASES.iter().zip(&usual) {
        println!("undisturbed: {} {:.2} s", phase.name(), took.as_secs_f64());
    }
    let mut done: Vec<Round> = Vec::new();
    let mut cycle: Option<Cycle> = None;
    while done.len() < rounds as usize {
        let number = done.len() as u32 + 1;
        let watch = Stopwatch::start();
        let mut random = Random::new(seed, u64::from(number));
        let mut current = match cycle.take() {
            Some(cycle) => cycle,
            None => Cycle::start(&binary, files.path())?,
        };
        let (phase, index) = current.phase();
        let fraction = random.fraction() * BEYOND;
        let moment = Moment { after: usual[index].mul_f64(fraction), fraction };
        let outcome = current.round(number, &mut random, Some(moment.after));
        let failure = outcome.as_ref().err().map(|error| format!("{error:#}"));
        println!(
            "round {number:>3}  {:<19} killed after {:>6.3} s ({:>3.0} %)  {}  {:.1} s",
            phase.name(),
            moment.after.as_secs_f64(),
            fraction * 100.0,
            if failure.is_some() { "FAILED" } else { "ok" },
            watch.seconds(),
        );
        match &failure {
            Some(failure) => {
                println!("  {failure}\n  the data stays in {}", current.keep_data().display())
            }
            None if current.is_over() => {}
            None => cycle = Some(current),
        }
        done.push(Round { number, phase, moment, failure });
    }
    summarize(&done, whole.seconds())
}

/// How long each phase takes when nothing is killed.
fn measure(
    binary: &std::path::Path,
    files: &std::path::Path,
    seed: u64,
) -> anyhow::Result<Vec<Duration>> {
    let mut cycle = Cycle::start(binary, files)?;
    let mut random = Random::new(seed, 0);
    let mut usual = Vec::new();
    while !cycle.is_over() {
        let number = usual.len() as u32;
        usual.push(cycle.round(number, &mut random, None)?);
    }
    Ok(usual)
}

fn summarize(done: &[Round], seconds: f64) -> anyhow::Result<()> {
    println!(
        "\n| Killed in | Rounds | Kills before half of the usual time | Failed |\n|---|---|---|---|"
    );
    for phase in PHASES {
        let rounds: Vec<&Round> = done.iter().filter(|round| round.phase == phase).collect();
        println!(
            "| {} | {} | {} | {} |",
            phase.name(),
            rounds.len(),
            rounds.iter().filter(|round| round.moment.fraction < 0.5).count(),
            rounds.iter().filter(|round| round.failure.is_some()).count()
        );
    }
    println!("\n{} rounds in {seconds:.0} s", done.len());
    let failed: Vec<String> = done
        .iter()
        .filter(|round| round.failure.is_some())
        .map(|round| round.number.to_string())
        .collect();
    if !failed.is_empty() {
        bail!("rounds {} failed", failed.join(", "));
    }
    Ok(())
}
