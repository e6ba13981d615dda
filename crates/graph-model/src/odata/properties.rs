//! Round trips: what is written as a filter is read as the same expression; nothing that is read makes the parser panic.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

use super::{
    ArithmeticOperator, ComparisonOperator, Condition, Expression, Function, Literal, Operand,
    Quantifier, TextFunction,
};

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn literal(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".to_owned(),
        Literal::Bool(flag) => flag.to_string(),
        Literal::Integer(number) => number.to_string(),
        // With its point, so that it stays a decimal.
        Literal::Decimal(number) => format!("{number:?}"),
        Literal::Text(text) => quoted(text),
        Literal::Time(time) => time.to_string(),
        Literal::Date(midnight) => midnight.to_string()[..10].to_owned(),
        Literal::Duration(text) => format!("duration'{text}'"),
        Literal::Member { type_name, members } => {
            format!("microsoft.graph.{type_name}{}", quoted(members))
        }
    }
}

fn value(operand: &Operand) -> String {
    match operand {
        Operand::Property(name) => name.clone(),
        Operand::Literal(of) => literal(of),
        Operand::Call(function, arguments) => {
            let arguments: Vec<String> = arguments.iter().map(value).collect();
            format!("{}({})", function.name(), arguments.join(" , "))
        }
        Operand::Arithmetic(left, operator, right) => {
            format!("({}) {} ({})", value(left), operator.name(), value(right))
        }
        Operand::Cast(of, name) => format!("cast({},{name})", value(of)),
    }
}

fn write(expression: &Expression) -> String {
    match expression {
        Expression::Compare(left, operator, right) => {
            let operator = match operator {
                ComparisonOperator::Equal => "eq",
                ComparisonOperator::NotEqual => "ne",
                ComparisonOperator::Less => "lt",
                ComparisonOperator::LessOrEqual => "le",
                ComparisonOperator::Greater => "gt",
                ComparisonOperator::GreaterOrEqual => "ge",
            };
            format!("{} {operator} {}", value(left), value(right))
        }
        Expression::In(operand, values) => {
            let values: Vec<String> = values.iter().map(literal).collect();
            format!("{} in ({})", value(operand), values.join(","))
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
        Expression::Text(function, text, part) => {
            let function = match function {
                TextFunction::StartsWith => "startswith",
                TextFunction::EndsWith => "endswith",
                TextFunction::Contains => "contains",
            };
            format!("{function}({},{})", value(text), value(part))
        }
        Expression::And(left, right) => format!("({}) and ({})", write(left), write(right)),
        Expression::Or(left, right) => format!("({}) or ({})", write(left), write(right)),
        Expression::Not(inner) => format!("not ({})", write(inner)),
    }
}

fn name() -> impl Strategy<Value = String> {
    "p[a-zA-Z]{0,8}(/q[a-z]{0,3})?"
}

fn literals() -> impl Strategy<Value = Literal> {
    let at = |micros| holdfast_domain::Timestamp::from_unix_micros(micros).expect("in range");
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(Literal::Integer),
        (-1e6_f64..1e6).prop_map(Literal::Decimal),
        "P[1-9]D(T[1-9][0-9]?H[0-9]M)?".prop_map(Literal::Duration),
        ("[a-z][A-Za-z]{0,6}", any::<String>())
            .prop_map(|(type_name, members)| { Literal::Member { type_name, members } }),
        any::<String>().prop_map(Literal::Text),
        (0_i64..4_000_000_000_000_000).prop_map(move |micros| Literal::Time(at(micros))),
        (0_i64..40_000).prop_map(move |days| Literal::Date(at(days * 86_400_000_000))),
    ]
}

/// What is no literal by itself.
fn operands() -> impl Strategy<Value = Operand> {
    let leaf = prop_oneof![
        4 => name().prop_map(Operand::Property),
        1 => Just(Operand::Call(Function::Now, Vec::new())),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let argument = prop_oneof![inner.clone(), literals().prop_map(Operand::Literal)];
        let operator = proptest::sample::select(vec![
            ArithmeticOperator::Add,
            ArithmeticOperator::Subtract,
            ArithmeticOperator::Multiply,
            ArithmeticOperator::Divide,
            ArithmeticOperator::Modulo,
        ]);
        prop_oneof![
            (
                proptest::sample::select(Function::ALL.to_vec()),
                proptest::collection::vec(argument.clone(), 3)
            )
                .prop_map(|((_, function, _, most), mut arguments)| {
                    arguments.truncate(most);
                    Operand::Call(function, arguments)
                }),
            (inner.clone(), operator, argument).prop_map(|(left, operator, right)| {
                Operand::Arithmetic(Box::new(left), operator, Box::new(right))
            }),
            (inner, "(Edm|microsoft\\.graph)\\.[A-Z][a-z]{1,5}")
                .prop_map(|(of, name)| Operand::Cast(Box::new(of), name)),
        ]
    })
}

fn expressions() -> impl Strategy<Value = Expression> {
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
        (operands(), operator, prop_oneof![operands(), literals().prop_map(Operand::Literal)])
            .prop_map(|(left, operator, right)| Expression::Compare(left, operator, right)),
        (operands(), proptest::collection::vec(literals(), 1..4))
            .prop_map(|(operand, values)| Expression::In(operand, values)),
        (function, operands(), operands())
            .prop_map(|(function, text, part)| Expression::Text(function, text, part)),
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
