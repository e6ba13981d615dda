//! Collections: query options to typed queries, rows to pages with links.
//!
//! A link to the next page carries the first request's whole query and the position, so that clients follow it as it is.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_domain::Timestamp;
use holdfast_graph_model::ErrorCode;
use holdfast_graph_model::odata::{
    ComparisonOperator, Expand, Expression, Literal, QueryOptions, TextFunction,
};
use holdfast_store::query::{
    Column, Comparison, Cursor, Direction, Filter, ListQuery, TextMatch, Value as StoredValue,
};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, AnswerBody, select};
use crate::call::Call;
use crate::dispatch::query_options;
use crate::problem::Problem;

/// A property that a collection may be filtered and sorted by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<C> {
    pub(crate) column: C,
    pub(crate) kind: FieldKind,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum FieldKind {
    Text,
    /// A GUID as text; the empty text means none.
    Id,
    Time,
    /// An enum: the true names of its members, newer ones included.
    Member(fn(&str) -> bool),
}

/// What a collection offers.
pub(crate) struct Collection<'a, C> {
    /// Always applied.
    pub(crate) scope: Option<Filter<C>>,
    pub(crate) field: &'a (dyn Fn(&str) -> Option<Field<C>> + Sync),
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
        let mut filter = collection.scope.clone();
        if let Some(text) = &options.filter {
            let asked = typed(Expression::parse(text)?, collection.field)?;
            filter = Some(match filter {
                Some(scope) => scope.and(asked),
                None => asked,
            });
        }
        let mut order = Vec::new();
        for item in &options.order_by {
            let field = (collection.field)(&item.property)
                .ok_or_else(|| unknown_property("$orderby", &item.property))?;
            let direction =
                if item.descending { Direction::Descending } else { Direction::Ascending };
            order.push((field.column, direction));
        }
        // The collection's own order has one column; the id is always the last.
        let by_id = order.iter().any(|(column, _)| *column == C::ID);
        let positions = order.len().max(1) + usize::from(!by_id);
        if after.as_ref().is_some_and(|cursor: &Cursor| cursor.0.len() != positions) {
            return Err(Problem::new(ErrorCode::BadRequest, "The $skiptoken is not valid."));
        }
        let limit = options.top.unwrap_or(collection.default_page);
        let query = ListQuery { filter: filter.clone(), order, after, limit };
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
            let token = write_token(&self.first_query, next);
            let link = format!("{}{}?$skiptoken={token}", call.origin, call.path);
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

/// The filter of a `$count` segment, which takes no option but `$filter`.
pub(crate) fn count_filter<C: Column>(
    call: &Call,
    scope: Option<Filter<C>>,
    field: &(dyn Fn(&str) -> Option<Field<C>> + Sync),
) -> Result<Option<Filter<C>>, Problem> {
    call.allow_options(&["$filter"])?;
    let Some(text) = &call.options.filter else { return Ok(scope) };
    let asked = typed(Expression::parse(text)?, field)?;
    Ok(Some(match scope {
        Some(scope) => scope.and(asked),
        None => asked,
    }))
}

pub(crate) fn unknown_property(option: &str, name: &str) -> Problem {
    Problem::at(
        ErrorCode::BadRequest,
        option,
        format!("{option}: '{name}' is unknown or not supported here."),
    )
}

/// Resolves names to columns and checks literals against their types.
pub(crate) fn typed<C: Column>(
    expression: Expression,
    field: &(dyn Fn(&str) -> Option<Field<C>> + Sync),
) -> Result<Filter<C>, Problem> {
    let resolve = |name: &str| field(name).ok_or_else(|| unknown_property("$filter", name));
    Ok(match expression {
        Expression::Compare(name, operator, literal) => {
            let found = resolve(&name)?;
            let operator = comparison(operator);
            let ordered = !matches!(operator, Comparison::Equal | Comparison::NotEqual);
            if ordered && matches!(found.kind, FieldKind::Member(_)) {
                return Err(refused(&name, "can only be compared with eq, ne and in"));
            }
            Filter::Compare(found.column, operator, value(&name, found.kind, literal)?)
        }
        Expression::In(name, literals) => {
            let found = resolve(&name)?;
            let values = literals.into_iter().map(|literal| value(&name, found.kind, literal));
            Filter::In(found.column, values.collect::<Result<_, _>>()?)
        }
        Expression::Text(function, name, text) => {
            let found = resolve(&name)?;
            if !matches!(found.kind, FieldKind::Text) {
                return Err(refused(&name, "is no text to search in"));
            }
            let function = match function {
                TextFunction::StartsWith => TextMatch::StartsWith,
                TextFunction::EndsWith => TextMatch::EndsWith,
                TextFunction::Contains => TextMatch::Contains,
            };
            Filter::Text(found.column, function, text)
        }
        Expression::And(left, right) => {
            Filter::And(Box::new(typed(*left, field)?), Box::new(typed(*right, field)?))
        }
        Expression::Or(left, right) => {
            Filter::Or(Box::new(typed(*left, field)?), Box::new(typed(*right, field)?))
        }
        Expression::Not(inner) => Filter::Not(Box::new(typed(*inner, field)?)),
    })
}

fn comparison(operator: ComparisonOperator) -> Comparison {
    match operator {
        ComparisonOperator::Equal => Comparison::Equal,
        ComparisonOperator::NotEqual => Comparison::NotEqual,
        ComparisonOperator::Less => Comparison::Less,
        ComparisonOperator::LessOrEqual => Comparison::LessOrEqual,
        ComparisonOperator::Greater => Comparison::Greater,
        ComparisonOperator::GreaterOrEqual => Comparison::GreaterOrEqual,
    }
}

fn value(name: &str, kind: FieldKind, literal: Literal) -> Result<StoredValue, Problem> {
    match (kind, literal) {
        (_, Literal::Null) => Ok(StoredValue::Null),
        (FieldKind::Text, Literal::Text(text)) => Ok(StoredValue::Text(text)),
        (FieldKind::Id, Literal::Text(text)) if text.is_empty() => Ok(StoredValue::Null),
        (FieldKind::Id, Literal::Text(text)) => Ok(StoredValue::Text(text.to_ascii_lowercase())),
        (FieldKind::Time, Literal::Time(time)) => Ok(StoredValue::Time(time)),
        // Some clients quote times.
        (FieldKind::Time, Literal::Text(text)) => text
            .parse()
            .map(StoredValue::Time)
            .map_err(|_| refused(name, "must be compared with a date and time")),
        (FieldKind::Member(is_member), Literal::Text(text)) => {
            if is_member(&text) {
                Ok(StoredValue::Text(text))
            } else {
                Err(refused(name, &format!("has no member '{text}'")))
            }
        }
        (FieldKind::Time, _) => Err(refused(name, "must be compared with a date and time")),
        (FieldKind::Text | FieldKind::Id | FieldKind::Member(_), _) => {
            Err(refused(name, "must be compared with a quoted text"))
        }
    }
}

fn refused(name: &str, why: &str) -> Problem {
    Problem::at(ErrorCode::BadRequest, "$filter", format!("$filter: '{name}' {why}."))
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
