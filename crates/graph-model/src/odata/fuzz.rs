//! Hostile query strings, from `fuzz/corpus`: see [`holdfast_testkit::fuzz`].

use holdfast_testkit::fuzz::replay_and_mutate;

use super::{Expression, QueryOptions, Search};

#[test]
fn filter() {
    replay_and_mutate("filter", &|text| drop(Expression::parse(text)));
}

#[test]
fn search() {
    replay_and_mutate("search", &|text| drop(Search::parse(text)));
}

#[test]
fn expand() {
    replay_and_mutate("expand", &|text| drop(QueryOptions::parse([("$expand", text)])));
}

#[test]
fn options() {
    replay_and_mutate("options", &|text| {
        let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        drop(QueryOptions::parse(pairs));
    });
}
