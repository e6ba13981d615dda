//! Who calls, and what the token allows.

use std::collections::HashSet;

use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use crate::problem::{Answer, Problem};
use crate::tenant::Inner;

const READ_FILES: &[&str] = &[
    "Sites.Read.All",
    "Sites.ReadWrite.All",
    "Sites.Manage.All",
    "Sites.FullControl.All",
    "Files.Read.All",
    "Files.ReadWrite.All",
    "Files.Read",
    "Files.ReadWrite",
];
const WRITE_FILES: &[&str] = &[
    "Sites.ReadWrite.All",
    "Sites.Manage.All",
    "Sites.FullControl.All",
    "Files.ReadWrite.All",
    "Files.ReadWrite",
];
const MANAGE_SITES: &[&str] = &["Sites.Manage.All", "Sites.FullControl.All", "Sites.Create.All"];
const READ_USERS: &[&str] =
    &["User.Read.All", "User.ReadBasic.All", "User.ReadWrite.All", "Directory.Read.All"];
const WRITE_USERS: &[&str] = &["User.ReadWrite.All", "Directory.ReadWrite.All"];
const READ_GROUPS: &[&str] =
    &["Group.Read.All", "Group.ReadWrite.All", "GroupMember.Read.All", "Directory.Read.All"];
const WRITE_GROUPS: &[&str] = &["Group.ReadWrite.All", "Directory.ReadWrite.All"];
const READ_ORGANIZATION: &[&str] = &["Organization.Read.All", "Directory.Read.All", "User.Read"];
const READ_ROLES: &[&str] = &["RoleManagement.Read.Directory", "Directory.Read.All"];

/// What a request does, as far as permissions are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    ReadFiles,
    WriteFiles,
    ManageSites,
    ReadUsers,
    WriteUsers,
    ReadGroups,
    WriteGroups,
    ReadOrganization,
    ReadRoles,
}

/// The holder of a valid token.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user_id: Option<String>,
    /// `createdBy` and `lastModifiedBy` of what this caller writes.
    pub(crate) identity: Value,
    granted: HashSet<String>,
}

impl Caller {
    /// Reads and checks the `Authorization` header.
    pub(crate) fn authenticate(inner: &Inner, headers: &HeaderMap) -> Answer<Self> {
        let refused = || {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "InvalidAuthenticationToken",
                "Access token is missing, malformed, expired or of another issuer.",
            )
        };
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(refused)?;
        let claims = inner.issuer.check(token, inner.clock.now()).ok_or_else(refused)?;
        let user_id = (claims.idtyp == "user").then(|| claims.oid.clone());
        let app_name = if claims.app_displayname.is_empty() {
            claims.appid.clone()
        } else {
            claims.app_displayname.clone()
        };
        let mut identity = json!({"application": {"id": claims.appid, "displayName": app_name}});
        if let Some(id) = &user_id {
            identity["user"] = inner.user_identity(id)?.ok_or_else(refused)?;
        }
        let mut granted: HashSet<String> = claims.roles.into_iter().collect();
        granted.extend(claims.scp.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned));
        Ok(Self { user_id, identity, granted })
    }

    /// Whoever holds a pre-authenticated URL: acts as the caller that it was made for, with no right of its own.
    pub(crate) fn of_url(identity: Value) -> Self {
        Self { user_id: None, identity, granted: HashSet::new() }
    }

    /// 403 unless the token has one of the permissions that give `right`.
    pub(crate) fn require(&self, right: Right) -> Answer<()> {
        let sufficient = match right {
            Right::ReadFiles => READ_FILES,
            Right::WriteFiles => WRITE_FILES,
            Right::ManageSites => MANAGE_SITES,
            Right::ReadUsers => READ_USERS,
            Right::WriteUsers => WRITE_USERS,
            Right::ReadGroups => READ_GROUPS,
            Right::WriteGroups => WRITE_GROUPS,
            Right::ReadOrganization => READ_ORGANIZATION,
            Right::ReadRoles => READ_ROLES,
        };
        if sufficient.iter().any(|name| self.granted.contains(*name)) {
            return Ok(());
        }
        match right {
            Right::ReadFiles | Right::WriteFiles | Right::ManageSites => Err(Problem::forbidden()),
            Right::ReadUsers
            | Right::WriteUsers
            | Right::ReadGroups
            | Right::WriteGroups
            | Right::ReadOrganization
            | Right::ReadRoles => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            )),
        }
    }
}
