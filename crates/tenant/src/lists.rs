//! Lists, which here are all document libraries.

use holdfast_domain::Entropy;
use http::{Method, StatusCode};
use rusqlite::{Transaction, params};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Call, Reply, empty_reply, json_reply};
use crate::caller::Right;
use crate::collection::{Shape, collection};
use crate::ids;
use crate::items::Item;
use crate::names::{self, Place};
use crate::permissions;
use crate::places::{Drive, Site};
use crate::problem::{Answer, Problem};
use crate::render;
use crate::routes::method_not_allowed;
use crate::select::{self, Selection};
use crate::tree::Change;

const LISTS: Shape =
    Shape { context: "lists", default_top: 200, top_limit: 999, known: select::LIST };

/// What a library is made of.
pub(crate) struct NewDrive<'a> {
    pub(crate) list: Uuid,
    pub(crate) root: Uuid,
    pub(crate) name: &'a str,
    pub(crate) url_name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) is_default: bool,
    /// Random, so that a token of a drive that was here before is not taken for this one's.
    pub(crate) epoch: i64,
}

impl NewDrive<'_> {
    /// The default library of a new team site.
    pub(crate) fn documents(entropy: &dyn Entropy) -> Self {
        Self {
            list: entropy.uuid(),
            root: entropy.uuid(),
            name: "Documents",
            url_name: "Shared Documents",
            description: "",
            is_default: true,
            epoch: new_epoch(entropy),
        }
    }
}

pub(crate) fn new_epoch(entropy: &dyn Entropy) -> i64 {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    i64::from(u32::from_be_bytes(bytes))
}

/// Inserts a library with its root; 409 when the name is taken in the site.
pub(crate) fn insert_drive(
    tx: &Transaction<'_>,
    site: &Site,
    new: &NewDrive<'_>,
    now: i64,
    identity: &Value,
) -> Answer<(Drive, Item)> {
    let clash = Drive::of_site(tx, site.row)?.iter().any(|drive| {
        names::fold(&drive.url_name) == names::fold(new.url_name)
            || names::fold(&drive.name) == names::fold(new.name)
    });
    if clash {
        return Err(Problem::name_exists());
    }
    let public_id = ids::drive_id(site.guid, site.web, new.list);
    tx.execute(
        "INSERT INTO drives (public_id, site, list, name, url_name, description, is_default, \
         epoch, change_seq, oldest_seq, created) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, ?9)",
        params![
            public_id,
            site.row,
            new.list.as_bytes(),
            new.name,
            new.url_name,
            new.description,
            new.is_default,
            new.epoch,
            now,
        ],
    )?;
    let drive = Drive::by_row(tx, tx.last_insert_rowid())?;
    let root = Change::begin(tx, &drive, now, identity)?.insert_root(new.root)?;
    Ok((drive, root))
}

/// Whether `id` is the id or the name of the list.
pub(crate) fn is_named(drive: &Drive, id: &str) -> bool {
    Uuid::try_parse(id).is_ok_and(|id| id == drive.list)
        || names::fold(&drive.name) == names::fold(id)
}

fn render_list(call: &Call, connection: &rusqlite::Connection, drive: &Drive) -> Answer<Value> {
    let mut body = render::list(call, connection, drive)?;
    for name in select::expanded(&call.query) {
        match name.as_str() {
            "drive" => body["drive"] = render::drive(call, connection, drive)?,
            _ => {
                return Err(Problem::not_supported(format!(
                    "$expand={name} is not supported on lists."
                )));
            }
        }
    }
    Ok(body)
}

/// `GET /sites/{id}/lists`
pub(crate) fn list_lists(call: &Call, site: &Site) -> Answer<Reply> {
    if call.method != Method::GET {
        return Err(method_not_allowed());
    }
    let lists = call.tenant.database.read(|connection| {
        let drives = Drive::of_site(connection, site.row)?;
        drives.iter().map(|drive| render_list(call, connection, drive)).collect::<Answer<_>>()
    })?;
    collection(call, LISTS, lists)
}

/// `GET /drives/{id}/list`
pub(crate) fn get_list_of_drive(call: &Call, drive: &Drive) -> Answer<Reply> {
    list_reply(call, drive, StatusCode::OK)
}

fn list_reply(call: &Call, drive: &Drive, status: StatusCode) -> Answer<Reply> {
    let selection = Selection::parse(&call.query, select::LIST)?;
    let mut body = call.tenant.database.read(|connection| render_list(call, connection, drive))?;
    body["@odata.context"] = json!(call.context("lists/$entity"));
    selection.apply(&mut body);
    Ok(json_reply(status, &body))
}

/// `GET` and `DELETE /sites/{id}/lists/{listId}`
pub(crate) fn one_list(call: &Call, site: &Site, id: &str) -> Answer<Reply> {
    let drives = call.tenant.database.read(|connection| Drive::of_site(connection, site.row))?;
    let drive =
        drives.into_iter().find(|drive| is_named(drive, id)).ok_or_else(Problem::item_not_found)?;
    match call.method {
        Method::GET => list_reply(call, &drive, StatusCode::OK),
        Method::DELETE => {
            call.require(Right::ManageSites)?;
            if drive.is_default {
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "accessDenied",
                    "The default library of a site cannot be deleted.",
                ));
            }
            call.tenant.database.write(|tx| {
                if Drive::by_row(tx, drive.row)?.site.locked {
                    return Err(Problem::site_locked());
                }
                tx.execute("DELETE FROM drives WHERE id = ?1", [drive.row])?;
                Ok(())
            })?;
            Ok(empty_reply(StatusCode::NO_CONTENT))
        }
        _ => Err(method_not_allowed()),
    }
}

/// `POST /sites/{id}/lists` with the template `documentLibrary`
pub(crate) fn create_list(call: &Call, site: &Site) -> Answer<Reply> {
    call.require(Right::ManageSites)?;
    let name = call
        .body
        .get("displayName")
        .and_then(Value::as_str)
        .ok_or_else(|| Problem::invalid("displayName of the new list is missing."))?;
    let template = call.body.pointer("/list/template").and_then(Value::as_str);
    if template != Some("documentLibrary") {
        return Err(Problem::not_supported("Only lists of template documentLibrary can be made."));
    }
    names::check_name(name, Place { folder: true, library_root: true })
        .map_err(crate::tree::refused_name)?;
    let drive = call.tenant.database.write(|tx| {
        let site = Site::by_row(tx, site.row)?.ok_or_else(Problem::site_not_found)?;
        let new = NewDrive {
            name,
            url_name: name,
            description: call.body.get("description").and_then(Value::as_str).unwrap_or_default(),
            is_default: false,
            ..NewDrive::documents(&*call.tenant.entropy)
        };
        let (drive, root) = insert_drive(tx, &site, &new, call.now, &call.caller.identity)?;
        permissions::grant_site_groups(tx, &drive, &root)?;
        Ok::<_, Problem>(drive)
    })?;
    list_reply(call, &drive, StatusCode::CREATED)
}
