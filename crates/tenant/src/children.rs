//! Drives, and listing and making children.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_domain::Timestamp;
use http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::call::{Call, Conflict, Reply, json_reply};
use crate::caller::Right;
use crate::collection::{Shape, collection, offset_token, page_reply, parse_offset, sort};
use crate::directory;
use crate::filter::Filter;
use crate::items::{self, ItemRef};
use crate::names;
use crate::places::{Drive, Site};
use crate::problem::{Answer, Problem};
use crate::render::{self, ItemRenderer, name_token};
use crate::select::{self, Selection};
use crate::tree::{Change, FileSystemInfo, NewItem, Spot};

const DEFAULT_PAGE: usize = 200;
const PAGE_LIMIT: usize = 5000;
const DRIVES: Shape =
    Shape { context: "drives", default_top: 200, top_limit: 5000, known: select::DRIVE };

/// `GET /drives/{id}`
pub(crate) fn get_drive(call: &Call, drive: &Drive) -> Answer<Reply> {
    let selection = Selection::parse(&call.query, select::DRIVE)?;
    let mut body =
        call.tenant.database.read(|connection| render::drive(call, connection, drive))?;
    body["@odata.context"] = json!(call.context("drives/$entity"));
    selection.apply(&mut body);
    Ok(json_reply(StatusCode::OK, &body))
}

/// `GET /sites/{id}/drives`
pub(crate) fn list_site_drives(call: &Call, site: &Site) -> Answer<Reply> {
    call.require(Right::ReadFiles)?;
    let drives = call.tenant.database.read(|connection| {
        let drives = Drive::of_site(connection, site.row)?;
        drives.iter().map(|drive| render::drive(call, connection, drive)).collect::<Answer<_>>()
    })?;
    collection(call, DRIVES, drives)
}

/// `GET /users/{id}/drives`
pub(crate) fn list_user_drives(call: &Call, user: &str) -> Answer<Reply> {
    call.require(Right::ReadFiles)?;
    let drives = call.tenant.database.read(|connection| {
        let drives = user_drives(connection, user)?;
        drives.iter().map(|drive| render::drive(call, connection, drive)).collect::<Answer<_>>()
    })?;
    collection(call, DRIVES, drives)
}

/// The OneDrive of a user named by id or principal name; 404 when there is none.
pub(crate) fn user_drives(connection: &Connection, user: &str) -> Answer<Vec<Drive>> {
    let id =
        directory::user_id(connection, user)?.ok_or_else(|| Problem::directory_not_found(user))?;
    let site = Site::of_user(connection, &id)?.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "ResourceNotFound", "User's mysite not found.")
    })?;
    Drive::of_site(connection, site.row)
}

/// `GET …/children`
pub(crate) fn list_children(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    let top = call.query.top(DEFAULT_PAGE, PAGE_LIMIT)?;
    call.tenant.database.read(|connection| {
        let folder = item.resolve(connection, drive)?;
        let mut renderer = ItemRenderer::new(call, connection, drive, true)?;
        let count = usize::try_from(folder.child_count).unwrap_or(0);
        let context = "driveItems";
        let order = call.query.get("$orderby").filter(|order| !is_by_name(order));
        let filter = call.query.get("$filter").map(Filter::parse).transpose()?;
        if order.is_none() && filter.is_none() {
            let after = match call.query.get("$skiptoken") {
                Some(token) => parse_name_token(token)?,
                None => String::new(),
            };
            let mut found = items::children_after(connection, folder.row, &after, top + 1)?;
            let next = (found.len() > top).then(|| {
                found.truncate(top);
                let last = names::fold(&found[top - 1].name);
                call.link("$skiptoken", &name_token(&last), &[])
            });
            let page = found.iter().map(|child| renderer.item(child)).collect::<Answer<_>>()?;
            return Ok(page_reply(call, context, page, next, count));
        }
        // Another order or a filter reads the whole folder.
        let mut values = Vec::new();
        for child in items::children(connection, folder.row)? {
            let value = renderer.item(&child)?;
            if filter.as_ref().is_none_or(|filter| filter.matches(&value)) {
                values.push(value);
            }
        }
        if let Some(order) = order {
            sort(&mut values, order, &["name", "size", "lastModifiedDateTime"])?;
        }
        let count = values.len();
        let start = call.query.get("$skiptoken").map_or(Ok(0), parse_offset)?;
        let page: Vec<Value> = values.into_iter().skip(start).take(top).collect();
        let end = start + page.len();
        let next = (end < count && !page.is_empty())
            .then(|| call.link("$skiptoken", &offset_token(end), &[]));
        Ok(page_reply(call, context, page, next, count))
    })
}

fn is_by_name(order: &str) -> bool {
    matches!(order.trim(), "name" | "name asc")
}

fn parse_name_token(token: &str) -> Answer<String> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| Some(String::from_utf8(bytes).ok()?.strip_prefix('n')?.to_owned()))
        .ok_or_else(|| Problem::bad_query("The $skiptoken is malformed."))
}

/// `POST …/children`: a folder, or an empty file.
pub(crate) fn create_child(call: &Call, drive: &Drive, parent: &ItemRef) -> Answer<Reply> {
    let name = call
        .body
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| Problem::invalid("The name of the new item is missing."))?;
    let facet = |name: &str| call.body.get(name).is_some_and(|value| !value.is_null());
    let folder = match (facet("folder"), facet("file")) {
        (true, false) => true,
        (false, true) => false,
        _ => return Err(Problem::invalid("Exactly one of the facets folder and file is needed.")),
    };
    let times = file_system_info(&call.body)?;
    let conflict = Conflict::of(&call.body, &call.query, Conflict::Fail)?;
    let content = if folder { None } else { Some(call.tenant.content.put(&[])?) };
    let (drive, item) = call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        let parent = parent.resolve(tx, &drive)?;
        let change = Change::begin(tx, &drive, call.now, &call.caller.identity)?;
        let item = match (change.spot(&parent, name, folder, conflict)?, &content) {
            (Spot::Taken(existing), None) => *existing,
            (Spot::Taken(existing), Some(content)) => {
                change.replace_content(&existing, content, times)?
            }
            (Spot::Free(name), content) => change.insert(
                &parent,
                &NewItem {
                    guid: call.tenant.random_guid(),
                    name: &name,
                    content: *content,
                    times,
                    description: call.body.get("description").and_then(Value::as_str),
                },
            )?,
        };
        Ok::<_, Problem>((drive, item))
    })?;
    item_reply(call, &drive, &item, StatusCode::CREATED)
}

/// One item as the whole answer.
pub(crate) fn item_reply(
    call: &Call,
    drive: &Drive,
    item: &items::Item,
    status: StatusCode,
) -> Answer<Reply> {
    call.tenant.database.read(|connection| {
        let mut body = ItemRenderer::new(call, connection, drive, true)?.item(item)?;
        body["@odata.context"] = json!(call.context("driveItems/$entity"));
        Ok(json_reply(status, &body))
    })
}

/// The writable times in a body's `fileSystemInfo`; 400 when one is malformed.
pub(crate) fn file_system_info(body: &Value) -> Answer<FileSystemInfo> {
    let Some(info) = body.get("fileSystemInfo").filter(|info| !info.is_null()) else {
        return Ok(FileSystemInfo::default());
    };
    let time = |name: &str| match info.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok())
            .map(|time| Some(time.unix_micros()))
            .ok_or_else(|| {
                Problem::invalid(format!("fileSystemInfo.{name} is not an ISO 8601 time."))
            }),
    };
    Ok(FileSystemInfo {
        created: time("createdDateTime")?,
        modified: time("lastModifiedDateTime")?,
        accessed: time("lastAccessedDateTime")?,
    })
}
