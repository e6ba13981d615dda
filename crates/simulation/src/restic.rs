//! restic as a judge of what the engine wrote.

use std::process::Command;

use holdfast_domain::UnitId;

use crate::world::World;

/// Runs restic on a unit's repository, in a world with [`crate::Objects::Folder`]; gives what it prints.
///
/// # Errors
/// When restic cannot be started or does not succeed, with what it prints.
pub async fn restic(world: &World, unit: UnitId, arguments: &[&str]) -> anyhow::Result<String> {
    let secret = world.secret(unit).await?;
    let output = Command::new("restic")
        .arg("--no-cache")
        .args(arguments)
        .env("RESTIC_REPOSITORY", world.repository_folder(unit))
        .env("RESTIC_PASSWORD", secret.expose())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "restic {arguments:?}: {text}{errors}");
    Ok(text)
}
