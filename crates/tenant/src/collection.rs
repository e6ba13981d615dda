//! Collections that fit in memory (sites, users, permissions …): filter, order, page, select.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};

use crate::call::{Call, Reply, json_reply};
use crate::filter::{Filter, compare};
use crate::problem::{Answer, Problem};
use crate::select::Selection;

/// How a collection pages and which properties it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// What follows `$metadata#`.
    pub(crate) context: &'static str,
    pub(crate) default_top: usize,
    pub(crate) top_limit: usize,
    pub(crate) known: &'static [&'static str],
}

/// Answers one page of `values`, which come in their natural order.
pub(crate) fn collection(call: &Call, shape: Shape, mut values: Vec<Value>) -> Answer<Reply> {
    let selection = Selection::parse(&call.query, shape.known)?;
    if let Some(text) = call.query.get("$filter") {
        let filter = Filter::parse(text)?;
        values.retain(|value| filter.matches(value));
    }
    if let Some(text) = call.query.get("$orderby") {
        sort(&mut values, text, shape.known)?;
    }
    let count = values.len();
    let top = call.query.top(shape.default_top, shape.top_limit)?;
    let start = match call.query.get("$skiptoken") {
        Some(token) => parse_offset(token)?,
        None => 0,
    };
    let mut page: Vec<Value> = values.into_iter().skip(start).take(top).collect();
    page.iter_mut().for_each(|value| selection.apply(value));
    let next = (start + page.len() < count && !page.is_empty())
        .then(|| call.link("$skiptoken", &offset_token(start + page.len()), &[]));
    Ok(page_reply(call, shape.context, page, next, count))
}

/// The envelope of a page.
pub(crate) fn page_reply(
    call: &Call,
    context: &str,
    page: Vec<Value>,
    next: Option<String>,
    count: usize,
) -> Reply {
    let mut body = json!({"@odata.context": call.context(context)});
    if call.query.wants_count() {
        body["@odata.count"] = json!(count);
    }
    if let Some(next) = next {
        body["@odata.nextLink"] = json!(next);
    }
    body["value"] = Value::Array(page);
    json_reply(StatusCode::OK, &body)
}

pub(crate) fn offset_token(offset: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("o{offset}"))
}

pub(crate) fn parse_offset(token: &str) -> Answer<usize> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok()?.strip_prefix('o')?.parse().ok())
        .ok_or_else(|| Problem::bad_query("The $skiptoken is malformed."))
}

/// Sorts by `$orderby`; 400 for a property that is not `known`.
pub(crate) fn sort(values: &mut [Value], order: &str, known: &[&str]) -> Answer<()> {
    for key in order.split(',').rev() {
        let mut words = key.split_whitespace();
        let name = words.next().unwrap_or_default();
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(Problem::bad_query("Invalid $orderby direction.")),
        };
        if !known.iter().any(|property| Some(*property) == name.split('/').next()) {
            return Err(Problem::bad_query(format!("Cannot order by '{name}'.")));
        }
        let pointer = format!("/{name}");
        let key = |value: &Value| value.pointer(&pointer).cloned().unwrap_or(Value::Null);
        values.sort_by(|a, b| {
            let ordering = compare(&key(a), &key(b)).unwrap_or(std::cmp::Ordering::Equal);
            if descending { ordering.reverse() } else { ordering }
        });
    }
    Ok(())
}
