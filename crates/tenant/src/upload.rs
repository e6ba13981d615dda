//! `PUT …/content`: a whole file in one request.

use axum::body::Body;
use http::{StatusCode, header};
use http_body_util::BodyExt;
use rusqlite::Connection;

use crate::call::{Call, Conflict, Reply};
use crate::children::item_reply;
use crate::content::{Content, ContentStore};
use crate::items::{self, Item, ItemRef};
use crate::path::Segment;
use crate::places::Drive;
use crate::problem::{Answer, Problem};
use crate::routes;
use crate::serve::too_large;
use crate::tree::{Change, FileSystemInfo, NewItem, Spot};

const SIMPLE_LIMIT_BYTES: u64 = 250 * 1024 * 1024;
/// Shorter bodies are gathered in memory and cost one small write.
const SMALL_BYTES: u64 = 256 * 1024;

/// Reads the body into the content store, then names it.
pub(crate) async fn put_content(call: Call, segments: &[Segment], body: Body) -> Answer<Reply> {
    let (drive, target) = routes::content_target(&call, segments)?;
    let conflict = Conflict::of(&serde_json::Value::Null, &call.query, Conflict::Replace)?;
    // What must fail should fail before the bytes arrive.
    call.tenant.database.read(|connection| check_target(connection, &call, &drive, &target))?;
    let length = call.header(header::CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
    let content = receive(&call.tenant.content, body, length).await?;
    let (drive, item, created) = call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        check_target(tx, &call, &drive, &target)?;
        let (base, missing) = target.walk(tx, &drive)?;
        let change = Change::begin(tx, &drive, call.now, &call.caller.identity)?;
        let guid = || call.tenant.random_guid();
        let stored =
            Upload { content: &content, times: FileSystemInfo::default(), description: None };
        let (item, created) = store_file(&change, base, missing, &stored, conflict, &guid)?;
        Ok::<_, Problem>((drive, item, created))
    })?;
    item_reply(&call, &drive, &item, if created { StatusCode::CREATED } else { StatusCode::OK })
}

fn check_target(
    connection: &Connection,
    call: &Call,
    drive: &Drive,
    target: &ItemRef,
) -> Answer<()> {
    if drive.site.locked {
        return Err(Problem::site_locked());
    }
    let (item, missing) = target.walk(connection, drive)?;
    check_conditions(call, (missing.is_empty()).then_some(&item))
}

/// `If-Match` and `If-None-Match` against what is there now.
pub(crate) fn check_conditions(call: &Call, existing: Option<&Item>) -> Answer<()> {
    let if_none_match = call.header("if-none-match");
    match existing {
        Some(item) => {
            let tags = [item.e_tag(), item.c_tag()];
            call.check_if_match(&[&tags[0], &tags[1]])?;
            if if_none_match
                .is_some_and(|known| crate::call::names_tag(known, &[&tags[0], &tags[1]]))
            {
                return Err(Problem::etag_mismatch());
            }
            Ok(())
        }
        None if call.header("if-match").is_some() => Err(Problem::etag_mismatch()),
        None => Ok(()),
    }
}

async fn receive(store: &ContentStore, body: Body, length: Option<u64>) -> Answer<Content> {
    if length.is_some_and(|length| length > SIMPLE_LIMIT_BYTES) {
        return Err(too_large());
    }
    let broken = || Problem::invalid("The request body broke off.");
    if length.is_some_and(|length| length <= SMALL_BYTES) {
        let bytes = body.collect().await.map_err(|_| broken())?.to_bytes();
        return Ok(store.put(&bytes)?);
    }
    let mut writer = store.writer()?;
    let mut body = body;
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.map_err(|_| broken())?.into_data() else { continue };
        writer.write(&bytes)?;
        if writer.size() > SIMPLE_LIMIT_BYTES {
            return Err(too_large());
        }
    }
    if length.is_some_and(|length| length != writer.size()) {
        return Err(broken());
    }
    Ok(store.finish(writer)?)
}

/// Bytes that have arrived, and what the client says of them.
pub(crate) struct Upload<'a> {
    pub(crate) content: &'a Content,
    pub(crate) times: FileSystemInfo,
    pub(crate) description: Option<&'a str>,
}

/// Puts a file at `missing` below `base`, or replaces `base` when nothing is missing. Folders on the way are made.
/// Says whether the file is new.
pub(crate) fn store_file(
    change: &Change<'_>,
    base: Item,
    missing: &[String],
    upload: &Upload<'_>,
    conflict: Conflict,
    guid: &dyn Fn() -> uuid::Uuid,
) -> Answer<(Item, bool)> {
    let (parent, name) = match missing.split_last() {
        Some((name, folders)) => (change.make_folders(base, folders, guid)?, name.as_str()),
        None => {
            if base.folder {
                // A clash with a folder, as far as the uploader is concerned.
                return Err(Problem::name_exists());
            }
            let parent = base.parent.map(|row| items::by_row(change.tx, row)).transpose()?;
            let parent = parent.flatten().ok_or_else(Problem::item_not_found)?;
            if conflict == Conflict::Replace {
                return Ok((change.replace_content(&base, upload.content, upload.times)?, false));
            }
            return insert_new(change, &parent, &base.name, upload, conflict, guid);
        }
    };
    insert_new(change, &parent, name, upload, conflict, guid)
}

fn insert_new(
    change: &Change<'_>,
    parent: &Item,
    name: &str,
    upload: &Upload<'_>,
    conflict: Conflict,
    guid: &dyn Fn() -> uuid::Uuid,
) -> Answer<(Item, bool)> {
    match change.spot(parent, name, false, conflict)? {
        Spot::Taken(existing) => {
            Ok((change.replace_content(&existing, upload.content, upload.times)?, false))
        }
        Spot::Free(name) => {
            let new = NewItem {
                guid: guid(),
                name: &name,
                content: Some(*upload.content),
                times: upload.times,
                description: upload.description,
            };
            Ok((change.insert(parent, &new)?, true))
        }
    }
}
