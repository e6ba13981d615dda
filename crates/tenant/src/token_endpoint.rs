//! The issuer's HTTP side: token endpoint, discovery, keys (`clients/README.md` of the contract says who needs what).

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::call::{Reply, json_reply};
use crate::issuer::TokenClaims;
use crate::problem::{Answer, Problem};
use crate::query::Query;
use crate::render::server_time;
use crate::tenant::Inner;

const TOKEN_LIFETIME_SECONDS: u64 = 3600;

/// Answers what is below no Graph prefix.
pub(crate) fn serve(
    inner: &Inner,
    method: &Method,
    path: &[&str],
    headers: &HeaderMap,
    query: &str,
    body: &[u8],
) -> Answer<Reply> {
    match *path {
        ["common", "discovery", "instance"] => instance_discovery(inner, query),
        [tenant, "oauth2", "v2.0", "token"] if *method == Method::POST => {
            Ok(token(inner, tenant, headers, body).unwrap_or_else(|refusal| refusal.reply(inner)))
        }
        [tenant, "v2.0", ".well-known", "openid-configuration"] if names_tenant(inner, tenant) => {
            Ok(json_reply(StatusCode::OK, &configuration(inner, tenant)))
        }
        [tenant, "discovery", "v2.0", "keys"] if names_tenant(inner, tenant) => {
            Ok(json_reply(StatusCode::OK, &inner.issuer.jwks()))
        }
        _ => Err(Problem::no_such_path()),
    }
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
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "tid", "ver", "oid"],
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

/// A refusal in the shape of the sign-in service.
struct Refusal {
    status: StatusCode,
    error: &'static str,
    number: u32,
    description: &'static str,
}

impl Refusal {
    const fn new(error: &'static str, number: u32, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, number, description }
    }

    const fn client(number: u32, description: &'static str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", number, description }
    }

    fn reply(&self, inner: &Inner) -> Reply {
        let trace = inner.random_guid();
        let time = server_time(inner.now()).replace('T', " ");
        let body = json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace} Timestamp: {time}", self.number, self.description
            ),
            "error_codes": [self.number],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": inner.random_guid(),
        });
        uncached(json_reply(self.status, &body))
    }
}

fn uncached(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn token(inner: &Inner, tenant: &str, headers: &HeaderMap, body: &[u8]) -> Result<Reply, Refusal> {
    if !names_tenant(inner, tenant) {
        return Err(Refusal::new("invalid_request", 90002, "Tenant not found."));
    }
    let malformed = Refusal::new("invalid_request", 900_144, "The request body is malformed.");
    let form = std::str::from_utf8(body).ok().and_then(|text| Query::parse(text).ok());
    let form = form.ok_or(malformed)?;
    match form.get("grant_type") {
        Some("client_credentials") => {}
        None => return Err(Refusal::new("invalid_request", 900_144, "grant_type is missing.")),
        Some(_) => {
            return Err(Refusal::new(
                "unsupported_grant_type",
                70003,
                "The grant type is not supported.",
            ));
        }
    }
    // Form names that look like query options have got a `$` from the parser; those needed here have none.
    let (client_id, secret) = match (form.get("client_id"), form.get("client_secret")) {
        (Some(id), Some(secret)) => (id.to_owned(), secret.to_owned()),
        (id, _) => match basic(headers) {
            Some((known, secret)) if id.is_none_or(|id| id == known) => (known, secret),
            _ => {
                return Err(Refusal::client(
                    7_000_218,
                    "The request must contain client_id and client_secret.",
                ));
            }
        },
    };
    let app = inner.app(&client_id).ok().flatten().ok_or(Refusal {
        status: StatusCode::BAD_REQUEST,
        error: "unauthorized_client",
        number: 700_016,
        description: "The application is not registered in this directory.",
    })?;
    if !app.has_secret(&secret) {
        return Err(Refusal::client(7_000_215, "Invalid client secret provided."));
    }
    let scopes = form.get("scope").unwrap_or(".default");
    if !scopes.split_whitespace().all(|scope| scope == ".default" || scope.ends_with("/.default")) {
        return Err(Refusal::new(
            "invalid_scope",
            1_002_012,
            "The client credentials grant needs a scope that ends in /.default.",
        ));
    }
    let claims = TokenClaims {
        client_id: client_id.to_ascii_lowercase(),
        user_id: None,
        roles: app.roles.clone(),
        scopes: Vec::new(),
        wids: Vec::new(),
        lifetime: std::time::Duration::from_secs(TOKEN_LIFETIME_SECONDS),
    };
    let body = json!({
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME_SECONDS,
        "ext_expires_in": TOKEN_LIFETIME_SECONDS,
        "access_token": inner.mint(&claims, &app.display_name),
    });
    Ok(uncached(json_reply(StatusCode::OK, &body)))
}

/// Client id and secret of HTTP Basic, each percent-encoded as OAuth 2 says.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    use base64::Engine;
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |text: &str| {
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
        Some(decoded.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}
