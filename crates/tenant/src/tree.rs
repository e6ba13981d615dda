//! Every change of the tree: the one place that writes items.
//!
//! A [`Change`] is one transaction's work in one drive. It takes the drive's next change number; delta compares
//! numbers, so what one transaction does is seen at once or not at all. A folder's `size`, `child_count` and server
//! time follow its descendants, its eTag, change number and `fileSystemInfo` do not.

use rusqlite::{Transaction, params};
use serde_json::Value;
use uuid::Uuid;

use crate::call::Conflict;
use crate::content::Content;
use crate::items::{self, Item, State};
use crate::names::{self, NameError, Place};
use crate::places::Drive;
use crate::problem::{Answer, Problem};

const VERSION_LIMIT: i64 = 500;

/// A client's times of a file or folder; what is `None` is left or gets a default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FileSystemInfo {
    pub(crate) created: Option<i64>,
    pub(crate) modified: Option<i64>,
    pub(crate) accessed: Option<i64>,
}

/// What a new item is made of; `content` is `None` for a folder.
#[derive(Debug, Clone)]
pub(crate) struct NewItem<'a> {
    pub(crate) guid: Uuid,
    pub(crate) name: &'a str,
    pub(crate) content: Option<Content>,
    pub(crate) times: FileSystemInfo,
    pub(crate) description: Option<&'a str>,
}

/// What a `PATCH` changes of an item.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edit {
    pub(crate) name: Option<String>,
    pub(crate) parent: Option<Item>,
    pub(crate) times: FileSystemInfo,
    pub(crate) description: Option<String>,
}

/// Where a name leads under a parent.
pub(crate) enum Spot {
    Free(String),
    Taken(Box<Item>),
}

pub(crate) struct Change<'t> {
    pub(crate) tx: &'t Transaction<'t>,
    pub(crate) drive: &'t Drive,
    pub(crate) now: i64,
    seq: i64,
    by: i64,
}

impl<'t> Change<'t> {
    /// 423 when the site is locked.
    pub(crate) fn begin(
        tx: &'t Transaction<'t>,
        drive: &'t Drive,
        now: i64,
        identity: &Value,
    ) -> Answer<Self> {
        let by = identity_row(tx, identity)?;
        Self::begin_as(tx, drive, now, by)
    }

    /// Like [`Change::begin`], for an identity that has its row.
    pub(crate) fn begin_as(
        tx: &'t Transaction<'t>,
        drive: &'t Drive,
        now: i64,
        by: i64,
    ) -> Answer<Self> {
        if drive.site.locked {
            return Err(Problem::site_locked());
        }
        let seq = tx
            .prepare_cached(
                "UPDATE drives SET change_seq = change_seq + 1 WHERE id = ?1 RETURNING change_seq",
            )?
            .query_row([drive.row], |row| row.get(0))?;
        Ok(Self { tx, drive, now, seq, by })
    }

    /// Makes the root of a new drive.
    pub(crate) fn insert_root(&self, guid: Uuid) -> Answer<Item> {
        let new = NewItem {
            guid,
            name: "root",
            content: None,
            times: FileSystemInfo::default(),
            description: None,
        };
        let root = self.insert_row(None, &new)?;
        self.tx.execute(
            "UPDATE drives SET root = ?2 WHERE id = ?1",
            params![self.drive.row, root.row],
        )?;
        Ok(root)
    }

    /// Looks where `name` leads in `parent`, after checking that it is legal there.
    pub(crate) fn spot(
        &self,
        parent: &Item,
        name: &str,
        folder: bool,
        conflict: Conflict,
    ) -> Answer<Spot> {
        if !parent.folder {
            return Err(Problem::invalid("The parent is not a folder."));
        }
        self.check_name(parent, name, folder)?;
        let Some(taken) = items::child(self.tx, parent.row, name)? else {
            return Ok(Spot::Free(name.to_owned()));
        };
        match conflict {
            Conflict::Fail => Err(Problem::name_exists()),
            Conflict::Replace if taken.folder != folder => Err(Problem::name_exists()),
            Conflict::Replace => Ok(Spot::Taken(Box::new(taken))),
            Conflict::Rename => {
                for number in 1..10_000 {
                    let name = names::numbered(name, folder, number);
                    self.check_name(parent, &name, folder)?;
                    if items::child(self.tx, parent.row, &name)?.is_none() {
                        return Ok(Spot::Free(name));
                    }
                }
                Err(Problem::name_exists())
            }
        }
    }

    fn check_name(&self, parent: &Item, name: &str, folder: bool) -> Answer<()> {
        let place = Place { folder, library_root: parent.is_root() && !self.drive.site.personal };
        names::check_name(name, place).map_err(refused_name)?;
        let above = items::path_names(self.tx, parent)?;
        let length = above.iter().map(|name| name.chars().count() + 1).sum::<usize>();
        names::check_path_length(length.saturating_sub(1), name).map_err(refused_name)
    }

    /// Inserts under a name that [`Change::spot`] found free.
    pub(crate) fn insert(&self, parent: &Item, new: &NewItem<'_>) -> Answer<Item> {
        let item = self.insert_row(Some(parent.row), new)?;
        self.update_ancestors(parent.row, item.size, 1)?;
        Ok(item)
    }

    fn insert_row(&self, parent: Option<i64>, new: &NewItem<'_>) -> Answer<Item> {
        let row = self.insert_only(parent, new)?;
        self.reload(row)
    }

    /// Inserts under a name known to be legal and free. The importer brings the ancestors up to date afterwards, with
    /// [`Change::set_folder_size`] and [`Change::update_ancestors`].
    pub(crate) fn insert_bulk(&self, parent: i64, new: &NewItem<'_>) -> Answer<i64> {
        self.insert_only(Some(parent), new)
    }

    /// Sets what a folder made by [`Change::insert_bulk`] holds.
    pub(crate) fn set_folder_size(&self, row: i64, size: i64, child_count: i64) -> Answer<()> {
        self.tx
            .prepare_cached("UPDATE items SET size = ?2, child_count = ?3 WHERE id = ?1")?
            .execute(params![row, size, child_count])?;
        Ok(())
    }

    fn insert_only(&self, parent: Option<i64>, new: &NewItem<'_>) -> Answer<i64> {
        let size = new.content.map_or(0, |content| i64::try_from(content.size).unwrap_or(i64::MAX));
        let created = new.times.created.unwrap_or(self.now);
        let modified = new.times.modified.unwrap_or(self.now);
        self.tx
            .prepare_cached(
                "INSERT INTO items (drive, guid, parent, name, name_key, kind, state, size, \
                 child_count, sha256, quickxor, etag, ctag, version, created, modified, \
                 created_by, modified_by, fs_created, fs_modified, fs_accessed, description, \
                 change_seq, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, 0, ?8, ?9, 1, 1, \
                 1, ?10, ?10, ?11, ?11, ?12, ?13, ?14, ?15, ?16, ?10)",
            )?
            .execute(params![
                self.drive.row,
                new.guid.as_bytes(),
                parent,
                new.name,
                names::fold(new.name),
                i64::from(new.content.is_some()),
                size,
                new.content.map(|content| content.sha256),
                new.content.map(|content| content.quickxor),
                self.now,
                self.by,
                created,
                modified,
                new.times.accessed,
                new.description,
                self.seq,
            ])?;
        Ok(self.tx.last_insert_rowid())
    }

    /// The folder at `names` below `base`, made where it is missing. `guid` gives ids for new folders.
    pub(crate) fn make_folders(
        &self,
        base: Item,
        names: &[String],
        guid: &dyn Fn() -> Uuid,
    ) -> Answer<Item> {
        let mut at = base;
        for name in names {
            at = match self.spot(&at, name, true, Conflict::Replace)? {
                Spot::Taken(folder) => *folder,
                Spot::Free(name) => self.insert(
                    &at,
                    &NewItem {
                        guid: guid(),
                        name: &name,
                        content: None,
                        times: FileSystemInfo::default(),
                        description: None,
                    },
                )?,
            };
        }
        Ok(at)
    }

    /// Gives a file other bytes. The present ones become an old version.
    pub(crate) fn replace_content(
        &self,
        item: &Item,
        content: &Content,
        times: FileSystemInfo,
    ) -> Answer<Item> {
        self.keep_version(item)?;
        let size = i64::try_from(content.size).unwrap_or(i64::MAX);
        self.tx
            .prepare_cached(
                "UPDATE items SET size = ?2, sha256 = ?3, quickxor = ?4, etag = etag + 1, \
                 ctag = ctag + 1, version = version + 1, modified = ?5, modified_by = ?6, \
                 fs_created = ?7, fs_modified = ?8, fs_accessed = ?9, change_seq = ?10, \
                 changed_at = ?5 WHERE id = ?1",
            )?
            .execute(params![
                item.row,
                size,
                content.sha256,
                content.quickxor,
                self.now,
                self.by,
                times.created.unwrap_or(item.fs_created),
                times.modified.unwrap_or(self.now),
                times.accessed.or(item.fs_accessed),
                self.seq,
            ])?;
        if let Some(parent) = item.parent {
            self.update_ancestors(parent, size - item.size, 0)?;
        }
        self.reload(item.row)
    }

    fn keep_version(&self, item: &Item) -> Answer<()> {
        self.tx
            .prepare_cached(
                "INSERT INTO versions (item, number, size, sha256, quickxor, modified, \
                 modified_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                item.row,
                item.version,
                item.size,
                item.sha256,
                item.quickxor,
                item.modified,
                item.modified_by,
            ])?;
        // The present version counts too.
        self.tx
            .prepare_cached(
                "DELETE FROM versions WHERE item = ?1 AND number IN (SELECT number FROM versions \
                 WHERE item = ?1 ORDER BY number DESC LIMIT -1 OFFSET ?2)",
            )?
            .execute(params![item.row, VERSION_LIMIT - 1])?;
        Ok(())
    }

    /// Renames, moves, sets times and description; an edit that changes nothing writes nothing. `conflict` decides
    /// about a name that is taken.
    pub(crate) fn edit(&self, item: &Item, edit: &Edit, conflict: Conflict) -> Answer<Item> {
        let parent_row = edit.parent.as_ref().map(|parent| parent.row).or(item.parent);
        let mut name = edit.name.clone().unwrap_or_else(|| item.name.clone());
        let moves = parent_row != item.parent;
        if item.is_root() && (moves || name != item.name) {
            return Err(Problem::invalid("The root can be neither renamed nor moved."));
        }
        if let Some(parent_row) = parent_row.filter(|_| moves || name != item.name) {
            let parent = self.reload(parent_row)?;
            self.refuse_cycle(item, &parent)?;
            // A change of letter case finds the item itself, which is no clash.
            let itself = items::child(self.tx, parent.row, &name)?
                .is_some_and(|found| found.row == item.row);
            if itself {
                self.check_name(&parent, &name, item.folder)?;
            } else {
                match self.spot(&parent, &name, item.folder, conflict)? {
                    Spot::Free(free) => name = free,
                    Spot::Taken(taken) => {
                        // Replacing a folder by something out of it would remove both.
                        self.refuse_cycle(&taken, item).map_err(|_| Problem::name_exists())?;
                        self.remove(&taken, State::Recycled)?;
                    }
                }
            }
        }
        // Removing what stood in the way changed nothing of the item itself.
        let times = FileSystemInfo {
            created: edit.times.created.filter(|time| *time != item.fs_created),
            modified: edit.times.modified.filter(|time| *time != item.fs_modified),
            accessed: edit.times.accessed.filter(|time| Some(*time) != item.fs_accessed),
        };
        let description = edit.description.as_ref().or(item.description.as_ref());
        let metadata = name != item.name
            || times != FileSystemInfo::default()
            || description != item.description.as_ref();
        if !moves && !metadata {
            return Ok(item.clone());
        }
        let new_version = metadata && !item.folder;
        if new_version {
            self.keep_version(item)?;
        }
        self.tx
            .prepare_cached(
                "UPDATE items SET parent = ?2, name = ?3, name_key = ?4, etag = etag + 1, \
                 version = version + ?5, modified = ?6, modified_by = ?7, fs_created = ?8, \
                 fs_modified = ?9, fs_accessed = ?10, description = ?11, change_seq = ?12, \
                 changed_at = ?6 WHERE id = ?1",
            )?
            .execute(params![
                item.row,
                parent_row,
                name,
                names::fold(&name),
                i64::from(new_version),
                self.now,
                self.by,
                times.created.unwrap_or(item.fs_created),
                times.modified.unwrap_or(item.fs_modified),
                times.accessed.or(item.fs_accessed),
                description,
                self.seq,
            ])?;
        match (item.parent, parent_row) {
            (Some(old), Some(new)) if moves => {
                self.update_ancestors(old, -item.size, -1)?;
                self.update_ancestors(new, item.size, 1)?;
            }
            (Some(parent), _) => self.update_ancestors(parent, 0, 0)?,
            (None, _) => {}
        }
        self.reload(item.row)
    }

    fn refuse_cycle(&self, item: &Item, parent: &Item) -> Answer<()> {
        let mut at = Some(parent.clone());
        while let Some(ancestor) = at {
            if ancestor.row == item.row {
                return Err(Problem::invalid("A folder cannot move below itself."));
            }
            at = match ancestor.parent {
                Some(row) => items::by_row(self.tx, row)?,
                None => None,
            };
        }
        Ok(())
    }

    /// Deletes an item with its subtree; every one of them gets a tombstone.
    pub(crate) fn remove(&self, item: &Item, state: State) -> Answer<()> {
        if item.is_root() {
            return Err(Problem::invalid("The root cannot be deleted."));
        }
        // The conditions on `state` are spelled as the partial indexes have them, or each step would scan the table.
        let below = match state {
            State::Purged => {
                "SELECT items.id FROM items JOIN subtree ON items.parent = subtree.id \
                 WHERE items.state = 0 UNION ALL \
                 SELECT items.id FROM items JOIN subtree ON items.parent = subtree.id \
                 WHERE items.state <> 0 AND items.state < 2"
            }
            State::Live | State::Recycled => {
                "SELECT items.id FROM items JOIN subtree ON items.parent = subtree.id \
                 WHERE items.state = 0"
            }
        };
        self.tx
            .prepare_cached(&format!(
                "WITH RECURSIVE subtree (id) AS (SELECT ?1 UNION ALL {below}) \
                 UPDATE items SET state = ?2, etag = etag + 1, change_seq = ?3, changed_at = ?4 \
                 WHERE id IN subtree"
            ))?
            .execute(params![item.row, state.number(), self.seq, self.now])?;
        match item.parent {
            Some(parent) if item.state == State::Live => {
                self.update_ancestors(parent, -item.size, -1)
            }
            _ => Ok(()),
        }
    }

    /// Takes an item and what was deleted with it out of the recycle bin; ids stay. 409 when the name is taken.
    pub(crate) fn restore(&self, item: &Item, parent: &Item, name: &str) -> Answer<Item> {
        let Spot::Free(name) = self.spot(parent, name, item.folder, Conflict::Fail)? else {
            return Err(Problem::name_exists());
        };
        let deleted_in: i64 =
            self.tx.query_row("SELECT change_seq FROM items WHERE id = ?1", [item.row], |row| {
                row.get(0)
            })?;
        self.tx.execute(
            "UPDATE items SET parent = ?2, name = ?3, name_key = ?4 WHERE id = ?1",
            params![item.row, parent.row, name, names::fold(&name)],
        )?;
        // Only what went with it comes back: what was deleted before has another change number.
        self.tx.execute(
            "WITH RECURSIVE subtree (id) AS (SELECT ?1 UNION ALL \
             SELECT items.id FROM items JOIN subtree ON items.parent = subtree.id \
             WHERE items.state <> 0 AND items.state = 1 AND items.change_seq = ?2) \
             UPDATE items SET state = 0, etag = etag + 1, change_seq = ?3, changed_at = ?4 \
             WHERE id IN subtree",
            params![item.row, deleted_in, self.seq, self.now],
        )?;
        self.update_ancestors(parent.row, item.size, 1)?;
        self.reload(item.row)
    }

    /// Marks a change of permissions, which delta reports like any other.
    pub(crate) fn mark_sharing(&self, item: &Item) -> Answer<()> {
        self.tx.execute(
            "UPDATE items SET change_seq = ?2, changed_at = ?3, sharing_seq = ?2, \
             direct_permissions = (SELECT count(*) FROM permissions WHERE item = ?1) \
             WHERE id = ?1",
            params![item.row, self.seq, self.now],
        )?;
        Ok(())
    }

    /// Adds to a folder's size and count, and to its ancestors' sizes.
    pub(crate) fn update_ancestors(&self, parent: i64, size: i64, child_count: i64) -> Answer<()> {
        let mut statement = self.tx.prepare_cached(
            "UPDATE items SET size = size + ?2, child_count = child_count + ?3, \
             ctag = ctag + 1, modified = ?4, modified_by = ?5 WHERE id = ?1 RETURNING parent",
        )?;
        let mut at = Some(parent);
        let mut child_count = child_count;
        while let Some(row) = at {
            at = statement
                .query_row(params![row, size, child_count, self.now, self.by], |row| row.get(0))?;
            child_count = 0;
        }
        Ok(())
    }

    fn reload(&self, row: i64) -> Answer<Item> {
        items::by_row(self.tx, row)?.ok_or_else(Problem::item_not_found)
    }
}

pub(crate) fn refused_name(error: NameError) -> Problem {
    Problem::invalid(format!("The provided name is not allowed: {error}."))
        .with_inner(error.inner_code())
}

/// The row of an identity set, made where it is new.
pub(crate) fn identity_row(tx: &Transaction<'_>, identity: &Value) -> Answer<i64> {
    let body = identity.to_string();
    tx.prepare_cached("INSERT OR IGNORE INTO identities (body) VALUES (?1)")?.execute([&body])?;
    let row = tx
        .prepare_cached("SELECT id FROM identities WHERE body = ?1")?
        .query_row([&body], |row| row.get(0))?;
    Ok(row)
}
