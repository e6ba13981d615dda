//! Collections: query options to typed queries, rows to pages with links.
//!
//! A link to the next page carries the first request's whole query and the position, so that clients follow it as it is.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_domain::Timestamp;
use holdfast_graph_model::odata::{Expand, Expression, QueryOptions, Search};
use holdfast_graph_model::{ErrorCode, Evolvable};
use holdfast_store::query::{
    Column, Cursor, Direction, Filter, Function, ListQuery, Term, Value as StoredValue,
};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, AnswerBody, select};
use crate::call::Call;
use crate::dispatch::query_options;
use crate::filter::{Vocabulary, searched, typed};
use crate::problem::Problem;

/// A property that a collection may be filtered by, and sorted, when it is a column.
#[derive(Debug, Clone)]
pub(crate) struct Field<C> {
    pub(crate) term: Term<C>,
    pub(crate) kind: FieldKind,
}

impl<C> Field<C> {
    pub(crate) fn column(column: C, kind: FieldKind) -> Self {
        Self { term: Term::Column(column), kind }
    }

    /// The same for all rows.
    pub(crate) fn constant(value: impl Into<StoredValue>, kind: FieldKind) -> Self {
        Self { term: Term::Value(value.into()), kind }
    }

    /// The value of the first filter that lets the row through, else `otherwise`.
    pub(crate) fn choice(
        cases: Vec<(Filter<C>, &str)>,
        otherwise: Term<C>,
        kind: FieldKind,
    ) -> Self {
        let of_case = |(filter, value): (Filter<C>, &str)| {
            Term::Where(Box::new(filter), Box::new(Term::Value(value.into())))
        };
        let mut terms: Vec<Term<C>> = cases.into_iter().map(of_case).collect();
        terms.push(otherwise);
        Self { term: Term::Call(Function::FirstOf, terms), kind }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum FieldKind {
    Text,
    /// A GUID as text; the empty text means none.
    Id,
    Time,
    /// An enum: the true names of its members, newer ones included.
    Member(fn(&str) -> bool),
    /// An enum of flags, stored in its own order: the text in that order, or `None` when it names no flags.
    Flags(fn(&str) -> Option<String>),
    Bool,
    Number,
    /// A day, as text.
    Date,
    Duration,
    /// A duration, stored as text: how it is shown.
    Period(fn(&str) -> String),
    /// There or not.
    Object,
}

impl FieldKind {
    /// May it be compared with `lt` and its like?
    pub(crate) fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::Text | Self::Id | Self::Time | Self::Number | Self::Date | Self::Duration
        )
    }

    /// May values of both kinds be compared with each other? Members only with literals, whose names are checked.
    pub(crate) fn compares_with(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Text | Self::Id, Self::Text | Self::Id)
                | (Self::Time, Self::Time)
                | (Self::Bool, Self::Bool)
                | (Self::Number, Self::Number)
                | (Self::Date, Self::Date)
                | (Self::Duration, Self::Duration)
        )
    }
}

/// For [`FieldKind::Flags`].
pub(crate) fn flags<E: Evolvable>(text: &str) -> Option<String> {
    let asked: Vec<&str> = text.split(',').map(str::trim).collect();
    if asked.iter().any(|flag| E::from_name(flag).is_none()) {
        return None;
    }
    let members = E::MEMBERS.iter().map(|(_, name, _)| *name);
    Some(members.filter(|name| asked.contains(name)).collect::<Vec<_>>().join(","))
}

/// What a collection offers.
pub(crate) struct Collection<'a, C> {
    /// Always applied.
    pub(crate) scope: Option<Filter<C>>,
    pub(crate) vocabulary: &'a dyn Vocabulary<C>,
    /// Where `$search` looks; nowhere: it is refused.
    pub(crate) searchable: &'a [C],
    pub(crate) default_page: u32,
}

/// What a client asked of a collection.
pub(crate) struct Listing<C> {
    pub(crate) filter: Option<Filter<C>>,
    pub(crate) query: ListQuery<C>,
    pub(crate) options: QueryOptions,
    /// The first request's query string.
    first_query: String,
}

impl<C: Column> Listing<C> {
    pub(crate) fn of(call: &Call, collection: &Collection<'_, C>) -> Result<Self, Problem> {
        let (first_query, options, after) = match &call.options.skip_token {
            None => (call.query.clone(), call.options.clone(), None),
            Some(token) => {
                if let Some(other) =
                    call.options.given().into_iter().find(|name| *name != "$skiptoken")
                {
                    return Err(Problem::new(
                        ErrorCode::BadRequest,
                        format!("@odata.nextLink must be used as it is: {other} cannot be added."),
                    ));
                }
                let (query, cursor) = read_token(token).ok_or_else(|| {
                    Problem::new(ErrorCode::BadRequest, "The $skiptoken is not valid.")
                })?;
                let options = query_options(&query)?;
                (query, options, Some(cursor))
            }
        };
        let filter = asked(&options, collection)?;
        let order = order(&options, collection)?;
        // The collection's own order has one column; the id is always the last.
        let by_id = order.iter().any(|(column, _)| *column == C::ID);
        let positions = order.len().max(1) + usize::from(!by_id);
        if after.as_ref().is_some_and(|cursor: &Cursor| cursor.0.len() != positions) {
            return Err(Problem::new(ErrorCode::BadRequest, "The $skiptoken is not valid."));
        }
        let limit = options.top.unwrap_or(collection.default_page);
        let skip = options.skip.unwrap_or(0);
        let query = ListQuery { filter: filter.clone(), order, after, skip, limit };
        Ok(Self { filter, query, options, first_query })
    }

    /// `$top=0` asks for no rows: the store need not be asked.
    pub(crate) fn wants_rows(&self) -> bool {
        self.query.limit > 0
    }

    /// The page as Graph writes it. `count` is the number of all matches, when `$count=true` asks for it.
    pub(crate) fn answer(
        &self,
        call: &Call,
        context: &str,
        rows: Vec<Map<String, Value>>,
        next: Option<&Cursor>,
        count: Option<u64>,
    ) -> Answer {
        let mut body = Map::new();
        body.insert("@odata.context".to_owned(), json!(call.context(context)));
        if let Some(count) = count {
            body.insert("@odata.count".to_owned(), json!(count));
        }
        if let Some(next) = next {
            let url = format!("{}{}", call.origin, call.path);
            let link = next_link(&url, &self.first_query, next);
            body.insert("@odata.nextLink".to_owned(), json!(link));
        }
        let rows = rows.into_iter().map(|mut row| {
            if let Some(names) = &self.options.select {
                select_with_expanded(&mut row, names, &self.options.expand);
            }
            Value::Object(row)
        });
        body.insert("value".to_owned(), Value::Array(rows.collect()));
        Answer { status: StatusCode::OK, body: AnswerBody::Json(body), content_location: None }
    }
}

/// Applies `$select` to an object; expanded properties stay.
pub(crate) fn select_with_expanded(
    row: &mut Map<String, Value>,
    names: &[String],
    expands: &[Expand],
) {
    if names.iter().any(|name| name == "*") {
        return;
    }
    let mut kept = names.to_vec();
    kept.extend(expands.iter().map(|expand| expand.property.clone()));
    select(row, &kept);
}

/// The filter of a `$count` segment, which takes no options but these.
pub(crate) fn count_filter<C: Column>(
    call: &Call,
    collection: &Collection<'_, C>,
) -> Result<Option<Filter<C>>, Problem> {
    call.allow_options(&["$filter", "$search"])?;
    asked(&call.options, collection)
}

/// The query of an `$expand`ed collection: its first page.
pub(crate) fn expanded_query<C: Column>(
    options: &QueryOptions,
    collection: &Collection<'_, C>,
) -> Result<ListQuery<C>, Problem> {
    Ok(ListQuery {
        filter: asked(options, collection)?,
        order: order(options, collection)?,
        after: None,
        skip: options.skip.unwrap_or(0),
        limit: options.top.unwrap_or(collection.default_page),
    })
}

/// The scope, `$filter` and `$search` together.
fn asked<C: Column>(
    options: &QueryOptions,
    collection: &Collection<'_, C>,
) -> Result<Option<Filter<C>>, Problem> {
    let filter = match &options.filter {
        Some(text) => Some(typed(Expression::parse(text)?, collection.vocabulary)?),
        None => None,
    };
    let search = match &options.search {
        Some(_) if collection.searchable.is_empty() => {
            return Err(Problem::at(
                ErrorCode::BadRequest,
                "$search",
                "The query option $search is not supported here.",
            ));
        }
        Some(text) => Some(searched(Search::parse(text)?, collection.searchable)),
        None => None,
    };
    Ok([collection.scope.clone(), filter, search].into_iter().flatten().reduce(Filter::and))
}

fn order<C: Column>(
    options: &QueryOptions,
    collection: &Collection<'_, C>,
) -> Result<Vec<(C, Direction)>, Problem> {
    let mut order: Vec<(C, Direction)> = Vec::new();
    for item in &options.order_by {
        let field = collection
            .vocabulary
            .field(&item.property)
            .ok_or_else(|| unknown_property("$orderby", &item.property))?;
        let Term::Column(column) = field.term else {
            return Err(unknown_property("$orderby", &item.property));
        };
        let direction = if item.descending { Direction::Descending } else { Direction::Ascending };
        // Two names of one column: the second decides nothing.
        if !order.iter().any(|(known, _)| *known == column) {
            order.push((column, direction));
        }
    }
    Ok(order)
}

pub(crate) fn unknown_property(option: &str, name: &str) -> Problem {
    Problem::at(
        ErrorCode::BadRequest,
        option,
        format!("{option}: '{name}' is unknown or not supported here."),
    )
}

/// A link to the page after `next` of the query that began with `first_query`.
pub(crate) fn next_link(url: &str, first_query: &str, next: &Cursor) -> String {
    format!("{url}?$skiptoken={}", write_token(first_query, next))
}

fn write_token(first_query: &str, cursor: &Cursor) -> String {
    let values: Vec<Value> = cursor
        .0
        .iter()
        .map(|value| match value {
            StoredValue::Null => Value::Null,
            StoredValue::Bool(flag) => json!(flag),
            StoredValue::Integer(number) => json!(number),
            StoredValue::Text(text) => json!(text),
            StoredValue::Time(time) => json!({ "t": time.unix_micros() }),
        })
        .collect();
    URL_SAFE_NO_PAD.encode(json!([first_query, values]).to_string())
}

fn read_token(token: &str) -> Option<(String, Cursor)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (query, values): (String, Vec<Value>) = serde_json::from_slice(&bytes).ok()?;
    let mut cursor = Vec::new();
    for value in values {
        cursor.push(match value {
            Value::Null => StoredValue::Null,
            Value::Bool(flag) => StoredValue::Bool(flag),
            Value::Number(number) => StoredValue::Integer(number.as_i64()?),
            Value::String(text) => StoredValue::Text(text),
            Value::Object(time) => {
                StoredValue::Time(Timestamp::from_unix_micros(time.get("t")?.as_i64()?)?)
            }
            Value::Array(_) => return None,
        });
    }
    Some((query, Cursor(cursor)))
}
