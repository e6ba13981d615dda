//! Directory roles by their template ids, which are the same in every tenant (`spec/behaviour.md` 11).

use rusqlite::Connection;
use serde_json::json;

use crate::call::{Call, Reply};
use crate::caller::Right;
use crate::collection::collection;
use crate::directory::{self, read_only};
use crate::groups::MEMBERS;
use crate::problem::{Answer, Problem};

pub(crate) const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
pub(crate) const SHAREPOINT_ADMINISTRATOR: &str = "f28a1f50-f6e7-4571-818b-6a12f2af6b6c";
pub(crate) const EXCHANGE_ADMINISTRATOR: &str = "29232cdf-9323-42fd-ade2-1d097af3e4de";
pub(crate) const SHAREPOINT_BACKUP_ADMINISTRATOR: &str = "9d3e04ba-3ee4-4d1b-a3a7-9aef423a09be";
pub(crate) const MICROSOFT_365_BACKUP_ADMINISTRATOR: &str = "1707125e-0aa2-4d4d-8655-a7c786c76a25";

/// What people call a role.
pub(crate) fn name(template_id: &str) -> &str {
    match template_id {
        GLOBAL_ADMINISTRATOR => "Global Administrator",
        SHAREPOINT_ADMINISTRATOR => "SharePoint Administrator",
        EXCHANGE_ADMINISTRATOR => "Exchange Administrator",
        SHAREPOINT_BACKUP_ADMINISTRATOR => "SharePoint Backup Administrator",
        MICROSOFT_365_BACKUP_ADMINISTRATOR => "Microsoft 365 Backup Administrator",
        other => other,
    }
}

/// The roles of a user, as a token's `wids` has them.
pub(crate) fn of_user(connection: &Connection, user_id: &str) -> Answer<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT template_id FROM directory_roles WHERE user_id = ?1 ORDER BY template_id",
    )?;
    let roles = statement.query_map([user_id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(roles)
}

/// The template id in `directoryRoles(roleTemplateId='…')`.
pub(crate) fn template_of(segment: &str) -> Option<&str> {
    segment.strip_prefix("directoryRoles(roleTemplateId='")?.strip_suffix("')")
}

/// `GET /directoryRoles(roleTemplateId='…')/members`. A role that nobody holds was never activated: it is not found.
pub(crate) fn list_members(call: &Call, template_id: &str) -> Answer<Reply> {
    read_only(call, Right::ReadRoles)?;
    let mut users = call.tenant.database.read(|connection| {
        let condition = "WHERE id IN (SELECT user_id FROM directory_roles WHERE template_id = lower(?1)) ORDER BY display_name";
        directory::users(connection, condition, [template_id])
    })?;
    if users.is_empty() {
        return Err(Problem::directory_not_found(template_id));
    }
    directory::trim_users(call, &mut users);
    users.iter_mut().for_each(|user| user["@odata.type"] = json!("#microsoft.graph.user"));
    collection(call, MEMBERS, users)
}
