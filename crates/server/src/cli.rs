//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::ConfigError;
use crate::demo::{DemoOptions, Verdict, demo};
use crate::dev::{DevOptions, dev};
use crate::embedded::default_backup_interval;
use crate::node;
use crate::repository_key::{Keeping, repository_key};

/// Open, self-hosted Microsoft 365 Backup Storage.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Protects a site, damages it, gets it back, and compares every byte.
    Demo {
        /// The folder to import as a site; a small sample set by default.
        #[arg(long, value_name = "DIR")]
        import: Option<PathBuf>,
        /// The data folder; a temporary one, removed at the end, by default.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Goes on serving afterwards.
        #[arg(long)]
        keep: bool,
    },
    /// Serves the API, an embedded tenant and a token issuer for developing against.
    Dev {
        #[arg(long, default_value = "127.0.0.1:8443")]
        listen: SocketAddr,
        #[arg(long, value_name = "DIR", default_value = "holdfast-data")]
        data: PathBuf,
        /// A folder to import as the site /sites/Imported.
        #[arg(long, value_name = "DIR")]
        import: Option<PathBuf>,
        /// Forgets everything from earlier starts.
        #[arg(long)]
        fresh: bool,
        /// Seconds between two backups of a site.
        #[arg(long, value_name = "SECONDS", default_value_t = default_backup_interval().as_secs(), value_parser = clap::value_parser!(u64).range(1..))]
        backup_interval: u64,
    },
    /// Serves the API for real tenants, as a configuration file says.
    Serve {
        /// `docs/holdfast.example.toml` explains every setting.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Works on jobs as `serve` does, without listening.
    Worker {
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Prints what restic needs to open a unit's backups.
    RepositoryKey {
        unit: String,
        /// Reads the root key and the repositories' folder only, not the metastore.
        #[arg(long)]
        offline: bool,
        #[arg(long, value_name = "DIR", default_value = "holdfast-data")]
        data: PathBuf,
        /// The configuration of `serve`, instead of a data folder.
        #[arg(long, value_name = "FILE", conflicts_with = "data")]
        config: Option<PathBuf>,
    },
}

/// Runs the command. Exit codes: 0 done, 1 done with item failures, 2 wrong usage, 3 failed.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("holdfast: no threads: {error}");
            return ExitCode::from(3);
        }
    };
    match runtime.block_on(run(arguments.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("holdfast: {error:#}");
            ExitCode::from(if error.is::<ConfigError>() { 2 } else { 3 })
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo { import, data, keep } => {
            Ok(match demo(DemoOptions { import, data, keep }).await? {
                Verdict::Equal => ExitCode::SUCCESS,
                Verdict::Different => ExitCode::from(1),
            })
        }
        Command::Dev { listen, data, import, fresh, backup_interval } => {
            dev(DevOptions {
                listen,
                data,
                import,
                fresh,
                backup_interval: Duration::from_secs(backup_interval),
            })
            .await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Serve { config } => {
            node::serve(&config).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Worker { config } => {
            node::worker(&config).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::RepositoryKey { unit, offline, data, config } => {
            let keeping = match config {
                Some(config) => Keeping::of_config(&config)?,
                None => Keeping::of_data(&data)?,
            };
            repository_key(&unit, keeping, offline).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// To standard error: for people on a terminal, as JSON otherwise. `RUST_LOG` sets the level.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        log.init()
    } else {
        log.json().init()
    }
}
