//! The issuer's HTTP side: discovery, keys, tokens and signing in (`clients/README.md` of the contract says who needs what).
//!
//! | Path | What |
//! |---|---|
//! | `/{tenant}/v2.0/.well-known/openid-configuration`, `/{tenant}/discovery/v2.0/keys`, `/common/discovery/instance` | discovery |
//! | `/{tenant}/oauth2/v2.0/token`, `…/devicecode` | for clients: JSON, refusals as [`refusal::Refusal`] |
//! | `/{tenant}/oauth2/v2.0/authorize`, `/{tenant}/login`, `/devicelogin`, `/{tenant}/oauth2/v2.0/logout` | for browsers: pages |
//! | `/oidc/userinfo` | who a token is for |
//!
//! Nobody has a password here and no browser has a session: each sign-in asks who one is.

mod authorize;
mod device;
mod grants;
mod pages;
pub(crate) mod people;
pub(crate) mod redirects;
mod refusal;
mod scopes;
mod token;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Reply, json_reply};
use crate::caller::Caller;
use crate::problem::{Answer, Problem};
use crate::query::Query;
use crate::tenant::Inner;
use people::Person;
use refusal::uncached;

/// Answers what is below no Graph prefix.
pub(crate) fn serve(
    inner: &Inner,
    method: &Method,
    path: &[&str],
    headers: &HeaderMap,
    query: &str,
    body: &[u8],
) -> Answer<Reply> {
    let is_post = *method == Method::POST;
    // A form's fields, or the query's, whichever the request has.
    let fields = || if is_post { token::parse_form(body) } else { Ok(Query::parse(query)?) };
    let answer = match *path {
        ["common", "discovery", "instance"] => return instance_discovery(inner, query),
        ["oidc", "userinfo"] => return user_info(inner, headers),
        ["devicelogin"] => {
            fields().and_then(|fields| device::verification_page(inner, method, headers, &fields))
        }
        [tenant, "oauth2", "v2.0", "token"] if is_post => {
            token::token(inner, tenant, headers, body)
        }
        [tenant, ..] if !names_tenant(inner, tenant) => return Err(Problem::no_such_path()),
        [_, "oauth2", "v2.0", "devicecode"] if is_post => {
            fields().and_then(|form| device::start(inner, headers, &form))
        }
        [tenant, "oauth2", "v2.0", "authorize"] => {
            fields().and_then(|fields| authorize::authorize(inner, tenant, headers, &fields))
        }
        [_, "oauth2", "v2.0", "logout"] => {
            fields().and_then(|fields| authorize::logout(inner, &fields))
        }
        [_, "login"] if is_post => {
            fields().and_then(|form| authorize::login(inner, headers, &form))
        }
        [tenant, "v2.0", ".well-known", "openid-configuration"] => {
            return Ok(json_reply(StatusCode::OK, &configuration(inner, tenant)));
        }
        [_, "discovery", "v2.0", "keys"] => {
            return Ok(json_reply(StatusCode::OK, &inner.issuer.jwks()));
        }
        _ => return Err(Problem::no_such_path()),
    };
    Ok(answer.unwrap_or_else(|refusal| refusal.reply(inner, &correlation(inner, headers, query))))
}

/// The client's own id of its request, or one of ours.
fn correlation(inner: &Inner, headers: &HeaderMap, query: &str) -> String {
    let in_header = headers.get("client-request-id").and_then(|value| value.to_str().ok());
    let in_query = Query::parse(query).ok();
    let in_query = in_query.as_ref().and_then(|query| query.get("client-request-id"));
    let given = in_header.or(in_query).and_then(|text| Uuid::try_parse(text).ok());
    given.unwrap_or_else(|| inner.random_guid()).to_string()
}

/// `GET /oidc/userinfo`
fn user_info(inner: &Inner, headers: &HeaderMap) -> Answer<Reply> {
    let caller = Caller::authenticate(inner, headers)?;
    let id = caller.user_id.ok_or_else(Problem::forbidden)?;
    let person = inner.database.read(|connection| Person::find(connection, &id))?;
    let person = person.ok_or_else(|| Problem::directory_not_found(&id))?;
    let body = json!({
        "sub": person.id, "name": person.display_name, "given_name": person.given_name,
        "family_name": person.surname, "email": person.principal_name,
    });
    Ok(uncached(json_reply(StatusCode::OK, &body)))
}

fn names_tenant(inner: &Inner, name: &str) -> bool {
    name.eq_ignore_ascii_case(&inner.facts.tenant_id.to_string())
        || matches!(name, "common" | "organizations")
        || name.eq_ignore_ascii_case(crate::directory::DOMAIN)
}

fn configuration(inner: &Inner, tenant: &str) -> Value {
    let base = &inner.issuer_base;
    json!({
        "issuer": inner.issuer.issuer(),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
        "end_session_endpoint": format!("{base}/{tenant}/oauth2/v2.0/logout"),
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "userinfo_endpoint": format!("{base}/oidc/userinfo"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", "client_credentials",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "tid", "ver", "oid", "nonce", "name", "preferred_username", "email",
        ],
    })
}

fn instance_discovery(inner: &Inner, query: &str) -> Answer<Reply> {
    let query = Query::parse(query)?;
    let endpoint = query.get("authorization_endpoint").unwrap_or_default();
    let base = &inner.issuer_base;
    let tenant = endpoint
        .strip_prefix("https://")
        .and_then(|rest| rest.split('/').nth(1))
        .filter(|tenant| !tenant.is_empty())
        .unwrap_or("common");
    let host = base.split("://").nth(1).unwrap_or(base);
    let name = host.split(':').next().unwrap_or(host);
    let body = json!({
        "tenant_discovery_endpoint": format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{
            "preferred_network": host, "preferred_cache": host, "aliases": [host, name],
        }],
    });
    Ok(json_reply(StatusCode::OK, &body))
}
