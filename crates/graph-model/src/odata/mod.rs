//! OData's query language as far as this API speaks it: [`QueryOptions`] from a query string, [`Expression`] from a
//! `$filter`, [`Search`] from a `$search`. Untyped: names are resolved to columns by whoever knows the collection.

mod expression;
#[cfg(test)]
mod fuzz;
mod lexer;
mod options;
mod parser;
#[cfg(test)]
mod properties;
mod search;

pub use expression::{
    ArithmeticOperator, ComparisonOperator, Condition, Expression, Function, Literal, Operand,
    Quantifier, TextFunction,
};
pub use options::{Expand, Order, QueryOptions};
pub use search::Search;

/// Why a query string is refused. The texts name the option and the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// An option that is unknown, given twice, or has a value that cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// A `$filter` with more comparisons or deeper nesting than allowed.
    #[error(
        "The $filter has more than {limit} comparisons or nested parentheses; split it into several requests."
    )]
    TooLong { limit: usize },
}
