//! Groups of the directory, their members, and members of members (`spec/graph-content-api.md` 10).

use http::{Method, StatusCode};
use rusqlite::{Connection, Row, params};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Call, Reply, empty_reply, json_reply};
use crate::caller::Right;
use crate::collection::{Shape, collection};
use crate::directory::{self, DOMAIN, read_only};
use crate::problem::{Answer, Problem};
use crate::render::server_time;
use crate::routes::method_not_allowed;
use crate::select::{self, Selection};

const GROUPS: Shape =
    Shape { context: "groups", default_top: 100, top_limit: 999, known: select::GROUP };
pub(crate) const MEMBERS: Shape =
    Shape { context: "directoryObjects", default_top: 100, top_limit: 999, known: select::MEMBER };
const MEMBER_OF: Shape =
    Shape { context: "directoryObjects", default_top: 100, top_limit: 999, known: select::GROUP };
/// Longest name and description that the directory keeps.
const NAME_CHARS: usize = 256;

/// Which members: those named in the group, or also those of groups in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    Direct,
    Transitive,
}

fn group_from_row(row: &Row<'_>) -> rusqlite::Result<Value> {
    let nickname: String = row.get(2)?;
    let security: bool = row.get(5)?;
    let mail = (!security).then(|| format!("{nickname}@{DOMAIN}"));
    Ok(json!({
        "id": row.get::<_, String>(0)?, "displayName": row.get::<_, String>(1)?,
        "description": row.get::<_, String>(3)?, "mailNickname": nickname, "mail": mail,
        "mailEnabled": !security, "securityEnabled": security,
        "groupTypes": if security { json!([]) } else { json!(["Unified"]) },
        "visibility": if security { Value::Null } else { json!("Private") },
        "createdDateTime": server_time(row.get(4)?), "deletedDateTime": null,
        "proxyAddresses": mail.iter().map(|mail| format!("SMTP:{mail}")).collect::<Vec<_>>(),
        "resourceProvisioningOptions": [],
    }))
}

/// Groups that meet a condition in SQL, which is ours, never a caller's.
pub(crate) fn groups(
    connection: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Answer<Vec<Value>> {
    let sql = format!(
        "SELECT groups.id, groups.display_name, groups.mail_nickname, groups.description, \
         groups.created, groups.security FROM groups {condition}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let groups = statement.query_map(parameters, group_from_row)?.collect::<Result<_, _>>()?;
    Ok(groups)
}

/// The group; 404 where there is none.
fn group(connection: &Connection, id: &str) -> Answer<Value> {
    let found = groups(connection, "WHERE id = lower(?1)", [id])?;
    found.into_iter().next().ok_or_else(|| Problem::directory_not_found(id))
}

/// `GET /groups`
pub(crate) fn list_groups(call: &Call) -> Answer<Reply> {
    read_only(call, Right::ReadGroups)?;
    let mut values =
        call.tenant.database.read(|connection| groups(connection, "ORDER BY rowid", []))?;
    directory::search(call, &mut values)?;
    collection(call, GROUPS, values)
}

/// `GET /groups/{id}`
pub(crate) fn get_group(call: &Call, id: &str) -> Answer<Reply> {
    read_only(call, Right::ReadGroups)?;
    let selection = Selection::parse(&call.query, select::GROUP)?;
    let mut body = call.tenant.database.read(|connection| group(connection, id))?;
    body["@odata.context"] = json!(call.context("groups/$entity"));
    selection.apply(&mut body);
    Ok(json_reply(StatusCode::OK, &body))
}

/// `POST /groups`: security groups. A Microsoft 365 group brings a site, which this tenant makes for seeded ones only.
pub(crate) fn create_group(call: &Call) -> Answer<Reply> {
    call.require(Right::WriteGroups)?;
    let text = |name: &str| match &call.body[name] {
        Value::String(text) if text.chars().count() <= NAME_CHARS => Ok(text.as_str()),
        Value::Null => Ok(""),
        _ => Err(bad_request(format!("Invalid value specified for property '{name}'."))),
    };
    let required = |name: &str| {
        text(name).and_then(|text| match text.trim() {
            "" => Err(bad_request(format!("A value is required for property '{name}'."))),
            _ => Ok(text),
        })
    };
    let (display_name, nickname) = (required("displayName")?, required("mailNickname")?);
    let description = text("description")?;
    let unified = call.body["groupTypes"].as_array().is_some_and(|types| !types.is_empty());
    if unified || call.body["securityEnabled"] != true || call.body["mailEnabled"] != false {
        return Err(Problem::not_supported(
            "Only security groups can be made here: securityEnabled true, mailEnabled false, no groupTypes.",
        ));
    }
    let id = call.tenant.random_guid().to_string();
    let mut body = call.tenant.database.write(|tx| {
        tx.execute(
            "INSERT INTO groups (id, display_name, mail_nickname, description, created, security) \
             VALUES (?1, ?2, ?3, ?4, ?5, 1)",
            params![id, display_name, nickname, description, call.now],
        )?;
        for reference in call.body["members@odata.bind"].as_array().into_iter().flatten() {
            join_group(tx, &id, reference)?;
        }
        group(tx, &id)
    })?;
    body["@odata.context"] = json!(call.context("groups/$entity"));
    Ok(json_reply(StatusCode::CREATED, &body))
}

/// `DELETE /groups/{id}` of a security group.
pub(crate) fn delete_group(call: &Call, id: &str) -> Answer<Reply> {
    call.require(Right::WriteGroups)?;
    call.tenant.database.write(|tx| {
        if group(tx, id)?["securityEnabled"] != true {
            return Err(Problem::not_supported("A group with a site cannot be deleted here."));
        }
        tx.execute("DELETE FROM group_members WHERE group_id = lower(?1)", [id])?;
        tx.execute("DELETE FROM groups WHERE id = lower(?1)", [id])?;
        Ok(())
    })?;
    Ok(empty_reply(StatusCode::NO_CONTENT))
}

/// `members` and `transitiveMembers`: people, then groups, each with its type.
pub(crate) fn list_members(call: &Call, id: &str, depth: Depth) -> Answer<Reply> {
    read_only(call, Right::ReadGroups)?;
    let (mut users, groups) = call.tenant.database.read(|connection| {
        let child = match depth {
            Depth::Direct => "SELECT child FROM nested_groups WHERE parent = lower(?1)".to_owned(),
            Depth::Transitive => format!("{INSIDE} SELECT child FROM inside_children"),
        };
        let condition = format!("WHERE id IN ({child}) ORDER BY display_name");
        Ok::<_, Problem>((
            member_users(connection, id, depth)?,
            groups(connection, &condition, [id])?,
        ))
    })?;
    directory::trim_users(call, &mut users);
    let typed = |mut value: Value, kind: &str| {
        value["@odata.type"] = json!(kind);
        value
    };
    let users = users.into_iter().map(|user| typed(user, "#microsoft.graph.user"));
    let groups = groups.into_iter().map(|group| typed(group, "#microsoft.graph.group"));
    collection(call, MEMBERS, users.chain(groups).collect())
}

/// `members/microsoft.graph.user` and `transitiveMembers/microsoft.graph.user`
pub(crate) fn list_users(call: &Call, id: &str, depth: Depth) -> Answer<Reply> {
    read_only(call, Right::ReadGroups)?;
    let mut users = call.tenant.database.read(|connection| member_users(connection, id, depth))?;
    directory::trim_users(call, &mut users);
    collection(call, directory::USERS, users)
}

/// `inside`: the group and all groups below it, each once, so that groups in a circle end too. `inside_children`: those
/// that are in one of them.
const INSIDE: &str = "WITH RECURSIVE inside (id) AS (VALUES (lower(?1)) UNION SELECT child \
    FROM nested_groups JOIN inside ON parent = inside.id), inside_children (child) AS \
    (SELECT child FROM nested_groups WHERE parent IN (SELECT id FROM inside))";

fn member_users(connection: &Connection, id: &str, depth: Depth) -> Answer<Vec<Value>> {
    group(connection, id)?;
    let within = match depth {
        Depth::Direct => "SELECT lower(?1)".to_owned(),
        Depth::Transitive => format!("{INSIDE} SELECT id FROM inside"),
    };
    let condition = format!(
        "WHERE id IN (SELECT user_id FROM group_members WHERE group_id IN ({within})) ORDER BY upn"
    );
    directory::users(connection, &condition, [id])
}

/// `POST /groups/{id}/members/$ref` with `{"@odata.id": "…/directoryObjects/{id}"}`
pub(crate) fn add_member(call: &Call, id: &str) -> Answer<Reply> {
    if call.method != Method::POST {
        return Err(method_not_allowed());
    }
    call.require(Right::WriteGroups)?;
    call.tenant.database.write(|tx| {
        group(tx, id)?;
        join_group(tx, id, &call.body["@odata.id"])
    })?;
    Ok(empty_reply(StatusCode::NO_CONTENT))
}

/// Makes what `reference` names a member of the group.
fn join_group(connection: &Connection, group_id: &str, reference: &Value) -> Answer<()> {
    let member = reference
        .as_str()
        .and_then(|url| url.rsplit('/').next())
        .and_then(|id| Uuid::try_parse(id).ok())
        .map(|id| id.to_string())
        .ok_or_else(|| bad_request("Invalid URL specified for the reference property."))?;
    let known = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table} WHERE id = ?1");
        connection.prepare_cached(&sql)?.query_row([&member], |row| row.get::<_, bool>(0))
    };
    let table = if known("users")? {
        "group_members (group_id, user_id)"
    } else if known("groups")? {
        "nested_groups (parent, child)"
    } else {
        return Err(Problem::directory_not_found(&member));
    };
    let sql = format!("INSERT OR IGNORE INTO {table} VALUES (lower(?1), ?2)");
    match connection.execute(&sql, [group_id, &member])? {
        0 => Err(bad_request(
            "One or more added object references already exist for the following modified properties: 'members'.",
        )),
        _ => Ok(()),
    }
}

/// `DELETE /groups/{id}/members/{member}/$ref`
pub(crate) fn remove_member(call: &Call, id: &str, member: &str) -> Answer<Reply> {
    if call.method != Method::DELETE {
        return Err(method_not_allowed());
    }
    call.require(Right::WriteGroups)?;
    call.tenant.database.write(|tx| {
        group(tx, id)?;
        let mut removed = 0;
        for sql in [
            "DELETE FROM group_members WHERE group_id = lower(?1) AND user_id = lower(?2)",
            "DELETE FROM nested_groups WHERE parent = lower(?1) AND child = lower(?2)",
        ] {
            removed += tx.execute(sql, [id, member])?;
        }
        if removed == 0 { Err(Problem::directory_not_found(member)) } else { Ok(()) }
    })?;
    Ok(empty_reply(StatusCode::NO_CONTENT))
}

/// `GET /users/{id}/memberOf`
pub(crate) fn list_member_of(call: &Call, user: &str) -> Answer<Reply> {
    read_only(call, Right::ReadGroups)?;
    let mut values = call.tenant.database.read(|connection| {
        let id = directory::user_id(connection, user)?
            .ok_or_else(|| Problem::directory_not_found(user))?;
        groups(
            connection,
            "JOIN group_members ON group_id = groups.id WHERE user_id = ?1 ORDER BY groups.rowid",
            [id],
        )
    })?;
    values.iter_mut().for_each(|group| group["@odata.type"] = json!("#microsoft.graph.group"));
    collection(call, MEMBER_OF, values)
}

fn bad_request(message: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
}
