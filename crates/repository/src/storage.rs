//! The files of a repository in an object store, at restic's names.

use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::error::RepositoryError;
use crate::id::PackId;

pub(crate) const CONFIG: &str = "config";
pub(crate) const KEYS: &str = "keys";
pub(crate) const INDEX: &str = "index";
pub(crate) const SNAPSHOTS: &str = "snapshots";
pub(crate) const LOCKS: &str = "locks";
pub(crate) const DATA: &str = "data";

/// A folder as a store that survives a power cut: each object is written under a temporary name, synced, renamed, and its
/// folder synced, before a write returns. Makes the folder if there is none.
///
/// # Errors
/// [`RepositoryError::Storage`] when the folder cannot be made or used.
pub fn local_store(folder: &FilePath) -> Result<Arc<dyn ObjectStore>, RepositoryError> {
    make_folder_durably(folder).map_err(|source| object_store::Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(source),
    })?;
    Ok(Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true)))
}

fn make_folder_durably(folder: &FilePath) -> std::io::Result<()> {
    let mut missing = Vec::new();
    let mut present = folder;
    while !present.as_os_str().is_empty() && !present.try_exists()? {
        missing.push(present);
        let Some(parent) = present.parent() else { break };
        present = parent;
    }
    std::fs::create_dir_all(folder)?;
    for made in missing {
        // The name of a folder is in its parent.
        if let Some(parent) = made.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

pub(crate) fn pack_path(id: &PackId) -> Path {
    let name = id.to_string();
    Path::from_iter([DATA, &name[..2], &name])
}

pub(crate) fn file_path(folder: &str, id: impl std::fmt::Display) -> Path {
    Path::from_iter([folder, &id.to_string()])
}

/// Writes a new object; `Ok(false)` when one is there already.
pub(crate) async fn create(
    store: &dyn ObjectStore,
    path: &Path,
    content: Vec<u8>,
) -> Result<bool, RepositoryError> {
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match store.put_opts(path, content.into(), options).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes an object whose name is the digest of its content.
pub(crate) async fn put(
    store: &dyn ObjectStore,
    path: &Path,
    content: impl Into<PutPayload>,
) -> Result<(), RepositoryError> {
    store.put(path, content.into()).await?;
    Ok(())
}

/// The whole object, or `None` when there is none.
pub(crate) async fn get(
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Option<Bytes>, RepositoryError> {
    match store.get(path).await {
        Ok(found) => Ok(Some(found.bytes().await?)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Names and lengths in bytes of the objects under `folder`, at any depth.
pub(crate) async fn list(
    store: &dyn ObjectStore,
    folder: &str,
) -> Result<Vec<(String, u64)>, RepositoryError> {
    let mut found = Vec::new();
    let mut objects = store.list(Some(&Path::from(folder)));
    while let Some(object) = objects.try_next().await? {
        if let Some(name) = object.location.filename() {
            found.push((name.to_owned(), object.size));
        }
    }
    Ok(found)
}

/// The ids that name objects under `folder`; other names are not ours and passed over.
pub(crate) async fn list_ids<I: std::str::FromStr + Ord>(
    store: &dyn ObjectStore,
    folder: &str,
) -> Result<Vec<I>, RepositoryError> {
    let names = list(store, folder).await?;
    let mut ids: Vec<I> = names.iter().filter_map(|(name, _)| name.parse().ok()).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Removes an object; not an error when it has gone.
pub(crate) async fn remove(store: &dyn ObjectStore, path: &Path) -> Result<(), RepositoryError> {
    match store.delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_made_and_objects_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let store = local_store(&folder.path().join("a/b/c")).unwrap();
        let id = PackId::of(b"pack");
        put(&*store, &pack_path(&id), Bytes::from_static(b"pack")).await.unwrap();
        put(&*store, &Path::from("data/notes.txt"), Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(list_ids::<PackId>(&*store, DATA).await.unwrap(), [id]);
        assert_eq!(get(&*store, &pack_path(&id)).await.unwrap().unwrap(), "pack");
        assert!(!create(&*store, &pack_path(&id), vec![]).await.unwrap());
        remove(&*store, &pack_path(&id)).await.unwrap();
        remove(&*store, &pack_path(&id)).await.unwrap();
        assert_eq!(get(&*store, &pack_path(&id)).await.unwrap(), None);
    }
}
