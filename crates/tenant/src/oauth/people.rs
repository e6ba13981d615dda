//! Whom one can sign in as.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::problem::Answer;
use crate::roles;

/// A person of the directory, with what tokens and the sign-in page say of them.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) principal_name: String,
    pub(crate) display_name: String,
    pub(crate) given_name: String,
    pub(crate) surname: String,
    pub(crate) job_title: String,
    /// Template ids.
    pub(crate) roles: Vec<String>,
}

const COLUMNS: &str = "id, upn, display_name, given_name, surname, job_title";

impl Person {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            principal_name: row.get(1)?,
            display_name: row.get(2)?,
            given_name: row.get(3)?,
            surname: row.get(4)?,
            job_title: row.get(5)?,
            roles: Vec::new(),
        })
    }

    pub(crate) fn find(connection: &Connection, id: &str) -> Answer<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM users WHERE id = ?1");
        let found = connection.prepare_cached(&sql)?.query_row([id], Self::from_row).optional()?;
        found.map(|person| person.with_roles(connection)).transpose()
    }

    /// Everybody, in the order of their names.
    pub(crate) fn all(connection: &Connection) -> Answer<Vec<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM users ORDER BY display_name, upn");
        let mut statement = connection.prepare_cached(&sql)?;
        let people: Vec<Self> =
            statement.query_map([], Self::from_row)?.collect::<Result<_, _>>()?;
        people.into_iter().map(|person| person.with_roles(connection)).collect()
    }

    fn with_roles(self, connection: &Connection) -> Answer<Self> {
        let roles = roles::of_user(connection, &self.id)?;
        Ok(Self { roles, ..self })
    }
}
