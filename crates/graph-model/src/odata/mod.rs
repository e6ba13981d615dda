//! OData's query language as far as this API speaks it: [`QueryOptions`] from a query string, [`Expression`] from a
//! `$filter`. Untyped: names are resolved to columns by whoever knows the collection.

mod expression;
mod options;
#[cfg(test)]
mod properties;

pub use expression::{ComparisonOperator, Expression, Literal, TextFunction};
pub use options::{Expand, Order, QueryOptions};

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
