//! Round trips: what is written as a filter is read as the same expression; nothing that is read makes the parser panic.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

use super::{ComparisonOperator, Condition, Expression, Literal, Quantifier, TextFunction};

fn write(expression: &Expression) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let literal = |literal: &Literal| match literal {
        Literal::Null => "null".to_owned(),
        Literal::Bool(flag) => flag.to_string(),
        Literal::Integer(number) => number.to_string(),
        // With its point, so that it stays a decimal.
        Literal::Decimal(number) => format!("{number:?}"),
        Literal::Text(text) => quoted(text),
        Literal::Time(time) => time.to_string(),
        Literal::Duration(text) => format!("duration'{text}'"),
        Literal::Member { type_name, members } => {
            format!("microsoft.graph.{type_name}{}", quoted(members))
        }
    };
    match expression {
        Expression::Compare(name, operator, value) => {
            let operator = match operator {
                ComparisonOperator::Equal => "eq",
                ComparisonOperator::NotEqual => "ne",
                ComparisonOperator::Less => "lt",
                ComparisonOperator::LessOrEqual => "le",
                ComparisonOperator::Greater => "gt",
                ComparisonOperator::GreaterOrEqual => "ge",
            };
            format!("{name} {operator} {}", literal(value))
        }
        Expression::In(name, values) => {
            let values: Vec<String> = values.iter().map(literal).collect();
            format!("{name} in ({})", values.join(","))
        }
        Expression::Has(name, member) => format!("{name} has {}", literal(member)),
        Expression::IsOf(None, name) => format!("isof(microsoft.graph.{name})"),
        Expression::IsOf(Some(path), name) => format!("isof({path},'microsoft.graph.{name}')"),
        Expression::Lambda(quantifier, path, condition) => {
            let name = if *quantifier == Quantifier::Any { "any" } else { "all" };
            let inside = condition
                .as_ref()
                .map(|condition| format!("{}: {}", condition.variable, write(&condition.holds)));
            format!("{path}/{name}({})", inside.unwrap_or_default())
        }
        Expression::Text(function, name, text) => {
            let function = match function {
                TextFunction::StartsWith => "startswith",
                TextFunction::EndsWith => "endswith",
                TextFunction::Contains => "contains",
            };
            format!("{function}({name},{})", quoted(text))
        }
        Expression::And(left, right) => format!("({}) and ({})", write(left), write(right)),
        Expression::Or(left, right) => format!("({}) or ({})", write(left), write(right)),
        Expression::Not(inner) => format!("not ({})", write(inner)),
    }
}

fn expressions() -> impl Strategy<Value = Expression> {
    let name = || "p[a-zA-Z]{0,8}(/q[a-z]{0,3})?";
    let literal = || {
        prop_oneof![
            Just(Literal::Null),
            any::<bool>().prop_map(Literal::Bool),
            any::<i64>().prop_map(Literal::Integer),
            (-1e6_f64..1e6).prop_map(Literal::Decimal),
            "P[1-9]D(T[1-9][0-9]?H[0-9]M)?".prop_map(Literal::Duration),
            ("[a-z][A-Za-z]{0,6}", any::<String>())
                .prop_map(|(type_name, members)| { Literal::Member { type_name, members } }),
            any::<String>().prop_map(Literal::Text),
            (0_i64..4_000_000_000_000_000).prop_map(|micros| {
                let time = holdfast_domain::Timestamp::from_unix_micros(micros);
                Literal::Time(time.expect("in range"))
            }),
        ]
    };
    let operator = prop_oneof![
        Just(ComparisonOperator::Equal),
        Just(ComparisonOperator::NotEqual),
        Just(ComparisonOperator::Less),
        Just(ComparisonOperator::LessOrEqual),
        Just(ComparisonOperator::Greater),
        Just(ComparisonOperator::GreaterOrEqual),
    ];
    let function = prop_oneof![
        Just(TextFunction::StartsWith),
        Just(TextFunction::EndsWith),
        Just(TextFunction::Contains),
    ];
    let leaf = prop_oneof![
        (name(), operator, literal())
            .prop_map(|(name, operator, value)| Expression::Compare(name, operator, value)),
        (name(), proptest::collection::vec(literal(), 1..4))
            .prop_map(|(name, values)| Expression::In(name, values)),
        (function, name(), any::<String>())
            .prop_map(|(function, name, text)| Expression::Text(function, name, text)),
        (name(), any::<String>())
            .prop_map(|(name, text)| Expression::Has(name, Literal::Text(text))),
        (proptest::option::of(name()), "t[A-Za-z]{0,6}")
            .prop_map(|(name, of)| Expression::IsOf(name, of)),
        name().prop_map(|name| Expression::Lambda(Quantifier::Any, name, None)),
    ];
    leaf.prop_recursive(4, 16, 2, move |inner| {
        prop_oneof![
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| Expression::And(Box::new(left), Box::new(right))),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| Expression::Or(Box::new(left), Box::new(right))),
            inner.clone().prop_map(|inner| Expression::Not(Box::new(inner))),
            (any::<bool>(), name(), "v[a-z]{0,2}", inner).prop_map(
                |(any, name, variable, inner)| {
                    let quantifier = if any { Quantifier::Any } else { Quantifier::All };
                    let condition = Condition { variable, holds: Box::new(inner) };
                    Expression::Lambda(quantifier, name, Some(condition))
                }
            ),
        ]
    })
}

proptest! {
    #[test]
    fn filters_are_read_as_they_are_written(expression in expressions()) {
        let text = write(&expression);
        proptest::prop_assert_eq!(Expression::parse(&text), Ok(expression), "{}", text);
    }
}
