//! Codes and refresh tokens: rows of the tenant's database, known there by their hashes only.
//!
//! A code works once; used again, it takes the refresh tokens that came of it with it, since one of the two users is a thief
//! (RFC 6749, 10.5). The same holds for a refresh token: each use gives another one, and using an old one ends its family.

use rusqlite::{Connection, OptionalExtension, params};

use crate::ids::sha256;
use crate::oauth::redirects;
use crate::oauth::refusal::Refusal;
use crate::tenant::Inner;

const SECOND: i64 = 1_000_000;
/// Between the redirect and the client's call to the token endpoint.
const CODE_LIFETIME: i64 = 600 * SECOND;
/// Since the last use.
const REFRESH_LIFETIME: i64 = 90 * 24 * 3600 * SECOND;

const EXPIRED: Refusal = Refusal::grant(
    70008,
    "The provided authorization code or refresh token is not known, or has expired.",
);
const REUSED_TOKEN: Refusal =
    Refusal::grant(50173, "The refresh token was used before, so its session has been revoked.");

/// A person signed in to an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignIn {
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    /// As the client wrote it.
    pub(crate) scope: String,
    pub(crate) nonce: Option<String>,
    /// What its refresh tokens have in common.
    pub(crate) family: String,
    /// Refreshing takes the client's secret.
    pub(crate) needs_secret: bool,
}

/// What a person agreed to on the sign-in page.
pub(crate) struct NewCode<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) user_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) challenge: Option<&'a str>,
    pub(crate) nonce: Option<&'a str>,
    pub(crate) scope: &'a str,
}

/// What a client shows for a code.
pub(crate) struct CodeProof<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) code: &'a str,
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) verifier: Option<&'a str>,
    /// It proved itself by its secret.
    pub(crate) has_secret: bool,
}

/// Makes a code, and forgets those that expired.
pub(crate) fn make_code(inner: &Inner, new: &NewCode<'_>) -> Result<String, Refusal> {
    let code = inner.entropy.secret_hex();
    let now = inner.now();
    inner.database.write(|tx| {
        tx.execute("DELETE FROM authorization_codes WHERE expires < ?1", [now])?;
        tx.execute(
            "INSERT INTO authorization_codes (hash, client_id, user_id, redirect_uri, challenge, nonce, \
             scope, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                sha256(code.as_bytes()),
                new.client_id,
                new.user_id,
                new.redirect_uri,
                new.challenge,
                new.nonce,
                new.scope,
                now.saturating_add(CODE_LIFETIME),
            ],
        )?;
        Ok::<_, Refusal>(())
    })?;
    Ok(code)
}

struct CodeRow {
    client_id: String,
    redirect_uri: String,
    challenge: Option<String>,
    expires: i64,
    family: Option<String>,
    sign_in: SignIn,
}

/// Uses a code up, whatever comes of it.
pub(crate) fn redeem_code(inner: &Inner, proof: &CodeProof<'_>) -> Result<SignIn, Refusal> {
    let hash = sha256(proof.code.as_bytes());
    let (now, family) = (inner.now(), inner.random_guid().to_string());
    // A refusal inside must commit too: it used the code up.
    inner.database.write(|tx| {
        let found = tx
            .query_row(
                "SELECT client_id, redirect_uri, challenge, expires, family, user_id, scope, nonce \
                 FROM authorization_codes WHERE hash = ?1",
                [hash],
                |row| {
                    Ok(CodeRow {
                        client_id: row.get(0)?,
                        redirect_uri: row.get(1)?,
                        challenge: row.get(2)?,
                        expires: row.get(3)?,
                        family: row.get(4)?,
                        sign_in: SignIn {
                            client_id: row.get(0)?,
                            user_id: row.get(5)?,
                            scope: row.get(6)?,
                            nonce: row.get(7)?,
                            family: family.clone(),
                            needs_secret: proof.has_secret,
                        },
                    })
                },
            )
            .optional()?;
        let Some(code) = found.filter(|code| code.client_id == proof.client_id) else {
            return Ok(Err(EXPIRED));
        };
        if let Some(family) = code.family {
            revoke_family(tx, &family)?;
            return Ok(Err(Refusal::grant(
                54005,
                "The authorization code was already redeemed; please sign in again.",
            )));
        }
        tx.execute(
            "UPDATE authorization_codes SET family = ?2 WHERE hash = ?1",
            params![hash, family],
        )?;
        Ok::<_, Refusal>(check_code(&code, proof, now).map(|()| code.sign_in))
    })?
}

fn check_code(code: &CodeRow, proof: &CodeProof<'_>, now: i64) -> Result<(), Refusal> {
    if now >= code.expires {
        return Err(EXPIRED);
    }
    if proof.redirect_uri != Some(code.redirect_uri.as_str()) {
        return Err(Refusal::grant(
            500_112,
            "The redirect_uri is not the one that the authorization code was asked with.",
        ));
    }
    if !proof.has_secret && !redirects::is_native(&code.redirect_uri) {
        return Err(Refusal::client(
            7_000_218,
            "An application on a web server must send its client_secret.",
        ));
    }
    match (&code.challenge, proof.verifier) {
        (Some(challenge), Some(verifier)) if *challenge == challenge_of(verifier) => Ok(()),
        (Some(_), _) => Err(Refusal::grant(
            501_481,
            "The code_verifier does not match the code_challenge of the authorization request.",
        )),
        (None, None) if proof.has_secret => Ok(()),
        (None, Some(_)) => Err(Refusal::grant(
            501_481,
            "There is a code_verifier, but the authorization request had no code_challenge.",
        )),
        (None, None) => {
            Err(Refusal::client(7_000_218, "Without PKCE the request must contain client_secret."))
        }
    }
}

/// PKCE's method S256.
pub(crate) fn challenge_of(verifier: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()))
}

/// The next refresh token of a sign-in.
pub(crate) fn make_refresh_token(inner: &Inner, sign_in: &SignIn) -> Result<String, Refusal> {
    let token = inner.entropy.secret_hex();
    let now = inner.now();
    inner.database.write(|tx| {
        tx.execute("DELETE FROM refresh_tokens WHERE expires < ?1", [now])?;
        tx.execute(
            "INSERT INTO refresh_tokens (hash, family, client_id, user_id, scope, needs_secret, \
             expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                sha256(token.as_bytes()),
                sign_in.family,
                sign_in.client_id,
                sign_in.user_id,
                sign_in.scope,
                sign_in.needs_secret,
                now.saturating_add(REFRESH_LIFETIME),
            ],
        )?;
        Ok::<_, Refusal>(())
    })?;
    Ok(token)
}

/// Uses a refresh token up.
pub(crate) fn redeem_refresh_token(
    inner: &Inner,
    client_id: &str,
    token: &str,
    has_secret: bool,
) -> Result<SignIn, Refusal> {
    let hash = sha256(token.as_bytes());
    let now = inner.now();
    inner.database.write(|tx| {
        let found = tx
            .query_row(
                "SELECT client_id, user_id, scope, family, needs_secret, used, expires \
                 FROM refresh_tokens WHERE hash = ?1",
                [hash],
                |row| {
                    let sign_in = SignIn {
                        client_id: row.get(0)?,
                        user_id: row.get(1)?,
                        scope: row.get(2)?,
                        nonce: None,
                        family: row.get(3)?,
                        needs_secret: row.get(4)?,
                    };
                    Ok((sign_in, row.get::<_, bool>(5)?, row.get::<_, i64>(6)?))
                },
            )
            .optional()?;
        let Some((sign_in, used, expires)) =
            found.filter(|(sign_in, _, expires)| sign_in.client_id == client_id && now < *expires)
        else {
            return Ok(Err(EXPIRED));
        };
        if used {
            revoke_family(tx, &sign_in.family)?;
            return Ok(Err(REUSED_TOKEN));
        }
        if sign_in.needs_secret && !has_secret {
            return Ok(Err(Refusal::client(7_000_218, "The request must contain client_secret.")));
        }
        tx.execute(
            "UPDATE refresh_tokens SET used = 1, expires = max(expires, ?2) WHERE hash = ?1",
            params![hash, expires],
        )?;
        Ok::<_, Refusal>(Ok(sign_in))
    })?
}

fn revoke_family(connection: &Connection, family: &str) -> rusqlite::Result<()> {
    // Used ones go as well: what is revoked need not be told from what never was.
    connection.execute("DELETE FROM refresh_tokens WHERE family = ?1", [family]).map(|_| ())
}
