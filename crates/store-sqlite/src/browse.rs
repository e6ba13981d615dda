//! Rows of `browse_sessions` and `browse_items`.
//!
//! An item's place in path order is its key, so that the pages of a folder, of a library and of a whole point are ranges
//! of an index whatever their size: no page reads more rows than it gives (but for those that a search passes over).

use async_trait::async_trait;
use holdfast_domain::{
    BrowseSession, BrowseSessionId, BrowseState, Lease, TenantId, Timestamp, Workload,
};
use holdfast_store::query::Direction;
use holdfast_store::{
    BrowseItem, BrowseItemKind, BrowseItems, BrowseOrder, BrowsePlace, BrowseQuery, StoreError,
    Versioned,
};
use rusqlite::types::Value as SqlValue;
use rusqlite::{OptionalExtension, named_params, params, params_from_iter};
use uuid::Uuid;

use crate::collection::{Stored, Written};
use crate::query::direction_text;
use crate::rows::{Columns, integer_of, nonsense, optional_json, text};
use crate::{SqliteTx, failed};

impl Stored for BrowseSession {
    const TABLE: &'static str = "browse_sessions";

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        let state = match row.text("status")?.as_str() {
            "creating" => BrowseState::Creating,
            "created" => BrowseState::Created,
            "failed" => BrowseState::Failed {
                error: row
                    .optional_json("error")?
                    .ok_or_else(|| nonsense("browse_sessions.error", "missing"))?,
            },
            other => return Err(nonsense("browse_sessions.status", other)),
        };
        Ok(Self {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            workload: row.member("workload", Workload::from_name)?,
            restore_point: row.id("restore_point")?,
            protection_date_time: row.time("protection_date_time")?,
            resource: row.text("resource")?,
            state,
            size_bytes: row.count("size_bytes")?,
            created_at: row.time("created_at")?,
            expires_at: row.time("expires_at")?,
        })
    }
}

impl Written for BrowseSession {
    fn key(&self) -> (&BrowseSessionId, TenantId) {
        (&self.id, self.tenant)
    }

    fn columns(&self) -> Vec<(&'static str, SqlValue)> {
        let error = match &self.state {
            BrowseState::Failed { error } => Some(error),
            BrowseState::Creating | BrowseState::Created => None,
        };
        vec![
            ("workload", text(self.workload.name())),
            ("unit", text(self.unit())),
            ("restore_point", text(self.restore_point)),
            ("protection_date_time", self.protection_date_time.unix_micros().into()),
            ("resource", text(&self.resource)),
            ("status", text(self.state.status())),
            ("error", optional_json(error)),
            ("size_bytes", integer_of(self.size_bytes).into()),
            ("created_at", self.created_at.unix_micros().into()),
            ("expires_at", self.expires_at.unix_micros().into()),
        ]
    }
}

#[async_trait]
impl BrowseItems for SqliteTx {
    async fn add_browse_items(
        &mut self,
        session: BrowseSessionId,
        lease: Lease,
        items: Vec<BrowseItem>,
    ) -> Result<(), StoreError> {
        self.guard_lease(lease)?;
        let Some(session) = self.session_number(session)? else { return Err(StoreError::Stale) };
        let mut prepared = self
            .sql()
            .prepare_cached(
                "INSERT INTO browse_items VALUES (:session, :ordinal, :last, :parent, :kind, :guid, :source, :name, :items, :size, :created, :modified, :web_url)",
            )
            .map_err(failed)?;
        for item in items {
            prepared
                .execute(named_params! {
                    ":session": session,
                    ":ordinal": integer_of(item.ordinal),
                    ":last": integer_of(item.last),
                    ":parent": item.parent.map(integer_of),
                    ":kind": kind_number(item.kind),
                    ":guid": item.guid.as_bytes().as_slice(),
                    ":source": item.source_id,
                    ":name": item.name,
                    ":items": integer_of(item.items),
                    ":size": integer_of(item.size_bytes),
                    ":created": item.times.map(|(created, _)| created.unix_micros()),
                    ":modified": item.times.map(|(_, modified)| modified.unix_micros()),
                    ":web_url": item.web_url,
                })
                .map_err(failed)?;
        }
        Ok(())
    }

    async fn browse_item(
        &mut self,
        session: BrowseSessionId,
        ordinal: u64,
    ) -> Result<Option<BrowseItem>, StoreError> {
        let values = vec![text(session), integer_of(ordinal).into()];
        Ok(self
            .browse_items(
                "SELECT i.* FROM browse_sessions s JOIN browse_items i ON i.session = s.number WHERE s.id = ? AND i.ordinal = ?",
                values,
            )?
            .pop())
    }

    async fn browse_item_of_guid(
        &mut self,
        session: BrowseSessionId,
        guid: Uuid,
    ) -> Result<Option<BrowseItem>, StoreError> {
        let values = vec![text(session), SqlValue::Blob(guid.as_bytes().to_vec())];
        Ok(self
            .browse_items(
                "SELECT i.* FROM browse_sessions s JOIN browse_items i INDEXED BY browse_items_by_guid ON i.session = s.number WHERE s.id = ? AND i.guid = ?",
                values,
            )?
            .pop())
    }

    async fn browse(
        &mut self,
        session: BrowseSessionId,
        query: &BrowseQuery,
    ) -> Result<Vec<BrowseItem>, StoreError> {
        let Some(session) = self.session_number(session)? else { return Ok(Vec::new()) };
        let (statement, values) = page_statement(session, query);
        self.browse_items(&statement, values)
    }

    async fn count_browse(
        &mut self,
        session: BrowseSessionId,
        query: &BrowseQuery,
    ) -> Result<u64, StoreError> {
        let Some(session) = self.session_number(session)? else { return Ok(0) };
        let (condition, values) = conditions(session, query);
        self.sql()
            .prepare_cached(&format!("SELECT count(*) FROM browse_items {condition}"))
            .and_then(|mut prepared| {
                prepared.query_row(params_from_iter(values), |row| row.get::<_, i64>(0))
            })
            .map(|count| u64::try_from(count).unwrap_or(0))
            .map_err(failed)
    }

    async fn delete_browse_items(
        &mut self,
        session: BrowseSessionId,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let Some(session) = self.session_number(session)? else { return Ok(0) };
        let deleted = self
            .sql()
            .prepare_cached(
                "DELETE FROM browse_items WHERE session = ?1 AND ordinal IN (SELECT ordinal FROM browse_items WHERE session = ?1 ORDER BY ordinal LIMIT ?2)",
            )
            .and_then(|mut prepared| prepared.execute(params![session, limit]))
            .map_err(failed)?;
        Ok(deleted as u64)
    }

    async fn expired_browse_sessions(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Versioned<BrowseSession>>, StoreError> {
        self.select(
            "SELECT * FROM browse_sessions s WHERE expires_at <= ?
               AND NOT EXISTS (SELECT 1 FROM restore_artifacts a WHERE a.browse_session = s.id AND a.status IN ('scheduling', 'scheduled', 'inProgress'))
             ORDER BY expires_at LIMIT ?",
            params![now.unix_micros(), limit],
        )
    }
}

impl SqliteTx {
    fn session_number(&self, session: BrowseSessionId) -> Result<Option<i64>, StoreError> {
        self.sql()
            .prepare_cached("SELECT number FROM browse_sessions WHERE id = ?")
            .and_then(|mut prepared| {
                prepared.query_row([session.to_string()], |row| row.get(0)).optional()
            })
            .map_err(failed)
    }

    fn browse_items(
        &self,
        statement: &str,
        values: Vec<SqlValue>,
    ) -> Result<Vec<BrowseItem>, StoreError> {
        let mut prepared = self.sql().prepare_cached(statement).map_err(failed)?;
        let mut rows = prepared.query(params_from_iter(values)).map_err(failed)?;
        let mut items = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            items.push(item_of(&Columns::of(row))?);
        }
        Ok(items)
    }
}

/// One page. Among the children of one folder, path order is the order of names.
fn page_statement(session: i64, query: &BrowseQuery) -> (String, Vec<SqlValue>) {
    let (mut text, mut values) = conditions(session, query);
    let by_name =
        query.order == BrowseOrder::Name && matches!(query.place, BrowsePlace::Range { .. });
    let direction = direction_text(query.direction);
    let beyond = match query.direction {
        Direction::Ascending => ">",
        Direction::Descending => "<",
    };
    match &query.after {
        Some(after) if by_name => {
            text.push_str(&format!(" AND (fold(name), ordinal) {beyond} (?, ?)"));
            values.push(after.name.to_lowercase().into());
            values.push(integer_of(after.ordinal).into());
        }
        Some(after) => {
            text.push_str(&format!(" AND ordinal {beyond} ?"));
            values.push(integer_of(after.ordinal).into());
        }
        None => {}
    }
    let order = if by_name {
        format!("fold(name) {direction}, ordinal {direction}")
    } else {
        format!("ordinal {direction}")
    };
    values.push(i64::from(query.limit).into());
    (format!("SELECT * FROM browse_items {text} ORDER BY {order} LIMIT ?"), values)
}

fn conditions(session: i64, query: &BrowseQuery) -> (String, Vec<SqlValue>) {
    let mut values = vec![session.into()];
    let mut text = match query.place {
        BrowsePlace::In { parent } => {
            values.push(integer_of(parent).into());
            "INDEXED BY browse_items_by_parent WHERE session = ? AND parent = ?".to_owned()
        }
        BrowsePlace::Range { first, last } => {
            values.push(integer_of(first).into());
            values.push(integer_of(last).into());
            "WHERE session = ? AND ordinal BETWEEN ? AND ?".to_owned()
        }
    };
    if let Some(part) = &query.name_contains {
        text.push_str(" AND instr(fold(name), ?) > 0");
        values.push(part.to_lowercase().into());
    }
    (text, values)
}

fn kind_number(kind: BrowseItemKind) -> i64 {
    match kind {
        BrowseItemKind::Site => 0,
        BrowseItemKind::Library => 1,
        BrowseItemKind::Folder => 2,
        BrowseItemKind::File => 3,
    }
}

fn item_of(row: &Columns<'_>) -> Result<BrowseItem, StoreError> {
    let kind = match row.integer("kind")? {
        0 => BrowseItemKind::Site,
        1 => BrowseItemKind::Library,
        2 => BrowseItemKind::Folder,
        3 => BrowseItemKind::File,
        other => return Err(nonsense("browse_items.kind", other)),
    };
    let guid = row.blob("guid")?.unwrap_or_default();
    let times = row.optional_time("created")?.zip(row.optional_time("modified")?);
    let parent: Option<i64> = row.read("parent")?;
    Ok(BrowseItem {
        ordinal: row.count("ordinal")?,
        last: row.count("last")?,
        parent: parent.and_then(|parent| u64::try_from(parent).ok()),
        kind,
        guid: Uuid::from_slice(&guid).map_err(|error| nonsense("browse_items.guid", error))?,
        source_id: row.text("source")?,
        name: row.text("name")?,
        items: row.count("items")?,
        size_bytes: row.count("size")?,
        times,
        web_url: row.optional_text("web_url")?,
    })
}

#[cfg(test)]
mod tests {
    use holdfast_domain::{BrowseSession, BrowseSessionId, JobId, RestorePoint, RestorePointId};
    use holdfast_domain::{SeededEntropy, UnitId, Work, limits};
    use holdfast_store::{BrowsePosition, Store};

    use super::*;
    use crate::SqliteStore;

    const FILES: u64 = 100_000;
    const LIMIT: u32 = 100;

    /// A session with one library, in whose root are that many files.
    async fn one_large_folder(store: &SqliteStore) -> BrowseSessionId {
        let entropy = SeededEntropy::new(1);
        let now = Timestamp::from_unix_seconds(1_700_000_000).expect("in range");
        let tenant = TenantId::random(&entropy);
        let unit = UnitId::random(&entropy);
        let point = RestorePoint {
            id: RestorePointId::new(unit, now),
            tenant,
            unit,
            protection_date_time: now,
            started_at: now,
            expires_at: now.plus(limits::BROWSE_SESSION),
            snapshot: String::new(),
            items: 0,
            size_bytes: 0,
            gaps: 0,
        };
        let id = BrowseSessionId::random(&entropy);
        let session =
            BrowseSession::creating(id, &point, Workload::SharePoint, "site".to_owned(), now);
        let mut tx = store.begin().await.expect("begins");
        tx.insert(&session).await.expect("inserts");
        let work = Work::PrepareBrowseSession { session: id };
        tx.enqueue(tenant, JobId::random(&entropy), work, now).await.expect("enqueues");
        let job = tx.claim(now, now.plus(limits::LEASE)).await.expect("claims").expect("work");
        let item = |ordinal: u64, parent, kind, name: String| BrowseItem {
            ordinal,
            last: if kind == BrowseItemKind::File { ordinal } else { FILES + 1 },
            parent,
            kind,
            guid: Uuid::from_u128(u128::from(ordinal)),
            source_id: ordinal.to_string(),
            name,
            items: 0,
            size_bytes: 0,
            times: None,
            web_url: None,
        };
        let mut items = vec![
            item(0, None, BrowseItemKind::Site, "site".to_owned()),
            item(1, Some(0), BrowseItemKind::Library, "Documents".to_owned()),
        ];
        items.extend((0..FILES).map(|number| {
            item(number + 2, Some(1), BrowseItemKind::File, format!("file {number:06}.txt"))
        }));
        tx.add_browse_items(id, job.lease, items).await.expect("adds");
        tx.commit().await.expect("commits");
        id
    }

    /// A page of a folder reads as many rows as it gives, wherever it is in the folder: the index alone finds and orders them.
    #[tokio::test]
    async fn a_page_of_a_large_folder_is_read_from_the_index_alone() {
        let store = SqliteStore::in_memory();
        let session = one_large_folder(&store).await;
        for direction in [Direction::Ascending, Direction::Descending] {
            for order in [BrowseOrder::Path, BrowseOrder::Name] {
                let after = BrowsePosition { name: "file 070000".to_owned(), ordinal: 70_002 };
                let query = BrowseQuery {
                    place: BrowsePlace::In { parent: 1 },
                    name_contains: None,
                    order,
                    direction,
                    after: Some(after),
                    limit: LIMIT,
                };
                let connection = store.writer.lock().await;
                let (statement, values) = page_statement(1, &query);
                let plan = format!("EXPLAIN QUERY PLAN {statement}");
                let mut plan = connection.prepare(&plan).expect("prepares");
                let steps: Vec<String> = plan
                    .query_map(params_from_iter(values.clone()), |row| row.get(3))
                    .expect("explains")
                    .collect::<Result<_, _>>()
                    .expect("reads");
                drop(plan);
                assert_eq!(steps.len(), 1, "nothing is sorted: {steps:?}");
                assert!(
                    steps[0].contains("browse_items_by_parent (session=? AND parent=? AND ordinal"),
                    "{steps:?}"
                );
                let mut page = connection.prepare(&statement).expect("prepares");
                let rows =
                    page.query_map(params_from_iter(values), |_| Ok(())).expect("reads").count();
                assert_eq!(rows, LIMIT as usize);
                let steps = page.get_status(rusqlite::StatementStatus::VmStep);
                assert!(steps < 50 * LIMIT as i32, "{steps} steps for {LIMIT} rows");
                drop(page);
                drop(connection);
                let found = store.read().await.expect("reads").browse(session, &query).await;
                assert_eq!(found.expect("reads").len(), LIMIT as usize);
            }
        }
    }
}
