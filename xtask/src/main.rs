//! Work on the project itself: `cargo xtask <command>`.
//!
//! Everything that judges the product from outside is here: it starts the real binary, speaks HTTP to it, kills it, and
//! opens its repositories with restic. Nothing here uses the product's crates, so that a mistake in them cannot hide itself.

mod backup_api;
mod bench;
mod ci;
mod dev_server;
mod documents;
mod graph;
mod installation;
mod interop;
mod kill;
mod layers;
mod licences;
mod licences_expression;
mod listing;
mod memory;
mod project;
mod quick_xor;
mod random;
mod restic;
mod shell;
mod stopwatch;
mod truth;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use interop::InteropOptions;

/// Work on the project itself.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold before a change goes in: format, lints, layers, licences, tests, documentation, and the
    /// product itself under real clients.
    Ci,
    /// Checks which of our crates uses which.
    Layers,
    /// Checks the licences and sources of what we depend on, as deny.toml allows them.
    Deny,
    /// Drives `holdfast dev` with Microsoft's Python and JavaScript clients, and with a fuzzer that reads its OpenAPI.
    Interop {
        /// Only this part.
        only: Option<interop::Part>,
        /// About how many requests the fuzzer sends.
        #[arg(long, default_value_t = interop::FUZZ_REQUESTS)]
        requests: u32,
    },
    /// Measures beside restic, and writes docs/benchmarks.md.
    Bench {
        #[arg(long, default_value_t = 2_000_000_000)]
        bytes: u64,
        #[arg(long, default_value_t = 200_000)]
        items: usize,
        #[arg(long, default_value_t = 3)]
        repetitions: usize,
    },
    /// Measures the API in a large tenant, beside one of a hundredth of the size and beside a bare server.
    Scale {
        /// Of the program `scale`: `--units N`, or `--throughput` or `--browse FILES` for a part alone.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Kills `holdfast dev` at random moments and looks for what was lost.
    Kill {
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, default_value_t = 20)]
        rounds: u32,
    },
    /// A long random walk that looks for restore points that do not tell the truth.
    Truth {
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, default_value_t = 10_000)]
        steps: u32,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Ci => ci::ci(),
        Command::Layers => layers::layers(),
        Command::Deny => licences::licences(),
        Command::Interop { only, requests } => {
            interop::interop(&InteropOptions { only, fuzz_requests: requests })
        }
        Command::Bench { bytes, items, repetitions } => {
            bench::bench(&bench::BenchOptions { bytes, items, repetitions })
        }
        Command::Scale { options } => truth::scale(&options),
        Command::Kill { seed, rounds } => kill::kill(seed, rounds),
        Command::Truth { seed, steps } => truth::truth(seed, steps),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
