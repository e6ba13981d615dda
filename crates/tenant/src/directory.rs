//! The directory: users, organization, and whom a name means (`spec/graph-content-api.md` 10).

use http::{Method, StatusCode};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Value, json};

use crate::call::{Call, Reply, empty_reply, json_reply};
use crate::caller::Right;
use crate::collection::{Shape, collection};
use crate::groups::groups;
use crate::problem::{Answer, Problem};
use crate::render::server_time;
use crate::routes::method_not_allowed;
use crate::select::{self, Selection};

/// The one verified domain.
pub(crate) const DOMAIN: &str = "contoso.onmicrosoft.com";

pub(crate) const USERS: Shape =
    Shape { context: "users", default_top: 100, top_limit: 999, known: select::USER };
const ORGANIZATION: Shape = Shape {
    context: "organization",
    default_top: 100,
    top_limit: 999,
    known: select::ORGANIZATION,
};
/// What Graph shows of a user when nothing is selected.
const USER_DEFAULTS: [&str; 11] = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

pub(crate) fn read_only(call: &Call, right: Right) -> Answer<()> {
    if call.method != Method::GET {
        return Err(method_not_allowed());
    }
    call.require(right)
}

const USER_COLUMNS: &str = "users.id, users.upn, users.display_name, users.given_name, users.surname, users.job_title, \
     users.created";

fn user_from_row(row: &Row<'_>) -> rusqlite::Result<Value> {
    let upn: String = row.get(1)?;
    let nickname = upn.split('@').next().unwrap_or_default().to_owned();
    Ok(json!({
        "id": row.get::<_, String>(0)?, "displayName": row.get::<_, String>(2)?,
        "givenName": row.get::<_, String>(3)?, "surname": row.get::<_, String>(4)?,
        "jobTitle": row.get::<_, String>(5)?, "mail": upn, "mailNickname": nickname,
        "userPrincipalName": upn, "businessPhones": [], "mobilePhone": null,
        "officeLocation": null, "preferredLanguage": "en-US", "accountEnabled": true,
        "userType": "Member", "createdDateTime": server_time(row.get(6)?),
        "assignedLicenses": [{"disabledPlans": [], "skuId": "6fd2c87f-b296-42f0-b197-1e91e994b900"}],
        "assignedPlans": [], "usageLocation": "US", "otherMails": [],
        "proxyAddresses": [format!("SMTP:{upn}")], "department": null, "companyName": "Contoso",
    }))
}

/// Leaves what Graph shows by default, unless the request selects or filters by itself.
fn trim_user(call: &Call, user: &mut Value) {
    if call.query.get("$select").is_none()
        && let Value::Object(members) = user
    {
        members.retain(|name, _| USER_DEFAULTS.contains(&name.as_str()) || name.contains('@'));
    }
}

pub(crate) fn users(
    connection: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Answer<Vec<Value>> {
    let sql = format!("SELECT {USER_COLUMNS} FROM users {condition}");
    let mut statement = connection.prepare_cached(&sql)?;
    let users = statement.query_map(parameters, user_from_row)?.collect::<Result<_, _>>()?;
    Ok(users)
}

pub(crate) fn search(call: &Call, values: &mut Vec<Value>) -> Answer<()> {
    let Some(text) = call.query.get("$search") else { return Ok(()) };
    let malformed = || Problem::bad_query("$search must be \"property:text\".");
    if call.header("consistencylevel").is_none_or(|level| !level.eq_ignore_ascii_case("eventual")) {
        return Err(Problem::bad_query(
            "Request with $search needs the header ConsistencyLevel: eventual.",
        ));
    }
    let clause = text.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let (property, wanted) =
        clause.and_then(|clause| clause.split_once(':')).ok_or_else(malformed)?;
    let wanted = wanted.to_lowercase();
    values.retain(|value| {
        value[property].as_str().is_some_and(|known| known.to_lowercase().contains(&wanted))
    });
    Ok(())
}

/// `GET /users`
pub(crate) fn list_users(call: &Call) -> Answer<Reply> {
    read_only(call, Right::ReadUsers)?;
    let mut values =
        call.tenant.database.read(|connection| users(connection, "ORDER BY rowid", []))?;
    search(call, &mut values)?;
    trim_users(call, &mut values);
    collection(call, USERS, values)
}

/// Trims, unless a filter or an order may need what would go.
pub(crate) fn trim_users(call: &Call, users: &mut [Value]) {
    if call.query.get("$filter").is_none() && call.query.get("$orderby").is_none() {
        users.iter_mut().for_each(|user| trim_user(call, user));
    }
}

/// The directory id of a user named by id or principal name.
pub(crate) fn user_id(connection: &Connection, user: &str) -> Answer<Option<String>> {
    let found = connection
        .prepare_cached("SELECT id FROM users WHERE id = lower(?1) OR upn = ?1")?
        .query_row([user], |row| row.get(0))
        .optional()?;
    Ok(found)
}

/// `GET` and `DELETE /users/{id or principal name}`
pub(crate) fn one_user(call: &Call, user: &str) -> Answer<Reply> {
    match call.method {
        Method::DELETE => delete_user(call, user),
        _ => get_user(call, user),
    }
}

/// The user's drive stays, without an owner: it can be reached by its own id only.
fn delete_user(call: &Call, user: &str) -> Answer<Reply> {
    call.require(Right::WriteUsers)?;
    call.tenant.database.write(|tx| {
        let id = user_id(tx, user)?.ok_or_else(|| Problem::directory_not_found(user))?;
        tx.execute("DELETE FROM group_members WHERE user_id = ?1", [&id])?;
        tx.execute("DELETE FROM directory_roles WHERE user_id = ?1", [&id])?;
        tx.execute("DELETE FROM users WHERE id = ?1", [&id])?;
        Ok::<_, Problem>(())
    })?;
    Ok(empty_reply(StatusCode::NO_CONTENT))
}

/// `GET /users/{id or principal name}`
pub(crate) fn get_user(call: &Call, user: &str) -> Answer<Reply> {
    if call.caller.user_id.as_deref() != Some(user) {
        read_only(call, Right::ReadUsers)?;
    }
    let selection = Selection::parse(&call.query, select::USER)?;
    let found = call.tenant.database.read(|connection| {
        let id = user_id(connection, user)?.ok_or_else(|| Problem::directory_not_found(user))?;
        users(connection, "WHERE id = ?1", [id])
    })?;
    let mut body = found.into_iter().next().ok_or_else(|| Problem::directory_not_found(user))?;
    trim_user(call, &mut body);
    body["@odata.context"] = json!(call.context("users/$entity"));
    selection.apply(&mut body);
    Ok(json_reply(StatusCode::OK, &body))
}

fn organization(call: &Call) -> Value {
    json!({
        "id": call.tenant.facts.tenant_id, "displayName": "Contoso", "tenantType": "AAD",
        "countryLetterCode": "US", "preferredLanguage": "en",
        "verifiedDomains": [{
            "capabilities": "Email, OfficeCommunicationsOnline", "isDefault": true,
            "isInitial": true, "name": DOMAIN, "type": "Managed",
        }],
    })
}

/// `GET /organization`
pub(crate) fn list_organization(call: &Call) -> Answer<Reply> {
    read_only(call, Right::ReadOrganization)?;
    collection(call, ORGANIZATION, vec![organization(call)])
}

/// `GET /organization/{id}`
pub(crate) fn get_organization(call: &Call, id: &str) -> Answer<Reply> {
    read_only(call, Right::ReadOrganization)?;
    let body = organization(call);
    if body["id"] == id {
        Ok(json_reply(StatusCode::OK, &body))
    } else {
        Err(Problem::directory_not_found(id))
    }
}

/// `{id, displayName, email}` of a user.
pub(crate) fn identity_of_user(connection: &Connection, id: &str) -> Answer<Option<Value>> {
    let found = connection
        .prepare_cached("SELECT display_name, upn FROM users WHERE id = ?1")?
        .query_row([id], |row| {
            let (name, upn): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(json!({"id": id, "displayName": name, "email": upn}))
        })
        .optional()?;
    Ok(found)
}

/// Whom a `driveRecipient` means: the member of an identity set, and the identity. `None` when nobody.
pub(crate) fn find_recipient(
    connection: &Connection,
    recipient: &Value,
) -> Answer<Option<(&'static str, Value)>> {
    let text = ["objectId", "email", "alias"]
        .iter()
        .find_map(|name| recipient.get(*name).and_then(Value::as_str))
        .unwrap_or_default();
    let as_upn = if text.contains('@') { text.to_owned() } else { format!("{text}@{DOMAIN}") };
    for name in [text, as_upn.as_str()] {
        if let Some(id) = user_id(connection, name)? {
            return Ok(identity_of_user(connection, &id)?.map(|identity| ("user", identity)));
        }
    }
    let found = groups(
        connection,
        "WHERE id = lower(?1) OR mail_nickname || '@' || ?2 = ?3",
        [text, DOMAIN, &as_upn],
    )?;
    Ok(found.into_iter().next().map(|group| {
        let identity = json!({
            "id": group["id"], "displayName": group["displayName"], "email": group["mail"],
        });
        ("group", identity)
    }))
}
