//! Jobs as the engine logs them.

use anyhow::Context;
use serde_json::Value;

use crate::backup_api::wait_for;
use crate::dev_server::DevServer;

/// A finished job.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) seconds: f64,
    /// Whether a restore point was made meanwhile.
    pub(super) made_point: bool,
}

/// The jobs of a kind that began and ended after the first `from` bytes of the log.
pub(super) fn jobs(server: &DevServer, from: u64, work: &str) -> anyhow::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    let mut begun: Option<(Value, f64)> = None;
    let mut made_point = false;
    for line in server.log_lines(from)? {
        let fields = &line["fields"];
        let message = fields["message"].as_str().unwrap_or_default();
        if message == "a restore point was made" {
            made_point = true;
        }
        if fields["work"] != work {
            continue;
        }
        let at = second_of_day(line["timestamp"].as_str().context("a log line has a time")?)?;
        if message == "a job begins" {
            begun = Some((fields["job"].clone(), at));
            made_point = false;
        } else if message == "a job ended"
            && let Some((job, began)) = begun.take()
            && job == fields["job"]
        {
            // A day may have ended meanwhile.
            let seconds = (at - began).rem_euclid(86_400.0);
            jobs.push(Job { seconds, made_point });
        }
    }
    Ok(jobs)
}

/// Waits for the first such job that `wanted` accepts.
pub(super) fn wait_for_job(
    server: &DevServer,
    from: u64,
    work: &str,
    wanted: impl Fn(&Job) -> bool,
) -> anyhow::Result<Job> {
    wait_for(work, || Ok(jobs(server, from, work)?.into_iter().find(&wanted)))
}

fn second_of_day(timestamp: &str) -> anyhow::Result<f64> {
    let time = timestamp.split('T').nth(1).context("a log time has a T")?.trim_end_matches('Z');
    let mut seconds = 0.0;
    for part in time.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>()?;
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day() {
        assert_eq!(second_of_day("2026-11-25T01:02:03.5Z").unwrap(), 3723.5);
        assert!(second_of_day("01:02").is_err());
    }
}
