//! `holdfast repository-key`: what restic needs to open a unit's backups.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use holdfast_domain::{SystemEntropy, UnitId};
use holdfast_engine::keys::{KeyRing, RootKey};
use holdfast_repository::{RepositorySecret, local_store};
use holdfast_store::Store;
use holdfast_store_sqlite::SqliteStore;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::dev::shell_quoted;
use crate::node::read_root_key;

/// Where keys and backups are.
pub(crate) struct Keeping {
    root_key: RootKey,
    objects: PathBuf,
    metastore: PathBuf,
}

impl Keeping {
    /// Those of a data folder.
    ///
    /// # Errors
    /// When there is none, or no root key in it.
    pub(crate) fn of_data(data: &Path) -> anyhow::Result<Self> {
        if !data.is_dir() {
            bail!("there is no data folder {}", data.display());
        }
        let data = DataDir::make(data)?;
        Ok(Self {
            root_key: data.root_key()?,
            objects: data.objects(),
            metastore: data.control_db(),
        })
    }

    /// Those that a configuration names.
    ///
    /// # Errors
    /// When the configuration is wrong, or its root key cannot be had.
    pub(crate) fn of_config(path: &Path) -> anyhow::Result<Self> {
        let config = Config::read(path)?;
        Ok(Self {
            root_key: read_root_key(&config.root_key)?,
            objects: config.objects.value,
            metastore: config.metastore.value,
        })
    }
}

/// Prints two `export` lines. With `offline`, only the root key and the repositories' folder are read.
///
/// # Errors
/// When there is no such unit, or its key does not open.
pub(crate) async fn repository_key(
    unit: &str,
    keeping: Keeping,
    offline: bool,
) -> anyhow::Result<()> {
    let unit: UnitId = unit.parse().with_context(|| format!("{unit:?} is no unit's id"))?;
    let folder = keeping.objects.join("repositories").join(unit.to_string());
    let secret = secret_of(keeping, unit, offline).await?;
    println!("export RESTIC_REPOSITORY={}", shell_quoted(&folder.display().to_string()));
    println!("export RESTIC_PASSWORD={}", shell_quoted(secret.expose()));
    Ok(())
}

/// The secret of a unit's repository.
pub(crate) async fn secret_of(
    keeping: Keeping,
    unit: UnitId,
    offline: bool,
) -> anyhow::Result<RepositorySecret> {
    let Keeping { root_key: root, objects, metastore } = keeping;
    if !objects.is_dir() {
        bail!("there is no folder {}", objects.display());
    }
    let objects = local_store(&objects)?;
    if offline {
        return Ok(root.secret_from_object_store(&*objects, unit).await?);
    }
    if !metastore.exists() {
        bail!("control.db is gone; --offline needs only the root key and the repositories");
    }
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&metastore)?);
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
