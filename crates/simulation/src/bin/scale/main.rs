//! What the API costs in a large tenant, beside one of a hundredth of the size, and beside a bare server:
//! `scale --units N`. Ten restore points for each unit, a restore session for every ten. Pages of one large folder: `scale --browse N`.

mod browse;
mod http_client;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use clap::Parser;
use holdfast_domain::{
    Actor, Entropy, JobId, PolicyId, PolicyState, ProtectionPolicy, ProtectionSources,
    ProtectionUnit, RestorePoint, RestorePointId, RestoreSession, RestoreSessionId, Stamps,
    SystemEntropy, TenantId, Timestamp, UnitId, UnitState, Work, Workload, limits,
};
use holdfast_simulation::{World, WorldOptions};
use holdfast_store::{Publication, Store};
use http::Method;
use mimalloc::MiMalloc;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use http_client::{ANSWER, read_answer, request_text, serve};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Times that each request is made.
const SAMPLES: usize = 200;
/// Units that one transaction writes.
const BATCH: u32 = 1000;
/// Connections of the load, and how long it lasts.
const CONNECTIONS: usize = 16;
const LOAD: Duration = Duration::from_secs(5);

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 100_000)]
    units: u32,
    /// Only the comparison with a bare server.
    #[arg(long)]
    throughput: bool,
    /// Only pages of a folder with so many files.
    #[arg(long)]
    browse: Option<u32>,
}

fn main() -> anyhow::Result<()> {
    let Arguments { units, throughput: only_throughput, browse: files } = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(files) = files {
            return browse::measure(files).await;
        }
        if only_throughput {
            return throughput().await;
        }
        let small = measure((units / 100).max(40)).await?;
        let large = measure(units).await?;
        println!("| Request | p50 | p99 | at a hundredth: p50 | p99 | growth of p50 |");
        println!("|---|---|---|---|---|---|");
        for ((name, large), (_, small)) in large.iter().zip(&small) {
            let growth = large.middle.as_secs_f64() / small.middle.as_secs_f64();
            println!(
                "| {name} | {} | {} | {} | {} | {growth:.1} |",
                millis(large.middle),
                millis(large.late),
                millis(small.middle),
                millis(small.late)
            );
        }
        throughput().await
    })
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

struct Times {
    middle: Duration,
    late: Duration,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { middle: times[times.len() / 2], late: times[times.len() * 99 / 100] }
    }
}

/// What was put into the store.
struct Filled {
    policy: PolicyId,
    units: Vec<UnitId>,
    points: Vec<RestorePointId>,
    sessions: Vec<RestoreSessionId>,
}

async fn measure(units: u32) -> anyhow::Result<Vec<(String, Times)>> {
    let world = World::new(WorldOptions::new(1)).await?;
    let began = now();
    let filled = fill(&*world.node.store, world.tenant.facts().tenant_id, units).await?;
    println!("{units} units filled in {:.1} s", began.elapsed().as_secs_f64());
    let units_path = format!("/sharePointProtectionPolicies/{}/siteProtectionUnits", filled.policy);
    let pages = (units / 100).saturating_sub(1).min(999);
    let deep_units = deep_link(&world, &format!("{units_path}?$top=100"), pages).await?;
    let deep_points = deep_link(&world, "/restorePoints?$top=100", pages).await?;
    let deep_sessions = deep_link(&world, "/restoreSessions?$top=10", pages).await?;
    let middle = filled.units.len() / 2;
    let (unit, point) = (filled.units[middle], filled.points[middle * 10]);
    let session = filled.sessions[filled.sessions.len() / 2];
    let searched: Vec<String> =
        filled.units.iter().skip(middle).take(20).map(UnitId::to_string).collect();
    let search = json!({
        "protectionUnitIds": searched,
        "protectionTimePeriod": { "startDateTime": "2025-01-01T00:00:00Z" },
    });
    let none = Value::Null;
    let requests: Vec<(&str, Method, String, &Value)> = vec![
        ("unit by id", Method::GET, format!("/protectionUnits/{unit}"), &none),
        ("restore point by id", Method::GET, format!("/restorePoints/{point}"), &none),
        ("restore session by id", Method::GET, format!("/restoreSessions/{session}"), &none),
        ("units of the policy, first page", Method::GET, units_path.clone(), &none),
        (
            "units of the policy, filtered by status, first page",
            Method::GET,
            format!("{units_path}?$filter=status eq 'protected'"),
            &none,
        ),
        ("units of the policy, page 1,000", Method::GET, deep_units, &none),
        (
            "restore points of a unit before a time, expanded",
            Method::GET,
            format!(
                "/restorePoints?$expand=protectionUnit($filter=id eq '{unit}')&$filter=protectionDateTime lt 2027-01-01T00:00:00Z"
            ),
            &none,
        ),
        ("restore points, page 1,000", Method::GET, deep_points, &none),
        (
            "drafts among the restore sessions, first page",
            Method::GET,
            "/restoreSessions?$filter=status eq 'draft'&$top=10".to_owned(),
            &none,
        ),
        ("restore sessions, page 1,000", Method::GET, deep_sessions, &none),
        ("search of 20 units", Method::POST, "/restorePoints/search".to_owned(), &search),
    ];
    let mut measured = Vec::new();
    for (name, method, path, body) in requests {
        let mut times = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            let began = now();
            world.node.graph.backup(method.clone(), &path, body).await?;
            times.push(began.elapsed());
        }
        measured.push((name.to_owned(), Times::of(times)));
    }
    Ok(measured)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// The address of the page after so many.
async fn deep_link(world: &World, path: &str, pages: u32) -> anyhow::Result<String> {
    let mut next = path.to_owned();
    for _ in 0..pages {
        let page = world.node.graph.backup(Method::GET, &next, &Value::Null).await?;
        match page["@odata.nextLink"].as_str().and_then(|link| link.split_once("/backupRestore")) {
            Some((_, path)) => path.clone_into(&mut next),
            None => break,
        }
    }
    Ok(next)
}

async fn fill(store: &dyn Store, tenant: TenantId, count: u32) -> anyhow::Result<Filled> {
    let entropy = SystemEntropy;
    let entropy: &dyn Entropy = &entropy;
    let start: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    let at = |second: u32| start.plus(Duration::from_secs(u64::from(second)));
    let stamps = |second: u32| Stamps::new(Actor::default(), at(second));
    let policy = PolicyId::random(entropy);
    let mut filled = Filled { policy, units: Vec::new(), points: Vec::new(), sessions: Vec::new() };
    let mut tx = store.begin().await?;
    let name = "Everything".to_owned();
    let mut row = ProtectionPolicy::new(policy, tenant, Workload::SharePoint, name, stamps(0));
    row.state = PolicyState::Active;
    tx.insert(&row).await?;
    tx.commit().await?;
    for first in (0..count).step_by(BATCH as usize) {
        let mut tx = store.begin().await?;
        for number in first..count.min(first + BATCH) {
            let id = UnitId::random(entropy);
            let resource = format!(
                "contoso.sharepoint.com,{number:08x}-0000-4000-8000-000000000001,{number:08x}-0000-4000-8000-000000000002"
            );
            let mut unit = ProtectionUnit::detached(
                id,
                tenant,
                Workload::SharePoint,
                resource,
                stamps(number),
            );
            unit.policy = Some(policy);
            unit.sources = ProtectionSources::MANUAL;
            unit.state =
                if number % 7 == 0 { UnitState::Unprotected } else { UnitState::Protected };
            unit.name = Some(format!("Site {number}"));
            tx.insert(&unit).await?;
            let job = JobId::random(entropy);
            tx.enqueue(tenant, job, Work::BackUpUnit { unit: id }, at(0)).await?;
            let claimed = tx.claim(at(0), at(0).plus(limits::LEASE)).await?.context("a job")?;
            for point in 0..10 {
                let made = at(number * 10 + point);
                let point = RestorePoint {
                    id: RestorePointId::new(id, made),
                    tenant,
                    unit: id,
                    protection_date_time: made,
                    started_at: made,
                    expires_at: unit.retention.window.expiry_of(made),
                    snapshot: "00".repeat(32),
                    items: 1,
                    size_bytes: 1,
                    gaps: 0,
                };
                filled.points.push(point.id);
                let publication =
                    Publication { point: Some(point), gaps: Vec::new(), drives: Vec::new() };
                tx.publish(id, claimed.lease, publication).await?;
            }
            tx.finish(claimed.lease).await?;
            filled.units.push(id);
            if number % 10 == 0 {
                let id = RestoreSessionId::random(entropy);
                let draft = RestoreSession::draft(id, tenant, Workload::SharePoint, stamps(number));
                tx.insert(&draft).await?;
                filled.sessions.push(id);
            }
        }
        tx.commit().await?;
    }
    Ok(filled)
}

/// Requests a second for one object, by the API and by a server that knows nothing but the bytes of the answer.
async fn throughput() -> anyhow::Result<()> {
    let world = World::new(WorldOptions::new(2)).await?;
    let filled = fill(&*world.node.store, world.tenant.facts().tenant_id, 1000).await?;
    let path = format!("/v1.0/solutions/backupRestore/protectionUnits/{}", filled.units[500]);
    let below = format!("/protectionUnits/{}", filled.units[500]);
    let answer = world.node.graph.backup(Method::GET, &below, &Value::Null).await?;
    let bytes = answer.to_string();
    let bare = Router::new().route(&path, get(move || async move { bytes }));
    let token = Arc::new(world.node.graph.bearer());
    let ours = rate(world.node.graph.api(), &path, &token).await?;
    let theirs = rate(bare, &path, &token).await?;
    println!();
    println!("| Server | requests a second, {CONNECTIONS} connections |");
    println!("|---|---|");
    println!("| unit by id: token verified, permission, transaction | {ours:.0} |");
    println!("| the same bytes by a bare handler | {theirs:.0} |");
    println!("\nratio {:.2}", ours / theirs);
    Ok(())
}

async fn rate(router: Router, path: &str, token: &str) -> anyhow::Result<f64> {
    let (server, address) = serve(router).await?;
    let request: Arc<str> = request_text(&Method::GET, path, token, &Value::Null).into();
    let mut load = Vec::new();
    for _ in 0..CONNECTIONS {
        let request = request.clone();
        load.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (began, mut done, mut buffer) = (now(), 0_u32, vec![0; ANSWER]);
            while began.elapsed() < LOAD {
                stream.write_all(request.as_bytes()).await?;
                read_answer(&mut stream, &mut buffer).await?;
                done += 1;
            }
            anyhow::Ok(done)
        }));
    }
    let mut done = 0;
    for connection in load {
        done += connection.await??;
    }
    server.abort();
    Ok(f64::from(done) / LOAD.as_secs_f64())
}
