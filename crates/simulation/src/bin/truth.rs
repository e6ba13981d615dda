//! A long walk: `truth --seed N --steps N`.

use clap::Parser;
use holdfast_simulation::truth::{Walk, walk};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 10_000)]
    steps: u32,
    /// Keep the repository in a folder instead of memory.
    #[arg(long)]
    in_folder: bool,
}

fn main() -> anyhow::Result<()> {
    let Arguments { seed, steps, in_folder } = Arguments::parse();
    println!("seed {seed}, {steps} steps");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let walked = runtime.block_on(walk(Walk { seed, steps, in_folder }))?;
    println!("{walked:?}");
    Ok(())
}
