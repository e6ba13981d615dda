//! One repetition of restic's, on the files themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::bail;
use tempfile::TempDir;

use super::Measured;
use super::data::{Document, one_per_cent};
use crate::memory::run_and_watch;
use crate::stopwatch::Stopwatch;

/// A repository of its own, with a cache of its own.
pub(super) struct Repository {
    folder: TempDir,
}

/// What one command took.
pub(super) struct Took {
    pub(super) seconds: f64,
    pub(super) mb: f64,
}

impl Repository {
    pub(super) fn init() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("holdfast-bench-restic-").tempdir()?;
        let repository = Self { folder };
        repository.run(&["init"])?;
        Ok(repository)
    }

    pub(super) fn run(&self, arguments: &[&str]) -> anyhow::Result<Took> {
        let mut command = Command::new("restic");
        command
            .env("RESTIC_REPOSITORY", self.folder.path().join("repository"))
            .env("RESTIC_CACHE_DIR", self.folder.path().join("cache"))
            .env("RESTIC_PASSWORD", "benchmark")
            .arg("--quiet")
            .args(arguments);
        let watch = Stopwatch::start();
        let (status, mb) = run_and_watch(&mut command)?;
        let seconds = watch.seconds();
        if !status.success() {
            bail!("restic {arguments:?} failed: {status}");
        }
        Ok(Took { seconds, mb })
    }
}

pub(super) fn measure(source: &Path, files: &[Document]) -> anyhow::Result<Measured> {
    let repository = Repository::init()?;
    let folder = source.display().to_string();
    let first = repository.run(&["backup", &folder])?;
    let unchanged = repository.run(&["backup", &folder])?;
    for (file, content) in one_per_cent(files) {
        fs::write(source.join(&file.path), content)?;
    }
    let changed = repository.run(&["backup", &folder])?;
    let target = tempfile::Builder::new().prefix("holdfast-bench-target-").tempdir()?;
    let target = target.path().display().to_string();
    let restore = repository.run(&["restore", "latest", "--target", &target])?;
    Ok(Measured {
        first_backup_seconds: first.seconds,
        first_backup_mb: first.mb,
        unchanged_seconds: unchanged.seconds,
        changed_seconds: changed.seconds,
        restore_seconds: restore.seconds,
        restore_mb: restore.mb,
    })
}
