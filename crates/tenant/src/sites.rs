//! Sites: find, list, create, rename, lock, delete.

use http::{Method, StatusCode};
use rusqlite::{Transaction, params};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Call, Reply, empty_reply, json_reply};
use crate::caller::Right;
use crate::collection::{Shape, collection};
use crate::ids;
use crate::lists::{self, NewDrive};
use crate::names::{self, Place};
use crate::permissions;
use crate::places::Site;
use crate::problem::{Answer, Problem};
use crate::render;
use crate::routes::method_not_allowed;
use crate::select::{self, Selection};

const SITES: Shape =
    Shape { context: "sites", default_top: 200, top_limit: 999, known: select::SITE };

/// What a site is made of.
pub(crate) struct SiteSeed<'a> {
    pub(crate) guid: Uuid,
    pub(crate) web: Uuid,
    /// Server-relative, without a leading slash.
    pub(crate) path: &'a str,
    pub(crate) display_name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) owner_user: Option<&'a str>,
    pub(crate) owner_group: Option<&'a str>,
}

/// Inserts a site; 409 when its path is taken.
pub(crate) fn insert_site(tx: &Transaction<'_>, seed: &SiteSeed<'_>, now: i64) -> Answer<Site> {
    let personal = seed.owner_user.is_some();
    if Site::by_path(tx, personal, seed.path)?.is_some() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "nameAlreadyExists",
            "A site with this URL exists.",
        ));
    }
    let name = seed.path.rsplit('/').next().unwrap_or_default();
    tx.execute(
        "INSERT INTO sites (guid, web, path, path_key, name, display_name, description, \
         personal, owner_user, owner_group, created, modified) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
        params![
            seed.guid.as_bytes(),
            seed.web.as_bytes(),
            seed.path,
            names::fold(seed.path),
            name,
            seed.display_name,
            seed.description,
            personal,
            seed.owner_user,
            seed.owner_group,
            now,
        ],
    )?;
    Site::by_row(tx, tx.last_insert_rowid())?.ok_or_else(Problem::site_not_found)
}

/// Makes a team site with its default library `Documents` and the three usual groups.
pub(crate) fn make_team_site(
    tx: &Transaction<'_>,
    seed: &SiteSeed<'_>,
    ids: &NewDrive<'_>,
    now: i64,
    identity: &Value,
) -> Answer<Site> {
    let site = insert_site(tx, seed, now)?;
    let (drive, root) = lists::insert_drive(tx, &site, ids, now, identity)?;
    permissions::grant_site_groups(tx, &drive, &root)?;
    Ok(site)
}

/// By id, or by host and server-relative path. 404 where there is none.
pub(crate) fn find(call: &Call, id: &str, path: &[String]) -> Answer<Site> {
    call.tenant.database.read(|connection| {
        let found = if path.is_empty() {
            Site::find(connection, id)?
        } else if id.eq_ignore_ascii_case(ids::SITE_HOST) || id == "root" {
            Site::by_path(connection, false, &path.join("/"))?
        } else if id.eq_ignore_ascii_case(ids::PERSONAL_HOST) {
            Site::by_path(connection, true, &path.join("/"))?
        } else {
            None
        };
        found.ok_or_else(Problem::site_not_found)
    })
}

fn tenant_id(call: &Call) -> String {
    call.tenant.facts.tenant_id.to_string()
}

/// `GET /sites`, `/sites?search=…` and `/sites/getAllSites`
pub(crate) fn list_sites(call: &Call) -> Answer<Reply> {
    if call.method != Method::GET {
        return Err(method_not_allowed());
    }
    call.require(Right::ReadFiles)?;
    let mut sites = call.tenant.database.read(|connection| {
        let mut sites = Site::all(connection)?;
        for site in &mut sites {
            site.note_content(connection)?;
        }
        Ok::<_, Problem>(sites)
    })?;
    let text = call.query.get("$search").unwrap_or("*").trim_matches('"').to_lowercase();
    if text != "*" && !text.is_empty() {
        let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches('*')).collect();
        sites.retain(|site| {
            let known =
                format!("{} {} {}", site.name, site.display_name, site.web_url()).to_lowercase();
            words.iter().all(|word| known.contains(word))
        });
    }
    let tenant_id = tenant_id(call);
    collection(call, SITES, sites.iter().map(|site| render::site(site, &tenant_id)).collect())
}

/// `GET /sites/{id}/sites`: this tenant's sites have one web each.
pub(crate) fn list_subsites(call: &Call) -> Answer<Reply> {
    if call.method != Method::GET {
        return Err(method_not_allowed());
    }
    collection(call, SITES, Vec::new())
}

/// The site connected to a group.
pub(crate) fn site_of_group(call: &Call, group: &str) -> Answer<Site> {
    call.require(Right::ReadFiles)?;
    call.tenant.database.read(|connection| {
        let found: Option<Option<i64>> = rusqlite::OptionalExtension::optional(
            connection
                .query_row("SELECT site FROM groups WHERE id = ?1", [group], |row| row.get(0)),
        )?;
        let row = found.ok_or_else(|| Problem::directory_not_found(group))?;
        row.map(|row| Site::by_row(connection, row))
            .transpose()?
            .flatten()
            .ok_or_else(Problem::site_not_found)
    })
}

/// `GET /groups/{id}/sites/root`
pub(crate) fn get_group_site(call: &Call, group: &str) -> Answer<Reply> {
    let site = site_of_group(call, group)?;
    get_site(call, &site)
}

/// `GET`, `PATCH` and `DELETE /sites/{id}`
pub(crate) fn one_site(call: &Call, site: &Site) -> Answer<Reply> {
    match call.method {
        Method::GET => get_site(call, site),
        Method::PATCH => update_site(call, site),
        Method::DELETE if call.is_beta() => delete_site(call, site),
        _ => Err(method_not_allowed()),
    }
}

fn get_site(call: &Call, site: &Site) -> Answer<Reply> {
    site_reply(call, site, StatusCode::OK)
}

fn site_reply(call: &Call, site: &Site, status: StatusCode) -> Answer<Reply> {
    let selection = Selection::parse(&call.query, select::SITE)?;
    let mut site = site.clone();
    call.tenant.database.read(|connection| site.note_content(connection))?;
    let mut body = render::site(&site, &tenant_id(call));
    body["@odata.context"] = json!(call.context("sites/$entity"));
    selection.apply(&mut body);
    Ok(json_reply(status, &body))
}

/// `POST /sites` of beta: `name` or `displayName`, and `webUrl` (absolute or server-relative) or `path`.
pub(crate) fn create_site(call: &Call) -> Answer<Reply> {
    if !call.is_beta() {
        return Err(method_not_allowed());
    }
    call.require(Right::ManageSites)?;
    let text = |name: &str| call.body.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let display_name = text("displayName").or_else(|| text("name"));
    let address = text("webUrl").or_else(|| text("path"));
    let path = match (address, display_name) {
        (Some(address), _) => parse_site_address(address)?,
        (None, Some(name)) => {
            let plain: String =
                name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
            parse_site_address(&format!("/sites/{plain}"))?
        }
        (None, None) => {
            return Err(Problem::invalid("name and webUrl of the new site are missing."));
        }
    };
    let display_name = display_name.unwrap_or_else(|| path.rsplit('/').next().unwrap_or(&path));
    let site = call.tenant.database.write(|tx| {
        let seed = SiteSeed {
            guid: call.tenant.random_guid(),
            web: call.tenant.random_guid(),
            path: &path,
            display_name,
            description: text("description").unwrap_or_default(),
            owner_user: None,
            owner_group: None,
        };
        let drive = NewDrive::documents(&*call.tenant.entropy);
        make_team_site(tx, &seed, &drive, call.now, &call.caller.identity)
    })?;
    site_reply(call, &site, StatusCode::CREATED)
}

/// `https://host/sites/name`, `/sites/name` or `sites/name`, as a server-relative path; 400 for anything else.
pub(crate) fn parse_site_address(address: &str) -> Answer<String> {
    let malformed =
        || Problem::invalid("webUrl must be /sites/{name} or /teams/{name} on this tenant's host.");
    let path = match address.strip_prefix("https://") {
        Some(rest) => {
            let (host, path) = rest.split_once('/').ok_or_else(malformed)?;
            if !host.eq_ignore_ascii_case(ids::SITE_HOST) {
                return Err(malformed());
            }
            path
        }
        None => address,
    };
    let decoded =
        percent_encoding::percent_decode_str(path).decode_utf8().map_err(|_| malformed())?;
    let segments: Vec<&str> = decoded.split('/').filter(|segment| !segment.is_empty()).collect();
    let [managed, name] = segments[..] else { return Err(malformed()) };
    let place = Place { folder: true, library_root: false };
    if !matches!(managed, "sites" | "teams") || names::check_name(name, place).is_err() {
        return Err(malformed());
    }
    Ok(format!("{managed}/{name}"))
}

/// `PATCH /sites/{id}`: `displayName`, `description`, and in beta `lockState`.
fn update_site(call: &Call, site: &Site) -> Answer<Reply> {
    call.require(Right::ManageSites)?;
    let text = |name: &str| match call.body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(Problem::invalid(format!("{name} must be a string."))),
    };
    let display_name = text("displayName")?;
    let description = text("description")?;
    let locked = match text("lockState")? {
        None => site.locked,
        Some(_) if !call.is_beta() => {
            return Err(Problem::invalid("lockState can be set in beta only."));
        }
        Some("readOnly") => true,
        Some("unlocked") => false,
        Some(_) => return Err(Problem::invalid("lockState must be readOnly or unlocked.")),
    };
    if display_name == Some("") {
        return Err(Problem::invalid("displayName must not be empty."));
    }
    if site.locked && locked {
        return Err(Problem::site_locked());
    }
    let site = call.tenant.database.write(|tx| {
        tx.execute(
            "UPDATE sites SET display_name = coalesce(?2, display_name), \
             description = coalesce(?3, description), locked = ?4, modified = ?5 WHERE id = ?1",
            params![site.row, display_name, description, locked, call.now],
        )?;
        Site::by_row(tx, site.row)?.ok_or_else(Problem::site_not_found)
    })?;
    site_reply(call, &site, StatusCode::OK)
}

/// `DELETE /sites/{id}` of beta.
fn delete_site(call: &Call, site: &Site) -> Answer<Reply> {
    call.require(Right::ManageSites)?;
    call.tenant.database.write(|tx| {
        if Site::by_row(tx, site.row)?.is_some_and(|site| site.locked) {
            return Err(Problem::site_locked());
        }
        tx.execute("UPDATE groups SET site = NULL WHERE site = ?1", [site.row])?;
        tx.execute("DELETE FROM sites WHERE id = ?1", [site.row])?;
        Ok(())
    })?;
    Ok(empty_reply(StatusCode::NO_CONTENT))
}
