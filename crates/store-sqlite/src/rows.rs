//! Values of the domain as columns, and back.

use std::cell::Cell;
use std::str::FromStr;

use holdfast_domain::{PendingRetention, Retention, RetentionDays, Stamps, Timestamp};
use holdfast_store::StoreError;
use rusqlite::types::{FromSql, Value as SqlValue};
use rusqlite::{Row, Statement};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads the columns of one row by name, and says which one makes no sense.
pub(crate) struct Columns<'a> {
    row: &'a Row<'a>,
    /// Where the next name is looked for first: columns are mostly read in the order that they have.
    next: Cell<usize>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(row: &'a Row<'a>) -> Self {
        Self { row, next: Cell::new(0) }
    }

    pub(crate) fn read<T: FromSql>(&self, name: &str) -> Result<T, StoreError> {
        let statement: &Statement<'_> = self.row.as_ref();
        let count = statement.column_count();
        let index = (self.next.get()..count)
            .chain(0..self.next.get())
            .find(|index| statement.column_name(*index) == Ok(name))
            .ok_or_else(|| nonsense(name, "missing"))?;
        self.next.set(index + 1);
        self.row.get(index).map_err(|error| nonsense(name, error))
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, StoreError> {
        self.read(name)
    }

    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(name)
    }

    pub(crate) fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(name)
    }

    pub(crate) fn integer(&self, name: &str) -> Result<i64, StoreError> {
        self.read(name)
    }

    pub(crate) fn count(&self, name: &str) -> Result<u64, StoreError> {
        u64::try_from(self.integer(name)?).map_err(|error| nonsense(name, error))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.integer(name)? != 0)
    }

    pub(crate) fn id<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<T, StoreError> {
        self.text(name)?.parse().map_err(|error| nonsense(name, error))
    }

    pub(crate) fn optional_id<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        self.optional_text(name)?
            .map(|text| text.parse().map_err(|error| nonsense(name, error)))
            .transpose()
    }

    pub(crate) fn time(&self, name: &str) -> Result<Timestamp, StoreError> {
        Timestamp::from_unix_micros(self.integer(name)?)
            .ok_or_else(|| nonsense(name, "out of range"))
    }

    pub(crate) fn optional_time(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let micros: Option<i64> = self.read(name)?;
        micros
            .map(|micros| {
                Timestamp::from_unix_micros(micros).ok_or_else(|| nonsense(name, "out of range"))
            })
            .transpose()
    }

    /// A member of an enum, by its name.
    pub(crate) fn member<T>(
        &self,
        name: &str,
        from_name: fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text = self.text(name)?;
        from_name(&text).ok_or_else(|| nonsense(name, &text))
    }

    pub(crate) fn retention(&self) -> Result<Retention, StoreError> {
        let days = |name| -> Result<Option<RetentionDays>, StoreError> {
            let days: Option<u32> = self.read(name)?;
            days.map(|days| RetentionDays::new(days).ok_or_else(|| nonsense(name, days)))
                .transpose()
        };
        let window =
            days("retention_days")?.ok_or_else(|| nonsense("retention_days", "missing"))?;
        let pending =
            match (days("pending_retention_days")?, self.optional_time("pending_retention_at")?) {
                (Some(target), Some(effective_at)) => {
                    Some(PendingRetention { target, effective_at })
                }
                _ => None,
            };
        Ok(Retention { window, pending })
    }

    pub(crate) fn stamps(&self) -> Result<Stamps, StoreError> {
        Ok(Stamps {
            created_by: self.json("created_by")?,
            created_at: self.time("created_at")?,
            last_modified_by: self.json("last_modified_by")?,
            last_modified_at: self.time("last_modified_at")?,
        })
    }

    /// What [`json`] wrote.
    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(name)?).map_err(|error| nonsense(name, error))
    }

    pub(crate) fn optional_json<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        self.optional_text(name)?
            .map(|text| serde_json::from_str(&text).map_err(|error| nonsense(name, error)))
            .transpose()
    }
}

/// Ids, names and members are stored as text.
pub(crate) fn text(value: impl std::fmt::Display) -> SqlValue {
    SqlValue::Text(value.to_string())
}

pub(crate) fn optional_text(value: Option<impl std::fmt::Display>) -> SqlValue {
    value.map_or(SqlValue::Null, text)
}

pub(crate) fn time(value: Option<Timestamp>) -> SqlValue {
    micros_of(value).map_or(SqlValue::Null, SqlValue::Integer)
}

pub(crate) fn stamps_columns(stamps: &Stamps) -> [(&'static str, SqlValue); 4] {
    [
        ("created_by", json(&stamps.created_by)),
        ("created_at", stamps.created_at.unix_micros().into()),
        ("last_modified_by", json(&stamps.last_modified_by)),
        ("last_modified_at", stamps.last_modified_at.unix_micros().into()),
    ]
}

/// Lists of texts, actors and errors are JSON in one column.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> SqlValue {
    SqlValue::Text(serde_json::to_string(value).expect("members and texts only"))
}

pub(crate) fn optional_json(value: Option<&impl Serialize>) -> SqlValue {
    value.map_or(SqlValue::Null, json)
}

pub(crate) fn retention_columns(retention: Retention) -> [(&'static str, SqlValue); 3] {
    let pending = retention.pending;
    [
        ("retention_days", retention.window.days().into()),
        ("pending_retention_days", pending.map(|change| change.target.days()).into()),
        ("pending_retention_at", time(pending.map(|change| change.effective_at))),
    ]
}

pub(crate) fn nonsense(what: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Inconsistent(format!("{what}: {why}"))
}

/// Counts and sizes fit: no unit comes near 8 EiB.
pub(crate) fn integer_of(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn micros_of(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::unix_micros)
}
