//! The data folder: who owns which part of it, and the root key.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use holdfast_domain::Entropy;
use holdfast_engine::keys::RootKey;
use zeroize::Zeroizing;

/// What the program makes in a data folder, and nothing else of it is ever removed.
const OURS: [&str; 7] =
    ["repositories", "control.db", "control.db-wal", "control.db-shm", "tenant", "keys", "dev.env"];

/// `./holdfast-data` by default.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// # Errors
    /// When the folder cannot be made.
    pub fn make(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("the data folder {} cannot be made", path.display()))?;
        let absolute = fs::canonicalize(path)?;
        Ok(Self(absolute))
    }

    /// Takes the folder for this process alone. The kernel takes the lock back when the process ends, however it ends.
    ///
    /// # Errors
    /// When another process has it.
    pub fn own(self) -> anyhow::Result<OwnDataDir> {
        let lock = File::create(self.0.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(OwnDataDir { folder: self, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!("another holdfast uses the data folder {}", self.0.display())
            }
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Everything in the object store; the repositories are below `repositories/` in it.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.0.clone()
    }

    #[must_use]
    pub fn repositories(&self) -> PathBuf {
        self.0.join("repositories")
    }

    #[must_use]
    pub fn control_db(&self) -> PathBuf {
        self.0.join("control.db")
    }

    #[must_use]
    pub fn tenant(&self) -> PathBuf {
        self.0.join("tenant")
    }

    #[must_use]
    pub fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    #[must_use]
    pub fn dev_env(&self) -> PathBuf {
        self.0.join("dev.env")
    }

    fn root_key_path(&self) -> PathBuf {
        self.0.join("keys").join("root.key")
    }

    /// The root key, made on first use.
    ///
    /// # Errors
    /// When its file cannot be read or written, or holds no key.
    pub fn root_key_or_new(&self, entropy: &dyn Entropy) -> anyhow::Result<RootKey> {
        if !self.root_key_path().exists() {
            if self.control_db().exists() {
                bail!(
                    "{} is gone, but there are backups that need it",
                    self.root_key_path().display()
                );
            }
            let key = RootKey::random(entropy);
            write_private(&self.root_key_path(), format!("{}\n", *key.to_hex()).as_bytes())?;
        }
        self.root_key()
    }

    /// # Errors
    /// When its file cannot be read, or holds no key.
    pub fn root_key(&self) -> anyhow::Result<RootKey> {
        let path = self.root_key_path();
        let text = Zeroizing::new(
            fs::read_to_string(&path)
                .with_context(|| format!("the root key {} cannot be read", path.display()))?,
        );
        RootKey::from_hex(&text).with_context(|| format!("{} holds no root key", path.display()))
    }
}

/// A data folder that no other process uses.
#[derive(Debug)]
pub struct OwnDataDir {
    folder: DataDir,
    _lock: File,
}

impl Deref for OwnDataDir {
    type Target = DataDir;

    fn deref(&self) -> &DataDir {
        &self.folder
    }
}

impl OwnDataDir {
    /// Removes what an earlier start made; the certificates stay, since clients trust them.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn start_anew(&self) -> io::Result<()> {
        for name in OURS {
            let path = self.folder.0.join(name);
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) | Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// Writes a file that only its owner may read, whole or not at all, and makes it durable.
///
/// # Errors
/// When the folder or file cannot be written.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension("tmp");
    drop(fs::remove_file(&temporary));
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::make(folder.path()).unwrap();
        let owned = data.clone().own().unwrap();
        assert!(data.clone().own().unwrap_err().to_string().contains("another holdfast"));
        owned.start_anew().unwrap();
        assert!(data.clone().own().is_err(), "starting anew keeps the folder");
        drop(owned);
        data.own().unwrap();
    }
}
