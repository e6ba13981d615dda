//! Permissions of items: direct ones are rows, inherited ones come from the ancestors at the time of asking.
//!
//! An item inherits until an `invite` with `retainInheritedPermissions: false` ends it. A change marks the item for
//! delta, not its descendants.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use rusqlite::{Connection, Transaction, params};
use serde_json::{Value, json};

use crate::call::{Call, Reply, empty_reply, json_reply};
use crate::collection::{Shape, collection};
use crate::directory;
use crate::ids;
use crate::items::{self, Item, ItemRef};
use crate::places::Drive;
use crate::problem::{Answer, Problem};
use crate::query::encode;
use crate::select;
use crate::tree::Change;

const SHAPE: Shape =
    Shape { context: "permissions", default_top: 1000, top_limit: 5000, known: select::PERMISSION };
const ROLES: [&str; 3] = ["read", "write", "owner"];

struct Permission {
    id: String,
    roles: Value,
    body: Value,
}

impl Permission {
    fn to_json(&self) -> Value {
        let mut value = self.body.clone();
        value["id"] = json!(self.id);
        value["roles"] = self.roles.clone();
        value
    }
}

fn direct(connection: &Connection, item: i64) -> Answer<Vec<Permission>> {
    let mut statement = connection
        .prepare_cached("SELECT id, roles, body FROM permissions WHERE item = ?1 ORDER BY id")?;
    let found = statement.query_map([item], |row| {
        Ok(Permission {
            id: row.get(0)?,
            roles: serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default(),
            body: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Direct permissions, then what the ancestors give.
fn effective(connection: &Connection, drive: &Drive, item: &Item) -> Answer<Vec<Value>> {
    let mut values: Vec<Value> =
        direct(connection, item.row)?.iter().map(Permission::to_json).collect();
    let mut at = item.clone();
    while let Some(parent) = at.parent.filter(|_| at.inherits) {
        at = items::by_row(connection, parent)?.ok_or_else(Problem::item_not_found)?;
        let names = items::path_names(connection, &at)?;
        let path: String = names.iter().map(|name| format!("/{}", encode(name))).collect();
        let from = json!({
            "driveId": drive.id, "id": ids::item_id(drive.list, at.guid),
            "path": format!("/drives/{}/root:{path}", drive.id),
        });
        for permission in direct(connection, at.row)? {
            let mut value = permission.to_json();
            value["inheritedFrom"] = from.clone();
            values.push(value);
        }
    }
    Ok(values)
}

/// `shared` of an item that has permissions of its own.
pub(crate) fn shared_facet(connection: &Connection, item: &Item) -> Answer<Value> {
    let permissions = direct(connection, item.row)?;
    let scope = |wanted: &str| {
        permissions.iter().any(|permission| permission.body["link"]["scope"] == wanted)
    };
    let scope = if scope("anonymous") {
        "anonymous"
    } else if scope("organization") {
        "organization"
    } else {
        "users"
    };
    Ok(json!({"scope": scope}))
}

fn put(tx: &Transaction<'_>, item: i64, id: &str, roles: &[&str], body: &Value) -> Answer<()> {
    tx.execute(
        "INSERT INTO permissions (item, id, roles, body) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (item, id) DO UPDATE SET roles = ?3, body = ?4",
        params![item, id, json!(roles).to_string(), body.to_string()],
    )?;
    Ok(())
}

fn principal_id(kind: &str, id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{kind}:{id}"))
}

/// The groups that every team site's library starts with, or the owner of a OneDrive.
pub(crate) fn grant_site_groups(tx: &Transaction<'_>, drive: &Drive, root: &Item) -> Answer<()> {
    if let Some(user) = &drive.site.owner_user {
        let identity = directory::identity_of_user(tx, user)?.unwrap_or(json!({"id": user}));
        return put_principal(tx, root.row, "user", &identity, &["owner"]);
    }
    for (number, (group, role)) in
        (3..).zip([("Owners", "owner"), ("Visitors", "read"), ("Members", "write")])
    {
        let name = format!("{} {group}", drive.site.display_name);
        let identity = json!({"id": number.to_string(), "displayName": name, "loginName": name});
        put_principal(tx, root.row, "siteGroup", &identity, &[role])?;
    }
    Ok(())
}

/// A direct permission of a user; the caller marks the change.
pub(crate) fn grant_user(tx: &Transaction<'_>, item: &Item, user: &str, role: &str) -> Answer<()> {
    let identity = directory::identity_of_user(tx, user)?.unwrap_or(json!({"id": user}));
    put_principal(tx, item.row, "user", &identity, &[role])
}

fn put_principal(
    tx: &Transaction<'_>,
    item: i64,
    kind: &str,
    identity: &Value,
    roles: &[&str],
) -> Answer<()> {
    let id = principal_id(kind, identity["id"].as_str().unwrap_or_default());
    let mut body = json!({"grantedToV2": {kind: identity}});
    if kind == "user" {
        body["grantedTo"] = json!({"user": identity});
    }
    put(tx, item, &id, roles, &body)
}

/// `GET …/permissions`
pub(crate) fn list_permissions(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    let values = call.tenant.database.read(|connection| {
        let item = item.resolve(connection, drive)?;
        effective(connection, drive, &item)
    })?;
    collection(call, SHAPE, values)
}

/// `GET …/permissions/{id}`
pub(crate) fn get_permission(
    call: &Call,
    drive: &Drive,
    item: &ItemRef,
    id: &str,
) -> Answer<Reply> {
    let values = call.tenant.database.read(|connection| {
        let item = item.resolve(connection, drive)?;
        effective(connection, drive, &item)
    })?;
    let found = values.into_iter().find(|value| value["id"] == id);
    Ok(json_reply(StatusCode::OK, &found.ok_or_else(Problem::item_not_found)?))
}

fn parse_roles(value: Option<&Value>) -> Answer<Vec<&str>> {
    let malformed = || Problem::invalid("roles must be a list of read, write or owner.");
    let roles = value.and_then(Value::as_array).filter(|roles| !roles.is_empty());
    roles
        .ok_or_else(malformed)?
        .iter()
        .map(|role| role.as_str().filter(|role| ROLES.contains(role)).ok_or_else(malformed))
        .collect()
}

/// `POST …/invite`
pub(crate) fn invite(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    let roles = parse_roles(call.parameter("roles"))?;
    let recipients = call
        .parameter("recipients")
        .and_then(Value::as_array)
        .filter(|recipients| !recipients.is_empty())
        .ok_or_else(|| Problem::invalid("recipients is missing or empty."))?;
    let retain = call.parameter("retainInheritedPermissions").and_then(Value::as_bool);
    let expiration = call.parameter("expirationDateTime").cloned();
    let granted = call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        let item = item.resolve(tx, &drive)?;
        let change = Change::begin(tx, &drive, call.now, &call.caller.identity)?;
        let mut granted = Vec::new();
        for recipient in recipients {
            let (kind, identity) = directory::find_recipient(tx, recipient)?.ok_or_else(|| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "noResolvedUsers",
                    "A recipient could not be resolved.",
                )
            })?;
            put_principal(tx, item.row, kind, &identity, &roles)?;
            let id = principal_id(kind, identity["id"].as_str().unwrap_or_default());
            if let Some(expiration) = &expiration {
                tx.execute(
                    "UPDATE permissions SET body = json_set(body, '$.expirationDateTime', ?3) \
                     WHERE item = ?1 AND id = ?2",
                    params![item.row, id, expiration.as_str()],
                )?;
            }
            granted.push(id);
        }
        if retain == Some(false) && !item.is_root() {
            tx.execute("UPDATE items SET inherits = 0 WHERE id = ?1", [item.row])?;
        }
        change.mark_sharing(&item)?;
        let all = direct(tx, item.row)?;
        let granted = all.iter().filter(|permission| granted.contains(&permission.id));
        Ok::<_, Problem>(granted.map(Permission::to_json).collect::<Vec<_>>())
    })?;
    collection(call, SHAPE, granted)
}

/// `POST …/createLink`: 201, or 200 with the link that is there already
pub(crate) fn create_link(call: &Call, drive: &Drive, item: &ItemRef) -> Answer<Reply> {
    let text = |name: &str| call.parameter(name).and_then(Value::as_str);
    let (kind, role) = match text("type") {
        Some("view") => ("view", "read"),
        Some("edit") => ("edit", "write"),
        Some("embed") => ("embed", "read"),
        _ => return Err(Problem::invalid("type must be view, edit or embed.")),
    };
    let scope = match text("scope") {
        None | Some("organization") => "organization",
        Some("anonymous") => "anonymous",
        Some("users") => "users",
        Some(_) => return Err(Problem::invalid("scope must be anonymous, organization or users.")),
    };
    let id = call.tenant.random_guid().to_string();
    let (value, status) = call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        let item = item.resolve(tx, &drive)?;
        let same = direct(tx, item.row)?.into_iter().find(|permission| {
            permission.body["link"]["type"] == kind && permission.body["link"]["scope"] == scope
        });
        if let Some(same) = same {
            return Ok((same.to_json(), StatusCode::OK));
        }
        let change = Change::begin(tx, &drive, call.now, &call.caller.identity)?;
        let share = URL_SAFE_NO_PAD.encode(format!("s!{id}"));
        let letter = if item.folder { "f" } else { "u" };
        let mut body = json!({
            "link": {
                "type": kind, "scope": scope, "preventsDownload": false,
                "webUrl": format!("https://{}/:{letter}:/s/{share}", drive.site.host()),
            },
            "shareId": share,
            "hasPassword": call.parameter("password").is_some(),
        });
        if let Some(expiration) = call.parameter("expirationDateTime") {
            body["expirationDateTime"] = expiration.clone();
        }
        put(tx, item.row, &id, &[role], &body)?;
        change.mark_sharing(&item)?;
        body["id"] = json!(id);
        body["roles"] = json!([role]);
        Ok::<_, Problem>((body, StatusCode::CREATED))
    })?;
    Ok(json_reply(status, &value))
}

/// Runs `work` on a direct permission of the item; 403 for an inherited one, 404 for none.
fn change_direct<T>(
    call: &Call,
    drive: &Drive,
    item: &ItemRef,
    id: &str,
    work: impl FnOnce(&Transaction<'_>, &Item, Permission) -> Answer<T>,
) -> Answer<T> {
    call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        let item = item.resolve(tx, &drive)?;
        let change = Change::begin(tx, &drive, call.now, &call.caller.identity)?;
        let Some(permission) = direct(tx, item.row)?.into_iter().find(|known| known.id == id)
        else {
            let inherited =
                effective(tx, &drive, &item)?.iter().any(|permission| permission["id"] == id);
            return Err(if inherited {
                Problem::new(
                    StatusCode::FORBIDDEN,
                    "accessDenied",
                    "An inherited permission can be changed only where it comes from.",
                )
            } else {
                Problem::item_not_found()
            });
        };
        let answer = work(tx, &item, permission)?;
        change.mark_sharing(&item)?;
        Ok(answer)
    })
}

/// `PATCH …/permissions/{id}` with `roles`
pub(crate) fn update_permission(
    call: &Call,
    drive: &Drive,
    item: &ItemRef,
    id: &str,
) -> Answer<Reply> {
    let roles = parse_roles(call.body.get("roles"))?;
    let value = change_direct(call, drive, item, id, |tx, item, mut permission| {
        put(tx, item.row, id, &roles, &permission.body)?;
        permission.roles = json!(roles);
        Ok(permission.to_json())
    })?;
    Ok(json_reply(StatusCode::OK, &value))
}

/// `DELETE …/permissions/{id}`
pub(crate) fn delete_permission(
    call: &Call,
    drive: &Drive,
    item: &ItemRef,
    id: &str,
) -> Answer<Reply> {
    change_direct(call, drive, item, id, |tx, item, _| {
        tx.execute("DELETE FROM permissions WHERE item = ?1 AND id = ?2", params![item.row, id])?;
        Ok(())
    })?;
    Ok(empty_reply(StatusCode::NO_CONTENT))
}
