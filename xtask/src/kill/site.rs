//! The site of the kill rounds: folders in folders, files of 0 bytes to a few MiB, odd names.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::documents;
use crate::random::Random;

pub(crate) const FILES: usize = 2000;
const FOLDERS: usize = 120;
const DEPTH: usize = 4;
const LARGE_FILES: usize = 4;
const MIB: u64 = 1024 * 1024;

/// Fills `folder`; gives the bytes.
pub(crate) fn generate(seed: u64, folder: &Path) -> anyhow::Result<u64> {
    let mut random = Random::new(seed, u64::MAX);
    let mut folders: Vec<(PathBuf, usize)> = vec![(folder.to_owned(), 0)];
    for number in 0..FOLDERS {
        let (parent, depth) = random.one_of(&folders).clone();
        if depth == DEPTH {
            continue;
        }
        let path =
            parent.join(format!("Folder {number} {}", if number % 9 == 0 { "ä&b" } else { "x" }));
        fs::create_dir(&path)?;
        folders.push((path, depth + 1));
    }
    let mut bytes = 0;
    for number in 0..FILES {
        let size = match number {
            _ if number < LARGE_FILES => random.log_uniform(2 * MIB, 8 * MIB),
            _ if number % 40 == 0 => 0,
            _ => random.log_uniform(1, MIB),
        };
        let content = documents::content(&mut random, size as usize);
        let (parent, _) = random.one_of(&folders);
        let path = parent.join(documents::name(&mut random, number));
        fs::write(&path, content)?;
        // Between 2001 and 2024.
        let modified = Duration::from_secs(random.log_uniform(1_000_000_000, 1_700_000_000));
        File::options().write(true).open(&path)?.set_modified(UNIX_EPOCH + modified)?;
        bytes += size;
    }
    Ok(bytes)
}
