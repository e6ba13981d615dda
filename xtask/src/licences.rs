//! `cargo xtask deny`: the licences and sources of our dependencies, against `deny.toml`.
//!
//! The file is cargo-deny's, which runs too where it is installed; what must hold without it is checked here.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::licences_expression::satisfied;
use crate::{project, shell};

#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: BTreeSet<String>,
}

pub(crate) fn licences() -> anyhow::Result<()> {
    let path = project::root().join("deny.toml");
    let text = fs::read_to_string(&path).context("deny.toml cannot be read")?;
    let rules: Rules = toml::from_str(&text).context("deny.toml")?;
    let metadata = project::metadata()?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists packages")?;
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for package in packages {
        wrong.extend(wrong_with(package, &rules, &mut used));
    }
    // An entry that nothing needs any more would let something in unseen.
    for licence in rules.licenses.allow.difference(&used) {
        wrong.push(format!("deny.toml allows {licence}, which nothing uses"));
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    println!("deny: {} packages, licences and sources are allowed", packages.len());
    if is_installed() {
        shell::run(project::cargo().args(["deny", "check", "bans", "licenses", "sources"]))?;
    }
    Ok(())
}

/// What is wrong with one package; the licences that its expression names go to `used`.
fn wrong_with(package: &Value, rules: &Rules, used: &mut BTreeSet<String>) -> Option<String> {
    let name = format!(
        "{} {}",
        package["name"].as_str().unwrap_or_default(),
        package["version"].as_str().unwrap_or_default()
    );
    // Without a source it is a crate of this workspace.
    let registry = |source: &str| {
        source
            .strip_prefix("registry+")
            .is_some_and(|registry| rules.sources.allow_registry.contains(registry))
    };
    if package["source"].as_str().is_some_and(|source| !registry(source)) {
        return Some(format!("{name} comes from {}, which is not allowed", package["source"]));
    }
    let expression = package["license"].as_str().unwrap_or_default();
    let named = std::cell::RefCell::new(used);
    let allowed = |licence: &str| {
        let allowed = rules.licenses.allow.contains(licence);
        if allowed {
            named.borrow_mut().insert(licence.to_owned());
        }
        allowed
    };
    match satisfied(expression, &allowed) {
        Some(true) => None,
        Some(false) => Some(format!("{name} has the licence {expression}, which is not allowed")),
        None => Some(format!("{name} does not say its licence: {expression:?}")),
    }
}

fn is_installed() -> bool {
    Command::new("cargo-deny")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(licence: Value, source: Value) -> Option<String> {
        let rules: Rules = toml::from_str(
            "[licenses]\nallow = ['MIT']\n[sources]\nallow-registry = ['https://registry.example']",
        )
        .unwrap();
        let package =
            json!({"name": "thing", "version": "1.0.0", "license": licence, "source": source});
        wrong_with(&package, &rules, &mut BTreeSet::new())
    }

    #[test]
    fn an_allowed_licence_from_an_allowed_registry() {
        assert_eq!(check(json!("MIT"), json!("registry+https://registry.example")), None);
        assert_eq!(check(json!("MIT"), Value::Null), None);
    }

    #[test]
    fn what_is_refused_is_named() {
        let refused = |licence, source| check(licence, source).unwrap();
        assert!(
            refused(json!("GPL-3.0-only"), Value::Null).contains("thing 1.0.0 has the licence")
        );
        assert!(refused(Value::Null, Value::Null).contains("does not say"));
        assert!(refused(json!("MIT"), json!("git+https://host.example/x")).contains("comes from"));
        assert!(
            refused(json!("MIT"), json!("registry+https://other.example")).contains("comes from")
        );
    }
}
