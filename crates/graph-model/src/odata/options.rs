//! A query string to [`QueryOptions`].

use super::QueryError;

/// OData's options of one request, read but not yet resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryOptions {
    pub select: Option<Vec<String>>,
    pub filter: Option<String>,
    pub expand: Vec<Expand>,
    pub order_by: Vec<Order>,
    pub top: Option<u32>,
    pub count: bool,
    pub skip_token: Option<String>,
}

/// One item of `$expand`, with the options in its parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expand {
    pub property: String,
    pub select: Option<Vec<String>>,
    pub filter: Option<String>,
}

/// One item of `$orderby`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub property: String,
    pub descending: bool,
}

impl QueryOptions {
    /// Reads decoded pairs of a query string. The leading `$` may be missing, as Graph has it. Names that are not OData's are
    /// left to others, as OData says.
    ///
    /// # Errors
    /// When an option is given twice, cannot be read, or is one of OData's that this API does not offer.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, QueryError> {
        let mut options = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in pairs {
            let lower = name.to_ascii_lowercase();
            let bare = lower.strip_prefix('$').unwrap_or(&lower).to_owned();
            if seen.contains(&bare) {
                return Err(malformed(format!("The query option {name} is given twice.")));
            }
            match bare.as_str() {
                "select" => options.select = Some(names(value, "$select")?),
                "filter" => options.filter = Some(value.to_owned()),
                "expand" => options.expand = expands(value)?,
                "orderby" => options.order_by = orders(value)?,
                "top" => options.top = Some(top(value)?),
                "count" => options.count = boolean(value)?,
                "skiptoken" => options.skip_token = Some(value.to_owned()),
                "skip" => {
                    return Err(malformed(
                        "$skip is not supported: follow @odata.nextLink instead.".to_owned(),
                    ));
                }
                "format" if value.starts_with("json") || value.starts_with("application/json") => {}
                "search" | "apply" | "compute" | "format" | "deltatoken" | "levels" | "index"
                | "schemaversion" => {
                    return Err(malformed(format!("The query option {name} is not supported.")));
                }
                _ if lower.starts_with('$') => {
                    return Err(malformed(format!("{name} is no query option.")));
                }
                _ => continue,
            }
            seen.push(bare);
        }
        Ok(options)
    }

    /// The names of the options that were given, for refusing those that an operation does not take.
    #[must_use]
    pub fn given(&self) -> Vec<&'static str> {
        [
            ("$select", self.select.is_some()),
            ("$filter", self.filter.is_some()),
            ("$expand", !self.expand.is_empty()),
            ("$orderby", !self.order_by.is_empty()),
            ("$top", self.top.is_some()),
            ("$count", self.count),
            ("$skiptoken", self.skip_token.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

fn malformed(text: String) -> QueryError {
    QueryError::Malformed(text)
}

/// Splits at `separator` outside parentheses and quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut start) = (0_usize, false, 0);
    for (index, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ if character == separator && depth == 0 && !quoted => {
                parts.push(&text[start..index]);
                start = index + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn names(value: &str, option: &str) -> Result<Vec<String>, QueryError> {
    let names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) {
        return Err(malformed(format!("{option} has an empty name.")));
    }
    Ok(names)
}

fn expands(value: &str) -> Result<Vec<Expand>, QueryError> {
    let mut expands: Vec<Expand> = Vec::new();
    for item in split(value, ',') {
        let item = item.trim();
        let (property, inner) = match item.split_once('(') {
            None => (item, None),
            Some((property, rest)) => {
                let inner = rest.strip_suffix(')').ok_or_else(|| {
                    malformed("A parenthesis in $expand is not closed.".to_owned())
                })?;
                (property.trim(), Some(inner))
            }
        };
        if property.is_empty() {
            return Err(malformed("$expand has an empty name.".to_owned()));
        }
        if expands.iter().any(|expand| expand.property == property) {
            return Err(malformed(format!("$expand names {property} twice.")));
        }
        let mut expand = Expand { property: property.to_owned(), select: None, filter: None };
        for option in inner.map(|inner| split(inner, ';')).unwrap_or_default() {
            let (name, value) = option.split_once('=').ok_or_else(|| {
                malformed(format!("'{option}' inside $expand is no query option."))
            })?;
            match name.trim().to_ascii_lowercase().as_str() {
                "$select" | "select" => expand.select = Some(names(value, "$select in $expand")?),
                "$filter" | "filter" => expand.filter = Some(value.to_owned()),
                other => {
                    return Err(malformed(format!(
                        "The query option {other} is not supported inside $expand."
                    )));
                }
            }
        }
        expands.push(expand);
    }
    Ok(expands)
}

fn orders(value: &str) -> Result<Vec<Order>, QueryError> {
    let mut orders = Vec::new();
    for item in value.split(',') {
        let mut words = item.split_whitespace();
        let property =
            words.next().ok_or_else(|| malformed("$orderby has an empty name.".to_owned()))?;
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => {
                return Err(malformed(format!("$orderby: '{other}' is neither asc nor desc.")));
            }
        };
        if words.next().is_some() {
            return Err(malformed(format!("$orderby: '{}' cannot be read.", item.trim())));
        }
        orders.push(Order { property: property.to_owned(), descending });
    }
    Ok(orders)
}

fn top(value: &str) -> Result<u32, QueryError> {
    let limit = holdfast_domain::limits::PAGE_MAX;
    value
        .parse()
        .ok()
        .filter(|top| *top <= limit)
        .ok_or_else(|| malformed(format!("$top must be a number from 0 to {limit}.")))
}

fn boolean(value: &str) -> Result<bool, QueryError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(malformed("$count must be true or false.".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, value: &str) -> Result<QueryOptions, QueryError> {
        QueryOptions::parse([(name, value)])
    }

    #[test]
    fn expand_with_options_inside() {
        let options = parse("$expand", "protectionUnit($filter=id eq 'a,b;)';$select=id,siteId)");
        assert_eq!(
            options.expect("well-formed").expand,
            [Expand {
                property: "protectionUnit".to_owned(),
                select: Some(vec!["id".to_owned(), "siteId".to_owned()]),
                filter: Some("id eq 'a,b;)'".to_owned()),
            }]
        );
    }

    #[test]
    fn the_dollar_sign_may_be_missing() {
        assert_eq!(parse("top", "5").expect("well-formed").top, Some(5));
    }

    #[test]
    fn options_that_cannot_be_served_are_named() {
        for (name, value, word) in [
            ("$top", "1000", "$top"),
            ("$top", "-1", "$top"),
            ("$top", "x", "$top"),
            ("$skip", "5", "$skip"),
            ("$search", "x", "$search"),
            ("$count", "yes", "$count"),
            ("$orderby", "a sideways", "sideways"),
            ("$orderby", "", "$orderby"),
            ("$select", "a,,b", "$select"),
            ("$expand", "a($top=5)", "$top"),
            ("$expand", "a(", "$expand"),
            ("$nonsense", "x", "$nonsense"),
        ] {
            let error = parse(name, value).expect_err(name).to_string();
            assert!(error.contains(word), "{error}");
        }
        let twice = QueryOptions::parse([("$top", "1"), ("top", "2")]);
        assert!(twice.expect_err("twice").to_string().contains("twice"));
    }

    #[test]
    fn custom_options_are_left_alone() {
        assert_eq!(parse("whatever", "x"), Ok(QueryOptions::default()));
    }
}
