//! Filters as SQL against the same filters evaluated naively in memory, and pages while rows come and go.

use std::cmp::Ordering;

use holdfast_domain::{
    Actor, Entropy, PolicyId, ProtectionSources, ProtectionUnit, SeededEntropy, Stamps, TenantId,
    Timestamp, UnitId, Workload,
};
use holdfast_store::query::{
    Comparison, Direction, Filter, ListQuery, TextMatch, UnitColumn, Value,
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
        4 => (select(&COLUMNS[..]), comparison, value.clone())
            .prop_map(|(column, comparison, value)| Filter::Compare(column, comparison, fitting(column, value))),
        1 => (select(&COLUMNS[..]), proptest::collection::vec(value, 0..3))
            .prop_map(|(column, values)| {
                let values = values.into_iter().map(|value| fitting(column, value));
                Filter::In(column, values.collect())
            }),
        2 => (select(&[UnitColumn::Name, UnitColumn::Resource][..]), matching, select(&TEXTS[..]))
            .prop_map(|(column, how, text)| Filter::Text(column, how, text.to_owned())),
        1 => proptest::sample::subsequence(vec!["manual", "dynamicRule", "none"], 0..3).prop_map(
            |flags| Filter::Has(UnitColumn::Sources, flags.into_iter().map(str::to_owned).collect())
        ),
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

/// Null has no order.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// OData's meaning: a comparison is true or false, and false with null unless it asks for equality.
fn holds(filter: &Filter<UnitColumn>, unit: &ProtectionUnit) -> bool {
    match filter {
        Filter::Compare(column, comparison, value) => {
            let found = value_in(unit, *column);
            let order = order(&found, value);
            match comparison {
                Comparison::Equal => found == *value,
                Comparison::NotEqual => found != *value,
                Comparison::Less => order == Some(Ordering::Less),
                Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
                Comparison::Greater => order == Some(Ordering::Greater),
                Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            }
        }
        Filter::In(column, values) => values.contains(&value_in(unit, *column)),
        Filter::Text(column, how, text) => {
            let Value::Text(found) = value_in(unit, *column) else { return false };
            let (found, text) = (found.to_lowercase(), text.to_lowercase());
            match how {
                TextMatch::StartsWith => found.starts_with(&text),
                TextMatch::EndsWith => found.ends_with(&text),
                TextMatch::Contains => found.contains(&text),
            }
        }
        Filter::Has(column, flags) => {
            let Value::Text(found) = value_in(unit, *column) else { return false };
            flags.iter().all(|flag| found.split(',').any(|set| set == flag))
        }
        Filter::Any(_) => panic!("parts have a test of their own"),
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
