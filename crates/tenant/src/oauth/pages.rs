//! The pages of signing in. They load nothing, run no script but the one that posts a form on, and every text from outside
//! is escaped.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::call::Reply;
use crate::oauth::people::Person;
use crate::oauth::refusal::uncached;
use crate::query::encode;
use crate::roles;
use crate::tenant::Inner;

/// Binds a form to the browser that it was shown in. `__Host-`: only this host, only over TLS.
const COOKIE: &str = "__Host-holdfast-sign-in";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:34rem;padding:0 1rem;color:#222}\
    h1{font-size:1.5rem}.note{background:#fff6d6;padding:.5rem .8rem;border-radius:.3rem}\
    button{font:inherit;padding:.5rem .8rem;border:1px solid #888;border-radius:.3rem;background:#fff;cursor:pointer}\
    .people button{display:block;width:100%;text-align:left;margin:.4rem 0}.people small{display:block;color:#555}\
    code{background:#eee;padding:0 .2rem}";
const NOTE: &str = "<p class=note>This is an embedded development tenant. Choosing a person signs in as them, \
    without a password.</p>";

/// For text and for attributes in double quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A page with `body`, which is HTML.
pub(crate) fn page(inner: &Inner, status: StatusCode, title: &str, body: &str) -> Reply {
    let nonce = inner.entropy.secret_hex();
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style nonce=\"{nonce}\">{STYLE}</style><h1>{title}</h1>{body}",
        title = escape(title),
    );
    html_reply(status, html, &format!("style-src 'nonce-{nonce}'"))
}

fn html_reply(status: StatusCode, html: String, allowed: &str) -> Reply {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let policy = format!("default-src 'none'; {allowed}; base-uri 'none'; frame-ancestors 'none'");
    let policy = HeaderValue::from_str(&policy).expect("the policy is ASCII");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html;charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    uncached(response)
}

/// Something went wrong that must not be told to a redirect address.
pub(crate) fn failure(inner: &Inner, status: StatusCode, text: &str) -> Reply {
    page(inner, status, "Sign-in failed", &format!("<p>{}</p>", escape(text)))
}

/// What the application that asks is shown as.
pub(crate) struct Asking<'a> {
    pub(crate) app: &'a str,
    pub(crate) scopes: &'a [String],
    /// Where the form goes.
    pub(crate) action: &'a str,
    /// Signed; comes back with the form.
    pub(crate) request: &'a str,
}

/// Whom to sign in as, or not at all.
pub(crate) fn choose_person(inner: &Inner, asking: &Asking<'_>, people: &[Person]) -> Reply {
    let mut body = format!(
        "<p><b>{}</b> asks to act for you with:</p><p>{}</p>{NOTE}\
         <form method=post action=\"{}\"><input type=hidden name=request value=\"{}\"><div class=people>",
        escape(asking.app),
        asking
            .scopes
            .iter()
            .map(|scope| format!("<code>{}</code>", escape(scope)))
            .collect::<Vec<_>>()
            .join(" "),
        escape(asking.action),
        escape(asking.request),
    );
    for person in people {
        let roles: Vec<&str> = person.roles.iter().map(|role| roles::name(role)).collect();
        let roles =
            if roles.is_empty() { "no directory role".to_owned() } else { roles.join(", ") };
        body.push_str(&format!(
            "<button name=person value=\"{}\">{}<small>{} · {} · {}</small></button>",
            escape(&person.id),
            escape(&person.display_name),
            escape(&person.principal_name),
            escape(&person.job_title),
            escape(&roles),
        ));
    }
    body.push_str("</div><button name=person value=\"\">Cancel</button></form>");
    page(inner, StatusCode::OK, "Sign in to Contoso", &body)
}

/// Where a person types the code that a device shows.
pub(crate) fn ask_user_code(inner: &Inner, note: &str) -> Reply {
    let note = if note.is_empty() { String::new() } else { format!("<p>{}</p>", escape(note)) };
    let body = format!(
        "{note}<form method=get action=\"/devicelogin\"><label>Code that the device shows \
         <input name=user_code autocomplete=off autofocus></label> <button>Next</button></form>"
    );
    page(inner, StatusCode::OK, "Sign in on a device", &body)
}

/// A page that posts `fields` to `action` at once (`response_mode=form_post`).
pub(crate) fn post_on(inner: &Inner, action: &str, fields: &[(&str, String)]) -> Reply {
    let nonce = inner.entropy.secret_hex();
    let inputs: String = fields
        .iter()
        .map(|(name, value)| {
            format!("<input type=hidden name=\"{}\" value=\"{}\">", escape(name), escape(value))
        })
        .collect();
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Working</title>\
         <form method=post action=\"{}\">{inputs}<noscript><button>Continue</button></noscript></form>\
         <script nonce=\"{nonce}\">document.forms[0].submit()</script>",
        escape(action),
    );
    html_reply(StatusCode::OK, html, &format!("script-src 'nonce-{nonce}'"))
}

/// Sends the browser on with `fields` after `separator`.
pub(crate) fn redirect(to: &str, separator: char, fields: &[(&str, String)]) -> Option<Reply> {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let address = match fields.join("&") {
        fields if fields.is_empty() => to.to_owned(),
        fields => format!("{to}{separator}{fields}"),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(&address).ok()?);
    Some(uncached(response))
}

/// The browser's mark, if it has one.
pub(crate) fn browser_mark(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, mark)| mark.to_owned())
        .filter(|mark| mark.len() == 64 && mark.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Gives the browser its mark with `reply`. Lax: other sites can lead here, but not post.
pub(crate) fn with_browser_mark(mut reply: Reply, mark: &str) -> Reply {
    let cookie = format!("{COOKIE}={mark}; Path=/; Secure; HttpOnly; SameSite=Lax");
    let cookie = HeaderValue::from_str(&cookie).expect("the mark is hexadecimal");
    reply.headers_mut().insert(header::SET_COOKIE, cookie);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes() {
        assert_eq!(
            escape("<a href=\"x\" onclick='y'>&"),
            "&lt;a href=&quot;x&quot; onclick=&#39;y&#39;&gt;&amp;"
        );
    }

    #[test]
    fn redirects_carry_their_fields_encoded() {
        let fields = [("code", "a b".to_owned()), ("state", "x&y=\r\n#".to_owned())];
        let reply = redirect("http://localhost:9/cb", '?', &fields).unwrap();
        assert_eq!(
            reply.headers()[header::LOCATION],
            "http://localhost:9/cb?code=a%20b&state=x%26y%3D%0D%0A%23"
        );
        assert!(redirect("http://x/\n", '?', &fields).is_none());
    }
}
