//! Request paths. Graph's fixed segments match in any letter case, keys come as a segment or in parentheses, doubled slashes are
//! tolerated, and type names and operations may be qualified with `graph.` or `microsoft.graph.` (`spec/api.md` section 1).

use axum::http::{Uri, header};
use holdfast_graph_model::Version;
use percent_encoding::percent_decode_str;

/// Where a request leads: a root, and the segments below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) root: Root,
    pub(crate) segments: Vec<Segment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// `/{version}/solutions/backupRestore`, or the same without `/solutions`.
    BackupRestore(Version),
    /// `/holdfast/v1`: what is ours.
    Holdfast,
}

/// One path segment, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Without the qualification.
    pub(crate) text: String,
    /// It was written as `graph.X` or `microsoft.graph.X`.
    pub(crate) qualified: bool,
    /// It was written in parentheses, so it can only be a key.
    pub(crate) is_key: bool,
}

/// What is not a resource: documents and batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// `/{version}/$batch`
    Batch(Version),
    /// `/{version}/$metadata`
    Metadata(Version),
    /// `/{version}`: the service document
    Service(Version),
    /// `/openapi.json`
    OpenApi,
}

impl Special {
    /// In metrics, where operations have their ids.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Batch(_) => "batch",
            Self::Metadata(_) => "metadata",
            Self::Service(_) => "service",
            Self::OpenApi => "openapi",
        }
    }

    pub(crate) fn of(path: &str) -> Option<Self> {
        let text = percent_decode_str(path).decode_utf8().ok()?;
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        let version = |text: &str| {
            [Version::V1, Version::Beta]
                .into_iter()
                .find(|version| text.eq_ignore_ascii_case(version.name()))
        };
        match parts[..] {
            ["openapi.json"] => Some(Self::OpenApi),
            [first] => version(first).map(Self::Service),
            [first, second] if second.eq_ignore_ascii_case("$batch") => {
                version(first).map(Self::Batch)
            }
            [first, second] if second.eq_ignore_ascii_case("$metadata") => {
                version(first).map(Self::Metadata)
            }
            _ => None,
        }
    }
}

/// Does this router answer `path`, or does it belong to somebody else?
#[must_use]
pub fn serves(path: &str) -> bool {
    Special::of(path).is_some() || Address::parse(path).is_some()
}

impl Address {
    /// `None` when the path lies outside what this API serves, or is no text.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut segments = Vec::new();
        for raw in path.split('/').filter(|raw| !raw.is_empty()) {
            let text = percent_decode_str(raw).decode_utf8().ok()?;
            push_segments(&text, &mut segments);
        }
        let is = |index: usize, word: &str| {
            segments
                .get(index)
                .is_some_and(|segment: &Segment| segment.text.eq_ignore_ascii_case(word))
        };
        let (root, below) = if is(0, "holdfast") && is(1, "v1") {
            (Root::Holdfast, 2)
        } else {
            let version = if is(0, Version::V1.name()) {
                Version::V1
            } else if is(0, Version::Beta.name()) {
                Version::Beta
            } else {
                return None;
            };
            let below = if is(1, "solutions") && is(2, "backupRestore") {
                3
            } else if is(1, "backupRestore") {
                2
            } else {
                return None;
            };
            (Root::BackupRestore(version), below)
        };
        Some(Self { root, segments: segments.split_off(below) })
    }
}

fn push_segments(text: &str, segments: &mut Vec<Segment>) {
    // `name('key')` and `name(key)` are two segments; `name()` is one; `name(parameter='x')` stays whole.
    if let Some((name, rest)) = text.split_once('(')
        && let Some(inside) = rest.strip_suffix(')')
        && !name.is_empty()
    {
        let quoted = inside.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        if quoted.is_some() || !inside.contains('=') {
            segments.push(plain(name));
            if !inside.is_empty() {
                let text = quoted.unwrap_or(inside).replace("''", "'");
                segments.push(Segment { text, qualified: false, is_key: true });
            }
            return;
        }
    }
    segments.push(plain(text));
}

fn plain(text: &str) -> Segment {
    for prefix in ["microsoft.graph.", "graph."] {
        if let (Some(head), Some(tail)) = (text.get(..prefix.len()), text.get(prefix.len()..))
            && head.eq_ignore_ascii_case(prefix)
        {
            return Segment { text: tail.to_owned(), qualified: true, is_key: false };
        }
    }
    Segment { text: text.to_owned(), qualified: false, is_key: false }
}

/// Scheme and authority for absolute URLs: the request's own where the server in front put them into the URI, else by
/// its `Host` header. Clients reach a production server by HTTPS only.
pub(crate) fn origin(uri: &Uri, headers: &axum::http::HeaderMap) -> String {
    if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) {
        return format!("{scheme}://{authority}");
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("https://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: &[&str]) {
        let address = Address::parse(path).expect("served");
        let texts: Vec<String> = address
            .segments
            .iter()
            .map(|segment| {
                let mark = if segment.qualified { "graph." } else { "" };
                format!("{mark}{}", segment.text)
            })
            .collect();
        assert_eq!(texts, expected, "{path}");
    }

    #[test]
    fn keys_casts_cases_and_slashes() {
        check("/v1.0/solutions/backupRestore", &[]);
        check("/beta//Solutions/backuprestore//restoreSessions/", &["restoreSessions"]);
        check("/V1.0/backupRestore/enable", &["enable"]);
        check(
            "/v1.0/solutions/backupRestore/restoreSessions('a''b')/activate",
            &["restoreSessions", "a'b", "activate"],
        );
        check("/v1.0/solutions/backupRestore/restoreSessions(ab)", &["restoreSessions", "ab"]);
        check(
            "/v1.0/solutions/backupRestore/protectionUnits/Microsoft.Graph.siteProtectionUnit/%24count",
            &["protectionUnits", "graph.siteProtectionUnit", "$count"],
        );
        check("/v1.0/solutions/backupRestore/x()/y", &["x", "y"]);
        check("/beta/solutions/backupRestore/reports/f(a='b')", &["reports", "f(a='b')"]);
        check("/holdfast/v1/restorePoints/x/gaps", &["restorePoints", "x", "gaps"]);
    }

    #[test]
    fn documents_and_batches() {
        assert_eq!(Special::of("/v1.0/$batch"), Some(Special::Batch(Version::V1)));
        assert_eq!(Special::of("/beta/%24metadata"), Some(Special::Metadata(Version::Beta)));
        assert_eq!(Special::of("/openapi.json"), Some(Special::OpenApi));
        assert_eq!(Special::of("/v1.0"), Some(Special::Service(Version::V1)));
        assert_eq!(Special::of("/Beta/"), Some(Special::Service(Version::Beta)));
        assert_eq!(Special::of("/v3/$batch"), None);
        assert!(serves("/V1.0//$Batch"));
    }

    #[test]
    fn other_paths_are_not_ours() {
        for path in
            ["/", "/v1", "/v1.0/sites", "/v2.0/solutions/backupRestore", "/v1.0/solutions", "/%FF"]
        {
            assert!(!serves(path), "{path}");
        }
    }
}
