//! Peak memory of a process, as the kernel counts it (`VmHWM`). Linux only; elsewhere it is 0.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context;

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// In MB, since the start of the process or the last [`reset_peak`].
pub(crate) fn peak_mb(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0 / 1e6
}

/// The peak is counted anew from now on.
pub(crate) fn reset_peak(process: u32) -> anyhow::Result<()> {
    fs::write(format!("/proc/{process}/clear_refs"), "5").context("the peak cannot be reset")
}

/// Runs a program to its end and gives its peak; what it prints on standard output is dropped.
pub(crate) fn run_and_watch(command: &mut Command) -> anyhow::Result<(ExitStatus, f64)> {
    let mut child: Child = command.stdout(Stdio::null()).spawn().context("it cannot be started")?;
    let mut peak: f64 = 0.0;
    loop {
        peak = peak.max(peak_mb(child.id()));
        if let Some(status) = child.try_wait()? {
            return Ok((status, peak));
        }
        thread::sleep(LOOK_AGAIN);
    }
}
