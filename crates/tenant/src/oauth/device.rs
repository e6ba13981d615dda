//! The device code flow (RFC 8628): a device shows a short code, a person types it into a browser and answers there.

use http::{HeaderMap, Method, StatusCode};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::{Reply, json_reply};
use crate::ids::sha256;
use crate::oauth::grants::SignIn;
use crate::oauth::pages::{self, Asking};
use crate::oauth::people::Person;
use crate::oauth::refusal::{Refusal, uncached};
use crate::oauth::scopes;
use crate::oauth::token::Client;
use crate::query::Query;
use crate::tenant::Inner;

const PURPOSE: &str = "device sign-in";
const SECOND: i64 = 1_000_000;
const LIFETIME_SECONDS: i64 = 900;
/// How long a device waits between two questions; longer after each one that came too early.
const INTERVAL_SECONDS: i64 = 5;
/// A device's clock and the network may bring a question forward by as much.
const TOLERANCE_SECONDS: i64 = 1;
const USER_CODE_CHARS: usize = 9;
/// Letters and digits that are hard to mistake for each other and make no words.
const ALPHABET: &[u8; 25] = b"BCDFGHJKLMNPQRSTVWXZ34679";

/// `POST /{tenant}/oauth2/v2.0/devicecode`
pub(crate) fn start(inner: &Inner, headers: &HeaderMap, form: &Query) -> Result<Reply, Refusal> {
    let client = Client::identify(inner, form, headers)?;
    let scope = form.get("scope").unwrap_or_default();
    scopes::grant(scope, &client.app.scopes)?;
    let code = inner.entropy.secret_hex();
    let user_code = user_code(inner);
    let now = inner.now();
    inner.database.write(|tx| {
        tx.execute("DELETE FROM device_codes WHERE expires < ?1", [now - 3600 * SECOND])?;
        tx.execute(
            "INSERT INTO device_codes (hash, user_code, client_id, scope, expires, interval_seconds) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                sha256(code.as_bytes()),
                user_code,
                client.app.client_id,
                scope,
                now + LIFETIME_SECONDS * SECOND,
                INTERVAL_SECONDS,
            ],
        )?;
        Ok::<_, Refusal>(())
    })?;
    let page = format!("{}/devicelogin", inner.issuer_base);
    let body = json!({
        "user_code": user_code,
        "device_code": code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": LIFETIME_SECONDS,
        "interval": INTERVAL_SECONDS,
        "message": format!(
            "To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."
        ),
    });
    Ok(uncached(json_reply(StatusCode::OK, &body)))
}

fn user_code(inner: &Inner) -> String {
    let mut text = String::new();
    while text.len() < USER_CODE_CHARS {
        let mut bytes = [0; USER_CODE_CHARS];
        inner.entropy.fill(&mut bytes);
        // 250 is the largest multiple of 25 in a byte: what is above would favour the first letters.
        for byte in bytes.into_iter().filter(|byte| *byte < 250) {
            if text.len() < USER_CODE_CHARS {
                text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            }
        }
    }
    text
}

/// What the device gets for its code: nothing yet, or who signed in, once.
pub(crate) fn redeem(inner: &Inner, client: &Client, code: &str) -> Result<SignIn, Refusal> {
    let hash = sha256(code.as_bytes());
    let (now, family) = (inner.now(), inner.random_guid().to_string());
    // A refusal inside must commit too: it notes when the device asked.
    inner.database.write(|tx| {
        let found = tx
            .query_row(
                "SELECT client_id, scope, expires, interval_seconds, asked_at, answer, used \
                 FROM device_codes WHERE hash = ?1",
                [hash],
                |row| {
                    Ok(DeviceRow {
                        client_id: row.get(0)?,
                        scope: row.get(1)?,
                        expires: row.get(2)?,
                        interval_seconds: row.get(3)?,
                        asked_at: row.get(4)?,
                        answer: row.get(5)?,
                        used: row.get(6)?,
                    })
                },
            )
            .optional()?;
        let Some(row) = found.filter(|row| row.client_id == client.app.client_id) else {
            return Ok(Err(Refusal::new(
                "bad_verification_code",
                70_018,
                "The device_code is not known.",
            )));
        };
        if now >= row.expires {
            return Ok(Err(Refusal::new("expired_token", 70_020, "The device_code has expired.")));
        }
        if row.used {
            return Ok(Err(Refusal::grant(70_000, "The device_code was used already.")));
        }
        let wait = (row.interval_seconds - TOLERANCE_SECONDS) * SECOND;
        let too_early = row.asked_at.is_some_and(|asked| now < asked.saturating_add(wait));
        tx.execute(
            "UPDATE device_codes SET asked_at = ?2, interval_seconds = interval_seconds + ?3, \
             used = ?4 WHERE hash = ?1",
            params![
                hash,
                now,
                if too_early { INTERVAL_SECONDS } else { 0 },
                !too_early && row.answer.is_some(),
            ],
        )?;
        Ok::<_, Refusal>(match row.answer {
            _ if too_early => Err(Refusal::new(
                "slow_down",
                70_017,
                "The device asks too often; wait five seconds longer.",
            )),
            None => {
                Err(Refusal::new("authorization_pending", 70_016, "The user has not answered yet."))
            }
            Some(id) if id.is_empty() => {
                Err(Refusal::new("authorization_declined", 70_019, "The user declined to sign in."))
            }
            Some(user_id) => Ok(SignIn {
                client_id: row.client_id,
                user_id,
                scope: row.scope,
                nonce: None,
                family,
                needs_secret: client.has_secret,
            }),
        })
    })?
}

struct DeviceRow {
    client_id: String,
    scope: String,
    expires: i64,
    interval_seconds: i64,
    asked_at: Option<i64>,
    answer: Option<String>,
    used: bool,
}

/// What the page's form carries.
#[derive(Serialize, Deserialize)]
struct DeviceRequest {
    user_code: String,
    browser: [u8; 32],
}

/// `/devicelogin`: asks for the code, then for the person; a POST answers.
pub(crate) fn verification_page(
    inner: &Inner,
    method: &Method,
    headers: &HeaderMap,
    fields: &Query,
) -> Result<Reply, Refusal> {
    if *method == Method::POST {
        return answer(inner, headers, fields);
    }
    let Some(typed) = fields.get("user_code").or_else(|| fields.get("otc")) else {
        return Ok(pages::ask_user_code(inner, ""));
    };
    let user_code: String =
        typed.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let found = inner.database.read(|connection| {
        connection
            .query_row(
                "SELECT client_id, scope FROM device_codes \
                 WHERE user_code = ?1 AND expires > ?2 AND answer IS NULL",
                params![user_code, inner.now()],
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
            )
            .optional()
    })?;
    let app = match &found {
        Some((client_id, _)) => inner.app(client_id)?,
        None => None,
    };
    let (Some((_, scope)), Some(app)) = (found, app) else {
        return Ok(pages::ask_user_code(inner, "That code is not known, or has expired."));
    };
    let granted = scopes::grant(&scope, &app.scopes)?;
    let mark = pages::browser_mark(headers).unwrap_or_else(|| inner.entropy.secret_hex());
    let request = DeviceRequest { user_code, browser: sha256(mark.as_bytes()) };
    let request = serde_json::to_vec(&request).expect("texts and numbers serialize");
    let asking = Asking {
        app: &app.display_name,
        scopes: &granted.names,
        action: "/devicelogin",
        request: &inner.sign(PURPOSE, &request),
    };
    let people = inner.database.read(Person::all)?;
    Ok(pages::with_browser_mark(pages::choose_person(inner, &asking, &people), &mark))
}

fn answer(inner: &Inner, headers: &HeaderMap, form: &Query) -> Result<Reply, Refusal> {
    let mark = pages::browser_mark(headers).map(|mark| sha256(mark.as_bytes()));
    let request = form
        .get("request")
        .and_then(|token| inner.signed(PURPOSE, token))
        .and_then(|bytes| serde_json::from_slice::<DeviceRequest>(&bytes).ok())
        .filter(|request| Some(request.browser) == mark);
    let Some(request) = request else {
        let text = "The page was opened in another browser. Please start again.";
        return Ok(pages::failure(inner, StatusCode::BAD_REQUEST, text));
    };
    let id = form.get("person").unwrap_or_default();
    if !id.is_empty() && inner.database.read(|connection| Person::find(connection, id))?.is_none() {
        return Ok(pages::failure(inner, StatusCode::BAD_REQUEST, "There is no such person."));
    }
    let answered = inner.database.write(|tx| {
        tx.execute(
            "UPDATE device_codes SET answer = ?2 WHERE user_code = ?1 AND answer IS NULL AND expires > ?3",
            params![request.user_code, id, inner.now()],
        )
    })?;
    Ok(match answered {
        0 => pages::ask_user_code(inner, "That code is not known, or has expired."),
        _ if id.is_empty() => {
            pages::page(inner, StatusCode::OK, "Declined", "<p>The device was told so.</p>")
        }
        _ => pages::page(
            inner,
            StatusCode::OK,
            "Signed in",
            "<p>The device goes on by itself. You can close this window.</p>",
        ),
    })
}
