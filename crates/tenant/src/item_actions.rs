//! Get, update, delete and restore one item, and its content's redirect.

use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::call::{Call, Conflict, Reply, empty_reply, located_reply, names_tag};
use crate::children::{file_system_info, item_reply};
use crate::collection::{Shape, collection};
use crate::items::{self, Item, ItemRef, State};
use crate::places::Drive;
use crate::problem::{Answer, Problem};
use crate::tree::{Change, Edit};
use rusqlite::Connection;

/// `GET …/items/{id}`
pub(crate) fn get_item(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    let item = call.tenant.database.read(|connection| item.resolve(connection, drive))?;
    if call.header("if-none-match").is_some_and(|known| names_tag(known, &[&item.e_tag()])) {
        return Ok(empty_reply(StatusCode::NOT_MODIFIED));
    }
    item_reply(call, drive, &item, StatusCode::OK)
}

/// `GET …/content`: 302 to the pre-authenticated URL.
pub(crate) fn get_content(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    let item = call.tenant.database.read(|connection| item.resolve(connection, drive))?;
    if item.folder {
        return Err(Problem::invalid("A folder has no content."));
    }
    if call.query.get("format").is_some() {
        return Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "notSupported",
            "Conversion of formats is not supported.",
        ));
    }
    let tags = [item.e_tag(), item.c_tag()];
    if call.header("if-none-match").is_some_and(|known| names_tag(known, &[&tags[0], &tags[1]])) {
        return Ok(empty_reply(StatusCode::NOT_MODIFIED));
    }
    let url = call.tenant.download_url(&call.origin, &item, None, call.now);
    Ok(located_reply(StatusCode::FOUND, &url))
}

/// `PATCH …/items/{id}`: rename, move, times, description.
pub(crate) fn update_item(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    let name = match call.body.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => return Err(Problem::invalid("name must be a string.")),
    };
    let description = match call.body.get("description") {
        None => None,
        Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => return Err(Problem::invalid("description must be a string.")),
    };
    let times = file_system_info(&call.body)?;
    let conflict = Conflict::of(&call.body, &call.query, Conflict::Fail)?;
    let (drive, item) = call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        let item = item.resolve(tx, &drive)?;
        call.check_if_match(&[&item.e_tag(), &item.c_tag()])?;
        let parent = new_parent(tx, &drive, call.body.get("parentReference"))?;
        let change = Change::begin(tx, &drive, call.now, &call.caller.identity)?;
        let item = change.edit(&item, &Edit { name, parent, times, description }, conflict)?;
        Ok::<_, Problem>((drive, item))
    })?;
    item_reply(call, &drive, &item, StatusCode::OK)
}

/// The folder that a `parentReference` names, by id or by path; `None` when it names none.
pub(crate) fn new_parent(
    connection: &Connection,
    drive: &Drive,
    reference: Option<&Value>,
) -> Answer<Option<Item>> {
    let text = |name: &str| {
        let value = reference.and_then(|reference| reference.get(name)).and_then(Value::as_str);
        value.filter(|value| !value.is_empty())
    };
    if text("driveId").is_some_and(|id| id != drive.id) {
        return Err(Problem::invalid("An item cannot move to another drive; copy it."));
    }
    let target = match (text("id"), text("path")) {
        (Some(id), _) => ItemRef { id: Some(id.to_owned()), path: Vec::new() },
        (None, Some(path)) => parse_reference_path(drive, path)?,
        (None, None) => return Ok(None),
    };
    let parent = target.resolve(connection, drive)?;
    if !parent.folder {
        return Err(Problem::invalid("parentReference names a file."));
    }
    Ok(Some(parent))
}

/// `/drives/{id}/root:/a/b` or `/drive/root:/a/b`, percent-encoded or not.
fn parse_reference_path(drive: &Drive, path: &str) -> Answer<ItemRef> {
    let malformed = || Problem::invalid("parentReference.path is malformed.");
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| malformed())?;
    let (before, below) = match decoded.split_once("root:") {
        Some(parts) => parts,
        None => (decoded.strip_suffix("root").ok_or_else(malformed)?, ""),
    };
    let before = before.trim_matches('/');
    let known = before.is_empty()
        || before == "drive"
        || before.strip_prefix("drives/").is_some_and(|id| id == drive.id);
    if !known {
        return Err(Problem::invalid("parentReference.path names another drive."));
    }
    let names = below.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Ok(ItemRef { id: None, path: names })
}

/// `DELETE …/items/{id}`: to the recycle bin, with its subtree.
pub(crate) fn delete_item(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        let item = item.resolve(tx, &drive)?;
        call.check_if_match(&[&item.e_tag(), &item.c_tag()])?;
        Change::begin(tx, &drive, call.now, &call.caller.identity)?.remove(&item, State::Recycled)
    })?;
    Ok(empty_reply(StatusCode::NO_CONTENT))
}

/// `POST …/permanentDelete`: also of what is in the recycle bin.
pub(crate) fn delete_permanently(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        let item = match &item.id {
            Some(id) if item.path.is_empty() => items::by_id(tx, &drive, id)?
                .filter(|item| item.state != State::Purged)
                .ok_or_else(Problem::item_not_found)?,
            _ => item.resolve(tx, &drive)?,
        };
        Change::begin(tx, &drive, call.now, &call.caller.identity)?.remove(&item, State::Purged)
    })?;
    Ok(empty_reply(StatusCode::NO_CONTENT))
}

/// `POST …/restore`: out of the recycle bin, with the same id.
pub(crate) fn restore_item(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    let (drive, item) = call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        let id = item.id.as_deref().filter(|_| item.path.is_empty());
        let item = match id {
            Some(id) => items::by_id(tx, &drive, id)?,
            None => None,
        };
        let item = item
            .filter(|item| item.state == State::Recycled)
            .ok_or_else(Problem::item_not_found)?;
        let parent = match new_parent(tx, &drive, call.body.get("parentReference"))? {
            Some(parent) => parent,
            None => item
                .parent
                .map(|row| items::by_row(tx, row))
                .transpose()?
                .flatten()
                .filter(|parent| parent.state == State::Live)
                .ok_or_else(Problem::item_not_found)?,
        };
        let name = call.body.get("name").and_then(Value::as_str).unwrap_or(&item.name).to_owned();
        let change = Change::begin(tx, &drive, call.now, &call.caller.identity)?;
        let item = change.restore(&item, &parent, &name)?;
        Ok::<_, Problem>((drive, item))
    })?;
    item_reply(call, &drive, &item, StatusCode::OK)
}

/// `GET …/thumbnails`: this tenant makes none.
pub(crate) fn list_thumbnails(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    call.tenant.database.read(|connection| item.resolve(connection, drive))?;
    let shape = Shape { context: "thumbnails", default_top: 100, top_limit: 100, known: &["id"] };
    collection(call, shape, Vec::new())
}
