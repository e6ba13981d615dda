//! `scale --browse N`: pages of one folder with N files, over HTTP on the loopback.

use anyhow::Context;
use holdfast_domain::{
    BrowseSession, BrowseSessionId, Clock, ItemKey, JobId, RestorePoint, RestorePointId,
    RetentionDays, SystemEntropy, TenantId, Timestamp, UnitId, Work, Workload, limits,
};
use holdfast_simulation::{World, WorldOptions};
use holdfast_store::{BrowseItem, BrowseItemKind, Store};
use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::http_client::{ANSWER, read_answer, request_text, serve};
use super::{SAMPLES, Times, millis, now};

const ROOT: &str = "/v1.0/solutions/backupRestore";
/// Rows that one call of the store writes.
const BATCH: usize = 10_000;

pub(super) async fn measure(files: u32) -> anyhow::Result<()> {
    let world = World::new(WorldOptions::new(3)).await?;
    let tenant = world.tenant.facts().tenant_id;
    let began = now();
    let session = fill(&*world.node.store, tenant, files, world.clock.now()).await?;
    println!("{files} files filled in {:.1} s", began.elapsed().as_secs_f64());
    let below = format!("/sharePointBrowseSessions/{session}/browse");
    let in_folder = json!({ "browseLocationItemKey": folder_key().to_string() });
    let first = format!("{ROOT}{below}");
    let next = deep_page(&world, &below, &in_folder, files / 200).await?;
    let with = |name: &str, value: &str| {
        let mut body = in_folder.clone();
        body[name] = json!(value);
        body
    };
    let requests = [
        ("first page", Method::POST, &first, in_folder.clone()),
        ("page in the middle", Method::GET, &next, Value::Null),
        ("first page, nameDsc", Method::POST, &first, with("orderBy", "nameDsc")),
        (
            "files with a name that one has",
            Method::POST,
            &first,
            with("filter", "(name -contains '77.txt')"),
        ),
    ];
    let (server, address) = serve(world.node.graph.api()).await?;
    let token = world.node.graph.bearer();
    println!("| Browse, {files} files in one folder | p50 | p99 |\n|---|---|---|");
    for (name, method, path, body) in requests {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = request_text(&method, path, &token, &body);
        let (mut times, mut buffer) = (Vec::with_capacity(SAMPLES), vec![0; ANSWER]);
        for _ in 0..SAMPLES {
            let began = now();
            stream.write_all(request.as_bytes()).await?;
            read_answer(&mut stream, &mut buffer).await?;
            times.push(began.elapsed());
        }
        let Times { middle, late } = Times::of(times);
        println!("| {name} | {} | {} |", millis(middle), millis(late));
    }
    server.abort();
    Ok(())
}

/// The address of the page after so many.
async fn deep_page(world: &World, below: &str, ask: &Value, pages: u32) -> anyhow::Result<String> {
    let mut page = world.node.graph.backup(Method::POST, below, ask).await?;
    for _ in 1..pages {
        page = world.node.graph.backup(Method::GET, next_link(&page)?, &Value::Null).await?;
    }
    Ok(format!("{ROOT}{}", next_link(&page)?))
}

fn next_link(page: &Value) -> anyhow::Result<&str> {
    let link = page["@odata.nextLink"].as_str().context("there is no next page")?;
    Ok(link.split_once("/backupRestore").context("an address of the API")?.1)
}

fn site_key() -> ItemKey {
    ItemKey::of_site(Uuid::from_u128(1), Uuid::from_u128(2))
}

fn folder_key() -> ItemKey {
    site_key().library(guid(1)).item(guid(2))
}

/// That of the row with this ordinal.
fn guid(ordinal: u64) -> Uuid {
    Uuid::from_u128(u128::from(ordinal) + 16)
}

/// A site with one library with one folder, and the files in it.
fn rows(files: u64) -> impl Iterator<Item = BrowseItem> {
    let times = Timestamp::from_unix_seconds(1_750_000_000).map(|at| (at, at));
    let row = move |ordinal: u64, kind, name: String, items: u64| BrowseItem {
        ordinal,
        last: if kind == BrowseItemKind::File { ordinal } else { files + 2 },
        parent: match kind {
            BrowseItemKind::Site => None,
            BrowseItemKind::Library => Some(0),
            BrowseItemKind::Folder => Some(1),
            BrowseItemKind::File => Some(2),
        },
        kind,
        guid: guid(ordinal),
        source_id: match kind {
            BrowseItemKind::Site => site_key().to_string(),
            _ => format!("source {ordinal}"),
        },
        name,
        items,
        size_bytes: 2594,
        times: times.filter(|_| matches!(kind, BrowseItemKind::Folder | BrowseItemKind::File)),
        web_url: (kind == BrowseItemKind::Site)
            .then(|| "https://contoso.sharepoint.com/sites/many".to_owned()),
    };
    let above = [
        row(0, BrowseItemKind::Site, "many".to_owned(), 1),
        row(1, BrowseItemKind::Library, "Documents".to_owned(), 1),
        row(2, BrowseItemKind::Folder, "Folder".to_owned(), files),
    ];
    let file =
        move |number| row(number + 3, BrowseItemKind::File, format!("file {number:06}.txt"), 0);
    above.into_iter().chain((0..files).map(file))
}

async fn fill(
    store: &dyn Store,
    tenant: TenantId,
    files: u32,
    at: Timestamp,
) -> anyhow::Result<BrowseSessionId> {
    let entropy = SystemEntropy;
    let unit = UnitId::random(&entropy);
    let point = RestorePoint {
        id: RestorePointId::new(unit, at),
        tenant,
        unit,
        protection_date_time: at,
        started_at: at,
        expires_at: RetentionDays::DEFAULT.expiry_of(at),
        snapshot: String::new(),
        items: u64::from(files),
        size_bytes: 0,
        gaps: 0,
    };
    let id = BrowseSessionId::random(&entropy);
    let resource = site_key().to_string();
    let mut session = BrowseSession::creating(id, &point, Workload::SharePoint, resource, at);
    session.state = session.state.finish()?;
    let mut tx = store.begin().await?;
    tx.insert(&session).await?;
    let work = Work::PrepareBrowseSession { session: id };
    tx.enqueue(tenant, JobId::random(&entropy), work, at).await?;
    let job = tx.claim(at, at.plus(limits::LEASE)).await?.context("a job")?;
    let mut rows = rows(u64::from(files)).peekable();
    while rows.peek().is_some() {
        let batch = rows.by_ref().take(BATCH).collect();
        tx.add_browse_items(id, job.lease, batch).await?;
    }
    tx.finish(job.lease).await?;
    tx.commit().await?;
    Ok(id)
}
