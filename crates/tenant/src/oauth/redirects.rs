//! Which redirect addresses an application may use.

use http::Uri;

/// Longest address that is looked at, in bytes.
const ADDRESS_BYTES: usize = 2048;
/// The address that native clients use when they watch a browser of their own.
pub(crate) const NATIVE_CLIENT: &str =
    "https://login.microsoftonline.com/common/oauth2/nativeclient";

/// Whether `asked` is one of `registered`: equal to the letter, but for the port of an address on this machine, which a
/// native client chooses when it starts (RFC 8252, 7.3).
pub(crate) fn is_registered(asked: &str, registered: &[String]) -> bool {
    if asked.len() > ADDRESS_BYTES || !asked.bytes().all(|byte| byte.is_ascii_graphic()) {
        return false;
    }
    registered.iter().any(|known| {
        known == asked || loopback(known).is_some_and(|known| Some(known) == loopback(asked))
    })
}

/// Whether whoever receives codes there may have no secret: a program on the user's machine, not a web server.
pub(crate) fn is_native(address: &str) -> bool {
    address == NATIVE_CLIENT || loopback(address).is_some()
}

/// Host and path of an address on this machine.
fn loopback(address: &str) -> Option<(String, String)> {
    if address.contains(['#', '@', '\\']) {
        return None;
    }
    let uri: Uri = address.parse().ok()?;
    let host = uri.host().filter(|host| matches!(*host, "localhost" | "127.0.0.1" | "[::1]"))?;
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    (uri.scheme_str() == Some("http")).then(|| (host.to_owned(), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(asked: &str, expected: bool) {
        let registered = ["http://localhost", "http://localhost/cb", "https://app.example/cb?x=1"];
        assert_eq!(is_registered(asked, &registered.map(str::to_owned)), expected, "{asked}");
    }

    #[test]
    fn only_the_port_of_this_machine_is_free() {
        check("http://localhost", true);
        check("http://localhost:51234", true);
        check("http://localhost:51234/", true);
        check("http://localhost:51234/cb", true);
        check("https://app.example/cb?x=1", true);
        check("http://localhost:51234/other", false);
        check("http://localhost:51234/cb?x=1", false);
        check("https://localhost:51234/cb", false);
        check("http://localhost.evil.example/cb", false);
        check("http://localhost@evil.example/cb", false);
        check("http://evil.example#@localhost/cb", false);
        check("http://127.0.0.1/cb", false);
        check("https://app.example/cb", false);
        check("https://app.example:444/cb?x=1", false);
        check("https://app.example/cb?x=1&y=2", false);
        check("", false);
    }
}
