//! Delegated permissions: what a client asks for, and what it gets.
//!
//! A scope is `openid`, `profile`, `email`, `offline_access`, a permission of Graph with or without Graph's address before it,
//! or `.default`, which stands for everything that the application has. Everything that an application has counts as
//! consented to: nobody is asked.

use crate::issuer::AUDIENCES;
use crate::oauth::refusal::Refusal;

const OPEN_ID: [&str; 3] = ["openid", "profile", "email"];
const OFFLINE: &str = "offline_access";
const DEFAULT: &str = ".default";
/// Longest list that is looked at, in bytes.
const LIST_BYTES: usize = 8192;

/// What a client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Granted {
    /// For the access token's `scp`: plain names.
    pub(crate) names: Vec<String>,
    /// For the answer's `scope`: as the client spelled them, which its cache of tokens compares.
    pub(crate) spelled: String,
    pub(crate) id_token: bool,
}

/// What of `asked` an application with `app_scopes` gets: the common part.
///
/// # Errors
/// `invalid_scope` for another resource's permission, and when nothing is in common.
pub(crate) fn grant(asked: &str, app_scopes: &[String]) -> Result<Granted, Refusal> {
    if asked.len() > LIST_BYTES {
        return Err(Refusal::new("invalid_scope", 70011, "The scope is too long."));
    }
    let (mut names, mut spelled): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for scope in asked.split_whitespace() {
        if scope == OFFLINE {
            continue;
        }
        let name = plain_name(scope).ok_or(Refusal::new(
            "invalid_scope",
            70011,
            "The scope names a resource that this tenant does not know.",
        ))?;
        let prefix = &scope[..scope.len() - name.len()];
        if name == DEFAULT {
            spelled.push(scope.to_owned());
            for known in app_scopes {
                push(&mut names, known.clone());
                push(&mut spelled, format!("{prefix}{known}"));
            }
        } else if OPEN_ID.contains(&name) {
            push(&mut names, name.to_owned());
            push(&mut spelled, scope.to_owned());
        } else if let Some(known) = app_scopes.iter().find(|known| known.eq_ignore_ascii_case(name))
        {
            push(&mut names, known.clone());
            push(&mut spelled, scope.to_owned());
        }
    }
    if names.is_empty() {
        return Err(Refusal::new(
            "invalid_scope",
            70011,
            "The application has none of the permissions that it asks for.",
        ));
    }
    let id_token = names.iter().any(|name| name == "openid");
    Ok(Granted { names, spelled: spelled.join(" "), id_token })
}

/// Whether `asked` wants refresh tokens.
pub(crate) fn is_offline(asked: &str) -> bool {
    asked.split_whitespace().any(|scope| scope == OFFLINE)
}

fn push(list: &mut Vec<String>, name: String) {
    if !list.contains(&name) {
        list.push(name);
    }
}

/// Without Graph's address; `None` when another one stands there.
fn plain_name(scope: &str) -> Option<&str> {
    for audience in AUDIENCES {
        let rest = scope.strip_prefix(audience).and_then(|rest| rest.strip_prefix('/'));
        if let Some(name) = rest {
            // `https://graph.microsoft.com//.default` is a known slip of clients.
            return Some(name.trim_start_matches('/'));
        }
    }
    (!scope.contains('/')).then_some(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(asked: &str, names: &[&str], spelled: &str) {
        let has = ["Files.Read", "User.Read"].map(str::to_owned);
        let granted = grant(asked, &has).unwrap();
        assert_eq!(granted.names, names, "{asked}");
        assert_eq!(granted.spelled, spelled, "{asked}");
    }

    #[test]
    fn what_is_asked_and_had_is_granted() {
        check("user.read Mail.Read openid", &["User.Read", "openid"], "user.read openid");
        check(
            "https://graph.microsoft.com/.default offline_access",
            &["Files.Read", "User.Read"],
            "https://graph.microsoft.com/.default https://graph.microsoft.com/Files.Read \
             https://graph.microsoft.com/User.Read",
        );
        check(
            "00000003-0000-0000-c000-000000000000/User.Read",
            &["User.Read"],
            "00000003-0000-0000-c000-000000000000/User.Read",
        );
    }

    #[test]
    fn other_resources_and_nothing_are_refused() {
        for asked in ["", "offline_access", "Mail.Read", "https://elsewhere.example/User.Read"] {
            assert!(grant(asked, &["User.Read".to_owned()]).is_err(), "{asked}");
        }
    }
}
