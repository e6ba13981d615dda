//! Where things are: the checkout, cargo, the binary under test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use crate::shell;

/// The checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the checkout")
}

/// The cargo that runs us, in the checkout.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// What cargo knows of the workspace and everything that it depends on.
pub(crate) fn metadata() -> anyhow::Result<Value> {
    let text = shell::output(cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    serde_json::from_str(&text).context("cargo metadata prints JSON")
}

/// The optimized binary: that of `HOLDFAST_BIN`, or built now.
pub(crate) fn release_binary() -> anyhow::Result<PathBuf> {
    if let Some(binary) = std::env::var_os("HOLDFAST_BIN") {
        let binary = PathBuf::from(binary);
        return std::fs::canonicalize(&binary)
            .with_context(|| format!("HOLDFAST_BIN is {}", binary.display()));
    }
    shell::run(cargo().args([
        "build",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "holdfast",
    ]))?;
    let metadata = shell::output(cargo().args([
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--locked",
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let target = metadata["target_directory"].as_str().context("cargo names its target folder")?;
    Ok(Path::new(target).join("release").join("holdfast"))
}
