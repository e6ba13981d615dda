//! Filters as SQL against the same filters evaluated naively in memory, and pages while rows come and go.

use std::cmp::Ordering;

use holdfast_domain::{
    Actor, Entropy, PolicyId, ProtectionSources, ProtectionUnit, SeededEntropy, Stamps, TenantId,
    Timestamp, UnitId, Workload,
};
use holdfast_store::query::{
    Arithmetic, Comparison, Direction, Filter, Function, ListQuery, Term, TextMatch, UnitColumn,
    Value,
};
use holdfast_store::{Collection, Listed, Store, Versioned};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;

use crate::SqliteStore;

const TEXTS: [&str; 8] = ["", "a", "A", "Éa", "éA%", "a_b", "b'", "ab"];
const COLUMNS: [UnitColumn; 7] = [
    UnitColumn::Id,
    UnitColumn::PolicyId,
    UnitColumn::Workload,
    UnitColumn::Resource,
    UnitColumn::Name,
    UnitColumn::Sources,
    UnitColumn::CreatedDateTime,
];

fn tenant() -> TenantId {
    "00000000-0000-4000-8000-00000000000a".parse().expect("a GUID")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000).expect("in range")
}

/// What a row is made of: policy, workload, name, sources, time.
type Made = (Option<u8>, usize, Option<usize>, u8, i64);

fn made() -> impl Strategy<Value = Made> {
    let name = proptest::option::of(0..TEXTS.len());
    (proptest::option::of(0_u8..3), 0..3_usize, name, 0_u8..4, 0_i64..4)
}

fn policy(number: u8) -> PolicyId {
    format!("00000000-0000-4000-8000-0000000000c{number}").parse().expect("a GUID")
}

fn unit(made: &Made, number: usize, entropy: &dyn Entropy) -> ProtectionUnit {
    let (in_policy, workload, name, sources, seconds) = made;
    let stamps = Stamps::new(Actor::default(), at(*seconds));
    let id = UnitId::random(entropy);
    let resource = format!("{}{number}", TEXTS[number % TEXTS.len()]);
    let workload = Workload::ALL[*workload];
    ProtectionUnit {
        policy: in_policy.map(policy),
        name: name.map(|name| TEXTS[name].to_owned()),
        sources: ProtectionSources { manual: sources & 1 != 0, dynamic_rule: sources & 2 != 0 },
        ..ProtectionUnit::detached(id, tenant(), workload, resource, stamps)
    }
}

fn filters() -> impl Strategy<Value = Filter<UnitColumn>> {
    let value = prop_oneof![
        Just(Value::Null),
        select(&TEXTS[..]).prop_map(Value::from),
        (0_u8..3).prop_map(|number| Value::Text(policy(number).to_string())),
        select(&["sharePoint", "manual,dynamicRule", "none"][..]).prop_map(Value::from),
        (0_i64..4).prop_map(|seconds| Value::Time(at(seconds))),
    ];
    let comparison = select(
        &[
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Greater,
            Comparison::GreaterOrEqual,
        ][..],
    );
    let matching = select(&[TextMatch::StartsWith, TextMatch::EndsWith, TextMatch::Contains][..]);
    let leaf = prop_oneof![
        4 => (select(&COLUMNS[..]), comparison.clone(), value.clone())
            .prop_map(|(column, comparison, value)| Filter::Compare(column, comparison, fitting(column, value))),
        1 => (select(&COLUMNS[..]), proptest::collection::vec(value, 0..3))
            .prop_map(|(column, values)| {
                let values = values.into_iter().map(|value| fitting(column, value));
                Filter::In(column, values.collect())
            }),
        2 => (select(&[UnitColumn::Name, UnitColumn::Resource][..]), matching.clone(), select(&TEXTS[..]))
            .prop_map(|(column, how, text)| Filter::text(column, how, text)),
        1 => proptest::sample::subsequence(vec!["manual", "dynamicRule", "none"], 0..3).prop_map(
            |flags| Filter::Has(Term::Column(UnitColumn::Sources), flags.into_iter().map(str::to_owned).collect())
        ),
        3 => (terms(Kind::Text), comparison.clone(), terms(Kind::Text))
            .prop_map(|(left, comparison, right)| Filter::Relate(left, comparison, right)),
        3 => (terms(Kind::Number), comparison, terms(Kind::Number))
            .prop_map(|(left, comparison, right)| Filter::Relate(left, comparison, right)),
        2 => (terms(Kind::Text), matching, terms(Kind::Text))
            .prop_map(|(text, how, part)| Filter::Text(text, how, part)),
        1 => any::<bool>().prop_map(Filter::constant),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.and(right)),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| Filter::Or(Box::new(left), Box::new(right))),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
}

/// Terms of that kind; times are numbers of microseconds.
fn terms(kind: Kind) -> impl Strategy<Value = Term<UnitColumn>> {
    let text = prop_oneof![
        select(&[UnitColumn::Name, UnitColumn::Resource, UnitColumn::PolicyId][..])
            .prop_map(Term::Column),
        select(&TEXTS[..]).prop_map(|text| Term::Value(Value::from(text))),
        Just(Term::Value(Value::Null)),
    ];
    let number = prop_oneof![
        Just(Term::Column(UnitColumn::CreatedDateTime)),
        (-3_i64..4).prop_map(|number| Term::Value(Value::Integer(number))),
        (0_i64..4).prop_map(|seconds| Term::Value(Value::Time(at(seconds)))),
    ];
    let leaf = (text, number);
    let both = leaf.prop_recursive(3, 12, 3, |inner| {
        let called =
            |function: Function, arguments: Vec<Term<UnitColumn>>| Term::Call(function, arguments);
        let texts =
            (select(&[0_usize, 1, 2, 3, 4, 5][..]), inner.clone(), inner.clone(), inner.clone())
                .prop_map(move |(which, (text, number), (other, _), (_, length))| match which {
                    0 => called(Function::ToLower, vec![text]),
                    1 => called(Function::ToUpper, vec![text]),
                    2 => called(Function::Trim, vec![text]),
                    3 => called(Function::Concat, vec![text, other]),
                    4 => called(Function::Substring, vec![text, number]),
                    _ => called(Function::Substring, vec![text, number, length]),
                });
        // Products would not fit.
        let operator = select(
            &[Arithmetic::Add, Arithmetic::Subtract, Arithmetic::Divide, Arithmetic::Modulo][..],
        );
        let numbers = prop_oneof![
            inner.clone().prop_map(move |(text, _)| called(Function::Length, vec![text])),
            (inner.clone(), inner.clone()).prop_map(move |((text, _), (part, _))| called(
                Function::IndexOf,
                vec![text, part]
            )),
            (inner.clone(), operator, inner.clone()).prop_map(
                |((_, left), operator, (_, right))| {
                    Term::Arithmetic(Box::new(left), operator, Box::new(right))
                }
            ),
            (any::<bool>(), inner).prop_map(|(every, (_, number))| {
                Term::Where(Box::new(Filter::constant(every)), Box::new(number))
            }),
        ];
        (texts, numbers)
    });
    both.prop_map(move |(text, number)| match kind {
        Kind::Text => text,
        Kind::Number => number,
    })
}

/// Values of another type than the column's never reach the store.
fn fitting(column: UnitColumn, value: Value) -> Value {
    let is_time = column == UnitColumn::CreatedDateTime;
    if matches!(value, Value::Time(_)) == is_time { value } else { Value::Null }
}

fn value_in(unit: &ProtectionUnit, column: UnitColumn) -> Value {
    let text = |text: Option<String>| text.map_or(Value::Null, Value::Text);
    match column {
        UnitColumn::Id => Value::Text(unit.id.to_string()),
        UnitColumn::PolicyId => text(unit.policy.map(|id| id.to_string())),
        UnitColumn::Workload => Value::from(unit.workload.name()),
        UnitColumn::Resource => Value::Text(unit.resource.clone()),
        UnitColumn::Name => text(unit.name.clone()),
        UnitColumn::Sources => Value::from(unit.sources.name()),
        UnitColumn::CreatedDateTime => Value::Time(unit.stamps.created_at),
        other => panic!("{other:?} is not among the columns of these tests"),
    }
}

/// What a term is of a unit. Times become numbers, as in the store.
fn evaluated(term: &Term<UnitColumn>, unit: &ProtectionUnit) -> Value {
    let of = |term: &Term<UnitColumn>| match evaluated(term, unit) {
        Value::Time(time) => Value::Integer(time.unix_micros()),
        other => other,
    };
    let result = match term {
        Term::Column(column) => return value_in(unit, *column),
        Term::Value(value) => return value.clone(),
        Term::Json(..) => panic!("units have no JSON in these tests"),
        Term::Where(filter, term) => holds(filter, unit).then(|| of(term)),
        Term::Arithmetic(left, operator, right) => match (of(left), of(right)) {
            (Value::Integer(left), Value::Integer(right)) => match operator {
                Arithmetic::Add => left.checked_add(right),
                Arithmetic::Subtract => left.checked_sub(right),
                Arithmetic::Multiply => left.checked_mul(right),
                Arithmetic::Divide => left.checked_div(right),
                Arithmetic::Modulo => left.checked_rem(right),
            }
            .map(Value::Integer),
            _ => None,
        },
        Term::Call(function, arguments) => {
            let arguments: Vec<Value> = arguments.iter().map(of).collect();
            called(*function, &arguments)
        }
    };
    result.unwrap_or(Value::Null)
}

fn called(function: Function, arguments: &[Value]) -> Option<Value> {
    let text = |index: usize| match &arguments[index] {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    };
    let number = |index: usize| match arguments[index] {
        Value::Integer(number) => Some(usize::try_from(number.max(0)).expect("64 bits")),
        _ => None,
    };
    let length = |text: &str| Value::Integer(i64::try_from(text.chars().count()).expect("short"));
    Some(match function {
        Function::ToLower => Value::Text(text(0)?.to_lowercase()),
        Function::ToUpper => Value::Text(text(0)?.to_uppercase()),
        Function::Trim => Value::from(text(0)?.trim_matches(' ')),
        Function::Length => length(text(0)?),
        Function::Concat => Value::Text(format!("{}{}", text(0)?, text(1)?)),
        Function::IndexOf => {
            let (text, part) = (text(0)?, text(1)?);
            text.find(part).map_or(Value::Integer(-1), |at| length(&text[..at]))
        }
        Function::Substring => {
            let rest = text(0)?.chars().skip(number(1)?);
            let taken = if arguments.len() > 2 { number(2)? } else { usize::MAX };
            Value::Text(rest.take(taken).collect())
        }
        other => panic!("{other:?} is not among the functions of these tests"),
    })
}

/// Null has no order.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn compared(left: Value, comparison: Comparison, right: Value) -> bool {
    let plain = |value| match value {
        Value::Time(time) => Value::Integer(time.unix_micros()),
        other => other,
    };
    let (left, right) = (plain(left), plain(right));
    let order = order(&left, &right);
    match comparison {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}

/// OData's meaning: a comparison is true or false, and false with null unless it asks for equality.
fn holds(filter: &Filter<UnitColumn>, unit: &ProtectionUnit) -> bool {
    match filter {
        Filter::Compare(column, comparison, value) => {
            compared(value_in(unit, *column), *comparison, value.clone())
        }
        Filter::In(column, values) => values.contains(&value_in(unit, *column)),
        Filter::Relate(left, comparison, right) => {
            compared(evaluated(left, unit), *comparison, evaluated(right, unit))
        }
        Filter::Text(text, how, part) => {
            let (Value::Text(found), Value::Text(text)) =
                (evaluated(text, unit), evaluated(part, unit))
            else {
                return false;
            };
            let (found, text) = (found.to_lowercase(), text.to_lowercase());
            match how {
                TextMatch::StartsWith => found.starts_with(&text),
                TextMatch::EndsWith => found.ends_with(&text),
                TextMatch::Contains => found.contains(&text),
            }
        }
        Filter::Has(term, flags) => {
            let Value::Text(found) = evaluated(term, unit) else { return false };
            flags.iter().all(|flag| found.split(',').any(|set| set == flag))
        }
        Filter::Any(_) | Filter::AnyElement(..) => panic!("parts have a test of their own"),
        Filter::And(left, right) => holds(left, unit) && holds(right, unit),
        Filter::Or(left, right) => holds(left, unit) || holds(right, unit),
        Filter::Not(inner) => !holds(inner, unit),
    }
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn filters_let_through_what_they_say(
        rows in proptest::collection::vec(made(), 0..20),
        filters in proptest::collection::vec(filters(), 1..12),
    ) {
        run(async {
            let entropy = SeededEntropy::new(1);
            let store = SqliteStore::in_memory();
            let mut tx = store.begin().await.expect("begins");
            let units: Vec<ProtectionUnit> =
                rows.iter().enumerate().map(|(number, made)| unit(made, number, &entropy)).collect();
            for unit in &units {
                tx.insert(unit).await.expect("inserts");
            }
            for filter in filters {
                let expected: Vec<UnitId> =
                    units.iter().filter(|unit| holds(&filter, unit)).map(|unit| unit.id).collect();
                let query = ListQuery::first(100, Some(filter.clone()));
                let page = Listed::<ProtectionUnit>::list(&mut *tx, tenant(), &query);
                let mut found: Vec<UnitId> =
                    page.await.expect("lists").rows.into_iter().map(|unit| unit.id).collect();
                let count = Listed::<ProtectionUnit>::count(&mut *tx, tenant(), Some(&filter));
                assert_eq!(count.await.expect("counts"), expected.len() as u64, "{filter:?}");
                let mut expected = expected;
                expected.sort();
                found.sort();
                assert_eq!(found, expected, "{filter:?}");
            }
        });
    }

    /// A row that is there from the first page to the last, and is not among those skipped, is seen once.
    #[test]
    fn pages_neither_repeat_nor_lose_rows(
        rows in proptest::collection::vec(made(), 1..24),
        order in proptest::sample::subsequence(COLUMNS.to_vec(), 0..3),
        descending in any::<[bool; 3]>(),
        skip in 0_u32..6,
        limit in 1_u32..6,
        changes in proptest::collection::vec((any::<bool>(), any::<usize>(), made()), 12),
    ) {
        run(async {
            let entropy = SeededEntropy::new(2);
            let store = SqliteStore::in_memory();
            let mut tx = store.begin().await.expect("begins");
            for (number, made) in rows.iter().enumerate() {
                tx.insert(&unit(made, number, &entropy)).await.expect("inserts");
            }
            let order: Vec<(UnitColumn, Direction)> = order
                .into_iter()
                .zip(descending.map(|flag| if flag { Direction::Descending } else { Direction::Ascending }))
                .collect();
            let everything = ListQuery { order: order.clone(), ..ListQuery::first(1000, None) };
            let sorted = Listed::<ProtectionUnit>::list(&mut *tx, tenant(), &everything).await.expect("lists");
            let mut expected: Vec<UnitId> =
                sorted.rows.iter().skip(skip as usize).map(|unit| unit.id).collect();
            let mut query = ListQuery { order, skip, limit, ..ListQuery::first(limit, None) };
            let (mut seen, mut number) = (Vec::new(), rows.len());
            let mut changes = changes.into_iter();
            loop {
                let page = Listed::<ProtectionUnit>::list(&mut *tx, tenant(), &query).await.expect("lists");
                seen.extend(page.rows.iter().map(|unit| unit.id));
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
                let Some((add, which, made)) = changes.next() else { continue };
                if add {
                    number += 1;
                    tx.insert(&unit(&made, number, &entropy)).await.expect("inserts");
                } else {
                    let id = sorted.rows[which % sorted.rows.len()].id;
                    let found: Option<Versioned<ProtectionUnit>> =
                        Listed::<ProtectionUnit>::get(&mut *tx, tenant(), &id).await.expect("reads");
                    if let Some(row) = found {
                        Collection::<ProtectionUnit>::delete(&mut *tx, &row.value, row.version).await.expect("deletes");
                        expected.retain(|kept| *kept != id);
                    }
                }
            }
            let mut unique = seen.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), seen.len(), "a row is repeated");
            seen.retain(|id| expected.contains(id));
            assert_eq!(seen, expected);
        });
    }
}
