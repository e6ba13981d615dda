//! [`Listed`] and [`Collection`] once for all nouns: a noun says what its columns are, and how a row is read.

use async_trait::async_trait;
use holdfast_domain::TenantId;
use holdfast_store::query::{Filter, ListQuery, Page};
use holdfast_store::{Collection, Listed, Noun, StoreError, Version, Versioned};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Params, params};

use crate::query::TableColumn;
use crate::rows::Columns;
use crate::{SqliteTx, failed, query};

/// A noun as rows of a table with the columns `id` and `tenant`.
pub(crate) trait Stored: Noun<Column: TableColumn> {
    const TABLE: &'static str;

    fn of(row: &Columns<'_>) -> Result<Self, StoreError>;

    /// Counts the writes of the row.
    fn version_of(row: &Columns<'_>) -> Result<Version, StoreError> {
        row.integer("version")
    }
}

/// A noun that is written through [`Collection`]. Its table has the column `version`.
pub(crate) trait Written: Stored {
    fn key(&self) -> (&Self::Id, TenantId);

    /// All columns but `id`, `tenant` and `version`.
    fn columns(&self) -> Vec<(&'static str, SqlValue)>;

    /// Removes what belongs to the row alone.
    fn delete_parts(&self, _tx: &SqliteTx) -> Result<(), StoreError> {
        Ok(())
    }
}

impl SqliteTx {
    /// The rows that a statement of ours selects from the noun's table.
    pub(crate) fn select<T: Stored>(
        &self,
        statement: &str,
        values: impl Params,
    ) -> Result<Vec<Versioned<T>>, StoreError> {
        let mut prepared = self.sql().prepare_cached(statement).map_err(failed)?;
        let mut rows = prepared.query(values).map_err(failed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let row = Columns::of(row);
            found.push(Versioned { value: T::of(&row)?, version: T::version_of(&row)? });
        }
        Ok(found)
    }

    /// Runs a statement that must change exactly one row, its values by position.
    fn change_row(&self, statement: &str, values: Vec<SqlValue>) -> Result<(), StoreError> {
        let changed = self
            .sql()
            .prepare_cached(statement)
            .and_then(|mut prepared| prepared.execute(rusqlite::params_from_iter(values)))
            .map_err(failed)?;
        if changed == 1 { Ok(()) } else { Err(StoreError::Stale) }
    }
}

#[async_trait]
impl<T: Stored> Listed<T> for SqliteTx {
    async fn get(
        &mut self,
        tenant: TenantId,
        id: &T::Id,
    ) -> Result<Option<Versioned<T>>, StoreError> {
        let statement = format!("SELECT * FROM {} WHERE id = ? AND tenant = ?", T::TABLE);
        Ok(self.select(&statement, params![id.to_string(), tenant.to_string()])?.pop())
    }

    async fn list(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<T::Column>,
    ) -> Result<Page<T>, StoreError> {
        query::list(self, tenant, query, T::of)
    }

    async fn count(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<T::Column>>,
    ) -> Result<u64, StoreError> {
        query::count(self, tenant, filter)
    }
}

#[async_trait]
impl<T: Written> Collection<T> for SqliteTx {
    async fn insert(&mut self, value: &T) -> Result<(), StoreError> {
        let (id, tenant) = value.key();
        let (names, mut values): (Vec<_>, Vec<_>) = value.columns().into_iter().unzip();
        values.extend([id.to_string().into(), tenant.to_string().into()]);
        self.change_row(
            &format!(
                "INSERT INTO {} ({}, id, tenant, version) VALUES ({}?, ?, 1)",
                T::TABLE,
                names.join(", "),
                "?, ".repeat(names.len()),
            ),
            values,
        )
    }

    async fn put(&mut self, value: &T, read: Version) -> Result<(), StoreError> {
        let (id, tenant) = value.key();
        let (names, mut values): (Vec<_>, Vec<_>) = value.columns().into_iter().unzip();
        values.extend([id.to_string().into(), tenant.to_string().into(), read.into()]);
        self.change_row(
            &format!(
                "UPDATE {} SET {} = ?, version = version + 1 WHERE id = ? AND tenant = ? AND version = ?",
                T::TABLE,
                names.join(" = ?, "),
            ),
            values,
        )
    }

    async fn delete(&mut self, value: &T, read: Version) -> Result<(), StoreError> {
        let (id, tenant) = value.key();
        self.change_row(
            &format!("DELETE FROM {} WHERE id = ? AND tenant = ? AND version = ?", T::TABLE),
            vec![id.to_string().into(), tenant.to_string().into(), read.into()],
        )?;
        value.delete_parts(self)
    }
}
