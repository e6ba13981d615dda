//! The calls of `/solutions/backupRestore` that the commands here make, and waiting for what they start.

use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::dev_server::DevServer;
use crate::graph::{Graph, text};
use crate::stopwatch::Stopwatch;

const SERVICE: &str = "/solutions/backupRestore";
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) id: String,
    /// As the API shows it, without the zeros at the end of a fraction.
    pub(crate) time: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    InPlace,
    New,
}

/// Asks until there is an answer.
pub(crate) fn wait_for<T>(
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let waiting = Stopwatch::start();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if waiting.elapsed() > PATIENCE {
            bail!("{what}: not within {} s", PATIENCE.as_secs());
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Waits until a backup that began after this call has ended: the newest restore point then shows the site as it is now,
/// if nobody changes it.
pub(crate) fn settle(server: &DevServer) -> anyhow::Result<()> {
    let from = server.log_length()?;
    wait_for("a backup", || {
        let mut begun = None;
        for line in server.log_lines(from)? {
            let fields = &line["fields"];
            if fields["work"] != "backUpUnit" {
                continue;
            }
            match fields["message"].as_str() {
                Some("a job begins") => begun = Some(fields["job"].clone()),
                Some("a job ended") if begun.as_ref() == Some(&fields["job"]) => {
                    return Ok(Some(()));
                }
                _ => {}
            }
        }
        Ok(None)
    })
}

/// Waits until a backup begins that had not begun before this call.
pub(crate) fn wait_for_backup(server: &DevServer) -> anyhow::Result<()> {
    wait_for_line(server, "a job begins")
}

fn wait_for_line(server: &DevServer, message: &str) -> anyhow::Result<()> {
    let from = server.log_length()?;
    wait_for(message, || {
        let is_it = |line: &Value| {
            line["fields"]["work"] == "backUpUnit" && line["fields"]["message"] == message
        };
        Ok(server.log_lines(from)?.iter().any(is_it).then_some(()))
    })
}

/// Waits until a backup ends.
pub(crate) fn wait_for_end_of_backup(server: &DevServer) -> anyhow::Result<()> {
    wait_for_line(server, "a job ended")
}

/// Turns the service on and asks for the protection of a site; gives the unit's id, whose first backup has begun then.
pub(crate) fn protect(graph: &Graph, site: &str) -> anyhow::Result<String> {
    let owner = json!({"appOwnerTenantId": "11111111-2222-4333-8444-555555555555"});
    graph.post(&format!("{SERVICE}/enable"), &owner)?;
    let body = json!({"displayName": "All of it", "siteProtectionUnits": [{"siteId": site}]});
    let policy = graph.post(&format!("{SERVICE}/sharePointProtectionPolicies"), &body)?;
    let policy = text(&policy, "id")?;
    let units = format!("{SERVICE}/sharePointProtectionPolicies/{policy}/siteProtectionUnits");
    graph.post(&format!("{SERVICE}/protectionPolicies/{policy}/activate"), &json!({}))?;
    let units = graph.get(&units)?;
    Ok(text(&units["value"][0], "id")?.to_owned())
}

pub(crate) fn wait_until_protected(graph: &Graph, unit: &str) -> anyhow::Result<()> {
    wait_for("protection", || {
        let unit = graph.get(&format!("{SERVICE}/protectionUnits/{unit}"))?;
        match text(&unit, "status")? {
            "protected" => Ok(Some(())),
            "protectRequested" => Ok(None),
            status => bail!("the unit is {status}: {}", unit["error"]),
        }
    })
}

/// All points of the unit, newest first.
pub(crate) fn points(graph: &Graph, unit: &str) -> anyhow::Result<Vec<Point>> {
    let listed = graph.list(&format!(
        "{SERVICE}/restorePoints?$expand=protectionUnit&$orderby=protectionDateTime%20desc&$top=100&$filter=protectionUnit%2Fid%20eq%20'{unit}'"
    ))?;
    listed
        .values
        .iter()
        .map(|point| {
            let time = normal_time(text(point, "protectionDateTime")?);
            Ok(Point { id: text(point, "id")?.to_owned(), time })
        })
        .collect()
}

/// A time of UTC without the zeros at the end of its fraction.
pub(crate) fn normal_time(time: &str) -> String {
    let time = time.trim_end_matches('Z');
    if time.contains('.') {
        time.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        time.to_owned()
    }
}

/// Makes a restore session of one artifact and activates it; gives its id.
pub(crate) fn restore(
    graph: &Graph,
    point: &str,
    destination: Destination,
) -> anyhow::Result<String> {
    let destination = match destination {
        Destination::InPlace => "inPlace",
        Destination::New => "new",
    };
    let body = json!({"siteRestoreArtifacts": [{"restorePoint": {"id": point}, "destinationType": destination}]});
    let session = graph.post(&format!("{SERVICE}/sharePointRestoreSessions"), &body)?;
    let id = text(&session, "id")?;
    graph.post(&format!("{SERVICE}/restoreSessions/{id}/activate"), &json!({}))?;
    Ok(id.to_owned())
}

/// Waits for the session's end, which must be `completed`; gives its only artifact.
pub(crate) fn wait_until_restored(graph: &Graph, session: &str) -> anyhow::Result<Value> {
    wait_for("the end of a restore", || {
        let found = graph.get(&format!("{SERVICE}/restoreSessions/{session}"))?;
        match text(&found, "status")? {
            "activating" | "active" => Ok(None),
            "completed" => Ok(Some(())),
            status => {
                let artifacts = artifacts(graph, session)?;
                bail!("the restore session is {status}: {} {artifacts}", found["error"])
            }
        }
    })?;
    let artifacts = artifacts(graph, session)?;
    let artifact = artifacts["value"].get(0).context("the session has no artifact")?;
    if artifact["status"] != "succeeded" {
        bail!("the artifact of a completed session is {}", artifact["status"]);
    }
    Ok(artifact.clone())
}

fn artifacts(graph: &Graph, session: &str) -> anyhow::Result<Value> {
    graph.get(&format!("{SERVICE}/sharePointRestoreSessions/{session}/siteRestoreArtifacts"))
}
