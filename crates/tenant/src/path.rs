//! From the path of a URL to segments, path addressing included (`spec/graph-content-api.md` 1.1).

use percent_encoding::percent_decode_str;

use crate::problem::{Answer, Problem};

/// One step of a decoded URL path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// A plain segment: a collection, an id, an action.
    Text(String),
    /// What stood between `:/` and `:` after the segment before: names below it; empty for the thing itself.
    Path(Vec<String>),
}

/// Decodes once, then splits. Empty and `.` segments are dropped, `items/root%3A%2Fa%2Fb%3A/content` and its plain
/// form give the same, and functions lose their namespace and empty parentheses.
pub(crate) fn parse_path(raw: &str) -> Answer<Vec<Segment>> {
    let decoded = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| Problem::bad_query("The path is not UTF-8."))?;
    let mut segments = Vec::new();
    let mut names: Option<Vec<String>> = None;
    for part in decoded.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match &mut names {
            Some(open) => {
                let (name, closed) = part.strip_suffix(':').map_or((part, false), |n| (n, true));
                if !name.is_empty() && name != "." {
                    open.push(name.to_owned());
                }
                if closed {
                    segments.push(Segment::Path(names.take().unwrap_or_default()));
                }
            }
            None => match part.strip_suffix(':') {
                Some(text) => {
                    // `root::` is `root:` whose path is closed at once.
                    let (text, closed) =
                        text.strip_suffix(':').map_or((text, false), |text| (text, true));
                    segments.push(Segment::Text(text.to_owned()));
                    if closed {
                        segments.push(Segment::Path(Vec::new()));
                    } else {
                        names = Some(Vec::new());
                    }
                }
                None => segments.push(Segment::Text(plain_function(part).to_owned())),
            },
        }
    }
    if let Some(open) = names {
        segments.push(Segment::Path(open));
    }
    Ok(segments)
}

fn plain_function(part: &str) -> &str {
    let part = part.strip_prefix("microsoft.graph.").unwrap_or(part);
    let part = part.strip_prefix("graph.").unwrap_or(part);
    part.strip_suffix("()").unwrap_or(part)
}

/// The value of `token` in `delta(token='…')`; `None` when `segment` is no such call.
pub(crate) fn function_argument<'a>(
    segment: &'a str,
    function: &str,
    parameter: &str,
) -> Option<&'a str> {
    let arguments = segment.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')?;
    let value = arguments.strip_prefix(parameter)?.strip_prefix('=')?;
    value.strip_prefix('\'')?.strip_suffix('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Segment {
        Segment::Text(text.to_owned())
    }

    fn path(names: &[&str]) -> Segment {
        Segment::Path(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[track_caller]
    fn check(raw: &str, expected: &[Segment]) {
        assert_eq!(parse_path(raw).unwrap(), expected, "{raw}");
    }

    #[test]
    fn every_spelling_of_path_addressing() {
        let content = [
            text("drives"),
            text("b!x"),
            text("items"),
            text("root"),
            path(&["a", "b c.txt"]),
            text("content"),
        ];
        check("/drives/b%21x/items/root%3A%2Fa%2Fb%20c.txt%3A/content", &content);
        check("//drives/b!x/items/root:/a/b%20c.txt:/content", &content);
        check("/drives/b!x/items/root:/.%2Fa/b%20c.txt:/content", &content);
        check("/root:/dir://children", &[text("root"), path(&["dir"]), text("children")]);
        check("/items/1:/", &[text("items"), text("1"), path(&[])]);
        check("/items/1:/name:", &[text("items"), text("1"), path(&["name"])]);
        check("/root:/x.bin:/", &[text("root"), path(&["x.bin"])]);
        check("/root:/a/b", &[text("root"), path(&["a", "b"])]);
        check("/root:/100%25.txt", &[text("root"), path(&["100%.txt"])]);
        check(
            "/sites/h:/sites/t:/drive",
            &[text("sites"), text("h"), path(&["sites", "t"]), text("drive")],
        );
        check("/root/microsoft.graph.delta()", &[text("root"), text("delta")]);
    }

    #[test]
    fn function_arguments() {
        assert_eq!(function_argument("delta(token='latest')", "delta", "token"), Some("latest"));
        assert_eq!(function_argument("delta", "delta", "token"), None);
    }
}
