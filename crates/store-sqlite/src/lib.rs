//! The metastore on SQLite: one file, one writer at a time, readers beside it (write-ahead log, every commit synced).
//!
//! Statements run inline, since each takes microseconds; a commit waits for the disk and goes to a blocking thread.

mod activities;
mod artifacts;
mod browse;
mod bulk;
mod catalogue;
mod collection;
mod exclusions;
mod jobs;
mod keys;
mod notifications;
mod policies;
mod query;
#[cfg(test)]
mod query_properties;
mod restore_points;
mod restore_sessions;
mod rows;
mod rules;
mod search_responses;
mod service_apps;
mod services;
mod text_functions;
mod units;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_store::{Store, StoreError, Tx};
use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard};

use text_functions::define_text_functions;

/// Each takes the schema one version further.
const MIGRATIONS: [&str; 2] =
    [include_str!("migrations/0001.sql"), include_str!("migrations/0002.sql")];
/// Pages that the writer and each reader keep in memory.
const WRITER_CACHE_KIB: i64 = 32_000;
const READER_CACHE_KIB: i64 = 4_000;
/// Reading transactions at once; more wait.
const READERS: usize = 4;

/// A metastore in one SQLite file (or in memory, for tests).
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: Arc<Mutex<Connection>>,
    /// Empty for a store in memory: there, readers take the writer's connection.
    readers: Vec<Arc<Mutex<Connection>>>,
}

impl SqliteStore {
    /// Opens the file, makes it on first use, and brings its schema up to date.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be opened; `Inconsistent` when a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let writer = connect(path, WRITER_CACHE_KIB)?;
        migrate(&writer)?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let reader = connect(path, READER_CACHE_KIB)?;
            reader.pragma_update(None, "query_only", true).map_err(unavailable)?;
            readers.push(Arc::new(Mutex::new(reader)));
        }
        Ok(Self { writer: Arc::new(Mutex::new(writer)), readers })
    }

    /// A store that is gone when dropped. A task must not hold two of its transactions at once.
    #[must_use]
    pub fn in_memory() -> Self {
        let connection = Connection::open_in_memory().expect("memory can be opened");
        prepare(&connection).expect("settings apply in memory");
        migrate(&connection).expect("the schema applies to an empty store");
        Self { writer: Arc::new(Mutex::new(connection)), readers: Vec::new() }
    }

    async fn reader(&self) -> OwnedMutexGuard<Connection> {
        for reader in &self.readers {
            if let Ok(free) = reader.clone().try_lock_owned() {
                return free;
            }
        }
        self.readers.first().unwrap_or(&self.writer).clone().lock_owned().await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        let connection = self.writer.clone().lock_owned().await;
        // Deferred would fail at the first write when another process wrote meanwhile.
        execute(&connection, "BEGIN IMMEDIATE").map_err(unavailable)?;
        Ok(Box::new(SqliteTx { connection: Some(connection), was_writer: false }))
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        let connection = self.reader().await;
        let was_writer = self.readers.is_empty();
        if was_writer {
            connection.execute_batch("PRAGMA query_only = 1").map_err(unavailable)?;
        }
        execute(&connection, "BEGIN").map_err(unavailable)?;
        Ok(Box::new(SqliteTx { connection: Some(connection), was_writer }))
    }
}

fn connect(path: &Path, cache_kib: i64) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(unavailable)?;
    prepare(&connection).map_err(unavailable)?;
    connection.pragma_update(None, "cache_size", -cache_kib).map_err(unavailable)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    // So that REPLACE is stopped by a trigger on DELETE, too.
    connection.pragma_update(None, "recursive_triggers", true)?;
    connection.set_prepared_statement_cache_capacity(128);
    define_text_functions(connection)
}

fn migrate(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(unavailable)?;
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(unavailable)?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    let missing = MIGRATIONS.get(done..).ok_or_else(|| {
        let known = MIGRATIONS.len();
        StoreError::Inconsistent(format!("schema version {version}; this program knows {known}"))
    })?;
    for migration in missing {
        connection.execute_batch(migration).map_err(unavailable)?;
    }
    connection.pragma_update(None, "user_version", MIGRATIONS.len() as i64).map_err(unavailable)?;
    connection.execute_batch("COMMIT").map_err(unavailable)
}

pub(crate) struct SqliteTx {
    /// `None` only while `commit` has it.
    connection: Option<OwnedMutexGuard<Connection>>,
    /// The connection writes, too, and does not while this transaction reads.
    was_writer: bool,
}

impl SqliteTx {
    pub(crate) fn sql(&self) -> &Connection {
        self.connection.as_deref().expect("a transaction has its connection until it commits")
    }

    /// Runs a statement that must change exactly one row.
    pub(crate) fn change_one(
        &self,
        statement: &str,
        values: &[(&str, &dyn rusqlite::ToSql)],
    ) -> Result<(), StoreError> {
        let changed = self
            .sql()
            .prepare_cached(statement)
            .and_then(|mut prepared| prepared.execute(values))
            .map_err(failed)?;
        if changed == 1 { Ok(()) } else { Err(StoreError::Stale) }
    }
}

#[async_trait]
impl Tx for SqliteTx {
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let connection = self.connection.take().expect("committed once");
        let was_writer = self.was_writer;
        let committing = tokio::task::spawn_blocking(move || {
            let committed = execute(&connection, "COMMIT");
            match committed {
                Ok(()) => release(&connection, was_writer),
                Err(_) => roll_back(&connection, was_writer),
            }
            committed.map_err(failed)
        });
        committing.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            roll_back(connection, self.was_writer);
        }
    }
}

/// Runs a statement that gives no rows, prepared once for each connection.
fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(|_| ())
}

fn roll_back(connection: &Connection, was_writer: bool) {
    if let Err(error) = execute(connection, "ROLLBACK") {
        tracing::error!(%error, "a transaction could not be rolled back");
    }
    release(connection, was_writer);
}

fn release(connection: &Connection, was_writer: bool) {
    if was_writer && let Err(error) = connection.execute_batch("PRAGMA query_only = 0") {
        tracing::error!(%error, "a connection that reads could not be made to write again");
    }
}

pub(crate) fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// A violated constraint is a bug or a lost race that the caller should have seen; everything else is the disk's.
pub(crate) fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => StoreError::Stale,
        Some(_) => StoreError::Unavailable(error.to_string()),
        None => StoreError::Inconsistent(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use crate::SqliteStore;

    holdfast_store::testsuite!(crate::SqliteStore::in_memory());

    /// Not even SQL of our own changes what the audit has.
    #[tokio::test]
    async fn the_audit_is_only_added_to() {
        let store = SqliteStore::in_memory();
        let connection = store.writer.lock().await;
        let insert =
            "INSERT INTO audit VALUES (1, 'tenant', 0, 'actor', 'operation', 'target', 'request')";
        connection.execute(insert, []).expect("it is added to");
        let replace = insert.replace("INSERT", "REPLACE");
        for statement in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", &replace] {
            let refusal = connection.execute(statement, []).expect_err(statement).to_string();
            assert!(refusal.contains("append-only"), "{statement}: {refusal}");
        }
    }
}
