//! What has a value in a `$filter`: properties, literals, functions, arithmetic and casts, as terms of the store with their types.

use holdfast_graph_model::odata::{ArithmeticOperator, Function as Called, Literal, Operand};
use holdfast_graph_model::types;
use holdfast_store::query::{Arithmetic, Column, Function, Term, Value as StoredValue};

use crate::filter::{Vocabulary, refused};
use crate::listing::{FieldKind, unknown_property};
use crate::problem::Problem;

/// A literal takes the type of what it is compared with.
pub(crate) enum Typed<C> {
    Literal(Literal),
    Valued(Valued<C>),
}

pub(crate) struct Valued<C> {
    pub(crate) term: Term<C>,
    pub(crate) kind: FieldKind,
    /// For errors: the property or function.
    pub(crate) name: String,
}

impl<C> Typed<C> {
    /// `place` is for the error.
    pub(crate) fn not_literal(self, place: &str) -> Result<Valued<C>, Problem> {
        match self {
            Self::Valued(valued) => Ok(valued),
            Self::Literal(_) => Err(refused(place, "must name a property")),
        }
    }
}

pub(crate) fn operand<C: Column>(
    from: Operand,
    vocabulary: &dyn Vocabulary<C>,
) -> Result<Typed<C>, Problem> {
    Ok(match from {
        Operand::Literal(literal) => Typed::Literal(literal),
        Operand::Property(name) => Typed::Valued(property(&name, vocabulary)?),
        Operand::Call(function, arguments) => Typed::Valued(call(function, arguments, vocabulary)?),
        Operand::Arithmetic(left, operator, right) => {
            let left = operand(*left, vocabulary)?;
            Typed::Valued(calculated(left, operator, operand(*right, vocabulary)?)?)
        }
        Operand::Cast(inner, type_name) => cast(operand(*inner, vocabulary)?, &type_name)?,
    })
}

/// The term of a property, which may begin with a cast: `microsoft.graph.siteProtectionUnit/siteId` is null of all other units.
pub(crate) fn property<C: Column>(
    name: &str,
    vocabulary: &dyn Vocabulary<C>,
) -> Result<Valued<C>, Problem> {
    let (cast, property) = match name.split_once('/') {
        Some((head, rest)) if head.contains('.') => {
            let type_name = head.rsplit('.').next().unwrap_or_default();
            let cast = vocabulary
                .of_type(None, type_name)
                .ok_or_else(|| refused(head, "is no type of this collection"))?;
            if !rest.contains('/') && !types().has_property(type_name, rest) {
                return Err(unknown_property("$filter", name));
            }
            (Some(cast), rest)
        }
        Some(_) | None => (None, name),
    };
    let field = vocabulary.field(property).ok_or_else(|| unknown_property("$filter", name))?;
    let term = match cast {
        None => field.term,
        Some(cast) => Term::Where(Box::new(cast), Box::new(field.term)),
    };
    Ok(Valued { term, kind: field.kind, name: name.to_owned() })
}

fn call<C: Column>(
    called: Called,
    arguments: Vec<Operand>,
    vocabulary: &dyn Vocabulary<C>,
) -> Result<Valued<C>, Problem> {
    let name = called.name();
    if called == Called::Now {
        let term = Term::Value(StoredValue::Time(vocabulary.now()));
        return Ok(Valued { term, kind: FieldKind::Time, name: name.to_owned() });
    }
    // What the arguments are, and the result.
    let (function, kinds, kind): (_, &[FieldKind], _) = match called {
        Called::ToLower => (Function::ToLower, &[FieldKind::Text], FieldKind::Text),
        Called::ToUpper => (Function::ToUpper, &[FieldKind::Text], FieldKind::Text),
        Called::Trim => (Function::Trim, &[FieldKind::Text], FieldKind::Text),
        Called::Length => (Function::Length, &[FieldKind::Text], FieldKind::Number),
        Called::IndexOf => {
            (Function::IndexOf, &[FieldKind::Text, FieldKind::Text], FieldKind::Number)
        }
        Called::Substring => (
            Function::Substring,
            &[FieldKind::Text, FieldKind::Number, FieldKind::Number],
            FieldKind::Text,
        ),
        Called::Concat => (Function::Concat, &[FieldKind::Text, FieldKind::Text], FieldKind::Text),
        Called::Year => (Function::Year, &[FieldKind::Time], FieldKind::Number),
        Called::Month => (Function::Month, &[FieldKind::Time], FieldKind::Number),
        Called::Day => (Function::Day, &[FieldKind::Time], FieldKind::Number),
        Called::Hour => (Function::Hour, &[FieldKind::Time], FieldKind::Number),
        Called::Minute => (Function::Minute, &[FieldKind::Time], FieldKind::Number),
        Called::Second => (Function::Second, &[FieldKind::Time], FieldKind::Number),
        Called::Date => (Function::Date, &[FieldKind::Time], FieldKind::Date),
        Called::Now => unreachable!("it has no arguments"),
    };
    let terms = arguments.into_iter().zip(kinds).map(|(argument, kind)| {
        let argument = operand(argument, vocabulary)?;
        match kind {
            FieldKind::Text => as_text(argument, name),
            kind => Ok(of_kind(argument, *kind, name)?.term),
        }
    });
    let terms = terms.collect::<Result<_, _>>()?;
    Ok(Valued { term: Term::Call(function, terms), kind, name: name.to_owned() })
}

/// An argument that must be a text; ids and members of enums are none.
pub(crate) fn as_text<C>(argument: Typed<C>, function: &str) -> Result<Term<C>, Problem> {
    match argument {
        Typed::Literal(Literal::Text(text)) => Ok(Term::Value(StoredValue::Text(text))),
        Typed::Literal(Literal::Null) => Ok(Term::Value(StoredValue::Null)),
        Typed::Literal(_) => Err(refused(function, "takes texts, and got another literal")),
        Typed::Valued(valued) if matches!(valued.kind, FieldKind::Text) => Ok(valued.term),
        Typed::Valued(valued) => Err(refused(&valued.name, "is no text to search in")),
    }
}

fn of_kind<C>(argument: Typed<C>, kind: FieldKind, place: &str) -> Result<Valued<C>, Problem> {
    match argument {
        Typed::Literal(literal) => {
            let term = Term::Value(value(place, kind, literal)?);
            Ok(Valued { term, kind, name: place.to_owned() })
        }
        Typed::Valued(valued) if kind.compares_with(valued.kind) => Ok(valued),
        Typed::Valued(valued) => {
            Err(refused(&valued.name, &format!("is not what {place} takes there")))
        }
    }
}

fn calculated<C>(
    left: Typed<C>,
    operator: ArithmeticOperator,
    right: Typed<C>,
) -> Result<Valued<C>, Problem> {
    use FieldKind::{Duration, Number, Time};
    let name = operator.name();
    let (left, right) = (measured(left, name)?, measured(right, name)?);
    let additive = matches!(operator, ArithmeticOperator::Add | ArithmeticOperator::Subtract);
    let kind = match (left.kind, operator, right.kind) {
        (Number, _, Number) => Number,
        (Time, _, Duration) if additive => Time,
        (Time, ArithmeticOperator::Subtract, Time) => Duration,
        (Duration, _, Duration) if additive => Duration,
        _ => {
            let why = format!("cannot be calculated of '{}' and '{}'", left.name, right.name);
            return Err(refused(name, &why));
        }
    };
    let operator = match operator {
        ArithmeticOperator::Add => Arithmetic::Add,
        ArithmeticOperator::Subtract => Arithmetic::Subtract,
        ArithmeticOperator::Multiply => Arithmetic::Multiply,
        ArithmeticOperator::Divide => Arithmetic::Divide,
        ArithmeticOperator::Modulo => Arithmetic::Modulo,
    };
    let term = Term::Arithmetic(Box::new(left.term), operator, Box::new(right.term));
    Ok(Valued { term, kind, name: name.to_owned() })
}

/// A side of arithmetic: a number, a time or a duration, by the literal's own type.
fn measured<C>(side: Typed<C>, operator: &str) -> Result<Valued<C>, Problem> {
    let kind = match &side {
        Typed::Literal(Literal::Integer(_)) => FieldKind::Number,
        Typed::Literal(Literal::Time(_) | Literal::Date(_)) => FieldKind::Time,
        Typed::Literal(Literal::Duration(_)) => FieldKind::Duration,
        Typed::Literal(_) => {
            return Err(refused(operator, "takes whole numbers, times and durations"));
        }
        Typed::Valued(valued) => valued.kind,
    };
    of_kind(side, kind, operator)
}

fn cast<C: Column>(inner: Typed<C>, type_name: &str) -> Result<Typed<C>, Problem> {
    let cannot = || refused(type_name, "is no type to cast that to");
    match inner {
        Typed::Literal(Literal::Text(text)) => {
            if let Some(enumeration) = type_name.strip_prefix("microsoft.graph.") {
                let type_name = enumeration.to_owned();
                return Ok(Typed::Literal(Literal::Member { type_name, members: text }));
            }
            let kind = match type_name {
                "Edm.String" | "Edm.Guid" => return Ok(Typed::Literal(Literal::Text(text))),
                "Edm.DateTimeOffset" => FieldKind::Time,
                "Edm.Duration" => return Ok(Typed::Literal(Literal::Duration(text))),
                _ => return Err(cannot()),
            };
            let term = Term::Value(value(type_name, kind, Literal::Text(text))?);
            Ok(Typed::Valued(Valued { term, kind, name: type_name.to_owned() }))
        }
        Typed::Literal(literal) => match (&literal, type_name) {
            (Literal::Null, _)
            | (Literal::Integer(_), "Edm.Int16" | "Edm.Int32" | "Edm.Int64")
            | (Literal::Bool(_), "Edm.Boolean")
            | (Literal::Time(_) | Literal::Date(_), "Edm.DateTimeOffset")
            | (Literal::Date(_), "Edm.Date")
            | (Literal::Duration(_), "Edm.Duration") => Ok(Typed::Literal(literal)),
            _ => Err(cannot()),
        },
        Typed::Valued(valued) => {
            let Valued { term, kind, name } = valued;
            let (term, kind) = match (kind, type_name) {
                (
                    FieldKind::Text | FieldKind::Id | FieldKind::Member(_) | FieldKind::Flags(_),
                    "Edm.String",
                ) => (term, FieldKind::Text),
                (FieldKind::Id, "Edm.Guid")
                | (FieldKind::Time, "Edm.DateTimeOffset")
                | (FieldKind::Number, "Edm.Int32" | "Edm.Int64")
                | (FieldKind::Date, "Edm.Date")
                | (FieldKind::Duration, "Edm.Duration")
                | (FieldKind::Bool, "Edm.Boolean") => (term, kind),
                (FieldKind::Time, "Edm.Date") => {
                    (Term::Call(Function::Date, vec![term]), FieldKind::Date)
                }
                _ => return Err(refused(&name, &format!("cannot be cast to {type_name}"))),
            };
            Ok(Typed::Valued(Valued { term, kind, name }))
        }
    }
}

/// A literal as a value of that kind; `name` is for the error.
pub(crate) fn value(name: &str, kind: FieldKind, literal: Literal) -> Result<StoredValue, Problem> {
    // `microsoft.graph.protectionUnitStatus'protected'` is the member's text, if there is such an enum.
    let literal = match literal {
        Literal::Member { type_name, members }
            if matches!(kind, FieldKind::Member(_) | FieldKind::Flags(_)) =>
        {
            if types().get(&type_name).is_none_or(|info| info.kind != "enum") {
                return Err(refused(&type_name, "is no enumeration"));
            }
            Literal::Text(members)
        }
        literal => literal,
    };
    let wanted = match (kind, literal) {
        (_, Literal::Null) => return Ok(StoredValue::Null),
        (FieldKind::Id, Literal::Text(text)) if text.is_empty() => return Ok(StoredValue::Null),
        (FieldKind::Text, Literal::Text(text)) => return Ok(StoredValue::Text(text)),
        (FieldKind::Id, Literal::Text(text)) => {
            return Ok(StoredValue::Text(text.to_ascii_lowercase()));
        }
        (FieldKind::Time, Literal::Time(time) | Literal::Date(time)) => {
            return Ok(StoredValue::Time(time));
        }
        // Some clients quote times.
        (FieldKind::Time, Literal::Text(text)) if let Ok(time) = text.parse() => {
            return Ok(StoredValue::Time(time));
        }
        (FieldKind::Member(is_member), Literal::Text(text)) => {
            if is_member(&text) {
                return Ok(StoredValue::Text(text));
            }
            return Err(refused(name, &format!("has no member '{text}'")));
        }
        (FieldKind::Flags(canonical), Literal::Text(text)) => {
            return canonical(&text)
                .map(StoredValue::Text)
                .ok_or_else(|| refused(name, &format!("has no flags '{text}'")));
        }
        (FieldKind::Bool, Literal::Bool(flag)) => return Ok(StoredValue::Bool(flag)),
        (FieldKind::Number, Literal::Integer(number)) => return Ok(StoredValue::Integer(number)),
        (FieldKind::Date, Literal::Date(midnight)) => {
            let date = midnight.to_string();
            return Ok(StoredValue::Text(date[..date.find('T').unwrap_or(0)].to_owned()));
        }
        (FieldKind::Duration, Literal::Duration(text)) => {
            return duration_micros(&text).map(StoredValue::Integer).ok_or_else(|| {
                refused(name, &format!("cannot be compared with '{text}', whose length varies"))
            });
        }
        (FieldKind::Period(shown), Literal::Duration(text) | Literal::Text(text)) => {
            return Ok(StoredValue::Text(shown(&text)));
        }
        (FieldKind::Time, _) => "a date and time",
        (FieldKind::Bool, _) => "true or false",
        (FieldKind::Number, _) => "a whole number",
        (FieldKind::Date, _) => "a date",
        (FieldKind::Duration | FieldKind::Period(_), _) => "a duration",
        (FieldKind::Object, _) => "null",
        (FieldKind::Text | FieldKind::Id | FieldKind::Member(_) | FieldKind::Flags(_), _) => {
            "a quoted text"
        }
    };
    Err(refused(name, &format!("must be compared with {wanted}")))
}

/// A duration in microseconds. `None` for years and months, and for what is longer than 290,000 years.
fn duration_micros(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let text = text.strip_prefix('P')?;
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let seconds = |part: &str, units: &[(char, i64)]| {
        let (mut sum, mut digits) = (0_i64, String::new());
        for character in part.chars() {
            if character.is_ascii_digit() || character == '.' {
                digits.push(character);
                continue;
            }
            let (_, seconds) = units.iter().find(|(unit, _)| *unit == character)?;
            let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
            let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
            let count = whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)?;
            sum = sum.checked_add(count.checked_mul(*seconds)?)?;
            digits.clear();
        }
        Some(sum)
    };
    let days = seconds(date, &[('W', 604_800), ('D', 86_400)])?;
    let rest = seconds(time, &[('H', 3600), ('M', 60), ('S', 1)])?;
    days.checked_add(rest)?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_microseconds() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(duration_micros(text), expected, "{text}");
        };
        check("P1D", Some(86_400_000_000));
        check("P1W", Some(604_800_000_000));
        check("-PT1M0.25S", Some(-60_250_000));
        check("PT0.1234567S", Some(123_456));
        check("P1DT2H3M", Some(93_780_000_000));
        check("P1Y", None);
        check("P1M", None);
        check("PT1.2.3S", None);
        check("P9223372036854775807D", None);
        check("a day", None);
    }
}
