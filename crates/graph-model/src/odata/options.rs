//! A query string to [`QueryOptions`].

use super::QueryError;

/// Levels of `$expand` inside `$expand`, the outermost included.
const EXPAND_LEVELS: usize = 4;
/// Names in all of a request's `$expand`.
const EXPANDS: usize = 20;

/// OData's options of one request or of one `$expand`, read but not yet resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryOptions {
    pub select: Option<Vec<String>>,
    pub filter: Option<String>,
    pub search: Option<String>,
    pub expand: Vec<Expand>,
    pub order_by: Vec<Order>,
    pub top: Option<u32>,
    pub skip: Option<u32>,
    pub count: bool,
    pub skip_token: Option<String>,
    pub format: Option<String>,
}

/// One item of `$expand`, with the options in its parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expand {
    pub property: String,
    pub options: QueryOptions,
    /// The options as the query string of a request for the expanded collection alone.
    pub query: String,
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
        let mut budget = EXPANDS;
        for (name, value) in pairs {
            options.take(name, value, &mut budget, 0)?;
        }
        Ok(options)
    }

    /// Reads one option. `level` is that of the `$expand` in which it stands; 0: none.
    fn take(
        &mut self,
        name: &str,
        value: &str,
        budget: &mut usize,
        level: usize,
    ) -> Result<(), QueryError> {
        let lower = name.trim().to_ascii_lowercase();
        let bare = lower.strip_prefix('$').unwrap_or(&lower);
        let place = if level == 0 { "" } else { " inside $expand" };
        if let Some(option) = self.given().into_iter().find(|given| given[1..] == *bare) {
            return Err(malformed(format!("The query option {option} is given twice{place}.")));
        }
        match bare {
            "select" => self.select = Some(names(value, "$select")?),
            "filter" => self.filter = Some(value.to_owned()),
            "search" => self.search = Some(value.to_owned()),
            "expand" => self.expand = expands(value, budget, level + 1)?,
            "orderby" => self.order_by = orders(value)?,
            "top" => self.top = Some(top(value)?),
            "skip" => {
                self.skip = Some(value.parse().map_err(|_| {
                    malformed("$skip must be a number that is not negative.".to_owned())
                })?);
            }
            "count" => self.count = boolean(value)?,
            "skiptoken" if level == 0 => self.skip_token = Some(value.to_owned()),
            "format" if level == 0 => {
                if value != "json" && !value.starts_with("application/json") {
                    return Err(malformed(format!(
                        "$format: {value} is not supported; json and application/json are."
                    )));
                }
                self.format = Some(value.to_owned());
            }
            "apply" | "compute" | "deltatoken" | "levels" | "index" | "schemaversion" => {
                return Err(malformed(format!("The query option {name} is not supported{place}.")));
            }
            _ if level > 0 || lower.starts_with('$') => {
                return Err(malformed(format!("{name} is no query option{place}.")));
            }
            _ => {}
        }
        Ok(())
    }

    /// The names of the options that were given, for refusing those that an operation does not take.
    #[must_use]
    pub fn given(&self) -> Vec<&'static str> {
        [
            ("$select", self.select.is_some()),
            ("$filter", self.filter.is_some()),
            ("$search", self.search.is_some()),
            ("$expand", !self.expand.is_empty()),
            ("$orderby", !self.order_by.is_empty()),
            ("$top", self.top.is_some()),
            ("$skip", self.skip.is_some()),
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

fn expands(value: &str, budget: &mut usize, level: usize) -> Result<Vec<Expand>, QueryError> {
    if level > EXPAND_LEVELS {
        return Err(malformed(format!("$expand has more than {EXPAND_LEVELS} levels.")));
    }
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
        *budget = budget
            .checked_sub(1)
            .ok_or_else(|| malformed(format!("$expand names more than {EXPANDS} properties.")))?;
        let mut options = QueryOptions::default();
        let mut query = Vec::new();
        for option in inner.map(|inner| split(inner, ';')).unwrap_or_default() {
            let (name, value) = option.split_once('=').ok_or_else(|| {
                malformed(format!("'{option}' inside $expand is no query option."))
            })?;
            options.take(name, value, budget, level)?;
            query.push(format!("{}={}", name.trim(), encoded(value)));
        }
        let query = query.join("&");
        expands.push(Expand { property: property.to_owned(), options, query });
    }
    Ok(expands)
}

/// Escapes what has a meaning in query strings.
fn encoded(value: &str) -> String {
    let mut text = String::new();
    for character in value.chars() {
        match character {
            '%' => text.push_str("%25"),
            '&' => text.push_str("%26"),
            '+' => text.push_str("%2B"),
            '#' => text.push_str("%23"),
            ' ' => text.push_str("%20"),
            other => text.push(other),
        }
    }
    text
}

fn orders(value: &str) -> Result<Vec<Order>, QueryError> {
    let mut orders: Vec<Order> = Vec::new();
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
        if orders.iter().any(|order| order.property == property) {
            return Err(malformed(format!("$orderby names {property} twice.")));
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
        let inner = QueryOptions {
            select: Some(vec!["id".to_owned(), "siteId".to_owned()]),
            filter: Some("id eq 'a,b;)'".to_owned()),
            ..QueryOptions::default()
        };
        assert_eq!(
            options.expect("well-formed").expand,
            [Expand {
                property: "protectionUnit".to_owned(),
                options: inner,
                query: "$filter=id%20eq%20'a,b;)'&$select=id,siteId".to_owned(),
            }]
        );
    }

    #[test]
    fn expand_inside_expand() {
        let text = "a($orderby=x desc;$top=3;$skip=1;$count=true;$expand=b($expand=c),d),e";
        let expand = parse("$expand", text).expect("well-formed").expand;
        let names = |expand: &[Expand]| {
            expand.iter().map(|expand| expand.property.clone()).collect::<Vec<_>>().join(",")
        };
        assert_eq!(names(&expand), "a,e");
        let inner = &expand[0].options;
        assert_eq!((inner.top, inner.skip, inner.count), (Some(3), Some(1), true));
        assert!(inner.order_by[0].descending);
        assert_eq!(names(&inner.expand), "b,d");
        assert_eq!(names(&inner.expand[0].options.expand), "c");
        let deep = format!("{}a{}", "a($expand=".repeat(10_000), ")".repeat(10_000));
        assert!(parse("$expand", &deep).is_err());
        let many: Vec<String> = (0..=EXPANDS).map(|n| format!("a{n}")).collect();
        assert!(parse("$expand", &many.join(",")).is_err());
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
            ("$skip", "-5", "$skip"),
            ("$apply", "x", "$apply"),
            ("$format", "xml", "$format"),
            ("$orderby", "a,a desc", "twice"),
            ("$expand", "a($top=5;$top=6)", "twice"),
            ("$expand", "a($skiptoken=x)", "$skiptoken"),
            ("$count", "yes", "$count"),
            ("$orderby", "a sideways", "sideways"),
            ("$orderby", "", "$orderby"),
            ("$select", "a,,b", "$select"),
            ("$expand", "a($top=x)", "$top"),
            ("$expand", "a(whatever=x)", "whatever"),
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
