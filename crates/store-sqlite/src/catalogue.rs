//! The catalogue's rows. Published items and staged changes have the same columns; a staged row hides the published one.
//!
//! `INDEXED BY` where it stands is needed: SQLite has no statistics here, and takes the first column of the primary key over
//! an index that fits better. A folder's children would then cost a walk over all items. Without the index the statement
//! does not compile, so no test can miss that it went.

use async_trait::async_trait;
use holdfast_domain::{DriveId, ItemId, Lease, UnitId};
use holdfast_store::{
    Catalogue, CatalogueDrive, CatalogueItem, ContentHint, FileContent, ItemGap, ItemKind,
    Publication, StagedChange, StoreError,
};
use rusqlite::{OptionalExtension, Params, named_params, params};

use crate::rows::{Columns, integer_of, micros_of, nonsense};
use crate::{SqliteTx, failed};

/// The columns in which a change is a change: not the eTag (it moves without any) and not the tree (it follows from the children).
const DIFFERS: &str = "(p.item IS NULL AND s.removed = 0) OR (p.item IS NOT NULL AND s.removed = 1) OR (p.item IS NOT NULL AND s.removed = 0 AND NOT (
    s.parent IS p.parent AND s.name = p.name AND s.created = p.created AND s.modified = p.modified AND s.folder = p.folder AND (s.folder OR s.size = p.size)
    AND s.quick_xor_hash IS p.quick_xor_hash AND s.content_state = p.content_state AND s.permissions IS p.permissions AND s.gap_reason IS p.gap_reason))";

const DRIVES_OF_UNIT: &str = "SELECT drive FROM catalogue_drives WHERE unit = :unit";

#[async_trait]
impl Catalogue for SqliteTx {
    async fn catalogue_drives(&mut self, unit: UnitId) -> Result<Vec<CatalogueDrive>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached(
                "SELECT * FROM catalogue_drives WHERE unit = ? AND published ORDER BY drive",
            )
            .map_err(failed)?;
        let mut rows = prepared.query([unit.to_string()]).map_err(failed)?;
        let mut drives = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let row = Columns::of(row);
            drives.push(CatalogueDrive {
                drive: DriveId::new(row.text("drive_id")?),
                folder: row.text("folder")?,
                delta_link: row.optional_text("delta_link")?,
                properties: row.text("properties")?,
            });
        }
        Ok(drives)
    }

    async fn begin_staging(&mut self, unit: UnitId, lease: Lease) -> Result<(), StoreError> {
        self.guard_lease(lease)?;
        self.run(
            &format!("DELETE FROM catalogue_staged WHERE drive IN ({DRIVES_OF_UNIT})"),
            named_params! { ":unit": unit.to_string() },
        )?;
        Ok(())
    }

    async fn stage(
        &mut self,
        unit: UnitId,
        lease: Lease,
        changes: Vec<StagedChange>,
    ) -> Result<(), StoreError> {
        self.guard_lease(lease)?;
        let mut drive_numbers: Vec<(DriveId, i64)> = Vec::new();
        for change in changes {
            let drive_id = match &change {
                StagedChange::Put(item) => &item.drive,
                StagedChange::Remove { drive, .. } => drive,
            };
            let drive = match drive_numbers.iter().find(|(known, _)| known == drive_id) {
                Some((_, drive)) => *drive,
                None => {
                    let drive = self.make_drive_number(unit, drive_id)?;
                    drive_numbers.push((drive_id.clone(), drive));
                    drive
                }
            };
            match change {
                StagedChange::Put(item) => self.stage_item(drive, &item)?,
                StagedChange::Remove { item, .. } => self.stage_removal(drive, &item)?,
            }
        }
        Ok(())
    }

    async fn stage_removal_of_unstaged(
        &mut self,
        unit: UnitId,
        lease: Lease,
        drive: &DriveId,
    ) -> Result<u64, StoreError> {
        self.guard_lease(lease)?;
        let drive = self.make_drive_number(unit, drive)?;
        let removed = self.run(
            "INSERT INTO catalogue_staged (drive, item, removed, parent, name, etag, created, modified, folder, size, content_state)
             SELECT drive, item, 1, parent, name, '', 0, 0, folder, 0, 0 FROM catalogue_items p
             WHERE drive = :drive AND NOT EXISTS (SELECT 1 FROM catalogue_staged s WHERE s.drive = p.drive AND s.item = p.item)",
            named_params! { ":drive": drive },
        )?;
        Ok(u64::try_from(removed).unwrap_or(u64::MAX))
    }

    async fn staged_item(
        &mut self,
        unit: UnitId,
        drive: &DriveId,
        item: &ItemId,
    ) -> Result<Option<CatalogueItem>, StoreError> {
        let Some(number) = self.drive_number(unit, drive)? else { return Ok(None) };
        let removed: Option<bool> = self
            .sql()
            .prepare_cached("SELECT removed FROM catalogue_staged WHERE drive = ? AND item = ?")
            .and_then(|mut prepared| {
                prepared.query_row(params![number, item.as_str()], |row| row.get(0)).optional()
            })
            .map_err(failed)?;
        match removed {
            Some(true) => Ok(None),
            Some(false) => Ok(self
                .items(
                    "SELECT * FROM catalogue_staged WHERE drive = ? AND item = ?",
                    params![number, item.as_str()],
                    drive,
                )?
                .pop()),
            None => self.published_item(unit, drive, item).await,
        }
    }

    async fn published_item(
        &mut self,
        unit: UnitId,
        drive: &DriveId,
        item: &ItemId,
    ) -> Result<Option<CatalogueItem>, StoreError> {
        let Some(number) = self.drive_number(unit, drive)? else { return Ok(None) };
        Ok(self
            .items(
                "SELECT * FROM catalogue_items WHERE drive = ? AND item = ?",
                params![number, item.as_str()],
                drive,
            )?
            .pop())
    }

    async fn staged_children(
        &mut self,
        unit: UnitId,
        drive: &DriveId,
        parent: &ItemId,
    ) -> Result<Vec<CatalogueItem>, StoreError> {
        let Some(number) = self.drive_number(unit, drive)? else { return Ok(Vec::new()) };
        let mut children = self.items(
            "SELECT * FROM catalogue_staged INDEXED BY catalogue_staged_by_parent WHERE drive = ? AND parent = ? AND removed = 0",
            params![number, parent.as_str()],
            drive,
        )?;
        children.extend(self.items(
            "SELECT * FROM catalogue_items p INDEXED BY catalogue_items_by_parent WHERE drive = ? AND parent = ? AND NOT EXISTS (SELECT 1 FROM catalogue_staged s WHERE s.drive = p.drive AND s.item = p.item)",
            params![number, parent.as_str()],
            drive,
        )?);
        children.sort_by(|left, right| left.item.cmp(&right.item));
        Ok(children)
    }

    async fn staged_folders(
        &mut self,
        unit: UnitId,
        drive: &DriveId,
    ) -> Result<Vec<ItemId>, StoreError> {
        let Some(number) = self.drive_number(unit, drive)? else { return Ok(Vec::new()) };
        let mut prepared = self
            .sql()
            .prepare_cached(&format!(
                "WITH differing AS (
                   SELECT s.item, s.removed, s.parent, s.folder, s.tree, p.parent AS old_parent
                   FROM catalogue_staged s LEFT JOIN catalogue_items p ON p.drive = s.drive AND p.item = s.item WHERE s.drive = :drive AND ({DIFFERS}))
                 SELECT folder.item FROM (
                   SELECT parent AS item FROM differing WHERE removed = 0 AND parent IS NOT NULL
                   UNION SELECT old_parent FROM differing WHERE old_parent IS NOT NULL
                   UNION SELECT item FROM catalogue_staged WHERE drive = :drive AND removed = 0 AND folder = 1 AND tree IS NULL
                 ) folder
                 WHERE NOT EXISTS (SELECT 1 FROM catalogue_staged s WHERE s.drive = :drive AND s.item = folder.item AND s.removed = 1) ORDER BY 1"
            ))
            .map_err(failed)?;
        let rows = prepared
            .query_map(named_params! { ":drive": number }, |row| row.get::<_, String>(0))
            .map_err(failed)?;
        rows.map(|row| row.map(ItemId::new).map_err(failed)).collect()
    }

    async fn staged_changes(&mut self, unit: UnitId) -> Result<u64, StoreError> {
        self.sql()
            .prepare_cached(&format!(
                "SELECT count(*) FROM catalogue_staged s LEFT JOIN catalogue_items p ON p.drive = s.drive AND p.item = s.item WHERE s.drive IN ({DRIVES_OF_UNIT}) AND ({DIFFERS})"
            ))
            .and_then(|mut prepared| prepared.query_row(named_params! { ":unit": unit.to_string() }, |row| row.get::<_, i64>(0)))
            .map(|count| u64::try_from(count).unwrap_or(0))
            .map_err(failed)
    }

    async fn staged_totals(&mut self, unit: UnitId) -> Result<(u64, u64), StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached(
                "SELECT coalesce(sum(items), 0) AS items, coalesce(sum(size_bytes), 0) AS size_bytes FROM (
                   SELECT items, size_bytes FROM catalogue_drives WHERE unit = :unit
                   UNION ALL SELECT change.items, change.size_bytes FROM catalogue_drives d, staged_difference change WHERE d.unit = :unit AND change.drive = d.drive)",
            )
            .map_err(failed)?;
        let mut rows =
            prepared.query(named_params! { ":unit": unit.to_string() }).map_err(failed)?;
        let row = rows.next().map_err(failed)?.ok_or_else(|| nonsense("totals", "no row"))?;
        let row = Columns::of(row);
        Ok((row.count("items")?, row.count("size_bytes")?))
    }

    async fn staged_gaps(&mut self, unit: UnitId) -> Result<Vec<CatalogueItem>, StoreError> {
        let mut gaps = Vec::new();
        for (drive, number) in self.drive_numbers(unit)? {
            gaps.extend(self.items("SELECT * FROM catalogue_staged WHERE drive = ? AND removed = 0 AND gap_reason IS NOT NULL ORDER BY item", [number], &drive)?);
            gaps.extend(self.items(
                "SELECT * FROM catalogue_items p INDEXED BY catalogue_items_gaps WHERE drive = ? AND gap_reason IS NOT NULL AND NOT EXISTS (SELECT 1 FROM catalogue_staged s WHERE s.drive = p.drive AND s.item = p.item) ORDER BY item",
                [number],
                &drive,
            )?);
        }
        Ok(gaps)
    }

    async fn put_hints(
        &mut self,
        unit: UnitId,
        lease: Lease,
        hints: Vec<ContentHint>,
    ) -> Result<(), StoreError> {
        self.guard_lease(lease)?;
        for hint in hints {
            let drive = self.make_drive_number(unit, &hint.drive)?;
            self.run(
                "INSERT OR REPLACE INTO catalogue_hints VALUES (:drive, :item, :size, :hash, :content)",
                named_params! { ":drive": drive, ":item": hint.item.as_str(), ":size": integer_of(hint.size), ":hash": hint.quick_xor_hash, ":content": hint.content.as_flattened() },
            )?;
        }
        Ok(())
    }

    async fn hint(
        &mut self,
        unit: UnitId,
        drive: &DriveId,
        item: &ItemId,
    ) -> Result<Option<ContentHint>, StoreError> {
        let Some(number) = self.drive_number(unit, drive)? else { return Ok(None) };
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT * FROM catalogue_hints WHERE drive = ? AND item = ?")
            .map_err(failed)?;
        let mut rows = prepared.query(params![number, item.as_str()]).map_err(failed)?;
        let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
        let row = Columns::of(row);
        Ok(Some(ContentHint {
            drive: drive.clone(),
            item: item.clone(),
            size: row.count("size")?,
            quick_xor_hash: row.text("quick_xor_hash")?,
            content: blobs_of(&row.blob("content")?.unwrap_or_default())?,
        }))
    }

    async fn forget_backups(
        &mut self,
        unit: UnitId,
        lease: Lease,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.guard_lease(lease)?;
        let own = named_params! { ":unit": unit.to_string(), ":limit": limit };
        let some = "SELECT id FROM restore_points WHERE unit = :unit ORDER BY protection_date_time LIMIT :limit";
        let mut forgotten =
            self.run(&format!("DELETE FROM restore_point_gaps WHERE point IN ({some})"), own)?;
        forgotten += self.run(&format!("DELETE FROM restore_points WHERE id IN ({some})"), own)?;
        if forgotten == 0 {
            forgotten += self.run(
                "DELETE FROM browse_items WHERE (session, ordinal) IN (
                   SELECT i.session, i.ordinal FROM browse_sessions s JOIN browse_items i ON i.session = s.number WHERE s.unit = :unit LIMIT :limit)",
                own,
            )?;
        }
        if forgotten == 0 {
            forgotten += self.run(
                "DELETE FROM browse_sessions WHERE unit = :unit",
                named_params! { ":unit": unit.to_string() },
            )?;
        }
        for (_, drive) in self.drive_numbers(unit)? {
            let values = named_params! { ":drive": drive, ":limit": limit };
            for table in ["catalogue_staged", "catalogue_hints", "catalogue_items"] {
                if forgotten > 0 {
                    return Ok(forgotten as u64);
                }
                forgotten += self.run(
                    &format!("DELETE FROM {table} WHERE drive = :drive AND item IN (SELECT item FROM {table} WHERE drive = :drive LIMIT :limit)"),
                    values,
                )?;
            }
        }
        if forgotten == 0 {
            forgotten += self.run(
                "DELETE FROM catalogue_drives WHERE unit = :unit",
                named_params! { ":unit": unit.to_string() },
            )?;
        }
        Ok(forgotten as u64)
    }

    async fn publish(
        &mut self,
        unit: UnitId,
        lease: Lease,
        publication: Publication,
    ) -> Result<(), StoreError> {
        self.guard_lease(lease)?;
        if let Some(point) = &publication.point {
            self.insert_point(point, &publication.gaps)?;
        }
        for drive in &publication.drives {
            let number = self.make_drive_number(unit, &drive.drive)?;
            let moved = named_params! { ":drive": number };
            self.run(
                "UPDATE catalogue_drives SET items = items + coalesce((SELECT items FROM staged_difference WHERE drive = :drive), 0),
                   size_bytes = size_bytes + coalesce((SELECT size_bytes FROM staged_difference WHERE drive = :drive), 0) WHERE drive = :drive",
                moved,
            )?;
            self.run("DELETE FROM catalogue_items WHERE drive = :drive AND item IN (SELECT item FROM catalogue_staged WHERE drive = :drive AND removed = 1)", moved)?;
            self.run(
                "INSERT OR REPLACE INTO catalogue_items
                 SELECT drive, item, parent, name, etag, created, modified, folder, tree, size, quick_xor_hash, content_state, content, permissions, gap_reason, gap_since
                 FROM catalogue_staged WHERE drive = :drive AND removed = 0",
                moved,
            )?;
            self.run(
                "UPDATE catalogue_drives SET published = 1, folder = :folder, delta_link = :link, properties = :properties WHERE drive = :drive",
                named_params! { ":drive": number, ":folder": drive.folder, ":link": drive.delta_link, ":properties": drive.properties },
            )?;
        }
        let unit_only = named_params! { ":unit": unit.to_string() };
        self.run(
            &format!("DELETE FROM catalogue_staged WHERE drive IN ({DRIVES_OF_UNIT})"),
            unit_only,
        )?;
        self.run(
            &format!("DELETE FROM catalogue_hints WHERE drive IN ({DRIVES_OF_UNIT})"),
            unit_only,
        )?;
        for (drive, number) in self.drive_numbers(unit)? {
            if publication.drives.iter().any(|kept| kept.drive == drive) {
                continue;
            }
            self.run(
                "DELETE FROM catalogue_items WHERE drive = :drive",
                named_params! { ":drive": number },
            )?;
            self.run(
                "DELETE FROM catalogue_drives WHERE drive = :drive",
                named_params! { ":drive": number },
            )?;
        }
        Ok(())
    }
}

impl SqliteTx {
    fn run(
        &self,
        statement: &str,
        values: &[(&str, &dyn rusqlite::ToSql)],
    ) -> Result<usize, StoreError> {
        self.sql()
            .prepare_cached(statement)
            .and_then(|mut prepared| prepared.execute(values))
            .map_err(failed)
    }

    fn drive_number(&self, unit: UnitId, drive: &DriveId) -> Result<Option<i64>, StoreError> {
        self.sql()
            .prepare_cached("SELECT drive FROM catalogue_drives WHERE unit = ? AND drive_id = ?")
            .and_then(|mut prepared| {
                prepared
                    .query_row(params![unit.to_string(), drive.as_str()], |row| row.get(0))
                    .optional()
            })
            .map_err(failed)
    }

    fn make_drive_number(&self, unit: UnitId, drive: &DriveId) -> Result<i64, StoreError> {
        if let Some(number) = self.drive_number(unit, drive)? {
            return Ok(number);
        }
        self.run(
            "INSERT INTO catalogue_drives (unit, drive_id, published, folder, properties, items, size_bytes) VALUES (:unit, :drive, 0, '', '', 0, 0)",
            named_params! { ":unit": unit.to_string(), ":drive": drive.as_str() },
        )?;
        Ok(self.sql().last_insert_rowid())
    }

    fn drive_numbers(&self, unit: UnitId) -> Result<Vec<(DriveId, i64)>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached(
                "SELECT drive_id, drive FROM catalogue_drives WHERE unit = ? ORDER BY drive",
            )
            .map_err(failed)?;
        let rows = prepared
            .query_map([unit.to_string()], |row| {
                Ok((DriveId::new(row.get::<_, String>(0)?), row.get(1)?))
            })
            .map_err(failed)?;
        rows.map(|row| row.map_err(failed)).collect()
    }

    fn stage_removal(&self, drive: i64, item: &ItemId) -> Result<(), StoreError> {
        self.run(
            "INSERT OR REPLACE INTO catalogue_staged (drive, item, removed, name, etag, created, modified, folder, size, content_state) VALUES (:drive, :item, 1, '', '', 0, 0, 0, 0, 0)",
            named_params! { ":drive": drive, ":item": item.as_str() },
        )?;
        Ok(())
    }

    fn stage_item(&self, drive: i64, item: &CatalogueItem) -> Result<(), StoreError> {
        let mut columns = KindColumns::default();
        match &item.kind {
            ItemKind::Folder { tree } => {
                columns.folder = true;
                columns.tree = tree.as_ref().map(<[u8; 32]>::as_slice);
            }
            ItemKind::File { size, quick_xor_hash, content } => {
                columns.size = integer_of(*size);
                columns.hash = Some(quick_xor_hash);
                (columns.content_state, columns.content) = match content {
                    FileContent::Stored(blobs) => (1, Some(blobs.as_flattened())),
                    FileContent::Missing => (2, None),
                };
            }
        }
        self.run(
            "INSERT OR REPLACE INTO catalogue_staged
             VALUES (:drive, :item, 0, :parent, :name, :etag, :created, :modified, :folder, :tree, :size, :hash, :content_state, :content, :permissions, :gap_reason, :gap_since)",
            named_params! {
                ":drive": drive,
                ":item": item.item.as_str(),
                ":parent": item.parent.as_ref().map(ItemId::as_str),
                ":name": item.name,
                ":etag": item.etag,
                ":created": item.created.unix_micros(),
                ":modified": item.modified.unix_micros(),
                ":folder": columns.folder,
                ":tree": columns.tree,
                ":size": columns.size,
                ":hash": columns.hash,
                ":content_state": columns.content_state,
                ":content": columns.content,
                ":permissions": item.permissions,
                ":gap_reason": item.gap.as_ref().map(|gap| &gap.reason),
                ":gap_since": micros_of(item.gap.as_ref().map(|gap| gap.since)),
            },
        )?;
        Ok(())
    }

    fn items(
        &self,
        statement: &str,
        values: impl Params,
        drive: &DriveId,
    ) -> Result<Vec<CatalogueItem>, StoreError> {
        let mut prepared = self.sql().prepare_cached(statement).map_err(failed)?;
        let mut rows = prepared.query(values).map_err(failed)?;
        let mut items = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            items.push(item_of(&Columns::of(row), drive)?);
        }
        Ok(items)
    }
}

/// The columns that depend on what an item is.
#[derive(Default)]
struct KindColumns<'a> {
    folder: bool,
    tree: Option<&'a [u8]>,
    size: i64,
    hash: Option<&'a String>,
    /// 0 for folders, 1 when the content is stored, 2 when it is missing.
    content_state: i64,
    content: Option<&'a [u8]>,
}

fn item_of(row: &Columns<'_>, drive: &DriveId) -> Result<CatalogueItem, StoreError> {
    let kind = if row.flag("folder")? {
        let tree = row
            .blob("tree")?
            .map(|tree| {
                <[u8; 32]>::try_from(tree).map_err(|_| nonsense("catalogue.tree", "not 32 bytes"))
            })
            .transpose()?;
        ItemKind::Folder { tree }
    } else {
        let content = match row.integer("content_state")? {
            1 => FileContent::Stored(blobs_of(&row.blob("content")?.unwrap_or_default())?),
            2 => FileContent::Missing,
            other => return Err(nonsense("catalogue.content_state", other)),
        };
        ItemKind::File {
            size: row.count("size")?,
            quick_xor_hash: row.optional_text("quick_xor_hash")?.unwrap_or_default(),
            content,
        }
    };
    let gap = match row.optional_text("gap_reason")? {
        Some(reason) => Some(ItemGap { reason, since: row.time("gap_since")? }),
        None => None,
    };
    Ok(CatalogueItem {
        drive: drive.clone(),
        item: ItemId::new(row.text("item")?),
        parent: row.optional_text("parent")?.map(ItemId::new),
        name: row.text("name")?,
        etag: row.text("etag")?,
        created: row.time("created")?,
        modified: row.time("modified")?,
        kind,
        permissions: row.optional_text("permissions")?,
        gap,
    })
}

fn blobs_of(bytes: &[u8]) -> Result<Vec<[u8; 32]>, StoreError> {
    let (blobs, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() {
        Ok(blobs.to_vec())
    } else {
        Err(nonsense("catalogue.content", "not a multiple of 32 bytes"))
    }
}
