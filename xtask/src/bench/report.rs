//! The table of `docs/benchmarks.md`.

use std::fs;
use std::process::Command;

use super::changes::{Changes, FEW};
use super::{BenchOptions, Measured, median};
use crate::{project, shell};

pub(super) fn write(
    options: &BenchOptions,
    ours: &[Measured],
    theirs: &[Measured],
    changes: &Changes,
) -> anyhow::Result<String> {
    let row = |name: &str, of: fn(&Measured) -> f64, digits: usize| {
        let (ours, theirs) = (median(ours.iter().map(of)), median(theirs.iter().map(of)));
        format!("| {name} | {ours:.digits$} | {theirs:.digits$} | {:.2} |\n", ours / theirs)
    };
    let version = shell::output(Command::new("restic").arg("version"))?;
    let version = version.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let many = options.items;
    let mut text = format!(
        "# Benchmarks\n\n\
         Made by `cargo xtask bench --bytes {} --items {many} --repetitions {}` on {}.\n\n\
         Holdfast's times are the engine's own (a job's beginning and end in its log). It reads the embedded tenant through\n\
         the Graph connector, and restores to a new site by Graph calls, in one process with tenant and API; its peak is of\n\
         that whole process. restic reads and writes plain files. Medians; the repetitions are interleaved.\n\n\
         ## Documents\n\n\
         {:.1} GB, files of 50 KB to 20 MB, half of them text, half incompressible.\n\n\
         | | Holdfast | {version} | ratio |\n|---|---|---|---|\n",
        options.bytes,
        options.repetitions,
        machine(),
        options.bytes as f64 / 1e9,
    );
    text += &row("first backup, s", |run| run.first_backup_seconds, 2);
    text += &row("first backup, peak MB", |run| run.first_backup_mb, 0);
    text += &row("run without a change, s", |run| run.unchanged_seconds, 3);
    text += &row("one per cent changed, s", |run| run.changed_seconds, 3);
    text += &row("restore of everything, s", |run| run.restore_seconds, 2);
    text += &row("restore, peak MB", |run| run.restore_mb, 0);
    text += &format!(
        "\n## Many items\n\nFiles of 100 to 3,000 bytes, a hundred in each folder. The changes fall on twenty folders.\n\n\
         | | Holdfast | {version} |\n|---|---|---|\n\
         | first backup of {many} items, s (peak MB) | {:.1} ({:.0}) | {:.1} ({:.0}) |\n\
         | run without a change, {many} items, s | {:.3} | {:.1} |\n\
         | 100 changes among {FEW} items, s | {:.3} | |\n\
         | 100 changes among {many} items, s | {:.3} | |\n\
         | the last two, ratio | {:.2} | |\n",
        changes.first_backup.seconds,
        changes.first_backup.mb,
        changes.restic_first_backup.seconds,
        changes.restic_first_backup.mb,
        changes.unchanged_seconds,
        changes.restic_unchanged.seconds,
        changes.few_seconds,
        changes.many_seconds,
        changes.many_seconds / changes.few_seconds,
    );
    fs::write(project::root().join("docs").join("benchmarks.md"), &text)?;
    Ok(text)
}

/// Processors, their name, and memory.
fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let value = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split(':').nth(1).unwrap_or("unknown").trim().to_owned()
    };
    format!(
        "{processors} processors ({}), {} of memory",
        value("/proc/cpuinfo", "model name"),
        value("/proc/meminfo", "MemTotal")
    )
}
