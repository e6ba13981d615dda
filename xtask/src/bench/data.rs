//! The files that are measured, the same on every machine.

use std::fs;
use std::path::{Path, PathBuf};

use crate::documents;
use crate::random::Random;

const SEED: u64 = 20_261_125;
const SMALLEST: u64 = 50_000;
const LARGEST: u64 = 20_000_000;
const FILES_IN_FOLDER: usize = 30;
/// Files in each folder of the sites with many items.
pub(super) const ITEMS_IN_FOLDER: usize = 100;

/// A document, and what it becomes when one per cent of all bytes change.
pub(super) struct Document {
    /// Below the source folder, with `/`.
    pub(super) path: String,
    pub(super) size: u64,
}

/// Text and zip-like documents, `bytes` together.
pub(super) fn documents(folder: &Path, bytes: u64) -> anyhow::Result<Vec<Document>> {
    let mut random = Random::new(SEED, 1);
    let (mut files, mut written) = (Vec::new(), 0);
    while written < bytes {
        let number = files.len();
        let size = random.log_uniform(SMALLEST, LARGEST);
        let path = format!("Folder {}/Document {number}.bin", number / FILES_IN_FOLDER);
        let place = folder.join(&path);
        fs::create_dir_all(place.parent().unwrap_or(folder))?;
        fs::write(place, documents::content(&mut random, size as usize))?;
        files.push(Document { path, size });
        written += size;
    }
    Ok(files)
}

/// New contents for one per cent of the bytes: every so many documents is replaced by as long a one.
pub(super) fn one_per_cent(files: &[Document]) -> Vec<(&Document, Vec<u8>)> {
    let total: u64 = files.iter().map(|file| file.size).sum();
    let mut random = Random::new(SEED, 2);
    let (mut changed, mut changed_bytes) = (Vec::new(), 0);
    let mut at = 0;
    while changed_bytes < total / 100 {
        at += 1 + random.below(7);
        let file = &files[at % files.len()];
        changed.push((file, documents::content(&mut random, file.size as usize)));
        changed_bytes += file.size;
    }
    changed
}

/// Small files, a hundred in each folder.
pub(super) fn small_files(folder: &Path, count: usize) -> anyhow::Result<()> {
    let mut random = Random::new(SEED, 3);
    for number in 0..count {
        let path = folder.join(small_file(number));
        if number % ITEMS_IN_FOLDER == 0 {
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
        }
        let size = random.log_uniform(100, 3000) as usize;
        fs::write(path, documents::content(&mut random, size))?;
    }
    Ok(())
}

/// Where the file of this number is.
pub(super) fn small_file(number: usize) -> PathBuf {
    let folder = number / ITEMS_IN_FOLDER;
    PathBuf::from(format!("Area {}/Folder {folder}/Note {number}.txt", folder / 100))
}
