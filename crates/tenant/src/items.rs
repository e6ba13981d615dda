//! Rows of items, and finding them by id and by path. Nothing here writes.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::content::Content;
use crate::ids;
use crate::names;
use crate::places::{Drive, guid};
use crate::problem::{Answer, Problem};

/// Whether an item is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    /// In the recycle bin.
    Recycled,
    /// Gone for good; the row stays as delta's tombstone.
    Purged,
}

impl State {
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Live => 0,
            Self::Recycled => 1,
            Self::Purged => 2,
        }
    }
}

/// A file or folder, live or deleted. Times are microseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) row: i64,
    pub(crate) drive: i64,
    pub(crate) guid: Uuid,
    pub(crate) parent: Option<i64>,
    pub(crate) name: String,
    pub(crate) folder: bool,
    pub(crate) state: State,
    pub(crate) size: i64,
    pub(crate) child_count: i64,
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) quickxor: Option<[u8; 20]>,
    pub(crate) etag: i64,
    pub(crate) ctag: i64,
    pub(crate) version: i64,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) created_by: i64,
    pub(crate) modified_by: i64,
    pub(crate) fs_created: i64,
    pub(crate) fs_modified: i64,
    pub(crate) fs_accessed: Option<i64>,
    pub(crate) description: Option<String>,
    pub(crate) inherits: bool,
    pub(crate) direct_permissions: i64,
    pub(crate) sharing_seq: i64,
}

const COLUMNS: &str = "id, drive, guid, parent, name, kind, state, size, child_count, sha256, \
    quickxor, etag, ctag, version, created, modified, created_by, modified_by, fs_created, \
    fs_modified, fs_accessed, description, inherits, direct_permissions, sharing_seq";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        row: row.get(0)?,
        drive: row.get(1)?,
        guid: guid(row, 2)?,
        parent: row.get(3)?,
        name: row.get(4)?,
        folder: row.get::<_, i64>(5)? == 0,
        state: match row.get::<_, i64>(6)? {
            0 => State::Live,
            1 => State::Recycled,
            _ => State::Purged,
        },
        size: row.get(7)?,
        child_count: row.get(8)?,
        sha256: row.get(9)?,
        quickxor: row.get(10)?,
        etag: row.get(11)?,
        ctag: row.get(12)?,
        version: row.get(13)?,
        created: row.get(14)?,
        modified: row.get(15)?,
        created_by: row.get(16)?,
        modified_by: row.get(17)?,
        fs_created: row.get(18)?,
        fs_modified: row.get(19)?,
        fs_accessed: row.get(20)?,
        description: row.get(21)?,
        inherits: row.get(22)?,
        direct_permissions: row.get(23)?,
        sharing_seq: row.get(24)?,
    })
}

impl Item {
    pub(crate) const fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    pub(crate) fn content(&self) -> Option<Content> {
        Some(Content {
            sha256: self.sha256?,
            quickxor: self.quickxor?,
            size: u64::try_from(self.size).ok()?,
        })
    }

    /// `"{GUID},N"`, quotes included.
    pub(crate) fn e_tag(&self) -> String {
        format!("\"{{{}}},{}\"", self.guid_text(), self.etag)
    }

    /// `"c:{GUID},M"`, quotes included.
    pub(crate) fn c_tag(&self) -> String {
        format!("\"c:{{{}}},{}\"", self.guid_text(), self.ctag)
    }

    fn guid_text(&self) -> String {
        self.guid.as_hyphenated().to_string().to_uppercase()
    }
}

/// How a request names an item.
#[derive(Debug, Clone)]
pub(crate) struct ItemRef {
    /// `None`: the root.
    pub(crate) id: Option<String>,
    /// Names below it.
    pub(crate) path: Vec<String>,
}

impl ItemRef {
    pub(crate) const fn root() -> Self {
        Self { id: None, path: Vec::new() }
    }

    /// The live item; 404 where there is none.
    pub(crate) fn resolve(&self, connection: &Connection, drive: &Drive) -> Answer<Item> {
        let (item, missing) = self.walk(connection, drive)?;
        if missing.is_empty() { Ok(item) } else { Err(Problem::item_not_found()) }
    }

    /// The deepest item of the path that exists, and the names below it that do not.
    pub(crate) fn walk<'a>(
        &'a self,
        connection: &Connection,
        drive: &Drive,
    ) -> Answer<(Item, &'a [String])> {
        let base = match &self.id {
            None => root(connection, drive.row)?,
            Some(id) => by_id(connection, drive, id)?
                .filter(|item| item.state == State::Live)
                .ok_or_else(Problem::item_not_found)?,
        };
        walk(connection, base, &self.path)
    }
}

/// See [`ItemRef::walk`].
pub(crate) fn walk<'a>(
    connection: &Connection,
    base: Item,
    path: &'a [String],
) -> Answer<(Item, &'a [String])> {
    let mut item = base;
    for (at, name) in path.iter().enumerate() {
        match child(connection, item.row, name)? {
            Some(next) => item = next,
            None => return Ok((item, &path[at..])),
        }
    }
    Ok((item, &[]))
}

pub(crate) fn root(connection: &Connection, drive: i64) -> Answer<Item> {
    let sql =
        format!("SELECT {COLUMNS} FROM items WHERE id = (SELECT root FROM drives WHERE id = ?1)");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([drive], from_row)?)
}

/// In any state; `root` is the root.
pub(crate) fn by_id(connection: &Connection, drive: &Drive, id: &str) -> Answer<Option<Item>> {
    if id == "root" {
        return root(connection, drive.row).map(Some);
    }
    match ids::parse_item_id(drive.list, id) {
        Some(guid) => by_guid(connection, drive.row, guid),
        None => Ok(None),
    }
}

pub(crate) fn by_guid(connection: &Connection, drive: i64, guid: Uuid) -> Answer<Option<Item>> {
    let sql = format!("SELECT {COLUMNS} FROM items WHERE guid = ?1 AND drive = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row(params![guid.as_bytes(), drive], from_row).optional()?)
}

pub(crate) fn by_row(connection: &Connection, row: i64) -> Answer<Option<Item>> {
    let sql = format!("SELECT {COLUMNS} FROM items WHERE id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([row], from_row).optional()?)
}

/// The live child with that name, in any letter case.
pub(crate) fn child(connection: &Connection, parent: i64, name: &str) -> Answer<Option<Item>> {
    let sql =
        format!("SELECT {COLUMNS} FROM items WHERE parent = ?1 AND name_key = ?2 AND state = 0");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row(params![parent, names::fold(name)], from_row).optional()?)
}

/// Live children in the order of their names, from after the folded name `after` on.
pub(crate) fn children_after(
    connection: &Connection,
    parent: i64,
    after: &str,
    limit: usize,
) -> Answer<Vec<Item>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM items WHERE parent = ?1 AND state = 0 AND name_key > ?2 \
         ORDER BY name_key LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map(params![parent, after, limit], from_row)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// All live children.
pub(crate) fn children(connection: &Connection, parent: i64) -> Answer<Vec<Item>> {
    children_after(connection, parent, "", usize::MAX)
}

/// The names from the root down to `item`, both ends: the root excluded, `item` included.
pub(crate) fn path_names(connection: &Connection, item: &Item) -> Answer<Vec<String>> {
    let mut names = Vec::new();
    let mut at = item.clone();
    while let Some(parent) = at.parent {
        names.push(std::mem::take(&mut at.name));
        at = by_row(connection, parent)?.ok_or_else(Problem::item_not_found)?;
    }
    names.reverse();
    Ok(names)
}
