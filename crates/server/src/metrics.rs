//! `/metrics`: counters and histograms in Prometheus' text format.
//!
//! Labels are names of operations, kinds and outcomes: their number is fixed, whatever clients send. None holds an id.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_domain::UnitId;
use holdfast_engine::{JobOutcome, Observer, Progress};
use http::StatusCode;

/// Upper ends of the histogram's buckets, in milliseconds.
const BUCKETS_MILLIS: [u64; 11] = [1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000];

/// What the process has done since it started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, u16), Requests>>,
    jobs: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    restore_points: AtomicU64,
    items_listed: AtomicU64,
    bytes_stored: AtomicU64,
    bytes_restored: AtomicU64,
}

/// Requests of one operation that ended with one class of status.
#[derive(Debug, Default)]
struct Requests {
    /// Each request is in the first bucket that it fits; slower ones are in none.
    buckets: [u64; BUCKETS_MILLIS.len()],
    count: u64,
    micros: u64,
}

impl Metrics {
    /// Notes one request, from its head to the head of its answer.
    pub(crate) fn note_request(&self, operation: &'static str, status: StatusCode, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = requests.entry((operation, status.as_u16() / 100)).or_default();
        entry.count += 1;
        entry.micros += u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if let Some(bucket) = BUCKETS_MILLIS.iter().position(|end| millis < *end) {
            entry.buckets[bucket] += 1;
        }
    }

    /// Prometheus' text format, version 0.0.4.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        let mut head = |name: &str, kind: &str, help: &str, lines: String| {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}"));
        };
        head(
            "holdfast_build_info",
            "gauge",
            "The program that runs.",
            format!("holdfast_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION")),
        );
        let (mut counts, mut durations) = (String::new(), String::new());
        for ((operation, class), entry) in
            &*self.requests.lock().unwrap_or_else(PoisonError::into_inner)
        {
            let labels = format!("operation=\"{operation}\",status=\"{class}xx\"");
            let requests = entry.count;
            counts.push_str(&format!("holdfast_requests_total{{{labels}}} {requests}\n"));
            let name = "holdfast_request_duration_seconds";
            let mut below = 0;
            for (end, count) in BUCKETS_MILLIS.iter().zip(entry.buckets) {
                below += count;
                let end = seconds(end * 1000);
                durations.push_str(&format!("{name}_bucket{{{labels},le=\"{end}\"}} {below}\n"));
            }
            durations.push_str(&format!("{name}_bucket{{{labels},le=\"+Inf\"}} {requests}\n"));
            durations.push_str(&format!("{name}_sum{{{labels}}} {}\n", seconds(entry.micros)));
            durations.push_str(&format!("{name}_count{{{labels}}} {requests}\n"));
        }
        let help = "Requests answered, by operation and class of status.";
        head("holdfast_requests_total", "counter", help, counts);
        let help = "Time from a request's head to its answer's head.";
        head("holdfast_request_duration_seconds", "histogram", help, durations);
        let jobs: String = self
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|((kind, outcome), count)| {
                format!("holdfast_jobs_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} {count}\n")
            })
            .collect();
        head("holdfast_jobs_total", "counter", "Jobs that a worker was through with.", jobs);
        for (name, counter, help) in [
            ("holdfast_restore_points_total", &self.restore_points, "Restore points published."),
            (
                "holdfast_items_listed_total",
                &self.items_listed,
                "Entries of change lists taken in.",
            ),
            (
                "holdfast_bytes_stored_total",
                &self.bytes_stored,
                "Bytes of files read into repositories.",
            ),
            (
                "holdfast_bytes_restored_total",
                &self.bytes_restored,
                "Bytes written back to tenants.",
            ),
        ] {
            let line = format!("{name} {}\n", counter.load(Ordering::Relaxed));
            head(name, "counter", help, line);
        }
        text
    }
}

/// Without floating point, so that no digit is invented.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Counts what the engine reports, and passes it on.
pub(crate) struct Counting {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) next: Arc<dyn Observer>,
}

impl Observer for Counting {
    fn observe(&self, unit: UnitId, progress: Progress) {
        let metrics = &self.metrics;
        match progress {
            Progress::Listed { items } => metrics.items_listed.fetch_add(items, Ordering::Relaxed),
            Progress::Stored { bytes } => metrics.bytes_stored.fetch_add(bytes, Ordering::Relaxed),
            Progress::Restored { bytes } => {
                metrics.bytes_restored.fetch_add(bytes, Ordering::Relaxed)
            }
            Progress::PointMade => metrics.restore_points.fetch_add(1, Ordering::Relaxed),
            Progress::Planned { .. } => 0,
        };
        self.next.observe(unit, progress);
    }

    fn job_ended(&self, kind: &'static str, outcome: JobOutcome) {
        let mut jobs = self.metrics.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        *jobs.entry((kind, outcome.name())).or_default() += 1;
        drop(jobs);
        self.next.job_ended(kind, outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_its_bucket_and_all_above() {
        let metrics = Metrics::default();
        metrics.note_request("backupRestore.get", StatusCode::OK, Duration::from_micros(30_500));
        metrics.note_request("backupRestore.get", StatusCode::OK, Duration::from_secs(11));
        metrics.note_request("backupRestore.get", StatusCode::FORBIDDEN, Duration::ZERO);
        let text = metrics.render();
        for line in [
            "holdfast_requests_total{operation=\"backupRestore.get\",status=\"2xx\"} 2",
            "holdfast_requests_total{operation=\"backupRestore.get\",status=\"4xx\"} 1",
            "holdfast_request_duration_seconds_bucket{operation=\"backupRestore.get\",status=\"2xx\",le=\"0.025\"} 0",
            "holdfast_request_duration_seconds_bucket{operation=\"backupRestore.get\",status=\"2xx\",le=\"0.05\"} 1",
            "holdfast_request_duration_seconds_bucket{operation=\"backupRestore.get\",status=\"2xx\",le=\"10\"} 1",
            "holdfast_request_duration_seconds_bucket{operation=\"backupRestore.get\",status=\"2xx\",le=\"+Inf\"} 2",
            "holdfast_request_duration_seconds_sum{operation=\"backupRestore.get\",status=\"2xx\"} 11.0305",
            "holdfast_restore_points_total 0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        }
    }
}
