//! `$filter` as a tree. The parser is in `parser`, its tokens in `lexer`.

use holdfast_domain::Timestamp;

use super::QueryError;
use super::parser::Parser;

/// A boolean expression over properties. Properties are paths as they were written (`a/b`, `microsoft.graph.t/a`); inside a
/// lambda they begin with its variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// `property operator literal`; the sides are swapped where the literal came first. A property alone means that it is true.
    Compare(String, ComparisonOperator, Literal),
    /// `property in (literal, …)`
    In(String, Vec<Literal>),
    /// `property has member`: all these flags are set.
    Has(String, Literal),
    /// `startswith(property, 'text')` and the like.
    Text(TextFunction, String, String),
    /// `isof(property, type)` or `isof(type)`; the type's name is without the namespace.
    IsOf(Option<String>, String),
    /// `property/any(variable: condition)`; `any()` alone asks whether there is something.
    Lambda(Quantifier, String, Option<Condition>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
}

/// What a lambda asks of each element.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub variable: String,
    pub holds: Box<Expression>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    Any,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonOperator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFunction {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    Integer(i64),
    Decimal(f64),
    /// Quoted text, or a GUID without quotes.
    Text(String),
    Time(Timestamp),
    /// `duration'P1D'`, the text inside.
    Duration(String),
    /// `microsoft.graph.type'member,member'`; the type's name is without the namespace.
    Member {
        type_name: String,
        members: String,
    },
}

impl Expression {
    /// Reads a `$filter`.
    ///
    /// # Errors
    /// When it is not understood, or has more than [`FILTER_TERMS`](holdfast_domain::limits::FILTER_TERMS) comparisons or
    /// levels.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Parser::of(text)?.whole()
    }
}

#[cfg(test)]
mod tests {
    use holdfast_domain::limits::FILTER_TERMS;

    use super::*;

    fn compare(property: &str, operator: ComparisonOperator, literal: Literal) -> Expression {
        Expression::Compare(property.to_owned(), operator, literal)
    }

    #[track_caller]
    fn check(text: &str, expected: Expression) {
        assert_eq!(Expression::parse(text), Ok(expected), "{text}");
    }

    #[test]
    fn comparisons_with_every_literal() {
        use ComparisonOperator::{Equal, Greater, LessOrEqual, NotEqual};
        check("id eq 'it''s'", compare("id", Equal, Literal::Text("it's".to_owned())));
        check("a/b ne null", compare("a/b", NotEqual, Literal::Null));
        check("a eq true", compare("a", Equal, Literal::Bool(true)));
        check("a", compare("a", Equal, Literal::Bool(true)));
        check("5 ge a", compare("a", LessOrEqual, Literal::Integer(5)));
        check("a eq -1.5e3", compare("a", Equal, Literal::Decimal(-1500.0)));
        let time = "2026-11-25T19:08:45Z".parse().expect("a time");
        check("t gt 2026-11-25T20:08:45+01:00", compare("t", Greater, Literal::Time(time)));
        check(
            "id eq 00000002-0001-4000-8000-0000000200AB",
            compare("id", Equal, Literal::Text("00000002-0001-4000-8000-0000000200ab".to_owned())),
        );
        check(
            "period eq duration'P1DT2H'",
            compare("period", Equal, Literal::Duration("P1DT2H".to_owned())),
        );
        let member = Literal::Member {
            type_name: "protectionSource".to_owned(),
            members: "manual,dynamicRule".to_owned(),
        };
        check("s eq microsoft.graph.protectionSource'manual,dynamicRule'", {
            compare("s", Equal, member.clone())
        });
        check("s has graph.protectionSource'manual,dynamicRule'", {
            Expression::Has("s".to_owned(), member)
        });
    }

    #[test]
    fn and_binds_more_tightly_than_or() {
        let term =
            |name: &str| Box::new(compare(name, ComparisonOperator::Equal, Literal::Integer(1)));
        check(
            "a eq 1 or b eq 1 and not (c eq 1)",
            Expression::Or(
                term("a"),
                Box::new(Expression::And(term("b"), Box::new(Expression::Not(term("c"))))),
            ),
        );
    }

    #[test]
    fn lists_and_functions() {
        let text = |text: &str| Literal::Text(text.to_owned());
        check(
            "status in ('a','b')",
            Expression::In("status".to_owned(), vec![text("a"), text("b")]),
        );
        let starts = |function| Expression::Text(function, "name".to_owned(), "x".to_owned());
        check("startswith(name, 'x')", starts(TextFunction::StartsWith));
        check("contains(name,'x') eq true", starts(TextFunction::Contains));
        check(
            "endswith(name,'x') ne true",
            Expression::Not(Box::new(starts(TextFunction::EndsWith))),
        );
        let of = |property: Option<&str>| {
            Expression::IsOf(property.map(str::to_owned), "siteProtectionUnit".to_owned())
        };
        check("isof('microsoft.graph.siteProtectionUnit')", of(None));
        check("isof(unit, graph.siteProtectionUnit)", of(Some("unit")));
    }

    #[test]
    fn lambdas() {
        let code = compare("d/code", ComparisonOperator::Equal, Literal::Text("x".to_owned()));
        let expected = |quantifier, holds| {
            let condition = Condition { variable: "d".to_owned(), holds: Box::new(holds) };
            Expression::Lambda(quantifier, "error/details".to_owned(), Some(condition))
        };
        for text in [
            "error/details/any(d: d/code eq 'x')",
            "error/details/any(d:d/code eq 'x')",
            "error/details/any( d : d/code eq 'x' )",
        ] {
            check(text, expected(Quantifier::Any, code.clone()));
        }
        check(
            "error/details/all(d: not (d/code eq 'x'))",
            expected(Quantifier::All, Expression::Not(Box::new(code))),
        );
        check("a/any()", Expression::Lambda(Quantifier::Any, "a".to_owned(), None));
    }

    #[test]
    fn malformed_filters_are_refused() {
        for text in [
            "",
            "id eq",
            "id eq 'x",
            "id eq 'x' and",
            "(id eq 'x'",
            "id eq 'x')",
            "id like 'x'",
            "eq eq eq",
            "id in ()",
            "id in ('a'",
            "not",
            "contains(id)",
            "contains(id,5)",
            "'a' eq 'b'",
            "id eq 2026-13-45T00:00:00Z",
            "a has b",
            "a/all()",
            "a/any(x)",
            "a/any(x:)",
            "a/any(x y: x eq 1)",
            "a/any(x: x eq 1",
            "isof()",
            "isof('x'",
            "a eq duration'1 day'",
            "a eq edm.binary'x'",
            "a//b eq 1",
            "a eq NaN",
        ] {
            assert!(matches!(Expression::parse(text), Err(QueryError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn errors_name_the_place_and_the_function() {
        let message = |text: &str| Expression::parse(text).expect_err(text).to_string();
        assert!(
            message("id eq 'ü' und x").contains("character 11"),
            "{}",
            message("id eq 'ü' und x")
        );
        assert!(message("(id eq 'x'").contains("end"));
        for function in ["tolower(name) eq 'x'", "a eq 1 and cast(a,Edm.String) eq 'x'"] {
            let name = if function.contains("cast") { "cast" } else { "tolower" };
            assert!(message(function).contains(&format!("function {name}")), "{function}");
        }
    }

    #[test]
    fn long_and_deep_filters_are_refused() {
        let too_long = Err(QueryError::TooLong { limit: FILTER_TERMS });
        let joined = |count: usize| vec!["id eq 'x'"; count].join(" or ");
        assert!(Expression::parse(&joined(FILTER_TERMS)).is_ok());
        assert_eq!(Expression::parse(&joined(FILTER_TERMS + 1)), too_long);
        let deep = format!("{}id eq 'x'{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(Expression::parse(&deep), too_long);
        assert_eq!(Expression::parse(&"not ".repeat(100_000)), too_long);
        assert_eq!(Expression::parse(&"a/any(x:".repeat(100_000)), too_long);
        let list = vec!["'x'"; FILTER_TERMS + 1].join(",");
        assert_eq!(Expression::parse(&format!("id in ({list})")), too_long);
    }
}
