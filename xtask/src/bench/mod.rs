//! `cargo xtask bench`: what a backup costs, beside restic on the same files. Writes `docs/benchmarks.md`.
//!
//! Ours is measured by the engine's own log (a job's beginning and end): it reads the embedded tenant through the Graph
//! connector, in one process with the API and the tenant, whose memory counts too. restic reads the files themselves.
//! Repetitions are interleaved, so that a slow minute of the machine falls on both.

mod changes;
mod data;
mod engine_log;
mod holdfast;
mod report;
mod restic;

use std::path::Path;

use crate::stopwatch::Stopwatch;
use crate::{project, shell};

pub(crate) struct BenchOptions {
    /// Bytes of documents.
    pub(crate) bytes: u64,
    /// Items of the large site.
    pub(crate) items: usize,
    pub(crate) repetitions: usize,
}

/// One repetition on the documents.
#[derive(Debug, Clone, Copy)]
struct Measured {
    first_backup_seconds: f64,
    first_backup_mb: f64,
    unchanged_seconds: f64,
    changed_seconds: f64,
    restore_seconds: f64,
    restore_mb: f64,
}

pub(crate) fn bench(options: &BenchOptions) -> anyhow::Result<()> {
    shell::require("restic", "version", "restic")?;
    let binary = project::release_binary()?;
    let whole = Stopwatch::start();
    let (ours, theirs) = documents(options, &binary)?;
    let changes = changes::measure(options, &binary)?;
    let text = report::write(options, &ours, &theirs, &changes)?;
    println!("\n{text}\nmeasured in {:.0} s", whole.seconds());
    Ok(())
}

fn documents(
    options: &BenchOptions,
    binary: &Path,
) -> anyhow::Result<(Vec<Measured>, Vec<Measured>)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for repetition in 1..=options.repetitions {
        let source = tempfile::Builder::new().prefix("holdfast-bench-").tempdir()?;
        let files = data::documents(source.path(), options.bytes)?;
        let measured = holdfast::measure(binary, source.path(), &files)?;
        println!("{repetition} holdfast {measured:.2?}");
        ours.push(measured);
        let measured = restic::measure(source.path(), &files)?;
        println!("{repetition} restic   {measured:.2?}");
        theirs.push(measured);
    }
    Ok((ours, theirs))
}

/// The middle one; of an even number the upper middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
