//! `holdfast dev`: everything to develop against, on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use holdfast_engine::NoObserver;
use holdfast_tenant::{NewSite, Tenant};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::data_dir::{DataDir, write_private};
use crate::embedded::{Embedded, EmbeddedOptions};
use crate::listen::{self, Front};
use crate::stop::Signals;
use crate::tls;

/// What `dev` was asked for.
#[derive(Debug, Clone)]
pub(crate) struct DevOptions {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) import: Option<PathBuf>,
    pub(crate) fresh: bool,
    pub(crate) backup_interval: Duration,
}

/// Serves until the process is told to stop.
///
/// # Errors
/// When the data folder or the address cannot be used.
pub(crate) async fn dev(options: DevOptions) -> anyhow::Result<()> {
    let signals = Signals::listen();
    let data = DataDir::make(&options.data)?.own()?;
    if options.fresh {
        data.start_anew()?;
    }
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    let url = format!("https://localhost:{}", address.port());
    let observer = Arc::new(NoObserver);
    let embedded = Embedded::open(
        &data,
        EmbeddedOptions {
            public_url: url.clone(),
            backup_interval: options.backup_interval,
            observer,
        },
    )
    .await?;
    let (mut site_id, mut drive_id) =
        (embedded.tenant.facts().site_id, embedded.tenant.facts().drive_id.to_string());
    if let Some(folder) = options.import {
        let report = import(&embedded.tenant, "Imported", folder).await?;
        println!(
            "Imported {} files and {} folders, {} bytes, as /sites/Imported.",
            report.files, report.folders, report.bytes
        );
        for refusal in &report.refused {
            println!("  left out: {} ({})", refusal.path.display(), refusal.reason);
        }
        (site_id, drive_id) = (report.site_id, report.drive_id);
    }
    let config = tls::server_config(&data.tls())?;
    write_environment(&data, &embedded.tenant, &url, &site_id, &drive_id)?;
    println!("Holdfast listens on {url}");
    println!("  backup API   {url}/v1.0/solutions/backupRestore");
    println!("  Contoso      {url}/v1.0/sites?search=*");
    println!("  environment  {}", data.dev_env().display());
    let (stop, stopped) = watch::channel(false);
    let mut engine_stopped = stopped.clone();
    let mut server_stopped = stopped;
    tokio::join!(
        listen::serve(listener, Front::local(config), embedded.router.clone(), async move {
            drop(server_stopped.wait_for(|stop| *stop).await);
        }),
        embedded.running.during(embedded.engine.run_until(async move {
            drop(engine_stopped.wait_for(|stop| *stop).await);
        })),
        async move {
            signals.told_to_stop().await;
            stop.send_replace(true);
        },
    );
    Ok(())
}

pub(crate) async fn import(
    tenant: &Tenant,
    name: &str,
    folder: PathBuf,
) -> anyhow::Result<holdfast_tenant::ImportReport> {
    let (tenant, site) =
        (tenant.clone(), NewSite { name: name.to_owned(), path: format!("/sites/{name}") });
    let shown = folder.display().to_string();
    tokio::task::spawn_blocking(move || tenant.import_folder(site, &folder))
        .await?
        .with_context(|| format!("{shown} cannot be imported"))
}

/// `dev.env` appears when the server listens, whole, and only its owner may read it: it holds the application's secret.
fn write_environment(
    data: &DataDir,
    tenant: &Tenant,
    url: &str,
    site_id: &str,
    drive_id: &str,
) -> anyhow::Result<()> {
    let facts = tenant.facts();
    let lines = [
        ("GRAPH_BASE", url.to_owned()),
        ("AUTHORITY", url.to_owned()),
        ("TENANT_ID", facts.tenant_id.to_string()),
        ("CLIENT_ID", facts.client_id.to_string()),
        ("CLIENT_SECRET", facts.client_secret),
        ("CA_FILE", tls::ca_file(&data.tls()).display().to_string()),
        ("SITE_ID", site_id.to_owned()),
        ("DRIVE_ID", drive_id.to_owned()),
        ("USER_ID", facts.user_id),
    ];
    let text: String = lines
        .iter()
        .map(|(name, value)| format!("export {name}={}\n", shell_quoted(value)))
        .collect();
    write_private(&data.dev_env(), text.as_bytes())
}

pub(crate) fn shell_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}
