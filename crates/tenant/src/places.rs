//! Rows of sites and drives.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::ids;
use crate::names;
use crate::problem::{Answer, Problem};
use crate::query::encode;

/// A site collection with its one web.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) row: i64,
    pub(crate) guid: Uuid,
    pub(crate) web: Uuid,
    /// Server-relative, without a leading slash; empty for a root site.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) description: String,
    pub(crate) personal: bool,
    pub(crate) owner_user: Option<String>,
    pub(crate) owner_group: Option<String>,
    pub(crate) locked: bool,
    pub(crate) created: i64,
    pub(crate) modified: i64,
}

impl Site {
    const COLUMNS: &'static str = "sites.id, sites.guid, sites.web, sites.path, sites.name, \
        sites.display_name, sites.description, sites.personal, sites.owner_user, \
        sites.owner_group, sites.locked, sites.created, sites.modified";
    const WIDTH: usize = 13;

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            row: row.get(0)?,
            guid: guid(row, 1)?,
            web: guid(row, 2)?,
            path: row.get(3)?,
            name: row.get(4)?,
            display_name: row.get(5)?,
            description: row.get(6)?,
            personal: row.get(7)?,
            owner_user: row.get(8)?,
            owner_group: row.get(9)?,
            locked: row.get(10)?,
            created: row.get(11)?,
            modified: row.get(12)?,
        })
    }

    pub(crate) fn id(&self) -> String {
        ids::site_id(self.personal, self.guid, self.web)
    }

    pub(crate) const fn host(&self) -> &'static str {
        if self.personal { ids::PERSONAL_HOST } else { ids::SITE_HOST }
    }

    pub(crate) fn web_url(&self) -> String {
        let mut url = format!("https://{}", self.host());
        for segment in self.path.split('/').filter(|segment| !segment.is_empty()) {
            url.push('/');
            url.push_str(&encode(segment));
        }
        url
    }

    /// Every site, team sites in the order of their making, personal sites last.
    pub(crate) fn all(connection: &Connection) -> Answer<Vec<Self>> {
        let sql = format!("SELECT {} FROM sites ORDER BY personal, id", Self::COLUMNS);
        let mut statement = connection.prepare_cached(&sql)?;
        let sites = statement.query_map([], Self::from_row)?.collect::<Result<_, _>>()?;
        Ok(sites)
    }

    /// A change of any item is one of its site: `modified` becomes the latest.
    pub(crate) fn note_content(&mut self, connection: &Connection) -> Answer<()> {
        let latest: Option<i64> = connection
            .prepare_cached(
                "SELECT max((SELECT changed_at FROM items WHERE items.drive = drives.id \
                 ORDER BY change_seq DESC LIMIT 1)) FROM drives WHERE site = ?1",
            )?
            .query_row([self.row], |row| row.get(0))?;
        self.modified = self.modified.max(latest.unwrap_or(self.modified));
        Ok(())
    }

    fn one(
        connection: &Connection,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Answer<Option<Self>> {
        let sql = format!("SELECT {} FROM sites WHERE {condition}", Self::COLUMNS);
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_row(parameters, Self::from_row).optional()?)
    }

    /// `root`, `host`, `host,site,web` or `site,web`.
    pub(crate) fn find(connection: &Connection, id: &str) -> Answer<Option<Self>> {
        let parts: Vec<&str> = id.split(',').collect();
        let (site, web) = match parts[..] {
            ["root"] => return Self::by_path(connection, false, ""),
            [host] if host.eq_ignore_ascii_case(ids::SITE_HOST) => {
                return Self::by_path(connection, false, "");
            }
            [host, site, web]
                if host.eq_ignore_ascii_case(ids::SITE_HOST)
                    || host.eq_ignore_ascii_case(ids::PERSONAL_HOST) =>
            {
                (site, web)
            }
            [site, web] => (site, web),
            _ => return Ok(None),
        };
        let (Ok(site), Ok(web)) = (Uuid::try_parse(site), Uuid::try_parse(web)) else {
            return Ok(None);
        };
        Self::one(connection, "guid = ?1 AND web = ?2", params![site.as_bytes(), web.as_bytes()])
    }

    pub(crate) fn by_path(
        connection: &Connection,
        personal: bool,
        path: &str,
    ) -> Answer<Option<Self>> {
        Self::one(
            connection,
            "personal = ?1 AND path_key = ?2",
            params![personal, names::fold(path)],
        )
    }

    pub(crate) fn by_row(connection: &Connection, row: i64) -> Answer<Option<Self>> {
        Self::one(connection, "id = ?1", [row])
    }

    /// The personal site of a user.
    pub(crate) fn of_user(connection: &Connection, user_id: &str) -> Answer<Option<Self>> {
        Self::one(connection, "personal = 1 AND owner_user = ?1", [user_id])
    }
}

/// A document library.
#[derive(Debug, Clone)]
pub(crate) struct Drive {
    pub(crate) row: i64,
    pub(crate) id: String,
    pub(crate) list: Uuid,
    pub(crate) name: String,
    /// Its folder in the site's URL space: `Shared Documents` for the library `Documents`.
    pub(crate) url_name: String,
    pub(crate) description: String,
    pub(crate) is_default: bool,
    pub(crate) epoch: i64,
    pub(crate) change_seq: i64,
    pub(crate) oldest_seq: i64,
    pub(crate) created: i64,
    pub(crate) site: Site,
}

impl Drive {
    fn one(
        connection: &Connection,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Answer<Vec<Self>> {
        let sql = format!(
            "SELECT {}, drives.id, drives.public_id, drives.list, drives.name, drives.url_name, \
             drives.description, drives.is_default, drives.epoch, drives.change_seq, \
             drives.oldest_seq, drives.created \
             FROM drives JOIN sites ON sites.id = drives.site WHERE {condition}",
            Site::COLUMNS
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let drives = statement.query_map(parameters, |row| {
            let at = Site::WIDTH;
            Ok(Self {
                site: Site::from_row(row)?,
                row: row.get(at)?,
                id: row.get(at + 1)?,
                list: guid(row, at + 2)?,
                name: row.get(at + 3)?,
                url_name: row.get(at + 4)?,
                description: row.get(at + 5)?,
                is_default: row.get(at + 6)?,
                epoch: row.get(at + 7)?,
                change_seq: row.get(at + 8)?,
                oldest_seq: row.get(at + 9)?,
                created: row.get(at + 10)?,
            })
        })?;
        Ok(drives.collect::<Result<_, _>>()?)
    }

    /// 404 where there is none.
    pub(crate) fn find(connection: &Connection, id: &str) -> Answer<Self> {
        let found = Self::one(connection, "drives.public_id = ?1", [id])?;
        found.into_iter().next().ok_or_else(Problem::item_not_found)
    }

    pub(crate) fn by_row(connection: &Connection, row: i64) -> Answer<Self> {
        let found = Self::one(connection, "drives.id = ?1", [row])?;
        found.into_iter().next().ok_or_else(Problem::item_not_found)
    }

    /// The default library comes first.
    pub(crate) fn of_site(connection: &Connection, site: i64) -> Answer<Vec<Self>> {
        Self::one(connection, "drives.site = ?1 ORDER BY drives.is_default DESC, drives.id", [site])
    }

    pub(crate) const fn drive_type(&self) -> &'static str {
        if self.site.personal { "business" } else { "documentLibrary" }
    }

    pub(crate) fn web_url(&self) -> String {
        format!("{}/{}", self.site.web_url(), encode(&self.url_name))
    }
}

/// A GUID in a column of 16 bytes.
pub(crate) fn guid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}
