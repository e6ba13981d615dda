//! Is the restored site what was imported? Bytes against the folder on disk, times and permissions against the first listing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt, TryStreamExt, stream};
use holdfast_connector::Connector;
use tokio::io::AsyncReadExt;

use super::library::Listed;

const AT_ONCE: usize = 16;
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) bytes: u64,
    pub(super) differences: Vec<String>,
}

/// Compares every item; `done` counts the bytes on the way.
pub(super) async fn compare(
    connector: &dyn Connector,
    source: &Path,
    before: &BTreeMap<String, Listed>,
    after: &BTreeMap<String, Listed>,
    done: &AtomicU64,
) -> anyhow::Result<Comparison> {
    let mut comparison = Comparison::default();
    comparison.differences.extend(
        after
            .keys()
            .filter(|path| !before.contains_key(*path))
            .map(|path| format!("{path}: should not be there")),
    );
    let mut to_read = Vec::new();
    for (path, original) in before {
        let Some(restored) = after.get(path) else {
            comparison.differences.push(format!("{path}: is missing"));
            continue;
        };
        let (original_times, restored_times) = (original.item.times, restored.item.times);
        if original_times.created.whole_seconds() != restored_times.created.whole_seconds()
            || original_times.modified.whole_seconds() != restored_times.modified.whole_seconds()
        {
            comparison.differences.push(format!("{path}: times differ"));
        }
        if original.grants != restored.grants {
            comparison.differences.push(format!("{path}: permissions differ"));
        }
        match (original.is_file(), restored.is_file()) {
            (true, true) => {
                comparison.files += 1;
                comparison.bytes += original.size();
                to_read.push((path.clone(), source.join(path), restored));
            }
            (false, false) => comparison.folders += 1,
            _ => comparison.differences.push(format!("{path}: is of another kind")),
        }
    }
    let mut reading = stream::iter(to_read.into_iter().map(|(path, file, restored)| async move {
        let equal = same_bytes(connector, &file, restored, done).await?;
        anyhow::Ok(if equal { None } else { Some(format!("{path}: bytes differ")) })
    }))
    .buffer_unordered(AT_ONCE);
    while let Some(difference) = reading.try_next().await? {
        comparison.differences.extend(difference);
    }
    drop(reading);
    comparison.differences.sort();
    Ok(comparison)
}

async fn same_bytes(
    connector: &dyn Connector,
    file: &PathBuf,
    restored: &Listed,
    done: &AtomicU64,
) -> anyhow::Result<bool> {
    let mut original = tokio::fs::File::open(file).await?;
    let mut expected = vec![0; PIECE_BYTES];
    let mut pieces = connector.read(&restored.item).await?;
    while let Some(piece) = pieces.try_next().await? {
        for part in piece.chunks(PIECE_BYTES) {
            let expected = &mut expected[..part.len()];
            if original.read_exact(expected).await.is_err() || expected != part {
                return Ok(false);
            }
        }
        done.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    Ok(original.read(&mut expected[..1]).await? == 0)
}
