//! `$filter` as a tree. The parser is in `parser`, its tokens in `lexer`.

use holdfast_domain::Timestamp;

use super::QueryError;
use super::parser::Parser;

/// A boolean expression over properties. Properties are paths as they were written (`a/b`, `microsoft.graph.t/a`); inside a
/// lambda they begin with its variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// The sides are swapped where a literal came first, and one of them at least is none. A property alone means that it is
    /// true.
    Compare(Operand, ComparisonOperator, Operand),
    /// `operand in (literal, …)`
    In(Operand, Vec<Literal>),
    /// `property has member`: all these flags are set.
    Has(String, Literal),
    /// `startswith(operand, operand)` and the like.
    Text(TextFunction, Operand, Operand),
    /// `isof(property, type)` or `isof(type)`; the type's name is without the namespace.
    IsOf(Option<String>, String),
    /// `property/any(variable: condition)`; `any()` alone asks whether there is something.
    Lambda(Quantifier, String, Option<Condition>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
}

/// What has a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Property(String),
    Literal(Literal),
    /// With as many arguments as the function takes.
    Call(Function, Vec<Self>),
    Arithmetic(Box<Self>, ArithmeticOperator, Box<Self>),
    /// `cast(operand, type)`; the type's name as it was written.
    Cast(Box<Self>, String),
}

/// A function whose result is not a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    ToLower,
    ToUpper,
    Trim,
    Length,
    IndexOf,
    Substring,
    Concat,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Date,
    Now,
}

impl Function {
    /// Names, with the least and the greatest number of arguments.
    pub(super) const ALL: [(&'static str, Self, usize, usize); 15] = [
        ("tolower", Self::ToLower, 1, 1),
        ("toupper", Self::ToUpper, 1, 1),
        ("trim", Self::Trim, 1, 1),
        ("length", Self::Length, 1, 1),
        ("indexof", Self::IndexOf, 2, 2),
        ("substring", Self::Substring, 2, 3),
        ("concat", Self::Concat, 2, 2),
        ("year", Self::Year, 1, 1),
        ("month", Self::Month, 1, 1),
        ("day", Self::Day, 1, 1),
        ("hour", Self::Hour, 1, 1),
        ("minute", Self::Minute, 1, 1),
        ("second", Self::Second, 1, 1),
        ("date", Self::Date, 1, 1),
        ("now", Self::Now, 0, 0),
    ];

    /// As filters write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(_, function, ..)| *function == self)
            .map_or("", |(name, ..)| name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArithmeticOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl ArithmeticOperator {
    /// As filters write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Subtract => "sub",
            Self::Multiply => "mul",
            Self::Divide => "div",
            Self::Modulo => "mod",
        }
    }
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
    /// A day, as the moment at which it begins.
    Date(Timestamp),
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

    fn property(name: &str) -> Operand {
        Operand::Property(name.to_owned())
    }

    fn text(text: &str) -> Operand {
        Operand::Literal(Literal::Text(text.to_owned()))
    }

    fn compare(name: &str, operator: ComparisonOperator, literal: Literal) -> Expression {
        Expression::Compare(property(name), operator, Operand::Literal(literal))
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
        let literal = |text: &str| Literal::Text(text.to_owned());
        check(
            "status in ('a','b')",
            Expression::In(property("status"), vec![literal("a"), literal("b")]),
        );
        let starts = |function| Expression::Text(function, property("name"), text("x"));
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
    fn operands_on_either_side() {
        use ComparisonOperator::{Equal, Greater, Less};
        let lower = |operand| Operand::Call(Function::ToLower, vec![operand]);
        check(
            "tolower(name) eq ToLower('X')",
            Expression::Compare(lower(property("name")), Equal, lower(text("X"))),
        );
        check("created lt modified", {
            Expression::Compare(property("created"), Less, property("modified"))
        });
        check("contains(tolower(name),concat('a','b')) ne false", {
            let both = Operand::Call(Function::Concat, vec![text("a"), text("b")]);
            Expression::Text(TextFunction::Contains, lower(property("name")), both)
        });
        let number = |number| Box::new(Operand::Literal(Literal::Integer(number)));
        let calculated = |left, operator, right| Operand::Arithmetic(left, operator, right);
        use ArithmeticOperator::{Add, Multiply, Subtract};
        let product = calculated(number(2), Multiply, number(3));
        let sum = calculated(Box::new(property("a")), Add, Box::new(product));
        let right = Operand::Literal(Literal::Integer(7));
        check("a add 2 mul 3 gt 7", Expression::Compare(sum, Greater, right.clone()));
        let sum = calculated(Box::new(property("a")), Add, number(2));
        let product = calculated(Box::new(sum), Multiply, number(3));
        check("((a add 2) mul 3 gt 7)", Expression::Compare(product, Greater, right));
        let day = Operand::Literal(Literal::Duration("P1D".to_owned()));
        let now = Operand::Call(Function::Now, Vec::new());
        let ago = calculated(Box::new(now), Subtract, Box::new(day));
        check("created gt now() sub duration'P1D'", {
            Expression::Compare(property("created"), Greater, ago)
        });
        let midnight = "2026-03-04T00:00:00Z".parse().expect("a time");
        let date = Operand::Call(Function::Date, vec![property("created")]);
        check("date(created) eq 2026-03-04", {
            Expression::Compare(date, Equal, Operand::Literal(Literal::Date(midnight)))
        });
        check("cast(a,Edm.String) eq 'x'", {
            let cast = Operand::Cast(Box::new(property("a")), "Edm.String".to_owned());
            Expression::Compare(cast, Equal, text("x"))
        });
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
            "contains(id,'x','y')",
            "tolower(id)",
            "length() eq 1",
            "now(id) eq id",
            "a add eq 1",
            "(a add 1) and b",
            "5 eq 5",
            "(a eq 1) gt 1",
            "(a eq 1) add 1 eq 2",
            "tolower(a eq 1) eq 'x'",
            "(a eq 1) in (true)",
            "cast(a) eq 1",
            "cast(a,5) eq 1",
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
        for function in
            ["geo.length(name) eq 1", "a eq 1 and round(a) eq 1", "contains(round(a),'x')"]
        {
            let name = if function.contains("round") { "round" } else { "geo.length" };
            assert!(message(function).contains(&format!("function {name}")), "{function}");
        }
        assert!(message("tolower(a,b) eq 'x'").contains("tolower"));
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
        assert_eq!(Expression::parse(&"tolower(".repeat(100_000)), too_long);
        let sum = format!("a{} eq 1", " add 1".repeat(FILTER_TERMS));
        assert_eq!(Expression::parse(&sum), too_long);
        let list = vec!["'x'"; FILTER_TERMS + 1].join(",");
        assert_eq!(Expression::parse(&format!("id in ({list})")), too_long);
    }
}
