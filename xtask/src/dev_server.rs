//! A `holdfast dev` of one's own: started on a free port, found by its `dev.env`, stopped by its process id.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::stopwatch::Stopwatch;

/// How long it may take until it listens; an import comes before.
const START: Duration = Duration::from_secs(600);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How to start.
#[derive(Debug, Clone)]
pub(crate) struct DevOptions {
    pub(crate) binary: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) backup_interval_seconds: u64,
    pub(crate) import: Option<PathBuf>,
}

/// Killed when dropped.
pub(crate) struct DevServer {
    child: Child,
    log: PathBuf,
    /// The lines of `dev.env`.
    pub(crate) environment: BTreeMap<String, String>,
}

impl DevServer {
    /// Starts it and waits until it listens. Its output goes to `dev.log` in the data folder.
    pub(crate) fn start(options: &DevOptions) -> anyhow::Result<Self> {
        fs::create_dir_all(&options.data)?;
        let environment = options.data.join("dev.env");
        match fs::remove_file(&environment) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Err(_) | Ok(()) => {}
        }
        let log_path = options.data.join("dev.log");
        let log = File::options().create(true).append(true).open(&log_path)?;
        let mut command = Command::new(&options.binary);
        command.args(["dev", "--listen", "127.0.0.1:0", "--backup-interval"]);
        command.arg(options.backup_interval_seconds.to_string());
        command.arg("--data").arg(&options.data);
        if let Some(import) = &options.import {
            command.arg("--import").arg(import);
        }
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "info,holdfast_engine=debug");
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("{} cannot be started", options.binary.display()))?;
        // Dropped, and so killed, if it does not come up.
        let mut server = Self { child, log: log_path.clone(), environment: BTreeMap::new() };
        let waiting = Stopwatch::start();
        while !environment.exists() {
            if let Some(status) = server.child.try_wait()? {
                bail!("holdfast dev ended with {status}:\n{}", tail(&log_path));
            }
            if waiting.elapsed() > START {
                bail!("holdfast dev does not listen:\n{}", tail(&log_path));
            }
            thread::sleep(LOOK_AGAIN);
        }
        server.environment = parse_exports(&fs::read_to_string(&environment)?)?;
        Ok(server)
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of the log so far.
    pub(crate) fn log_length(&self) -> anyhow::Result<u64> {
        Ok(fs::metadata(&self.log)?.len())
    }

    /// The whole lines after the first `from` bytes of the log; what is no JSON is left out.
    pub(crate) fn log_lines(&self, from: u64) -> anyhow::Result<Vec<Value>> {
        let mut log = File::open(&self.log)?;
        log.seek(SeekFrom::Start(from))?;
        let mut text = Vec::new();
        log.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Ok(whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    pub(crate) fn variable(&self, name: &str) -> anyhow::Result<&str> {
        self.environment
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("dev.env has no {name}"))
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        // It may have ended already; there is nothing left to do about that here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of a log, for a message.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Lines `export NAME='value'`.
pub(crate) fn parse_exports(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for line in text.lines() {
        let (name, quoted) = line
            .strip_prefix("export ")
            .and_then(|line| line.split_once('='))
            .context("a line of dev.env is no export")?;
        let value = quoted.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        let value = value.context("a value in dev.env is not quoted")?.replace("'\\''", "'");
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn export_lines_are_read_as_a_shell_reads_them() {
        let read = parse_exports("export A='plain'\nexport B='it'\\''s = odd'\n").unwrap();
        assert_eq!(read["A"], "plain");
        assert_eq!(read["B"], "it's = odd");
        assert!(parse_exports("A=1").is_err());
    }
}
