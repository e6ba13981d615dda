//! Copying. The work is done within the request; the monitor URL tells so afterwards.

use std::sync::Arc;

use http::StatusCode;
use rusqlite::{OptionalExtension, params};
use serde_json::{Value, json};

use crate::call::{Call, Conflict, Reply, json_reply, located_reply};
use crate::ids;
use crate::items::{self, Item, ItemRef};
use crate::places::Drive;
use crate::problem::{Answer, Problem};
use crate::tenant::Inner;
use crate::tree::{Change, FileSystemInfo, NewItem, Spot};

const COPY_LIMIT: u32 = 30_000;

/// `POST …/copy`: 202 with the monitor's `Location`
pub(crate) fn copy_item(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    let reference = call.body.get("parentReference");
    let text = |name: &str| {
        let value = reference.and_then(|reference| reference.get(name)).and_then(Value::as_str);
        value.filter(|value| !value.is_empty())
    };
    let conflict = Conflict::of(&call.body, &call.query, Conflict::Fail)?;
    let secret = call.tenant.entropy.secret_hex();
    call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        let source = item.resolve(tx, &drive)?;
        if source.is_root() {
            return Err(Problem::invalid("The root cannot be copied."));
        }
        let target_drive = match text("driveId") {
            Some(id) => Drive::find(tx, id)?,
            None => drive.clone(),
        };
        let parent = match text("id") {
            Some(id) => ItemRef { id: Some(id.to_owned()), path: Vec::new() },
            None if text("path").is_some() || text("driveId").is_some() => ItemRef {
                id: None,
                path: text("path")
                    .and_then(|path| path.split_once("root:"))
                    .map(|(_, below)| {
                        below.split('/').filter(|n| !n.is_empty()).map(str::to_owned).collect()
                    })
                    .unwrap_or_default(),
            },
            None => {
                let parent = source.parent.map(|row| items::by_row(tx, row)).transpose()?.flatten();
                let parent = parent.ok_or_else(Problem::item_not_found)?;
                ItemRef { id: Some(ids::item_id(drive.list, parent.guid)), path: Vec::new() }
            }
        };
        let parent = parent.resolve(tx, &target_drive)?;
        let name = call.body.get("name").and_then(Value::as_str).unwrap_or(&source.name);
        let change = Change::begin(tx, &target_drive, call.now, &call.caller.identity)?;
        // A folder copied into itself would otherwise find its own copy.
        let subtree = collect(tx, &source)?;
        let spot = change.spot(&parent, name, source.folder, conflict)?;
        let copy = match (spot, source.content()) {
            (Spot::Free(name), _) => insert_tree(call, &change, &parent, &name, &subtree)?,
            (Spot::Taken(existing), Some(content)) => {
                change.replace_content(&existing, &content, times_of(&source))?
            }
            (Spot::Taken(_), None) => return Err(Problem::name_exists()),
        };
        tx.execute(
            "INSERT INTO copies (secret_hash, item) VALUES (?1, ?2)",
            params![ids::sha256(secret.as_bytes()), copy.row],
        )?;
        Ok(())
    })?;
    let monitor = format!("{}/_tenant/copy/{secret}", call.origin);
    Ok(located_reply(StatusCode::ACCEPTED, &monitor))
}

struct Tree {
    item: Item,
    children: Vec<Tree>,
}

fn collect(connection: &rusqlite::Connection, item: &Item) -> Answer<Tree> {
    fn below(connection: &rusqlite::Connection, item: &Item, left: &mut u32) -> Answer<Tree> {
        *left = left
            .checked_sub(1)
            .ok_or_else(|| Problem::invalid("More than 30000 items cannot be copied at once."))?;
        let children =
            if item.folder { items::children(connection, item.row)? } else { Vec::new() };
        let children =
            children.iter().map(|child| below(connection, child, left)).collect::<Answer<_>>()?;
        Ok(Tree { item: item.clone(), children })
    }
    below(connection, item, &mut COPY_LIMIT.clone())
}

fn times_of(item: &Item) -> FileSystemInfo {
    FileSystemInfo {
        created: Some(item.fs_created),
        modified: Some(item.fs_modified),
        accessed: item.fs_accessed,
    }
}

fn insert_tree(
    call: &Call,
    change: &Change<'_>,
    parent: &Item,
    name: &str,
    tree: &Tree,
) -> Answer<Item> {
    let copy = change.insert(
        parent,
        &NewItem {
            guid: call.tenant.random_guid(),
            name,
            content: tree.item.content().filter(|_| !tree.item.folder),
            times: times_of(&tree.item),
            description: tree.item.description.as_deref(),
        },
    )?;
    for child in &tree.children {
        insert_tree(call, change, &copy, &child.item.name, child)?;
    }
    Ok(copy)
}

/// `GET /_tenant/copy/{secret}`, without authentication
pub(crate) fn monitor(inner: &Arc<Inner>, secret: &str) -> Answer<Reply> {
    let id = inner.database.read(|connection| {
        let row: Option<i64> = connection
            .query_row(
                "SELECT item FROM copies WHERE secret_hash = ?1",
                [ids::sha256(secret.as_bytes())],
                |row| row.get(0),
            )
            .optional()?;
        let item = row.map(|row| items::by_row(connection, row)).transpose()?.flatten();
        let item = item.ok_or_else(Problem::item_not_found)?;
        let drive = Drive::by_row(connection, item.drive)?;
        Ok::<_, Problem>(ids::item_id(drive.list, item.guid))
    })?;
    let body = json!({
        "operation": "ItemCopy", "percentageComplete": 100.0, "status": "completed",
        "resourceId": id,
    });
    Ok(json_reply(StatusCode::OK, &body))
}
