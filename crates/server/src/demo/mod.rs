//! `holdfast demo`: the main job in one command, on real bytes.
//!
//! A folder becomes a SharePoint site of the embedded tenant; the site is protected, damaged as ransomware would, and
//! restored through the public API; then everything is compared with the folder. Nothing here is a short cut: content goes
//! over Graph calls, the backup over the API, the bytes through the repository.

mod client;
mod compare;
mod damage;
mod library;
mod sample;
mod story;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use holdfast_connector::{Connector, Grant, PermissionUpdate};
use holdfast_domain::{DriveId, limits};
use serde_json::{Value, json};

use crate::data_dir::DataDir;
use crate::dev::{DevOptions, dev, import};
use crate::embedded::{Embedded, EmbeddedOptions};
use client::Client;
use story::{Counters, Story, print_table};

/// Scheduled backups while the demo runs: one after each change that it makes is enough.
const BACKUP_INTERVAL: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct DemoOptions {
    pub(crate) import: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) keep: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Equal,
    Different,
}

pub(crate) async fn demo(options: DemoOptions) -> anyhow::Result<Verdict> {
    let temporary = tempfile::Builder::new().prefix("holdfast-demo-").tempdir()?;
    let source = match &options.import {
        Some(folder) => std::fs::canonicalize(folder)
            .with_context(|| format!("{} cannot be read", folder.display()))?,
        None => {
            let folder = temporary.path().join("sample");
            sample::write_sample(&folder)?;
            folder
        }
    };
    let data_path = options.data.clone().unwrap_or_else(|| temporary.path().join("data"));
    let data = DataDir::make(&data_path)?.own()?;
    let counters = Arc::new(Counters::default());
    let embedded_options = EmbeddedOptions {
        public_url: "https://localhost:8443".to_owned(),
        backup_interval: BACKUP_INTERVAL,
        observer: counters.clone(),
    };
    let embedded = Embedded::open(&data, embedded_options).await?;
    let verdict = tokio::select! {
        verdict = tell(&embedded, source, counters) => verdict?,
        () = embedded.engine.run_until(std::future::pending()) => bail!("the engine stopped"),
    };
    drop(embedded);
    drop(data);
    if options.keep {
        println!("The data stays in {}.", data_path.display());
        let listen = ([127, 0, 0, 1], 8443).into();
        dev(DevOptions {
            listen,
            data: data_path,
            import: None,
            fresh: false,
            backup_interval: limits::BACKUP_INTERVAL,
        })
        .await?;
    }
    Ok(verdict)
}

async fn tell(
    embedded: &Embedded,
    source: PathBuf,
    counters: Arc<Counters>,
) -> anyhow::Result<Verdict> {
    let mut story = Story::default();
    let connector = &*embedded.connector;
    let imported = story
        .phase("import", 0, counters.clone(), import(&embedded.tenant, "Demo", source.clone()))
        .await?;
    let drive = DriveId::new(imported.drive_id.clone());
    for refusal in &imported.refused {
        println!("  SharePoint refuses {}: {}", refusal.path.display(), refusal.reason);
    }
    share_something(embedded, &drive).await?;
    let before = library::list(connector, &drive).await?;
    let client = Client::sign_in(embedded.router.clone(), &embedded.tenant.facts()).await?;

    let unit = story
        .phase(
            "first backup",
            imported.bytes,
            counters.clone(),
            protect(&client, &imported.site_id),
        )
        .await?;
    let points = restore_points(&client, &unit).await?;
    let good = points.first().context("the protected site has no restore point")?.clone();

    let root = connector
        .drives(&imported.site_id)
        .await?
        .into_iter()
        .find(|known| known.id == drive)
        .context("the library is gone")?
        .root;
    let now = connector.now().await?;
    let damage = story
        .phase("damage", 0, counters.clone(), async {
            Ok(damage::damage(connector, &drive, &root, &before, now).await?)
        })
        .await?;
    let after_damage = story
        .phase("next backup", 0, counters.clone(), newer_point(&client, &unit, points.len()))
        .await?;

    let restored_total = before.values().map(library::Listed::size).sum();
    let session = story
        .phase("restore in place", restored_total, counters.clone(), restore(&client, &good))
        .await?;
    let verified = story.phase("compare", imported.bytes, counters.clone(), async {
        let after = library::list(connector, &drive).await?;
        compare::compare(connector, &source, &before, &after, &counters.bytes).await
    });
    let comparison = verified.await?;

    let status = session["status"].as_str().unwrap_or_default().to_owned();
    let points = restore_points(&client, &unit).await?;
    let mut rows = vec![
        ("files".to_owned(), imported.files.to_string()),
        ("folders".to_owned(), imported.folders.to_string()),
        ("bytes".to_owned(), imported.bytes.to_string()),
        ("refused by SharePoint".to_owned(), imported.refused.len().to_string()),
        ("restore points".to_owned(), points.len().to_string()),
        (
            "damage".to_owned(),
            format!(
                "{} overwritten, {} renamed, {} deleted",
                damage.overwritten, damage.renamed, damage.deleted
            ),
        ),
        ("damage is saved too, as".to_owned(), after_damage),
        ("restored, session".to_owned(), status.clone()),
        (
            "verified equal".to_owned(),
            format!(
                "{} files, {} folders, {} bytes",
                comparison.files, comparison.folders, comparison.bytes
            ),
        ),
    ];
    rows.extend(story.rows());
    print_table(&rows);
    for difference in comparison.differences.iter().take(20) {
        println!("  {difference}");
    }
    if comparison.differences.is_empty()
        && comparison.files == imported.files
        && comparison.folders == imported.folders
        && status == "completed"
    {
        println!("Everything is as it was.");
        return Ok(Verdict::Equal);
    }
    println!("NOT equal: {} differences, restore session {status}.", comparison.differences.len());
    Ok(Verdict::Different)
}

/// A folder and a file get permissions of their own, so that there are some to lose.
async fn share_something(embedded: &Embedded, drive: &DriveId) -> anyhow::Result<()> {
    let connector = &*embedded.connector;
    let user = embedded.tenant.facts().user_id;
    let items = library::list(connector, drive).await?;
    let folder = items.values().find(|item| !item.is_file());
    let file = items.values().find(|item| item.is_file());
    for (item, role) in
        folder.map(|folder| (folder, "write")).into_iter().chain(file.map(|file| (file, "read")))
    {
        let grant = Grant::Principal {
            kind: "user".to_owned(),
            id: user.clone(),
            display_name: None,
            roles: vec![role.to_owned()],
        };
        connector.update_permission(drive, &item.item.id, PermissionUpdate::Add(grant)).await?;
    }
    Ok(())
}

/// Enables the service, protects the site, and waits for its first restore point. Gives the unit's id.
async fn protect(client: &Client, site: &str) -> anyhow::Result<String> {
    client
        .post("/enable", Some(&json!({"appOwnerTenantId": "11111111-2222-4333-8444-555555555555"})))
        .await?;
    let body = json!({"displayName": "Demo", "siteProtectionUnits": [{"siteId": site}]});
    let policy = client.post("/sharePointProtectionPolicies", Some(&body)).await?;
    let policy = policy["id"].as_str().context("the policy has no id")?;
    client.post(&format!("/protectionPolicies/{policy}/activate"), None).await?;
    loop {
        let units = client
            .get(&format!("/sharePointProtectionPolicies/{policy}/siteProtectionUnits"))
            .await?;
        let unit = &units["value"][0];
        match unit["status"].as_str() {
            Some("protected") => {
                return Ok(unit["id"].as_str().context("the unit has no id")?.to_owned());
            }
            Some("protectRequested") => look_again().await,
            status => bail!("the site could not be protected: {status:?} {}", unit["error"]),
        }
    }
}

/// Ids, newest first.
async fn restore_points(client: &Client, unit: &str) -> anyhow::Result<Vec<String>> {
    let path = format!(
        "/restorePoints?$expand=protectionUnit&$filter=protectionUnit%2Fid%20eq%20'{unit}'%20and%20protectionDateTime%20lt%202999-01-01T00:00:00Z&$top=100"
    );
    let points = client.get(&path).await?;
    let points = points["value"].as_array().context("no list of restore points")?;
    Ok(points.iter().filter_map(|point| point["id"].as_str().map(str::to_owned)).collect())
}

/// Waits until the schedule has made a point more than `known`.
async fn newer_point(client: &Client, unit: &str, known: usize) -> anyhow::Result<String> {
    loop {
        let points = restore_points(client, unit).await?;
        if points.len() > known {
            return Ok(points[0].clone());
        }
        look_again().await;
    }
}

async fn restore(client: &Client, point: &str) -> anyhow::Result<Value> {
    let body = json!({"siteRestoreArtifacts": [{"restorePoint": {"id": point}, "destinationType": "inPlace"}]});
    let session = client.post("/sharePointRestoreSessions", Some(&body)).await?;
    let id = session["id"].as_str().context("the restore session has no id")?;
    client.post(&format!("/restoreSessions/{id}/activate"), None).await?;
    loop {
        let session = client.get(&format!("/restoreSessions/{id}")).await?;
        match session["status"].as_str() {
            Some("activating" | "active") => look_again().await,
            _ => return Ok(session),
        }
    }
}

async fn look_again() {
    drop(tokio::time::timeout(LOOK_AGAIN, std::future::pending::<()>()).await);
}
