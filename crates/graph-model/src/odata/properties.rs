//! Round trips: what is written as a filter is read as the same expression; nothing that is read makes the parser panic.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

use super::{ComparisonOperator, Expression, Literal, QueryOptions, TextFunction};

fn write(expression: &Expression) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let literal = |literal: &Literal| match literal {
        Literal::Null => "null".to_owned(),
        Literal::Bool(flag) => flag.to_string(),
        Literal::Integer(number) => number.to_string(),
        Literal::Text(text) => quoted(text),
        Literal::Time(time) => time.to_string(),
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
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| Expression::And(Box::new(left), Box::new(right))),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| Expression::Or(Box::new(left), Box::new(right))),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn filters_are_read_as_they_are_written(expression in expressions()) {
        let text = write(&expression);
        proptest::prop_assert_eq!(Expression::parse(&text), Ok(expression), "{}", text);
    }

    #[test]
    fn nothing_panics(text in "[a-z0-9 ()',$=;/é-]{0,60}", any in any::<String>()) {
        for text in [&text, &any] {
            let _ = Expression::parse(text);
            for option in ["$filter", "$expand", "$select", "$orderby", "$top", "$count"] {
                let _ = QueryOptions::parse([(option, text.as_str())]);
            }
        }
    }
}
