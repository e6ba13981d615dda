//! `POST /{tenant}/oauth2/v2.0/token`: client credentials, authorization code, refresh token, device code.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use crate::call::{Reply, json_reply};
use crate::issuer::{IdTokenClaims, TokenClaims};
use crate::oauth::device;
use crate::oauth::grants::{self, CodeProof, SignIn};
use crate::oauth::people::Person;
use crate::oauth::refusal::{Refusal, uncached};
use crate::oauth::{names_tenant, scopes};
use crate::query::Query;
use crate::tenant::{App, Inner};

const TOKEN_LIFETIME_SECONDS: u64 = 3600;

/// An application that asks, with what it proved.
pub(crate) struct Client {
    pub(crate) app: App,
    /// It knew its secret.
    pub(crate) has_secret: bool,
}

impl Client {
    /// By form or by HTTP Basic. A wrong secret is refused even where none is needed.
    pub(crate) fn identify(
        inner: &Inner,
        form: &Query,
        headers: &HeaderMap,
    ) -> Result<Self, Refusal> {
        // Form names that look like query options have got a `$` from the parser; those needed here have none.
        let named = form.get("client_id").map(str::to_owned);
        let (id, secret) = match (named, form.get("client_secret"), basic(headers)) {
            (Some(id), Some(secret), _) => (id, Some(secret.to_owned())),
            (named, None, Some((id, secret)))
                if named.as_ref().is_none_or(|named| *named == id) =>
            {
                (id, Some(secret))
            }
            (Some(id), None, None) => (id, None),
            _ => {
                return Err(Refusal::client(
                    7_000_218,
                    "The request must contain client_id, and client_secret where the application has one.",
                ));
            }
        };
        let app = inner.app(&id)?.ok_or(Refusal::unknown_app())?;
        match secret {
            Some(secret) if !app.has_secret(&secret) => {
                Err(Refusal::client(7_000_215, "Invalid client secret provided."))
            }
            secret => Ok(Self { app, has_secret: secret.is_some() }),
        }
    }
}

/// Answers a request to the token endpoint.
pub(crate) fn token(
    inner: &Inner,
    tenant: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Reply, Refusal> {
    if !names_tenant(inner, tenant) {
        return Err(Refusal::new("invalid_request", 90002, "Tenant not found."));
    }
    let form = parse_form(body)?;
    let required = |name: &str, refusal: Refusal| form.get(name).ok_or(refusal);
    match form.get("grant_type") {
        Some("client_credentials") => client_credentials(inner, &form, headers),
        Some("authorization_code") => {
            let client = Client::identify(inner, &form, headers)?;
            let code = required("code", missing("code is missing."))?;
            let proof = CodeProof {
                client_id: &client.app.client_id,
                code,
                redirect_uri: form.get("redirect_uri"),
                verifier: form.get("code_verifier"),
                has_secret: client.has_secret,
            };
            let sign_in = grants::redeem_code(inner, &proof)?;
            user_tokens(inner, &client.app, &sign_in, &sign_in.scope, &form)
        }
        Some("refresh_token") => {
            let client = Client::identify(inner, &form, headers)?;
            let old = required("refresh_token", missing("refresh_token is missing."))?;
            // Before the token is used up: a bad scope must not end the session.
            if let Some(scope) = form.get("scope") {
                scopes::grant(scope, &client.app.scopes)?;
            }
            let id = &client.app.client_id;
            let sign_in = grants::redeem_refresh_token(inner, id, old, client.has_secret)?;
            let scope = form.get("scope").unwrap_or(&sign_in.scope);
            user_tokens(inner, &client.app, &sign_in, scope, &form)
        }
        Some("urn:ietf:params:oauth:grant-type:device_code" | "device_code") => {
            let client = Client::identify(inner, &form, headers)?;
            let code = form.get("device_code").or_else(|| form.get("code"));
            let code = code.ok_or(missing("device_code is missing."))?;
            let sign_in = device::redeem(inner, &client, code)?;
            user_tokens(inner, &client.app, &sign_in, &sign_in.scope, &form)
        }
        None => Err(missing("grant_type is missing.")),
        Some(_) => {
            Err(Refusal::new("unsupported_grant_type", 70003, "The grant type is not supported."))
        }
    }
}

const fn missing(description: &'static str) -> Refusal {
    Refusal::new("invalid_request", 900_144, description)
}

/// The fields of a form body.
pub(crate) fn parse_form(body: &[u8]) -> Result<Query, Refusal> {
    let form = std::str::from_utf8(body).ok().and_then(|text| Query::parse(text).ok());
    form.ok_or(missing("The request body is malformed."))
}

fn client_credentials(inner: &Inner, form: &Query, headers: &HeaderMap) -> Result<Reply, Refusal> {
    let client = Client::identify(inner, form, headers)?;
    if !client.has_secret {
        return Err(Refusal::client(7_000_218, "The request must contain client_secret."));
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
        client_id: client.app.client_id.clone(),
        user_id: None,
        roles: client.app.roles.clone(),
        scopes: Vec::new(),
        wids: Vec::new(),
        lifetime: std::time::Duration::from_secs(TOKEN_LIFETIME_SECONDS),
    };
    let body = json!({
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME_SECONDS,
        "ext_expires_in": TOKEN_LIFETIME_SECONDS,
        "access_token": inner.mint(&claims),
    });
    Ok(uncached(json_reply(StatusCode::OK, &body)))
}

/// Access, id and refresh token of somebody who signed in. `scope` may be another than at sign-in.
fn user_tokens(
    inner: &Inner,
    app: &App,
    sign_in: &SignIn,
    scope: &str,
    form: &Query,
) -> Result<Reply, Refusal> {
    let granted = scopes::grant(scope, &app.scopes)?;
    let person = inner.database.read(|connection| Person::find(connection, &sign_in.user_id))?;
    let person = person.ok_or(Refusal::grant(50034, "The user is not in this directory."))?;
    let claims = TokenClaims {
        client_id: app.client_id.clone(),
        user_id: Some(person.id.clone()),
        roles: Vec::new(),
        scopes: granted.names.clone(),
        wids: person.roles.clone(),
        lifetime: std::time::Duration::from_secs(TOKEN_LIFETIME_SECONDS),
    };
    let mut body = json!({
        "token_type": "Bearer",
        "scope": granted.spelled,
        "expires_in": TOKEN_LIFETIME_SECONDS,
        "ext_expires_in": TOKEN_LIFETIME_SECONDS,
        "access_token": inner.mint(&claims),
    });
    // What was granted at sign-in goes on, whatever a refresh narrowed it to.
    if scopes::is_offline(&sign_in.scope) {
        body["refresh_token"] = json!(grants::make_refresh_token(inner, sign_in)?);
    }
    if granted.id_token {
        let has = |name: &str| granted.names.iter().any(|known| known == name);
        let claims = IdTokenClaims {
            client_id: &app.client_id,
            person: &person,
            nonce: sign_in.nonce.as_deref(),
            profile: has("profile"),
            email: has("email"),
            lifetime: std::time::Duration::from_secs(TOKEN_LIFETIME_SECONDS),
        };
        body["id_token"] = json!(inner.issuer.mint_id_token(&claims, inner.clock.now()));
    }
    if form.get("client_info") == Some("1") {
        let info = json!({"uid": person.id, "utid": inner.facts.tenant_id});
        body["client_info"] = json!(URL_SAFE_NO_PAD.encode(info.to_string()));
    }
    Ok(uncached(json_reply(StatusCode::OK, &body)))
}

/// Client id and secret of HTTP Basic, each percent-encoded as OAuth 2 says.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |text: &str| {
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
        Some(decoded.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}
