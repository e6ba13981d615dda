//! The judge: Debian's restic on a unit's repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::backup_api::normal_time;
use crate::listing::{Content, Listing};
use crate::quick_xor::quick_xor_base64;
use crate::shell;

pub(crate) struct Restic {
    environment: BTreeMap<String, String>,
}

pub(crate) struct ResticSnapshot {
    pub(crate) id: String,
    /// What was backed up, as one path.
    pub(crate) path: String,
}

impl Restic {
    /// Asks `holdfast repository-key` for what restic needs.
    pub(crate) fn of_unit(binary: &Path, data: &Path, unit: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.args(["repository-key", unit, "--data"]).arg(data);
        let environment = crate::dev_server::parse_exports(&shell::output(&mut command)?)?;
        Ok(Self { environment })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut restic = Command::new("restic");
        restic.envs(&self.environment).args(["--quiet", "--no-cache"]).args(arguments);
        restic
    }

    /// The structure, and every byte of every pack if asked.
    pub(crate) fn check(&self, read_data: bool) -> anyhow::Result<()> {
        let arguments: &[&str] = if read_data { &["check", "--read-data"] } else { &["check"] };
        let checked = self.command(arguments).output().context("restic cannot be started")?;
        if !checked.status.success() {
            bail!(
                "restic {}: {}{}",
                arguments.join(" "),
                String::from_utf8_lossy(&checked.stdout),
                String::from_utf8_lossy(&checked.stderr)
            );
        }
        Ok(())
    }

    /// By time, as [`normal_time`] writes it.
    pub(crate) fn snapshots(&self) -> anyhow::Result<BTreeMap<String, ResticSnapshot>> {
        let listed = shell::output(&mut self.command(&["snapshots", "--json"]))?;
        let listed: Vec<Value> = serde_json::from_str(&listed)?;
        listed
            .iter()
            .map(|snapshot| {
                let time = snapshot["time"].as_str().context("a snapshot has a time")?;
                let id = snapshot["id"].as_str().context("a snapshot has an id")?;
                let path = snapshot["paths"][0].as_str().context("a snapshot has a path")?;
                Ok((normal_time(time), ResticSnapshot { id: id.to_owned(), path: path.to_owned() }))
            })
            .collect()
    }

    /// Restores the whole snapshot and compares the library `Documents` of it with the listing: paths, sizes, hashes,
    /// and the files' times.
    pub(crate) fn compare(
        &self,
        snapshot: &ResticSnapshot,
        listing: &Listing,
    ) -> anyhow::Result<Vec<String>> {
        let target = tempfile::Builder::new().prefix("holdfast-restic-").tempdir()?;
        let target_path = target.path().to_str().context("a temporary path is text")?;
        shell::run(&mut self.command(&["restore", &snapshot.id, "--target", target_path]))?;
        let library = target.path().join(snapshot.path.trim_start_matches('/')).join("Documents");
        let mut found = BTreeMap::new();
        walk(&library, String::new(), &mut found)?;
        let mut differences = Vec::new();
        for (path, wanted) in listing {
            match found.remove(path) {
                None => differences.push(format!("restic did not restore {path}")),
                Some(there) if there.content != wanted.content => {
                    differences.push(format!("restic restored another {path}"));
                }
                Some(there) => {
                    if wanted.content.is_some() && there.modified != wanted.modified {
                        differences.push(format!("restic restored {path} of {}", there.modified));
                    }
                }
            }
        }
        differences.extend(found.keys().map(|path| format!("restic restored {path} too")));
        Ok(differences)
    }
}

struct Found {
    content: Option<Content>,
    modified: String,
}

fn walk(folder: &Path, prefix: String, found: &mut BTreeMap<String, Found>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("restic restored no {}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    for entry in entries {
        let name = entry.file_name().into_string().ok().context("a restored name is no text")?;
        let path = format!("{prefix}{name}");
        let metadata = entry.metadata()?;
        let modified = date_time(metadata.modified()?);
        if metadata.is_dir() {
            walk(&entry.path(), format!("{path}/"), found)?;
            found.insert(path, Found { content: None, modified });
        } else {
            let bytes = fs::read(entry.path())?;
            let content = Content { size: bytes.len() as u64, quick_xor: quick_xor_base64(&bytes) };
            found.insert(path, Found { content: Some(content), modified });
        }
    }
    Ok(())
}

/// `2026-11-25T12:00:00`, of UTC; the days are counted as Howard Hinnant's `civil_from_days` does.
fn date_time(time: std::time::SystemTime) -> String {
    let seconds = match time.duration_since(std::time::UNIX_EPOCH) {
        Ok(after) => after.as_secs().cast_signed(),
        Err(before) => -before.duration().as_secs().cast_signed(),
    };
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn dates() {
        let check = |seconds| date_time(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(check(0), "1970-01-01T00:00:00");
        assert_eq!(check(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(check(1_700_000_000), "2023-11-14T22:13:20");
    }
}
