//! `holdfast repository-key`: what restic needs to open a unit's backups.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use holdfast_domain::{SystemEntropy, UnitId};
use holdfast_engine::keys::KeyRing;
use holdfast_repository::{RepositorySecret, local_store};
use holdfast_store::Store;
use holdfast_store_sqlite::SqliteStore;

use crate::data_dir::DataDir;
use crate::dev::shell_quoted;

/// Prints two `export` lines. With `offline`, only the root key and the repositories' folder are read.
///
/// # Errors
/// When there is no such unit, or its key does not open.
pub(crate) async fn repository_key(unit: &str, data: &Path, offline: bool) -> anyhow::Result<()> {
    let unit: UnitId = unit.parse().with_context(|| format!("{unit:?} is no unit's id"))?;
    if !data.is_dir() {
        bail!("there is no data folder {}", data.display());
    }
    let data = DataDir::make(data)?;
    let secret = secret_of(&data, unit, offline).await?;
    println!(
        "export RESTIC_REPOSITORY={}",
        shell_quoted(&data.repositories().join(unit.to_string()).display().to_string())
    );
    println!("export RESTIC_PASSWORD={}", shell_quoted(secret.expose()));
    Ok(())
}

async fn secret_of(
    data: &DataDir,
    unit: UnitId,
    offline: bool,
) -> anyhow::Result<RepositorySecret> {
    let root = data.root_key()?;
    let objects = local_store(&data.objects())?;
    if offline {
        return Ok(root.secret_from_object_store(&*objects, unit).await?);
    }
    if !data.control_db().exists() {
        bail!("control.db is gone; --offline needs only the root key and the repositories");
    }
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&data.control_db())?);
    let mut tx = store.read().await?;
    for tenant in tx.tenants().await? {
        if tx.unit(tenant, unit).await?.is_some() {
            drop(tx);
            return Ok(KeyRing::new(root, store, objects, Arc::new(SystemEntropy))
                .secret(tenant, unit)
                .await?);
        }
    }
    bail!("there is no unit {unit}")
}
