//! Running other programs.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Runs the program with our output; fails when it does.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| cannot_run(command))?;
    if !status.success() {
        bail!("{} failed: {status}", shown(command));
    }
    Ok(())
}

/// What the program prints; its errors go to ours.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| cannot_run(command))?;
    if !output.status.success() {
        bail!("{} failed: {}", shown(command), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Fails, naming Debian's package, unless the program starts.
pub(crate) fn require(program: &str, argument: &str, package: &str) -> anyhow::Result<()> {
    let started =
        Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match started {
        Ok(status) if status.success() => Ok(()),
        Ok(_) | Err(_) => {
            bail!("{program} is missing or does not start; on Debian: apt-get install {package}")
        }
    }
}

fn cannot_run(command: &Command) -> String {
    format!("{} cannot be started", command.get_program().display())
}

/// The program and its arguments; its environment may hold secrets.
fn shown(command: &Command) -> String {
    let mut shown = command.get_program().display().to_string();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}
