//! Loading all index files, several at once.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};

use crate::error::RepositoryError;
use crate::id::{IndexId, PackId};
use crate::index::{self, Index, IndexFile};
use crate::pack::PackedBlob;
use crate::repository::Shared;
use crate::storage;
use std::sync::Arc;

/// Index files fetched at the same time.
const FETCH_CONCURRENCY: usize = 16;
/// How often the list is read again because a file of it had gone: another program was replacing them.
const ATTEMPTS: usize = 5;

/// The packs of one index file with their blobs.
pub(crate) type PackList = Vec<(PackId, Vec<PackedBlob>)>;

/// One index file as found in the storage.
pub(crate) enum LoadedIndex {
    Intact(PackList),
    /// Why it cannot be used.
    Damaged(RepositoryError),
    /// Removed since it was listed.
    Gone,
}

/// Loads the whole index, with the ids of all files that there are; damaged files are logged and passed over.
pub(crate) async fn load(
    shared: &Arc<Shared>,
) -> Result<(Index, BTreeSet<IndexId>), RepositoryError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let mut files = Vec::new();
        let mut ids = BTreeSet::new();
        let mut is_any_gone = false;
        for (id, loaded) in load_files(shared).await? {
            ids.insert(id);
            match loaded {
                LoadedIndex::Intact(packs) => files.push(packs),
                LoadedIndex::Gone => is_any_gone = true,
                LoadedIndex::Damaged(error) => {
                    tracing::error!(index = %id, %error, "an index file is damaged and passed over");
                }
            }
        }
        if !is_any_gone || attempts == ATTEMPTS {
            return Ok((shared.pool.run(move || index::merge(files)).await?, ids));
        }
    }
}

/// Loads each index file by itself.
pub(crate) async fn load_files(
    shared: &Arc<Shared>,
) -> Result<Vec<(IndexId, LoadedIndex)>, RepositoryError> {
    let ids: Vec<IndexId> = storage::list_ids(&*shared.store, storage::INDEX).await?;
    stream::iter(ids)
        .map(|id| async move { Ok((id, load_file(shared, id).await?)) })
        .buffer_unordered(FETCH_CONCURRENCY)
        .try_collect()
        .await
}

async fn load_file(shared: &Arc<Shared>, id: IndexId) -> Result<LoadedIndex, RepositoryError> {
    let path = storage::file_path(storage::INDEX, id);
    let Some(stored) = storage::get(&*shared.store, &path).await? else {
        return Ok(LoadedIndex::Gone);
    };
    let for_job = shared.clone();
    let parsed = shared.pool.run(move || parse(&for_job, &stored, id)).await?;
    Ok(match parsed {
        Ok(packs) => LoadedIndex::Intact(packs),
        Err(error) => LoadedIndex::Damaged(error),
    })
}

fn parse(shared: &Shared, stored: &[u8], id: IndexId) -> Result<PackList, RepositoryError> {
    let what = format!("index {id}");
    let json = shared.open_named(stored, id.as_bytes(), &what)?;
    let file: IndexFile = serde_json::from_slice(&json)
        .map_err(|_| RepositoryError::damaged(format!("{what} is malformed")))?;
    let packs = file.packs.iter();
    Ok(packs.map(|pack| (pack.id, pack.blobs.iter().map(PackedBlob::from).collect())).collect())
}
