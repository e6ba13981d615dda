//! Versions of a file. The present one is the item's row, older ones are rows of `versions`.

use http::StatusCode;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

use crate::call::{Call, Reply, empty_reply, json_reply, located_reply};
use crate::collection::{Shape, collection};
use crate::content::Content;
use crate::items::{Item, ItemRef};
use crate::places::Drive;
use crate::problem::{Answer, Problem};
use crate::render::server_time;
use crate::select;
use crate::tree::{Change, FileSystemInfo};

fn file(connection: &Connection, drive: &Drive, item: &ItemRef) -> Answer<Item> {
    let item = item.resolve(connection, drive)?;
    if item.folder {
        return Err(Problem::invalid("A folder has no versions."));
    }
    Ok(item)
}

/// `3.0` is 3; 404 for anything else.
fn parse_number(id: &str) -> Answer<i64> {
    id.strip_suffix(".0")
        .and_then(|number| number.parse().ok())
        .filter(|number| *number > 0)
        .ok_or_else(Problem::item_not_found)
}

fn render(call: &Call, connection: &Connection, item: &Item) -> Answer<Vec<Value>> {
    let mut versions = vec![json!({
        "id": format!("{}.0", item.version),
        "lastModifiedDateTime": server_time(item.modified),
        "lastModifiedBy": call.tenant.identity(connection, item.modified_by)?,
        "size": item.size,
    })];
    let mut statement = connection.prepare_cached(
        "SELECT number, modified, modified_by, size FROM versions WHERE item = ?1 \
         ORDER BY number DESC",
    )?;
    let mut rows = statement.query([item.row])?;
    while let Some(row) = rows.next()? {
        versions.push(json!({
            "id": format!("{}.0", row.get::<_, i64>(0)?),
            "lastModifiedDateTime": server_time(row.get(1)?),
            "lastModifiedBy": call.tenant.identity(connection, row.get(2)?)?,
            "size": row.get::<_, i64>(3)?,
        }));
    }
    Ok(versions)
}

/// The bytes of a version, the present one included. 404 where there is none.
pub(crate) fn content_of(connection: &Connection, item: &Item, number: i64) -> Answer<Content> {
    if number == item.version {
        return item.content().ok_or_else(Problem::item_not_found);
    }
    let found = connection
        .prepare_cached(
            "SELECT sha256, quickxor, size FROM versions WHERE item = ?1 AND number = ?2",
        )?
        .query_row(params![item.row, number], |row| {
            let size = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            Ok(Content { sha256: row.get(0)?, quickxor: row.get(1)?, size })
        })
        .optional()?;
    found.ok_or_else(Problem::item_not_found)
}

/// `GET …/versions`, newest first
pub(crate) fn list_versions(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    let versions = call.tenant.database.read(|connection| {
        let item = file(connection, drive, item)?;
        render(call, connection, &item)
    })?;
    let shape = Shape {
        context: "driveItemVersions",
        default_top: 1000,
        top_limit: 1000,
        known: select::VERSION,
    };
    collection(call, shape, versions)
}

/// `GET …/versions/{id}`
pub(crate) fn get_version(call: &Call, drive: &Drive, item: &ItemRef, id: &str) -> Answer<Reply> {
    parse_number(id)?;
    let versions = call.tenant.database.read(|connection| {
        let item = file(connection, drive, item)?;
        render(call, connection, &item)
    })?;
    let mut version = versions
        .into_iter()
        .find(|version| version["id"] == id)
        .ok_or_else(Problem::item_not_found)?;
    version["@odata.context"] = json!(call.context("driveItemVersions/$entity"));
    Ok(json_reply(StatusCode::OK, &version))
}

/// `GET …/versions/{id}/content`
pub(crate) fn get_version_content(
    call: &Call,
    drive: &Drive,
    item: &ItemRef,
    id: &str,
) -> Answer<Reply> {
    let number = parse_number(id)?;
    let item = call.tenant.database.read(|connection| {
        let item = file(connection, drive, item)?;
        content_of(connection, &item, number)?;
        Ok::<_, Problem>(item)
    })?;
    if number == item.version {
        return Err(Problem::invalid(
            "You cannot get the content of the current version; get the content of the item.",
        ));
    }
    let url = call.tenant.download_url(&call.origin, &item, Some(number), call.now);
    Ok(located_reply(StatusCode::FOUND, &url))
}

/// `POST …/versions/{id}/restoreVersion`: a new version with the old bytes
pub(crate) fn restore_version(
    call: &Call,
    drive: &Drive,
    item: &ItemRef,
    id: &str,
) -> Answer<Reply> {
    let number = parse_number(id)?;
    call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        let item = file(tx, &drive, item)?;
        let content = content_of(tx, &item, number)?;
        Change::begin(tx, &drive, call.now, &call.caller.identity)?.replace_content(
            &item,
            &content,
            FileSystemInfo::default(),
        )
    })?;
    Ok(empty_reply(StatusCode::NO_CONTENT))
}

/// `DELETE …/versions/{id}`
pub(crate) fn delete_version(
    call: &Call,
    drive: &Drive,
    item: &ItemRef,
    id: &str,
) -> Answer<Reply> {
    let number = parse_number(id)?;
    call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        if drive.site.locked {
            return Err(Problem::site_locked());
        }
        let item = file(tx, &drive, item)?;
        if number == item.version {
            return Err(Problem::invalid("You cannot delete the current version."));
        }
        let deleted = tx.execute(
            "DELETE FROM versions WHERE item = ?1 AND number = ?2",
            params![item.row, number],
        )?;
        if deleted == 0 { Err(Problem::item_not_found()) } else { Ok(()) }
    })?;
    Ok(empty_reply(StatusCode::NO_CONTENT))
}
