//! Directory roles by their template ids, which are the same in every tenant (`spec/behaviour.md` 11).

use rusqlite::Connection;

use crate::problem::Answer;

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
