//! Measures bulk import, enumeration by delta, listing and downloads, on files that it makes itself.
//!
//! `cargo run --release -p holdfast-tenant --example measure -- DIR FILES BYTES_EACH`

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use holdfast_domain::{QuickXorHasher, SystemClock, SystemEntropy};
use holdfast_tenant::{NewSite, Tenant, TenantOptions, TokenClaims};
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

#[expect(clippy::disallowed_methods, reason = "measuring for a person")]
fn now() -> Instant {
    Instant::now()
}

fn make(base: &Path, files: usize, bytes: usize) -> std::io::Result<()> {
    let mut state = 1_u64;
    let mut buffer = vec![0; bytes];
    for at in 0..files {
        let dir = base.join(format!("d{:04}", at / 500));
        if at % 500 == 0 {
            std::fs::create_dir_all(&dir)?;
        }
        for chunk in buffer.chunks_mut(8) {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
        }
        std::fs::write(dir.join(format!("file {at}.bin")), &buffer)?;
    }
    Ok(())
}

async fn get(tenant: &Tenant, token: &str, url: &str) -> Body {
    let request = Request::get(url).header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).expect("a valid request");
    tenant.router().oneshot(request).await.expect("infallible").into_body()
}

async fn pages(tenant: &Tenant, token: &str, first: String) -> (usize, Vec<String>) {
    let (mut items, mut urls, mut next) = (0, Vec::new(), Some(first));
    while let Some(url) = next {
        let bytes = get(tenant, token, &url).await.collect().await.expect("a body").to_bytes();
        let page: Value = serde_json::from_slice(&bytes).expect("JSON");
        let values = page["value"].as_array().expect("a collection");
        items += values.len();
        let links = values.iter().filter_map(|item| item["@microsoft.graph.downloadUrl"].as_str());
        urls.extend(links.map(str::to_owned));
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    (items, urls)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let dir = Path::new(&arguments[1]);
    let (files, bytes) = (arguments[2].parse()?, arguments[3].parse()?);
    make(&dir.join("source"), files, bytes)?;
    let options = TenantOptions {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        issuer_base: "https://localhost".to_owned(),
    };
    let start = now();
    let tenant = Tenant::open(&dir.join("tenant"), options)?;
    println!("open and seed      {:8.3} s", start.elapsed().as_secs_f64());
    let start = now();
    let site = NewSite { name: "Imported".to_owned(), path: "/sites/Imported".to_owned() };
    let report = tenant.import_folder(site, &dir.join("source"))?;
    println!(
        "import             {:8.3} s, {} files, {} bytes",
        start.elapsed().as_secs_f64(),
        report.files,
        report.bytes
    );
    let client = tenant.facts().client_id.to_string();
    let token = tenant.mint_token(&TokenClaims::application(client, &["Sites.Read.All"]));
    let base = format!("http://tenant.internal/v1.0/drives/{}", report.drive_id);
    for top in [200, 1000, 5000] {
        let start = now();
        let (items, _) = pages(&tenant, &token, format!("{base}/root/delta?$top={top}")).await;
        println!("delta, pages of {top:4} {:7.3} s, {items} items", start.elapsed().as_secs_f64());
    }
    let url =
        format!("{base}/root/delta?$top=5000&$select=id,name,size,@microsoft.graph.downloadUrl");
    let (_, urls) = pages(&tenant, &token, url).await;
    let start = now();
    let mut read = 0;
    for url in &urls {
        let mut body = get(&tenant, "", url).await;
        while let Some(frame) = body.frame().await {
            read += frame?.data_ref().map_or(0, bytes::Bytes::len);
        }
    }
    println!("download all       {:8.3} s, {read} bytes", start.elapsed().as_secs_f64());
    let writer = tenant.mint_token(&TokenClaims::application("x", &["Files.ReadWrite.All"]));
    let start = now();
    let request = Request::delete(format!("{base}/root:/d0000"));
    let request = request.header("authorization", format!("Bearer {writer}")).body(Body::empty())?;
    let status = tenant.router().oneshot(request).await?.status();
    println!("delete a folder    {:8.3} s, {status}", start.elapsed().as_secs_f64());
    let piece = vec![7; 1 << 20];
    let start = now();
    let mut hasher = QuickXorHasher::new();
    for _ in 0..4096 {
        hasher.update(&piece);
    }
    let hash = hasher.finish();
    println!(
        "quickXorHash       {:8.3} GB/s ({:02x})",
        4.295 / start.elapsed().as_secs_f64(),
        hash[0]
    );
    Ok(())
}
