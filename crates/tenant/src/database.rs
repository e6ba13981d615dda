//! SQLite: one writer, several readers, one file.
//!
//! Every write is one `BEGIN IMMEDIATE` transaction behind a mutex; readers see the last committed state and never
//! wait for a writer (WAL). Content is in files before the row that names it is written.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Each brings a database from the version before it to its own; they are never changed after a release.
const SCHEMA: [&str; 3] =
    [include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];
const IDLE_READERS: usize = 8;

pub(crate) struct Database {
    path: PathBuf,
    writer: Mutex<Connection>,
    idle: Mutex<Vec<Connection>>,
}

impl Database {
    /// Opens or creates the file and brings its schema up to date.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let mut writer = connect(path)?;
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: u32 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        // A database of a later program has a version that is not ours to read.
        let missing = SCHEMA.get(version as usize..).ok_or(rusqlite::Error::InvalidQuery)?;
        for (step, version) in missing.iter().zip(version + 1..) {
            tx.execute_batch(step)?;
            tx.pragma_update(None, "user_version", version)?;
        }
        tx.commit()?;
        Ok(Self {
            path: path.to_path_buf(),
            writer: Mutex::new(writer),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Runs `work` on one consistent picture.
    pub(crate) fn read<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let answer = {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            work(&tx)
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS {
            idle.push(connection);
        }
        answer
    }

    /// Runs `work` in a transaction and commits when it succeeds.
    pub(crate) fn write<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // A panic in `work` drops its transaction, which rolls back: the connection is still good.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = work(&tx)?;
        tx.commit()?;
        Ok(answer)
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.busy_timeout(std::time::Duration::from_secs(30))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.pragma_update(None, "mmap_size", 268_435_456_i64)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}
