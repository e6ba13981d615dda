//! How the demo tells its story: bars on a terminal, plain lines elsewhere, a table at the end.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdfast_domain::UnitId;
use holdfast_engine::{Observer, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What the engine reports, added up.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) bytes: AtomicU64,
    pub(super) items: AtomicU64,
}

impl Observer for Counters {
    fn observe(&self, _: UnitId, progress: Progress) {
        match progress {
            Progress::Listed { .. } | Progress::Planned { .. } | Progress::PointMade => {}
            Progress::Stored { bytes } | Progress::Restored { bytes } => {
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
                self.items.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A phase that has ended.
pub(super) struct Phase {
    name: &'static str,
    took: Duration,
    bytes: u64,
}

/// Tells phase after phase.
#[derive(Default)]
pub(super) struct Story {
    phases: Vec<Phase>,
}

impl Story {
    /// Runs one phase and shows how it goes on; `total` bytes are expected, `counters` tell how many are done.
    pub(super) async fn phase<T>(
        &mut self,
        name: &'static str,
        total: u64,
        counters: Arc<Counters>,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        counters.bytes.store(0, Ordering::Relaxed);
        counters.items.store(0, Ordering::Relaxed);
        let bar = bar(name, total);
        #[expect(clippy::disallowed_methods, reason = "measures for a person")]
        let start = Instant::now();
        let mut work = std::pin::pin!(work);
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                _ = tokio::time::timeout(Duration::from_millis(100), std::future::pending::<()>()) => {
                    bar.set_position(counters.bytes.load(Ordering::Relaxed));
                }
            }
        };
        bar.finish_and_clear();
        let took = start.elapsed();
        let bytes = counters.bytes.load(Ordering::Relaxed);
        if result.is_ok() {
            println!("{name:<22} {:>8.2} s{}", took.as_secs_f64(), rate(bytes, took));
        }
        self.phases.push(Phase { name, took, bytes });
        result
    }

    pub(super) fn rows(&self) -> Vec<(String, String)> {
        self.phases
            .iter()
            .map(|phase| {
                (
                    phase.name.to_owned(),
                    format!("{:.2} s{}", phase.took.as_secs_f64(), rate(phase.bytes, phase.took)),
                )
            })
            .collect()
    }
}

fn bar(name: &'static str, total: u64) -> ProgressBar {
    if total == 0 || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new(total).with_message(name);
    bar.set_style(
        ProgressStyle::with_template("{msg:22} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}")
            .expect("the template is well-formed"),
    );
    bar
}

fn rate(bytes: u64, took: Duration) -> String {
    if bytes == 0 {
        return String::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "for a person")]
    let megabytes = bytes as f64 / 1e6;
    format!("  {megabytes:>9.1} MB  {:>7.1} MB/s", megabytes / took.as_secs_f64().max(0.001))
}

/// Prints two aligned columns.
pub(super) fn print_table(rows: &[(String, String)]) {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    println!();
    for (name, value) in rows {
        println!("  {name:<width$}  {value}");
    }
    println!();
}
