//! `cargo xtask layers`: which of our crates may use which. An edge that is not in the table fails.
//!
//! The directions are the point: `api` and `engine` meet only in rows of `store`, `repository` knows no policies, and the
//! embedded tenant knows nothing of backup.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::project;

struct Layer {
    name: &'static str,
    /// In the product.
    uses: &'static [&'static str],
    /// In tests only, besides.
    tests_use: &'static [&'static str],
}

const fn layer(
    name: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
) -> Layer {
    Layer { name, uses, tests_use }
}

/// The lowest first.
const LAYERS: &[Layer] = &[
    layer("domain", &[], &[]),
    layer("graph-model", &["domain"], &["testkit"]),
    layer("repository", &[], &[]),
    layer("store", &["domain"], &[]),
    layer("store-sqlite", &["store", "domain"], &[]),
    layer("store-postgres", &["store", "domain"], &[]),
    layer("connector", &["domain"], &[]),
    layer("connector-graph", &["connector", "domain"], &["tenant", "testkit"]),
    layer("tenant", &["domain"], &["testkit"]),
    layer(
        "engine",
        &["connector", "domain", "repository", "store"],
        &["connector-graph", "store-sqlite", "tenant", "testkit"],
    ),
    layer("api", &["domain", "graph-model", "store"], &["store-sqlite", "testkit"]),
    layer("console", &["api"], &[]),
    layer(
        "server",
        &[
            "api",
            "connector",
            "connector-graph",
            "console",
            "domain",
            "engine",
            "repository",
            "store",
            "store-postgres",
            "store-sqlite",
            "tenant",
        ],
        &["testkit"],
    ),
    layer("cli", &["server"], &[]),
    layer("testkit", &["domain"], &[]),
    layer(
        "simulation",
        &[
            "api",
            "connector",
            "connector-graph",
            "domain",
            "engine",
            "repository",
            "store",
            "store-sqlite",
            "tenant",
            "testkit",
        ],
        &[],
    ),
    layer("xtask", &[], &[]),
];

pub(crate) fn layers() -> anyhow::Result<()> {
    let wrong = wrong_edges(&project::metadata()?)?;
    if !wrong.is_empty() {
        bail!("{}\nxtask/src/layers.rs says which edges there may be", wrong.join("\n"));
    }
    println!("layers: every edge is allowed");
    Ok(())
}

fn wrong_edges(metadata: &Value) -> anyhow::Result<Vec<String>> {
    let members: BTreeSet<&str> = texts(&metadata["workspace_members"]).collect();
    let packages: Vec<&Value> = array(&metadata["packages"])
        .filter(|package| package["id"].as_str().is_some_and(|id| members.contains(id)))
        .collect();
    let ours: BTreeSet<&str> =
        packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has a name")?;
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == short(name)) else {
            wrong.push(format!("the crate {name} is in no layer"));
            continue;
        };
        for dependency in array(&package["dependencies"]) {
            let used = dependency["name"].as_str().context("a dependency has a name")?;
            if !ours.contains(used) {
                continue;
            }
            let in_tests = dependency["kind"] == "dev";
            let allowed = layer.uses.contains(&short(used))
                || (in_tests && layer.tests_use.contains(&short(used)));
            if !allowed {
                let place = if in_tests { " in tests" } else { "" };
                wrong.push(format!("{} must not use {}{place}", layer.name, short(used)));
            }
        }
    }
    Ok(wrong)
}

fn short(package: &str) -> &str {
    if package == "holdfast" { "cli" } else { package.strip_prefix("holdfast-").unwrap_or(package) }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    array(value).filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(name: &str, used: &str, kind: Option<&str>) -> Vec<String> {
        let package = |name: &str, dependencies: Value| json!({"id": name, "name": name, "dependencies": dependencies});
        let metadata = json!({
            "workspace_members": [name, used],
            "packages": [
                package(name, json!([{"name": used, "kind": kind}, {"name": "serde", "kind": null}])),
                package(used, json!([])),
            ],
        });
        wrong_edges(&metadata).unwrap()
    }

    #[test]
    fn an_edge_of_the_table_is_allowed() {
        assert!(check("holdfast-api", "holdfast-store", None).is_empty());
        assert!(check("holdfast-api", "holdfast-store-sqlite", Some("dev")).is_empty());
    }

    #[test]
    fn any_other_edge_is_named() {
        assert_eq!(check("holdfast-api", "holdfast-engine", None), ["api must not use engine"]);
        assert_eq!(
            check("holdfast-repository", "holdfast-store", Some("dev")),
            ["repository must not use store in tests"]
        );
        assert_eq!(
            check("holdfast-api", "holdfast-store-sqlite", None),
            ["api must not use store-sqlite"]
        );
    }

    #[test]
    fn a_crate_without_a_layer_is_named() {
        assert_eq!(
            check("holdfast-new", "holdfast-domain", None),
            ["the crate holdfast-new is in no layer"]
        );
    }
}
