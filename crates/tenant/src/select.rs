//! `$select` and `$expand`.

use serde_json::Value;

use crate::problem::{Answer, Problem};
use crate::query::Query;

pub(crate) const DOWNLOAD_URL: &str = "@microsoft.graph.downloadUrl";

pub(crate) const ITEM: &[&str] = &[
    "audio",
    "bundle",
    "cTag",
    "children",
    "content",
    "content.downloadUrl",
    "createdBy",
    "createdByUser",
    "createdDateTime",
    "deleted",
    "description",
    "eTag",
    "file",
    "fileSystemInfo",
    "folder",
    "id",
    "image",
    "lastModifiedBy",
    "lastModifiedByUser",
    "lastModifiedDateTime",
    "listItem",
    "location",
    "malware",
    "name",
    "package",
    "parentReference",
    "pendingOperations",
    "permissions",
    "photo",
    "publication",
    "remoteItem",
    "retentionLabel",
    "root",
    "searchResult",
    "shared",
    "sharepointIds",
    "sharePointIds",
    "size",
    "specialFolder",
    "thumbnails",
    "versions",
    "video",
    "webDavUrl",
    "webUrl",
];
pub(crate) const DRIVE: &[&str] = &[
    "createdBy",
    "createdDateTime",
    "description",
    "driveType",
    "eTag",
    "following",
    "id",
    "items",
    "lastModifiedBy",
    "lastModifiedDateTime",
    "list",
    "name",
    "owner",
    "parentReference",
    "quota",
    "root",
    "sharePointIds",
    "sharepointIds",
    "special",
    "system",
    "webUrl",
];
pub(crate) const SITE: &[&str] = &[
    "createdDateTime",
    "description",
    "displayName",
    "drive",
    "drives",
    "eTag",
    "error",
    "id",
    "isPersonalSite",
    "lastModifiedDateTime",
    "list",
    "lists",
    "lockState",
    "name",
    "parentReference",
    "root",
    "sharepointIds",
    "siteCollection",
    "sites",
    "webUrl",
];
pub(crate) const LIST: &[&str] = &[
    "columns",
    "createdBy",
    "createdDateTime",
    "description",
    "displayName",
    "drive",
    "eTag",
    "id",
    "items",
    "lastModifiedBy",
    "lastModifiedDateTime",
    "list",
    "name",
    "parentReference",
    "sharepointIds",
    "system",
    "webUrl",
];
pub(crate) const USER: &[&str] = &[
    "accountEnabled",
    "assignedLicenses",
    "assignedPlans",
    "businessPhones",
    "city",
    "companyName",
    "country",
    "createdDateTime",
    "department",
    "displayName",
    "employeeId",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mailNickname",
    "mobilePhone",
    "officeLocation",
    "onPremisesImmutableId",
    "onPremisesSyncEnabled",
    "otherMails",
    "preferredLanguage",
    "proxyAddresses",
    "surname",
    "usageLocation",
    "userPrincipalName",
    "userType",
];
pub(crate) const GROUP: &[&str] = &[
    "createdDateTime",
    "deletedDateTime",
    "description",
    "displayName",
    "groupTypes",
    "id",
    "mail",
    "mailEnabled",
    "mailNickname",
    "proxyAddresses",
    "renewedDateTime",
    "resourceProvisioningOptions",
    "securityEnabled",
    "visibility",
];
/// Members of a group are users and groups.
pub(crate) const MEMBER: &[&str] = &[
    "accountEnabled",
    "assignedLicenses",
    "assignedPlans",
    "businessPhones",
    "city",
    "companyName",
    "country",
    "createdDateTime",
    "deletedDateTime",
    "department",
    "description",
    "displayName",
    "employeeId",
    "givenName",
    "groupTypes",
    "id",
    "jobTitle",
    "mail",
    "mailEnabled",
    "mailNickname",
    "mobilePhone",
    "officeLocation",
    "onPremisesImmutableId",
    "onPremisesSyncEnabled",
    "otherMails",
    "preferredLanguage",
    "proxyAddresses",
    "renewedDateTime",
    "resourceProvisioningOptions",
    "securityEnabled",
    "surname",
    "usageLocation",
    "userPrincipalName",
    "userType",
    "visibility",
];
pub(crate) const ORGANIZATION: &[&str] = &[
    "assignedPlans",
    "city",
    "country",
    "countryLetterCode",
    "createdDateTime",
    "defaultUsageLocation",
    "displayName",
    "id",
    "preferredLanguage",
    "tenantType",
    "verifiedDomains",
];
pub(crate) const PERMISSION: &[&str] = &[
    "expirationDateTime",
    "grantedTo",
    "grantedToIdentities",
    "grantedToIdentitiesV2",
    "grantedToV2",
    "hasPassword",
    "id",
    "inheritedFrom",
    "invitation",
    "link",
    "roles",
    "shareId",
];
pub(crate) const VERSION: &[&str] =
    &["content", "id", "lastModifiedBy", "lastModifiedDateTime", "publication", "size"];

/// The properties that a request asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection(Option<Vec<String>>);

impl Selection {
    /// 400 when a name is none of `known`.
    pub(crate) fn parse(query: &Query, known: &[&str]) -> Answer<Self> {
        let Some(text) = query.get("$select") else { return Ok(Self(None)) };
        let mut names = Vec::new();
        for path in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = path.split('/').next().unwrap_or(path);
            if name == "*" {
                return Ok(Self(None));
            }
            if !name.starts_with('@') && !known.iter().any(|k| k.eq_ignore_ascii_case(name)) {
                return Err(Problem::bad_query(format!(
                    "Parsing OData Select and Expand failed: Could not find a property named '{name}'."
                )));
            }
            names.push(name.to_owned());
        }
        Ok(Self((!names.is_empty()).then_some(names)))
    }

    /// Whether `name` was asked for by name.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.0.iter().flatten().any(|known| known.eq_ignore_ascii_case(name))
    }

    pub(crate) const fn is_everything(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the answer carries the download URL; `by_default` is for requests that select nothing.
    pub(crate) fn wants_download_url(&self, by_default: bool) -> bool {
        if self.is_everything() {
            by_default
        } else {
            self.names(DOWNLOAD_URL) || self.names("content.downloadUrl")
        }
    }

    /// Drops what was not asked for; ids and annotations stay.
    pub(crate) fn apply(&self, value: &mut Value) {
        let (Some(names), Value::Object(members)) = (&self.0, value) else { return };
        members.retain(|member, _| {
            member == "id"
                || member.contains('@')
                || member == "deleted"
                || names.iter().any(|name| name.eq_ignore_ascii_case(member))
        });
    }
}

/// The top-level names in `$expand`, without their nested options.
pub(crate) fn expanded(query: &Query) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_i32;
    let mut name = String::new();
    for c in query.get("$expand").unwrap_or_default().chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            _ if depth == 0 => name.push(c),
            _ => {}
        }
    }
    names.push(name);
    names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}
