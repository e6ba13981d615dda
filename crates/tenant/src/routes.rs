//! The routes of Graph, in URL order.

use http::{Method, StatusCode};

use crate::call::{Call, Reply};
use crate::caller::Right;
use crate::groups::Depth;
use crate::items::ItemRef;
use crate::path::Segment;
use crate::places::{Drive, Site};
use crate::problem::{Answer, Problem};
use crate::{
    children, copy, delta, directory, groups, item_actions, lists, permissions, roles, sessions,
    sites, versions,
};

/// A segment, borrowed so that routes read as patterns.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    /// A plain segment.
    T(&'a str),
    /// Names of path addressing.
    P(&'a [String]),
}
use Step::{P, T};

fn steps(segments: &[Segment]) -> Vec<Step<'_>> {
    segments
        .iter()
        .map(|segment| match segment {
            Segment::Text(text) => T(text),
            Segment::Path(names) => P(names),
        })
        .collect()
}

/// Whether a request may touch a whole drive and so must not run on a thread that serves others.
pub(crate) fn is_long(call: &Call, segments: &[Segment]) -> bool {
    let last = match segments.last() {
        Some(Segment::Text(text)) => text.as_str(),
        _ => "",
    };
    call.method == Method::DELETE
        || last.starts_with("delta")
        || matches!(last, "copy" | "permanentDelete" | "children")
}

/// Answers a request whose body has been read.
pub(crate) fn dispatch(call: &Call, segments: &[Segment]) -> Answer<Reply> {
    let steps = steps(segments);
    match steps[..] {
        [T("organization")] => directory::list_organization(call),
        [T("organization"), T(id)] => directory::get_organization(call, id),
        [T("users")] => directory::list_users(call),
        [T("users"), T(id)] => directory::one_user(call, id),
        [T("users"), T(id), T("memberOf")] => groups::list_member_of(call, id),
        [T("users"), T(id), T("drives")] => children::list_user_drives(call, id),
        [T("me")] => directory::get_user(call, me(call)?),
        [T("me"), T("drives")] => children::list_user_drives(call, me(call)?),
        [T("groups")] => match call.method {
            Method::POST => groups::create_group(call),
            _ => groups::list_groups(call),
        },
        [T("groups"), T(id)] => match call.method {
            Method::DELETE => groups::delete_group(call, id),
            _ => groups::get_group(call, id),
        },
        [T("groups"), T(id), T("members"), T("$ref")] => groups::add_member(call, id),
        [T("groups"), T(id), T("members"), T(member), T("$ref")] => {
            groups::remove_member(call, id, member)
        }
        [T("groups"), T(id), T("members")] => groups::list_members(call, id, Depth::Direct),
        [T("groups"), T(id), T("members"), T("user")] => {
            groups::list_users(call, id, Depth::Direct)
        }
        [T("groups"), T(id), T("transitiveMembers")] => {
            groups::list_members(call, id, Depth::Transitive)
        }
        [T("groups"), T(id), T("transitiveMembers"), T("user")] => {
            groups::list_users(call, id, Depth::Transitive)
        }
        [T("groups"), T(id), T("sites"), T("root")] => sites::get_group_site(call, id),
        [T(role), T("members")] if roles::template_of(role).is_some() => {
            roles::list_members(call, roles::template_of(role).unwrap_or_default())
        }
        [T("sites")] => match call.method {
            Method::POST => sites::create_site(call),
            _ => sites::list_sites(call),
        },
        [T("sites"), T("getAllSites")] => sites::list_sites(call),
        [T("sites"), T("delta")] => Err(Problem::not_supported("Delta of sites is not supported.")),
        [T("sites"), T(id), P(path)] => sites::one_site(call, &find_site(call, id, path)?),
        [T("sites"), T(id)] => sites::one_site(call, &find_site(call, id, &[])?),
        [T("sites"), T(id), P(path), ref rest @ ..] => {
            below_site(call, &find_site(call, id, path)?, rest)
        }
        [T("sites"), T(id), ref rest @ ..] => below_site(call, &find_site(call, id, &[])?, rest),
        _ => match drive_of(call, &steps)? {
            Some((drive, rest)) => below_drive(call, &drive, rest),
            None => Err(Problem::no_such_path()),
        },
    }
}

fn below_site(call: &Call, site: &Site, rest: &[Step<'_>]) -> Answer<Reply> {
    match *rest {
        [T("sites")] => sites::list_subsites(call),
        [T("drives")] => children::list_site_drives(call, site),
        [T("lists")] => match call.method {
            Method::POST => lists::create_list(call, site),
            _ => lists::list_lists(call, site),
        },
        [T("lists"), T(id)] => lists::one_list(call, site, id),
        _ => match drive_of_site(call, site, rest)? {
            Some((drive, rest)) => below_drive(call, &drive, rest),
            None => Err(Problem::no_such_path()),
        },
    }
}

/// The drive that the first steps name, and what follows.
fn drive_of<'s>(call: &Call, steps: &'s [Step<'s>]) -> Answer<Option<(Drive, &'s [Step<'s>])>> {
    let (drive, rest) = match *steps {
        [T("drives"), T(id), ref rest @ ..] => {
            require_files(call)?;
            (call.tenant.database.read(|connection| Drive::find(connection, id))?, rest)
        }
        [T("users"), T(id), T("drive"), ref rest @ ..] => (user_drive(call, id, None)?, rest),
        [T("users"), T(id), T("drives"), T(drive), ref rest @ ..] => {
            (user_drive(call, id, Some(drive))?, rest)
        }
        [T("me"), T("drive"), ref rest @ ..] => (user_drive(call, me(call)?, None)?, rest),
        [T("me"), T("drives"), T(drive), ref rest @ ..] => {
            (user_drive(call, me(call)?, Some(drive))?, rest)
        }
        [T("groups"), T(id), T("drive"), ref rest @ ..] => {
            let site = sites::site_of_group(call, id)?;
            (site_drive(call, &site, |drive| drive.is_default)?, rest)
        }
        [T("sites"), T(id), P(path), ref rest @ ..] => {
            return drive_of_site(call, &find_site(call, id, path)?, rest);
        }
        [T("sites"), T(id), ref rest @ ..] => {
            return drive_of_site(call, &find_site(call, id, &[])?, rest);
        }
        _ => return Ok(None),
    };
    Ok(Some((drive, rest)))
}

fn drive_of_site<'s>(
    call: &Call,
    site: &Site,
    rest: &'s [Step<'s>],
) -> Answer<Option<(Drive, &'s [Step<'s>])>> {
    Ok(Some(match *rest {
        [T("drive"), ref rest @ ..] => (site_drive(call, site, |drive| drive.is_default)?, rest),
        [T("drives"), T(id), ref rest @ ..] => {
            (site_drive(call, site, |drive| drive.id == id)?, rest)
        }
        [T("lists"), T(id), T("drive"), ref rest @ ..] => {
            (site_drive(call, site, |drive| lists::is_named(drive, id))?, rest)
        }
        _ => return Ok(None),
    }))
}

fn require_files(call: &Call) -> Answer<()> {
    call.require(if call.method == Method::GET { Right::ReadFiles } else { Right::WriteFiles })
}

fn site_drive(call: &Call, site: &Site, wanted: impl Fn(&Drive) -> bool) -> Answer<Drive> {
    require_files(call)?;
    let drives = call.tenant.database.read(|connection| Drive::of_site(connection, site.row))?;
    drives.into_iter().find(wanted).ok_or_else(Problem::item_not_found)
}

fn user_drive(call: &Call, user: &str, id: Option<&str>) -> Answer<Drive> {
    require_files(call)?;
    let drives = call.tenant.database.read(|connection| children::user_drives(connection, user))?;
    drives
        .into_iter()
        .find(|drive| id.is_none_or(|id| id == drive.id))
        .ok_or_else(Problem::item_not_found)
}

fn find_site(call: &Call, id: &str, path: &[String]) -> Answer<Site> {
    call.require(Right::ReadFiles)?;
    sites::find(call, id, path)
}

fn me(call: &Call) -> Answer<&str> {
    call.caller.user_id.as_deref().ok_or_else(|| {
        Problem::bad_query("/me request is only valid with delegated authentication flow.")
    })
}

/// The item that steps below a drive name, and what follows.
fn item_of<'s>(steps: &'s [Step<'s>]) -> Option<(ItemRef, &'s [Step<'s>])> {
    let (id, path, rest): (Option<&str>, &[String], _) = match *steps {
        [T("root"), P(path), ref rest @ ..] => (None, path, rest),
        [T("root"), ref rest @ ..] => (None, &[], rest),
        [T("items"), T(id), P(path), ref rest @ ..] => (Some(id), path, rest),
        [T("items"), T(id), ref rest @ ..] => (Some(id), &[], rest),
        _ => return None,
    };
    Some((ItemRef { id: id.map(str::to_owned), path: path.to_vec() }, rest))
}

/// The file that a `PUT …/content` is for.
pub(crate) fn content_target(call: &Call, segments: &[Segment]) -> Answer<(Drive, ItemRef)> {
    let steps = steps(segments);
    let Some((drive, rest)) = drive_of(call, &steps)? else { return Err(Problem::no_such_path()) };
    match item_of(rest) {
        Some((item, [T("content")])) => Ok((drive, item)),
        _ => Err(Problem::no_such_path()),
    }
}

fn below_drive(call: &Call, drive: &Drive, rest: &[Step<'_>]) -> Answer<Reply> {
    match (call.method.as_str(), rest) {
        ("GET", []) => return children::get_drive(call, drive),
        ("GET", [T("list")]) => return lists::get_list_of_drive(call, drive),
        ("GET", [T("items")]) => return children::list_children(call, drive, &ItemRef::root()),
        (_, [] | [T("list" | "items")]) => return Err(method_not_allowed()),
        _ => {}
    }
    if let [T(function)] = rest
        && function.starts_with("delta")
    {
        return delta::delta(call, drive, &ItemRef::root(), function);
    }
    let Some((item, rest)) = item_of(rest) else { return Err(Problem::no_such_path()) };
    match (call.method.as_str(), rest) {
        ("GET", []) => item_actions::get_item(call, drive, &item),
        ("PATCH", []) => item_actions::update_item(call, drive, &item),
        ("DELETE", []) => item_actions::delete_item(call, drive, &item),
        ("PUT", []) => sessions::commit_to_path(call, drive, &item),
        ("GET", [T("children")]) => children::list_children(call, drive, &item),
        ("POST", [T("children")]) => children::create_child(call, drive, &item),
        ("GET", [T("content")]) => item_actions::get_content(call, drive, &item),
        ("POST", [T("copy")]) => copy::copy_item(call, drive, &item),
        ("POST", [T("createLink")]) => permissions::create_link(call, drive, &item),
        ("POST", [T("createUploadSession")]) => sessions::create_session(call, drive, &item),
        ("GET", [T(function)]) if function.starts_with("delta") => {
            delta::delta(call, drive, &item, function)
        }
        ("POST", [T("invite")]) => permissions::invite(call, drive, &item),
        ("POST", [T("permanentDelete")]) => item_actions::delete_permanently(call, drive, &item),
        ("GET", [T("permissions")]) => permissions::list_permissions(call, drive, &item),
        ("GET", [T("permissions"), T(id)]) => permissions::get_permission(call, drive, &item, id),
        ("PATCH", [T("permissions"), T(id)]) => {
            permissions::update_permission(call, drive, &item, id)
        }
        ("DELETE", [T("permissions"), T(id)]) => {
            permissions::delete_permission(call, drive, &item, id)
        }
        ("POST", [T("restore")]) => item_actions::restore_item(call, drive, &item),
        ("GET", [T("thumbnails")]) => item_actions::list_thumbnails(call, drive, &item),
        ("GET", [T("versions")]) => versions::list_versions(call, drive, &item),
        ("GET", [T("versions"), T(id)]) => versions::get_version(call, drive, &item, id),
        ("GET", [T("versions"), T(id), T("content")]) => {
            versions::get_version_content(call, drive, &item, id)
        }
        ("POST", [T("versions"), T(id), T("restoreVersion")]) => {
            versions::restore_version(call, drive, &item, id)
        }
        ("DELETE", [T("versions"), T(id)]) => versions::delete_version(call, drive, &item, id),
        (_, [] | [T("children" | "content" | "copy" | "permissions" | "versions"), ..]) => {
            Err(method_not_allowed())
        }
        _ => Err(Problem::no_such_path()),
    }
}

pub(crate) fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "methodNotAllowed",
        "The HTTP method is not allowed on this resource.",
    )
}
