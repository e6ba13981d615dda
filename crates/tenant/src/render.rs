//! Rows as Graph's JSON.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use holdfast_domain::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::call::Call;
use crate::ids;
use crate::items::{self, Item, State};
use crate::names;
use crate::permissions;
use crate::places::{Drive, Site};
use crate::problem::{Answer, Problem};
use crate::query::encode;
use crate::select::{self, DOWNLOAD_URL, Selection};

const QUOTA_BYTES: i64 = 1_099_511_627_776;

/// A server time: whole seconds, as SharePoint shows them.
pub(crate) fn server_time(micros: i64) -> String {
    Timestamp::from_unix_micros(micros)
        .map_or_else(|| Timestamp::YEAR_ONE.to_owned(), |time| time.whole_seconds().to_string())
}

/// A client's time, to the microsecond.
fn client_time(micros: i64) -> String {
    Timestamp::from_unix_micros(micros)
        .map_or_else(|| Timestamp::YEAR_ONE.to_owned(), |time| time.to_string())
}

pub(crate) fn site(site: &Site, tenant_id: &str) -> Value {
    let id = site.id();
    let mut body = json!({
        "id": id,
        "name": site.name,
        "displayName": site.display_name,
        "description": site.description,
        "webUrl": site.web_url(),
        "createdDateTime": server_time(site.created),
        "lastModifiedDateTime": server_time(site.modified),
        "isPersonalSite": site.personal,
        "root": {},
        "siteCollection": {"hostname": site.host(), "dataLocationCode": ""},
        "parentReference": {"siteId": id},
        "sharepointIds": {
            "siteId": site.guid, "siteUrl": site.web_url(), "tenantId": tenant_id,
            "webId": site.web,
        },
        "lockState": if site.locked { "readOnly" } else { "unlocked" },
    });
    if site.path.is_empty() {
        body["siteCollection"]["root"] = json!({});
    }
    body
}

pub(crate) fn drive(call: &Call, connection: &Connection, drive: &Drive) -> Answer<Value> {
    let root = items::root(connection, drive.row)?;
    let owner = call.tenant.owner_identity(connection, &drive.site)?;
    Ok(json!({
        "id": drive.id,
        "driveType": drive.drive_type(),
        "name": drive.name,
        "description": drive.description,
        "webUrl": drive.web_url(),
        "createdDateTime": server_time(drive.created),
        "lastModifiedDateTime": server_time(root.modified),
        "createdBy": call.tenant.identity(connection, root.created_by)?,
        "lastModifiedBy": call.tenant.identity(connection, root.modified_by)?,
        "owner": owner,
        "quota": {
            "deleted": 0, "remaining": QUOTA_BYTES - root.size, "state": "normal",
            "total": QUOTA_BYTES, "used": root.size,
        },
        "sharePointIds": {
            "listId": drive.list, "siteId": drive.site.guid, "siteUrl": drive.site.web_url(),
            "tenantId": call.tenant.facts.tenant_id, "webId": drive.site.web,
        },
    }))
}

/// `fileSize` beyond this is 507.
pub(crate) const fn quota_left(root: &Item) -> i64 {
    QUOTA_BYTES - root.size
}

pub(crate) fn list(call: &Call, connection: &Connection, drive: &Drive) -> Answer<Value> {
    let root = items::root(connection, drive.row)?;
    Ok(json!({
        "id": drive.list,
        "name": drive.url_name,
        "displayName": drive.name,
        "description": drive.description,
        "webUrl": drive.web_url(),
        "createdDateTime": server_time(drive.created),
        "lastModifiedDateTime": server_time(root.modified),
        "createdBy": call.tenant.identity(connection, root.created_by)?,
        "parentReference": {"siteId": drive.site.id()},
        "list": {"template": "documentLibrary", "hidden": false, "contentTypesEnabled": false},
    }))
}

/// Renders items of one drive; remembers paths and people between items.
pub(crate) struct ItemRenderer<'c> {
    call: &'c Call,
    connection: &'c Connection,
    drive: &'c Drive,
    selection: Selection,
    expand_children: bool,
    expand_thumbnails: bool,
    download_url: bool,
    site_id: String,
    web_url: String,
    paths: HashMap<i64, String>,
    references: HashMap<i64, Value>,
    people: HashMap<i64, Value>,
}

impl<'c> ItemRenderer<'c> {
    /// `download_url`: whether files carry it when nothing is selected.
    pub(crate) fn new(
        call: &'c Call,
        connection: &'c Connection,
        drive: &'c Drive,
        download_url: bool,
    ) -> Answer<Self> {
        let selection = Selection::parse(&call.query, select::ITEM)?;
        let mut renderer = Self {
            call,
            connection,
            drive,
            download_url: selection.wants_download_url(download_url),
            selection,
            expand_children: false,
            expand_thumbnails: false,
            site_id: drive.site.id(),
            web_url: drive.web_url(),
            paths: HashMap::new(),
            references: HashMap::new(),
            people: HashMap::new(),
        };
        for name in select::expanded(&call.query) {
            match name.as_str() {
                "children" => renderer.expand_children = true,
                "thumbnails" => renderer.expand_thumbnails = true,
                _ => {
                    return Err(Problem::not_supported(format!(
                        "$expand={name} is not supported on items."
                    )));
                }
            }
        }
        Ok(renderer)
    }

    /// The encoded path below the library with a leading slash; empty for the root.
    fn path(&mut self, row: i64) -> Answer<String> {
        if let Some(known) = self.paths.get(&row) {
            return Ok(known.clone());
        }
        let item = items::by_row(self.connection, row)?.ok_or_else(Problem::item_not_found)?;
        let path = match item.parent {
            None => String::new(),
            Some(parent) => format!("{}/{}", self.path(parent)?, encode(&item.name)),
        };
        self.paths.insert(row, path.clone());
        Ok(path)
    }

    fn person(&mut self, row: i64) -> Answer<Value> {
        if let Some(known) = self.people.get(&row) {
            return Ok(known.clone());
        }
        let identity = self.call.tenant.identity(self.connection, row)?;
        self.people.insert(row, identity.clone());
        Ok(identity)
    }

    /// Siblings share it, so it is remembered by parent.
    fn parent_reference(&mut self, item: &Item) -> Answer<Value> {
        let known = item.parent.and_then(|parent| self.references.get(&parent));
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let mut reference = json!({"driveType": self.drive.drive_type(), "driveId": self.drive.id});
        if let Some(parent_row) = item.parent {
            let parent =
                items::by_row(self.connection, parent_row)?.ok_or_else(Problem::item_not_found)?;
            let path = self.path(parent_row)?;
            let name = if parent.is_root() { &self.drive.name } else { &parent.name };
            reference["id"] = json!(ids::item_id(self.drive.list, parent.guid));
            reference["name"] = json!(name);
            reference["path"] = json!(format!("/drives/{}/root:{path}", self.drive.id));
            reference["siteId"] = json!(self.site_id);
            self.references.insert(parent_row, reference.clone());
        }
        Ok(reference)
    }

    /// One item with what was selected and expanded.
    pub(crate) fn item(&mut self, item: &Item) -> Answer<Value> {
        let mut body = self.everything(item)?;
        if self.expand_children && item.folder {
            let limit = 200;
            let mut found = items::children_after(self.connection, item.row, "", limit + 1)?;
            if found.len() > limit {
                found.truncate(limit);
                let id = ids::item_id(self.drive.list, item.guid);
                let last = names::fold(&found[limit - 1].name);
                body["children@odata.nextLink"] = json!(format!(
                    "{}{}/drives/{}/items/{id}/children?$skiptoken={}",
                    self.call.origin,
                    self.call.prefix,
                    encode(&self.drive.id),
                    name_token(&last)
                ));
            }
            let children = found.iter().map(|child| self.everything(child));
            body["children"] = Value::Array(children.collect::<Answer<_>>()?);
        }
        if self.expand_thumbnails {
            body["thumbnails"] = json!([]);
        }
        let children = body.get("children").cloned();
        self.selection.apply(&mut body);
        if let Some(children) = children {
            body["children"] = children;
        }
        Ok(body)
    }

    fn everything(&mut self, item: &Item) -> Answer<Value> {
        let id = ids::item_id(self.drive.list, item.guid);
        let reference = self.parent_reference(item)?;
        if item.state != State::Live {
            let mut body =
                json!({"id": id, "parentReference": reference, "deleted": {"state": "deleted"}});
            body[if item.folder { "folder" } else { "file" }] = json!({});
            return Ok(body);
        }
        let path = match item.parent {
            None => String::new(),
            Some(parent) => format!("{}/{}", self.path(parent)?, encode(&item.name)),
        };
        let mut body = json!({
            "id": id,
            "name": item.name,
            "size": item.size,
            "webUrl": format!("{}{path}", self.web_url),
            "eTag": item.e_tag(),
            "createdDateTime": server_time(item.created),
            "lastModifiedDateTime": server_time(item.modified),
            "createdBy": self.person(item.created_by)?,
            "lastModifiedBy": self.person(item.modified_by)?,
            "parentReference": reference,
            "fileSystemInfo": {
                "createdDateTime": client_time(item.fs_created),
                "lastModifiedDateTime": client_time(item.fs_modified),
            },
        });
        if let Some(accessed) = item.fs_accessed {
            body["fileSystemInfo"]["lastAccessedDateTime"] = json!(client_time(accessed));
        }
        if let Some(description) = &item.description {
            body["description"] = json!(description);
        }
        if item.folder {
            body["folder"] = json!({"childCount": item.child_count});
        } else {
            body["cTag"] = json!(item.c_tag());
            body["file"] = json!({
                "mimeType": names::media_type(&item.name),
                "hashes": {"quickXorHash": STANDARD.encode(item.quickxor.unwrap_or_default())},
            });
            if self.download_url {
                let url =
                    self.call.tenant.download_url(&self.call.origin, item, None, self.call.now);
                body[DOWNLOAD_URL] = json!(url);
            }
        }
        if item.is_root() {
            body["root"] = json!({});
        } else if item.direct_permissions > 0 || !item.inherits {
            body["shared"] = permissions::shared_facet(self.connection, item)?;
        }
        if self.selection.names("sharepointIds") || self.selection.names("sharePointIds") {
            body["sharepointIds"] = json!({
                "listId": self.drive.list, "listItemUniqueId": item.guid,
                "listItemId": item.row.to_string(), "siteId": self.drive.site.guid,
                "siteUrl": self.drive.site.web_url(), "webId": self.drive.site.web,
                "tenantId": self.call.tenant.facts.tenant_id,
            });
        }
        Ok(body)
    }
}

/// The `$skiptoken` of children: the folded name to go on after.
pub(crate) fn name_token(folded: &str) -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    URL_SAFE_NO_PAD.encode(format!("n{folded}"))
}
