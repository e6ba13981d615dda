//! What Microsoft's clients and the fuzzer need, installed once, outside the checkout, in folders named after what is pinned.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::stopwatch::Stopwatch;
use crate::{project, shell};

/// Written last into a finished installation.
const FINISHED: &str = "finished";

/// The interpreter of an environment that has what the file in `interop/` pins.
pub(crate) fn python(requirements: &str) -> anyhow::Result<PathBuf> {
    let pinned = project::root().join("interop").join(requirements);
    let folder = folder_for("interop", &[&pinned])?;
    let python = folder.join("bin").join("python");
    if folder.join(FINISHED).exists() {
        return Ok(python);
    }
    shell::require("python3", "--version", "python3")?;
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).status();
    if !made.is_ok_and(|status| status.success()) {
        bail!("Python makes no virtual environment; on Debian: apt-get install python3-venv");
    }
    println!("interop: installing {requirements} once, which takes a minute or two");
    let installing = Stopwatch::start();
    shell::run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--requirement")
            .arg(&pinned),
    )?;
    fs::write(folder.join(FINISHED), b"")?;
    println!("interop: installed in {:.0} s", installing.seconds());
    Ok(python)
}

/// The folder `node_modules` with what `interop/js` pins; `None` when there is no Node.js.
pub(crate) fn node_modules() -> anyhow::Result<Option<PathBuf>> {
    for program in ["node", "npm"] {
        if shell::require(program, "--version", program).is_err() {
            return Ok(None);
        }
    }
    let source = project::root().join("interop").join("js");
    let files = ["package.json", "package-lock.json"].map(|name| source.join(name));
    let folder = folder_for("interop-js", &[&files[0], &files[1]])?;
    if !folder.join(FINISHED).exists() {
        fs::create_dir_all(&folder)?;
        for file in &files {
            fs::copy(file, folder.join(file.file_name().context("a file's name")?))?;
        }
        let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"];
        shell::run(Command::new("npm").args(install).current_dir(&folder))?;
        fs::write(folder.join(FINISHED), b"")?;
    }
    Ok(Some(folder.join("node_modules")))
}

fn folder_for(prefix: &str, pinned: &[&Path]) -> anyhow::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    for file in pinned {
        fs::read(file).with_context(|| file.display().to_string())?.hash(&mut hasher);
    }
    Ok(cache()?.join(format!("{prefix}-{:016x}", hasher.finish())))
}

fn cache() -> anyhow::Result<PathBuf> {
    if let Some(cache) = std::env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty()) {
        return Ok(PathBuf::from(cache).join("holdfast"));
    }
    let home = std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache").join("holdfast"))
}
