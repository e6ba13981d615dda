//! `GET /{tenant}/oauth2/v2.0/authorize`: the sign-in page, and what its form does.
//!
//! A request whose client or redirect address is wrong is answered here and never redirected; everything else goes back to
//! the client with its `state`. The form carries the whole request, signed and bound to the browser by a cookie.

use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::call::Reply;
use crate::ids::sha256;
use crate::oauth::grants::{self, NewCode};
use crate::oauth::pages::{self, Asking};
use crate::oauth::people::Person;
use crate::oauth::refusal::Refusal;
use crate::oauth::{redirects, scopes};
use crate::query::Query;
use crate::tenant::Inner;

const PURPOSE: &str = "sign-in";
/// How long a sign-in page may stand open.
const PAGE_LIFETIME: i64 = 3600 * 1_000_000;

/// How the answer travels to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

/// Where an answer goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ReplyTo {
    redirect_uri: String,
    mode: ResponseMode,
    state: Option<String>,
}

/// A request that was found in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SignInRequest {
    client_id: String,
    reply_to: ReplyTo,
    nonce: Option<String>,
    challenge: Option<String>,
    scope: String,
    browser: [u8; 32],
    expires: i64,
}

impl ReplyTo {
    fn answer(&self, inner: &Inner, mut fields: Vec<(&'static str, String)>) -> Reply {
        if let Some(state) = &self.state {
            fields.push(("state", state.clone()));
        }
        let separator = match self.mode {
            ResponseMode::FormPost => return pages::post_on(inner, &self.redirect_uri, &fields),
            ResponseMode::Fragment => '#',
            ResponseMode::Query if self.redirect_uri.contains('?') => '&',
            ResponseMode::Query => '?',
        };
        pages::redirect(&self.redirect_uri, separator, &fields).unwrap_or_else(|| {
            pages::failure(inner, StatusCode::BAD_REQUEST, "The redirect address is malformed.")
        })
    }

    fn refuse(&self, inner: &Inner, refusal: &Refusal) -> Reply {
        let fields =
            vec![("error", refusal.error.to_owned()), ("error_description", refusal.text())];
        self.answer(inner, fields)
    }
}

/// Shows the sign-in page. `fields` come from the query, or from a form where the request was a POST.
pub(crate) fn authorize(
    inner: &Inner,
    tenant: &str,
    headers: &HeaderMap,
    fields: &Query,
) -> Result<Reply, Refusal> {
    let shown = |text: &str| Ok(pages::failure(inner, StatusCode::BAD_REQUEST, text));
    let app = match fields.get("client_id") {
        Some(id) => inner.app(id)?,
        None => return shown("AADSTS900144: client_id is missing."),
    };
    let Some(app) = app else { return shown(&Refusal::unknown_app().text()) };
    let redirect_uri = fields.get("redirect_uri").unwrap_or_default();
    if !redirects::is_registered(redirect_uri, &app.redirect_uris) {
        return shown("AADSTS50011: The redirect_uri is not one that the application registered.");
    }
    let state = fields.get("state").map(str::to_owned);
    let (mode, known) = match fields.get("response_mode") {
        None | Some("query") => (ResponseMode::Query, true),
        Some("fragment") => (ResponseMode::Fragment, true),
        Some("form_post") => (ResponseMode::FormPost, true),
        Some(_) => (ResponseMode::Query, false),
    };
    let reply_to = ReplyTo { redirect_uri: redirect_uri.to_owned(), mode, state };
    let invalid =
        |number, text| reply_to.refuse(inner, &Refusal::new("invalid_request", number, text));
    if !known {
        return Ok(invalid(90_014, "response_mode must be query, fragment or form_post."));
    }
    if fields.get("response_type") != Some("code") {
        let text = "response_type must be code.";
        return Ok(reply_to.refuse(inner, &Refusal::new("unsupported_response_type", 70_005, text)));
    }
    if fields.get("prompt") == Some("none") {
        let text = "Nobody is signed in, and prompt=none forbids asking.";
        return Ok(reply_to.refuse(inner, &Refusal::new("login_required", 50_058, text)));
    }
    let challenge = fields.get("code_challenge").map(str::to_owned);
    match (&challenge, fields.get("code_challenge_method")) {
        (None, None) => {}
        (Some(challenge), Some("S256")) if challenge.len() == 43 => {}
        _ => {
            let text =
                "PKCE takes code_challenge_method=S256 and a code_challenge of 43 characters.";
            return Ok(invalid(501_491, text));
        }
    }
    let scope = fields.get("scope").unwrap_or_default().to_owned();
    let granted = match scopes::grant(&scope, &app.scopes) {
        Ok(granted) => granted,
        Err(refusal) => return Ok(reply_to.refuse(inner, &refusal)),
    };
    let mark = pages::browser_mark(headers).unwrap_or_else(|| inner.entropy.secret_hex());
    let request = SignInRequest {
        client_id: app.client_id.clone(),
        reply_to,
        nonce: fields.get("nonce").map(str::to_owned),
        challenge,
        scope,
        browser: sha256(mark.as_bytes()),
        expires: inner.now().saturating_add(PAGE_LIFETIME),
    };
    let request = serde_json::to_vec(&request).expect("texts and numbers serialize");
    let asking = Asking {
        app: &app.display_name,
        scopes: &granted.names,
        action: &format!("/{tenant}/login"),
        request: &inner.sign(PURPOSE, &request),
    };
    let people = inner.database.read(Person::all)?;
    Ok(pages::with_browser_mark(pages::choose_person(inner, &asking, &people), &mark))
}

/// `POST /{tenant}/login`: the form of the sign-in page.
pub(crate) fn login(inner: &Inner, headers: &HeaderMap, form: &Query) -> Result<Reply, Refusal> {
    let request = form
        .get("request")
        .and_then(|token| inner.signed(PURPOSE, token))
        .and_then(|bytes| serde_json::from_slice::<SignInRequest>(&bytes).ok())
        .filter(|request| inner.now() < request.expires);
    let mark = pages::browser_mark(headers).map(|mark| sha256(mark.as_bytes()));
    // The page was shown in this browser: a form that another site made up ends here.
    let Some(request) = request.filter(|request| Some(request.browser) == mark) else {
        let text =
            "The sign-in page is too old, or was opened in another browser. Please start again.";
        return Ok(pages::failure(inner, StatusCode::BAD_REQUEST, text));
    };
    let person = match form.get("person") {
        Some(id) if !id.is_empty() => {
            inner.database.read(|connection| Person::find(connection, id))?
        }
        _ => {
            let declined = Refusal::new("access_denied", 65_004, "The user declined to sign in.");
            return Ok(request.reply_to.refuse(inner, &declined));
        }
    };
    let Some(person) = person else {
        return Ok(pages::failure(inner, StatusCode::BAD_REQUEST, "There is no such person."));
    };
    let code = grants::make_code(
        inner,
        &NewCode {
            client_id: &request.client_id,
            user_id: &person.id,
            redirect_uri: &request.reply_to.redirect_uri,
            challenge: request.challenge.as_deref(),
            nonce: request.nonce.as_deref(),
            scope: &request.scope,
        },
    )?;
    Ok(request.reply_to.answer(inner, vec![("code", code)]))
}

/// `GET /{tenant}/oauth2/v2.0/logout`: there is no session here to end, so this only sends the browser on.
pub(crate) fn logout(inner: &Inner, fields: &Query) -> Result<Reply, Refusal> {
    let app = fields.get("client_id").map(|id| inner.app(id)).transpose()?.flatten();
    let address = fields.get("post_logout_redirect_uri");
    if let (Some(app), Some(address)) = (app, address)
        && redirects::is_registered(address, &app.redirect_uris)
    {
        let state = fields.get("state").map(|state| ("state", state.to_owned()));
        let separator = if address.contains('?') { '&' } else { '?' };
        if let Some(reply) = pages::redirect(address, separator, state.as_slice()) {
            return Ok(reply);
        }
    }
    Ok(pages::page(inner, StatusCode::OK, "Signed out", "<p>You can close this window.</p>"))
}
