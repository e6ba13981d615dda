//! `cargo xtask interop`: Microsoft's own clients, unchanged, and a fuzzer, against `holdfast dev`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::dev_server::{DevOptions, DevServer, tail};
use crate::{installation, project};

/// Requests of the fuzzer, unless told.
pub(crate) const FUZZ_REQUESTS: u32 = 500;

/// A part that can be run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    Python,
    Javascript,
    Fuzz,
}

/// What to run.
pub(crate) struct InteropOptions {
    /// `None`: everything.
    pub(crate) only: Option<Part>,
    pub(crate) fuzz_requests: u32,
}

struct Story {
    script: &'static str,
    /// Which of azure-identity's two credentials: `sync` goes over MSAL, `aio` does not.
    credential: &'static str,
    /// What it needs: the SDKs of both versions of Graph do not go together.
    requirements: &'static str,
}

impl Story {
    const fn new(script: &'static str, credential: &'static str) -> Self {
        Self { script, credential, requirements: "requirements.txt" }
    }

    const fn beta(script: &'static str) -> Self {
        Self { script, credential: "sync", requirements: "requirements-beta.txt" }
    }
}

const STORIES: [Story; 6] = [
    Story::new("backup_restore.py", "sync"),
    Story::new("backup_restore.py", "aio"),
    Story::new("content.py", "sync"),
    // MSAL itself, as people's programs use it.
    Story::new("sign_in.py", "sync"),
    Story::beta("backup_restore_beta.py"),
    Story::beta("round_trip.py"),
];

pub(crate) fn interop(options: &InteropOptions) -> anyhow::Result<()> {
    let wants = |part| options.only.is_none_or(|only| only == part);
    let binary = project::release_binary()?;
    let scripts = project::root().join("interop");
    let mut sum = Outcome { passed: 0, failed: 0 };
    if wants(Part::Python) {
        for story in &STORIES {
            let python = installation::python(story.requirements)?;
            println!("{} with the {} credential", story.script, story.credential);
            let mut command = Command::new(&python);
            command.arg(scripts.join(story.script)).env("CRED", story.credential);
            sum.add(run(command, &binary)?);
        }
    }
    if wants(Part::Javascript) {
        match installation::node_modules()? {
            Some(modules) => {
                println!("js/backup_restore.js");
                let mut command = Command::new("node");
                command.arg(scripts.join("js").join("backup_restore.js")).env("NODE_PATH", modules);
                sum.add(run(command, &binary)?);
            }
            None => println!("js/backup_restore.js: not run, since node or npm is not installed"),
        }
    }
    if wants(Part::Fuzz) {
        println!("fuzz_api.py with {} requests", options.fuzz_requests);
        let mut command = Command::new(installation::python("requirements-fuzz.txt")?);
        command.arg(scripts.join("fuzz_api.py"));
        command.env("FUZZ_REQUESTS", options.fuzz_requests.to_string());
        sum.add(run(command, &binary)?);
    }
    println!("interop: {} steps passed, {} failed", sum.passed, sum.failed);
    if sum.failed > 0 {
        bail!("a client was not served as it expects");
    }
    Ok(())
}

struct Outcome {
    passed: usize,
    failed: usize,
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// One script against a server and tenant of its own.
fn run(mut script: Command, binary: &Path) -> anyhow::Result<Outcome> {
    let data = tempfile::Builder::new().prefix("holdfast-interop-").tempdir()?;
    let server = DevServer::start(&DevOptions {
        binary: binary.to_owned(),
        data: data.path().to_owned(),
        backup_interval_seconds: 1,
        import: None,
    })?;
    if let Some(authority) = server.environment.get("CA_FILE") {
        script.env("NODE_EXTRA_CA_CERTS", authority);
    }
    let mut child = script
        .envs(&server.environment)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy")
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be started", script.get_program().display()))?;
    let mut outcome = Outcome { passed: 0, failed: 0 };
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        let line = line?;
        println!("  {line}");
        outcome.passed += usize::from(line.starts_with("PASS "));
        outcome.failed += usize::from(line.starts_with("FAIL "));
    }
    let status = child.wait()?;
    if outcome.passed == 0 || status.success() != (outcome.failed == 0) {
        bail!("the script broke off: {status}\n{}", tail(&data.path().join("dev.log")));
    }
    Ok(outcome)
}
