//! `cargo xtask interop`: Microsoft's own clients, unchanged, and a fuzzer against `holdfast dev`.
//!
//! What they need is large, so it is installed once, outside the checkout, in a folder named after what is pinned.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::dev_server::{DevOptions, DevServer, tail};
use crate::stopwatch::Stopwatch;
use crate::{project, shell};

/// Written last into a finished installation.
const FINISHED: &str = "finished";

struct Story {
    script: &'static str,
    /// Which of azure-identity's two credentials: `sync` goes over MSAL, `aio` does not.
    credential: &'static str,
}

const STORIES: [Story; 4] = [
    Story { script: "backup_restore.py", credential: "sync" },
    Story { script: "backup_restore.py", credential: "aio" },
    Story { script: "content.py", credential: "sync" },
    // MSAL itself, as people's programs use it.
    Story { script: "sign_in.py", credential: "sync" },
];

pub(crate) fn interop() -> anyhow::Result<()> {
    let python = installed_python()?;
    let binary = project::release_binary()?;
    let (mut passed, mut failed) = (0, 0);
    for story in &STORIES {
        let result = run(story, &python, &binary)?;
        passed += result.passed;
        failed += result.failed;
    }
    println!("interop: {passed} steps passed, {failed} failed");
    if failed > 0 {
        bail!("a client was not served as it expects");
    }
    Ok(())
}

struct Outcome {
    passed: usize,
    failed: usize,
}

/// One script against a server and tenant of its own.
fn run(story: &Story, python: &Path, binary: &Path) -> anyhow::Result<Outcome> {
    let data = tempfile::Builder::new().prefix("holdfast-interop-").tempdir()?;
    let server = DevServer::start(&DevOptions {
        binary: binary.to_owned(),
        data: data.path().to_owned(),
        backup_interval_seconds: 1,
        import: None,
    })?;
    println!("{} with the {} credential", story.script, story.credential);
    let mut child = Command::new(python)
        .arg(project::root().join("interop").join(story.script))
        .envs(&server.environment)
        .env("CRED", story.credential)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy")
        .stdout(Stdio::piped())
        .spawn()
        .context("Python cannot be started")?;
    let mut outcome = Outcome { passed: 0, failed: 0 };
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        let line = line?;
        println!("  {line}");
        outcome.passed += usize::from(line.starts_with("PASS "));
        outcome.failed += usize::from(line.starts_with("FAIL "));
    }
    let status = child.wait()?;
    if outcome.passed == 0 || status.success() != (outcome.failed == 0) {
        bail!("{} broke off: {status}\n{}", story.script, tail(&data.path().join("dev.log")));
    }
    Ok(outcome)
}

/// The interpreter of an environment that has what `interop/requirements.txt` pins.
fn installed_python() -> anyhow::Result<PathBuf> {
    let pinned = project::root().join("interop").join("requirements.txt");
    let requirements = fs::read(&pinned).context("interop/requirements.txt")?;
    let mut hasher = DefaultHasher::new();
    requirements.hash(&mut hasher);
    let folder = cache()?.join(format!("interop-{:016x}", hasher.finish()));
    let python = folder.join("bin").join("python");
    if folder.join(FINISHED).exists() {
        return Ok(python);
    }
    shell::require("python3", "--version", "python3")?;
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).status();
    if !made.is_ok_and(|status| status.success()) {
        bail!("Python makes no virtual environment; on Debian: apt-get install python3-venv");
    }
    println!("interop: installing the SDK once, which takes a minute or two");
    let installing = Stopwatch::start();
    shell::run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--requirement")
            .arg(&pinned),
    )?;
    fs::write(folder.join(FINISHED), b"")?;
    println!("interop: installed in {:.0} s", installing.seconds());
    Ok(python)
}

fn cache() -> anyhow::Result<PathBuf> {
    if let Some(cache) = std::env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty()) {
        return Ok(PathBuf::from(cache).join("holdfast"));
    }
    let home = std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache").join("holdfast"))
}
