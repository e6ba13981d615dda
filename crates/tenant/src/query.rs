//! Query options of a request, and the links that carry them on.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::problem::{Answer, Problem};

/// What stays plain in a path or query that we write.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b'@');

const WITHOUT_DOLLAR: [&str; 9] =
    ["select", "expand", "filter", "top", "orderby", "skip", "count", "search", "skiptoken"];

/// Percent-encodes one path segment or query value.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Decoded options in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Answer<Self> {
        let decode = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_decode_str(&spaced)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| Problem::bad_query("The query is not UTF-8."))
        };
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let mut name = decode(name)?;
            if WITHOUT_DOLLAR.contains(&name.to_ascii_lowercase().as_str()) {
                name.insert(0, '$');
            }
            if name.starts_with('$') {
                name.make_ascii_lowercase();
            }
            pairs.push((name, decode(value)?));
        }
        Ok(Self(pairs))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `$top` within `1..=limit`; 400 when it is no positive number.
    pub(crate) fn top(&self, default: usize, limit: usize) -> Answer<usize> {
        let Some(text) = self.get("$top") else { return Ok(default) };
        let top: usize = text
            .parse()
            .map_err(|_| Problem::bad_query("Invalid value for $top: not a whole number."))?;
        if top == 0 {
            return Err(Problem::bad_query("Invalid value for $top: must be at least 1."));
        }
        Ok(top.min(limit))
    }

    pub(crate) fn wants_count(&self) -> bool {
        self.get("$count").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Asks for a count and as little else as possible.
    pub(crate) fn count_only(&mut self) {
        self.0.retain(|(name, _)| !matches!(name.as_str(), "$count" | "$top" | "$skiptoken"));
        for (name, value) in [("$count", "true"), ("$top", "1")] {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The same options with `name` set to `value`, ready for a URL. `dropped` options are left out.
    pub(crate) fn link_with(&self, name: &str, value: &str, dropped: &[&str]) -> String {
        let mut text = String::new();
        for (known, kept) in &self.0 {
            if known != name && !dropped.contains(&known.as_str()) {
                text.push_str(&format!("{}={}&", encode(known), encode(kept)));
            }
        }
        text.push_str(&format!("{}={}", encode(name), encode(value)));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_in_every_spelling() {
        let query =
            Query::parse("%24top=5&select=id%2Cname&$search=%2A&$filter=a+eq%20'b'").unwrap();
        assert_eq!(query.top(10, 100).unwrap(), 5);
        assert_eq!(query.get("$select"), Some("id,name"));
        assert_eq!(query.get("$search"), Some("*"));
        assert_eq!(query.get("$filter"), Some("a eq 'b'"));
        assert_eq!(
            query.link_with("$skiptoken", "x", &["$filter"]),
            "$top=5&$select=id,name&$search=*&$skiptoken=x"
        );
    }
}
