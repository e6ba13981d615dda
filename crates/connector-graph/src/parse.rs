//! Graph's JSON as the connector's types. What a backup does not need is not read.

use holdfast_connector::{
    Change, ChangePage, ConnectorError, Drive, DriveItem, FileFacts, Grant, ItemFacts, Owner,
    Permission, Site, SiteSummary, Times, User, UserDrive,
};
use holdfast_domain::{DriveId, ItemId, Timestamp};
use serde_json::Value;

type Parsed<T> = Result<T, ConnectorError>;

pub(crate) fn text(value: &Value, name: &str) -> Parsed<String> {
    optional_text(value, name).ok_or_else(|| missing(name))
}

fn optional_text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

fn missing(name: &str) -> ConnectorError {
    ConnectorError::Protocol(format!("{name} is missing or of the wrong type"))
}

fn time(value: &Value, name: &str) -> Parsed<Timestamp> {
    value[name].as_str().and_then(|text| text.parse().ok()).ok_or_else(|| missing(name))
}

pub(crate) fn collection(answer: &Value) -> Parsed<&Vec<Value>> {
    answer["value"].as_array().ok_or_else(|| missing("value"))
}

pub(crate) fn site(value: &Value) -> Parsed<Site> {
    let name = optional_text(value, "name").unwrap_or_default();
    Ok(Site {
        id: text(value, "id")?,
        display_name: optional_text(value, "displayName").unwrap_or_else(|| name.clone()),
        name,
        web_url: text(value, "webUrl")?,
    })
}

/// `None` for a personal site.
pub(crate) fn site_summary(value: &Value) -> Parsed<Option<SiteSummary>> {
    if value["isPersonalSite"] == true {
        return Ok(None);
    }
    // Some listings leave out when a site changed.
    let last_modified =
        time(value, "lastModifiedDateTime").or_else(|_| time(value, "createdDateTime"))?;
    Ok(Some(SiteSummary { site: site(value)?, last_modified }))
}

pub(crate) fn user(value: &Value) -> Parsed<User> {
    let user_principal_name = text(value, "userPrincipalName")?;
    Ok(User {
        id: text(value, "id")?,
        display_name: optional_text(value, "displayName")
            .unwrap_or_else(|| user_principal_name.clone()),
        mail: optional_text(value, "mail"),
        user_principal_name,
    })
}

/// `root` is a separate answer: a drive does not name its root.
pub(crate) fn drive(value: &Value, root: &Value) -> Parsed<Drive> {
    Ok(Drive {
        id: DriveId::new(text(value, "id")?),
        name: text(value, "name")?,
        web_url: text(value, "webUrl")?,
        description: optional_text(value, "description"),
        root: ItemId::new(text(root, "id")?),
    })
}

/// `drive` is the same as the connector's own. Its site is told by `sharePointIds`, which come only when selected.
pub(crate) fn user_drive(value: &Value, drive: Drive) -> Parsed<UserDrive> {
    let user = &value["owner"]["user"];
    let owner = Owner {
        id: text(user, "id")?,
        display_name: optional_text(user, "displayName").unwrap_or_default(),
        email: optional_text(user, "email"),
    };
    let ids = match &value["sharePointIds"] {
        Value::Null => &value["sharepointIds"],
        ids => ids,
    };
    let web_url = text(ids, "siteUrl")?;
    let rest = web_url.split_once("://").map_or(web_url.as_str(), |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    let site = Site {
        id: format!("{host},{},{}", text(ids, "siteId")?, text(ids, "webId")?),
        name: rest.rsplit('/').next().unwrap_or_default().to_owned(),
        display_name: owner.display_name.clone(),
        web_url,
    };
    Ok(UserDrive { owner, site, drive })
}

pub(crate) fn change_page(drive: &DriveId, answer: &Value) -> Parsed<ChangePage> {
    let mut changes = Vec::new();
    for value in collection(answer)? {
        changes.push(if value["deleted"].is_object() {
            Change::Deleted(ItemId::new(text(value, "id")?))
        } else {
            Change::Present(item(drive, value)?)
        });
    }
    let (link, last) =
        match (optional_text(answer, "@odata.nextLink"), optional_text(answer, "@odata.deltaLink"))
        {
            (Some(next), _) => (next, false),
            (None, Some(delta)) => (delta, true),
            (None, None) => return Err(missing("@odata.deltaLink")),
        };
    Ok(ChangePage { changes, link, last })
}

pub(crate) fn item(drive: &DriveId, value: &Value) -> Parsed<DriveItem> {
    let is_root = value["root"].is_object();
    // A notebook may come with the package facet alone; its sections are files below it.
    let facts = if value["folder"].is_object() || value["package"].is_object() || is_root {
        ItemFacts::Folder
    } else if value["file"].is_object() {
        ItemFacts::File(FileFacts {
            size: value["size"].as_u64().ok_or_else(|| missing("size"))?,
            quick_xor_hash: optional_text(&value["file"]["hashes"], "quickXorHash"),
            malware: value["malware"].is_object(),
            download_url: optional_text(value, "@microsoft.graph.downloadUrl"),
        })
    } else {
        return Err(missing("file or folder"));
    };
    let times = &value["fileSystemInfo"];
    Ok(DriveItem {
        drive: drive.clone(),
        id: ItemId::new(text(value, "id")?),
        parent: if is_root {
            None
        } else {
            Some(ItemId::new(text(&value["parentReference"], "id")?))
        },
        name: text(value, "name")?,
        etag: optional_text(value, "eTag").unwrap_or_default(),
        times: Times {
            created: time(times, "createdDateTime")?,
            modified: time(times, "lastModifiedDateTime")?,
        },
        facts,
        shared: value["shared"].is_object(),
    })
}

/// Inherited permissions, and kinds that cannot be given back, are `None`.
pub(crate) fn direct_permission(value: &Value) -> Parsed<Option<Permission>> {
    if value["inheritedFrom"].is_object() {
        return Ok(None);
    }
    let id = text(value, "id")?;
    if value["link"].is_object() {
        let link = &value["link"];
        return Ok(Some(Permission {
            id,
            grant: Grant::Link {
                kind: text(link, "type")?,
                scope: optional_text(link, "scope").unwrap_or_else(|| "organization".to_owned()),
            },
        }));
    }
    let mut roles: Vec<String> = value["roles"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|role| role.as_str().map(str::to_owned))
        .collect();
    roles.sort();
    let Some((kind, principal)) = value["grantedToV2"].as_object().and_then(|kinds| {
        kinds.iter().find(|(kind, _)| matches!(kind.as_str(), "user" | "group" | "application"))
    }) else {
        return Ok(None);
    };
    Ok(Some(Permission {
        id,
        grant: Grant::Principal {
            kind: kind.clone(),
            id: text(principal, "id")?,
            display_name: optional_text(principal, "displayName"),
            roles,
        },
    }))
}
