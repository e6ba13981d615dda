//! A repository: making one, opening one, and its trees and snapshots.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::chunker::Chunker;
use crate::codec;
use crate::crypto::{KeyBytes, SealingKey};
use crate::error::RepositoryError;
use crate::id::{BlobId, BlobKind, IndexId, PackId, SnapshotId};
use crate::index::Index;
use crate::key_file::{make_key_file, open_key_file};
use crate::polynomial;
use crate::pool::CpuPool;
use crate::secret::RepositorySecret;
use crate::snapshot::Snapshot;
use crate::storage;
use crate::tree::Tree;
use crate::window_cache::WindowCache;
use crate::writer::Writer;

const FORMAT_VERSION: u32 = 2;

/// How a repository is worked with; nothing of it is stored. Memory of a writer stays below about
/// `(upload_concurrency + 3) × pack_size_bytes + 150 MB`, of all readers together below `read_ahead_bytes` and 16 MB for
/// each file being read.
#[derive(Clone)]
pub struct RepositoryOptions {
    /// Length at which a pack is closed. restic accepts up to 128 MiB.
    pub pack_size_bytes: usize,
    /// zstd's level, 1 to 19.
    pub compression_level: i32,
    /// Threads for hashing, compressing and encrypting, when no `cpu_pool` is given.
    pub cpu_threads: usize,
    /// Threads shared with other repositories.
    pub cpu_pool: Option<CpuPool>,
    /// How many packs are sent to the store at the same time.
    pub upload_concurrency: usize,
    /// After how many packs the index is published at the latest, at first; later after an eighth of those written.
    pub index_interval_packs: usize,
    /// How many files beyond 512 KiB are cut at the same time; further callers wait.
    pub large_file_concurrency: usize,
    /// Bytes that all readers together may fetch before they are asked for.
    pub read_ahead_bytes: usize,
    /// The time that `init` writes into the key file, for people.
    pub created: Timestamp,
}

impl Default for RepositoryOptions {
    fn default() -> Self {
        Self {
            pack_size_bytes: 16 << 20,
            compression_level: 3,
            cpu_threads: std::thread::available_parallelism().map_or(2, usize::from),
            cpu_pool: None,
            upload_concurrency: 4,
            index_interval_packs: 16,
            large_file_concurrency: 16,
            read_ahead_bytes: 32 << 20,
            created: Timestamp::UNIX_EPOCH,
        }
    }
}

/// An open repository. Cloning gives another handle to the same store, keys and index in memory.
#[derive(Clone)]
pub struct Repository {
    pub(crate) shared: Arc<Shared>,
    pub(crate) windows: Option<Arc<WindowCache>>,
}

/// What all handles, writers and readers of one repository share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) key: SealingKey,
    pub(crate) id: String,
    pub(crate) chunker: Chunker,
    pub(crate) index: RwLock<Index>,
    /// The files that `index` was made of.
    index_files: Mutex<BTreeSet<IndexId>>,
    pub(crate) pool: CpuPool,
    pub(crate) options: RepositoryOptions,
    /// One permit for each KiB that may be read ahead.
    pub(crate) read_ahead: Arc<Semaphore>,
}

#[derive(Serialize, Deserialize)]
struct Config {
    version: u32,
    id: String,
    chunker_polynomial: String,
}

impl Repository {
    /// Whether a repository is in `store`, which is rooted at it.
    ///
    /// # Errors
    /// [`RepositoryError::Storage`].
    pub async fn exists(store: &dyn ObjectStore) -> Result<bool, RepositoryError> {
        Ok(storage::get(store, &Path::from(storage::CONFIG)).await?.is_some())
    }

    /// Makes a repository in `store`, which is rooted at it. May be called again after it was interrupted: the config,
    /// written last, is what makes the repository exist, and a key that an earlier attempt left is used again.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyExists`]; [`RepositoryError::Damaged`] when there are packs but no config, so that a
    /// repository that lost its config is not taken for none; storage errors.
    pub async fn init(
        store: Arc<dyn ObjectStore>,
        secret: &RepositorySecret,
        options: RepositoryOptions,
    ) -> Result<Self, RepositoryError> {
        if Self::exists(&*store).await? {
            return Err(RepositoryError::AlreadyExists);
        }
        if !storage::list(&*store, storage::DATA).await?.is_empty() {
            return Err(RepositoryError::damaged("there are packs but no config"));
        }
        let master = match find_master_keys(&*store, secret).await?.into_iter().next() {
            Some(left_by_an_earlier_attempt) => left_by_an_earlier_attempt,
            None => {
                let master = KeyBytes::generate()?;
                let file = make_key_file(&master, secret, options.created)?;
                let path = storage::file_path(storage::KEYS, BlobId::of(&file));
                storage::put(&*store, &path, file).await?;
                master
            }
        };
        let mut id = [0; 32];
        crate::crypto::fill_random(&mut id)?;
        let config = Config {
            version: FORMAT_VERSION,
            id: hex::encode(id),
            chunker_polynomial: format!("{:x}", polynomial::generate()?),
        };
        let json = serde_json::to_vec(&config).expect("strings and numbers always serialize");
        let sealed = codec::seal_file(&SealingKey::new(&master), &json, false)?;
        if !storage::create(&*store, &Path::from(storage::CONFIG), sealed).await? {
            return Err(RepositoryError::AlreadyExists);
        }
        Self::open(store, secret, options).await
    }

    /// Opens the repository in `store`, which is rooted at it, and loads its index. Index files that are damaged are
    /// passed over and logged: what only they name is missing then, and will be stored again.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`], [`RepositoryError::WrongSecret`], [`RepositoryError::Damaged`] for the config,
    /// storage errors.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        secret: &RepositorySecret,
        options: RepositoryOptions,
    ) -> Result<Self, RepositoryError> {
        let stored = storage::get(&*store, &Path::from(storage::CONFIG))
            .await?
            .ok_or_else(|| RepositoryError::not_found("the repository"))?;
        let masters = find_master_keys(&*store, secret).await?;
        if masters.is_empty() {
            return Err(RepositoryError::WrongSecret);
        }
        // Two attempts at once to make a repository may leave two keys, one of them for nothing.
        let (key, json) = masters
            .iter()
            .map(SealingKey::new)
            .find_map(|key| codec::open_file(&key, stored.to_vec()).ok().map(|json| (key, json)))
            .ok_or_else(|| RepositoryError::damaged("the config is not authentic"))?;
        let config: Config = serde_json::from_slice(&json)
            .map_err(|_| RepositoryError::damaged("the config is malformed"))?;
        if config.version != FORMAT_VERSION {
            return Err(RepositoryError::damaged(format!(
                "the repository's format is version {}, not {FORMAT_VERSION}",
                config.version
            )));
        }
        let seed = u64::from_str_radix(&config.chunker_polynomial, 16)
            .map_err(|_| RepositoryError::damaged("the config's polynomial is malformed"))?;
        let pool = options.cpu_pool.clone().unwrap_or_else(|| CpuPool::new(options.cpu_threads));
        let repository = Self {
            shared: Arc::new(Shared {
                store,
                key,
                id: config.id,
                chunker: Chunker::new(seed),
                index: RwLock::default(),
                index_files: Mutex::default(),
                pool,
                read_ahead: Arc::new(Semaphore::new(options.read_ahead_bytes >> 10)),
                options,
            }),
            windows: None,
        };
        repository.reload_index().await?;
        Ok(repository)
    }

    /// A handle for reading many small files or folders that lie near each other, such as a restore in the order of
    /// [`Repository::locality`] or a walk through all folders: one request fetches many of them. The handle and its clones
    /// keep up to `capacity_bytes` of packs until they are dropped.
    #[must_use]
    pub fn with_read_cache(&self, capacity_bytes: usize) -> Self {
        let windows = Some(Arc::new(WindowCache::new(capacity_bytes)));
        Self { shared: self.shared.clone(), windows }
    }

    /// The random id in the repository's config, 64 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Starts to write. Needs a tokio runtime. Whatever is not finished by [`Writer::finish`] is garbage.
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer::new(self.shared.clone())
    }

    /// Whether a published index names the blob: as loaded, and what writers of this handle have published since.
    #[must_use]
    pub fn has_blob(&self, kind: BlobKind, id: &BlobId) -> bool {
        self.shared.index().contains(kind, id)
    }

    /// How many blobs the index in memory names.
    #[must_use]
    pub fn blob_count(&self) -> usize {
        self.shared.index().len()
    }

    /// Loads the index anew, to see what other writers have published.
    ///
    /// # Errors
    /// Storage errors; the index in memory stays as it was then.
    pub async fn reload_index(&self) -> Result<(), RepositoryError> {
        let (index, files) = crate::index_loading::load(&self.shared).await?;
        *self.shared.index.write().unwrap_or_else(PoisonError::into_inner) = index;
        *self.shared.index_files() = files;
        Ok(())
    }

    /// Loads the index anew if another writer has published or another program removed a file of it; whether that was so.
    /// Costs one listing otherwise. Call it when a handle was kept for a while, and before the first write under a lock:
    /// a blob that was pruned meanwhile must not be taken for stored. Not while a writer of this handle is at work.
    ///
    /// # Errors
    /// Storage errors; the index in memory stays as it was then.
    pub async fn refresh_index(&self) -> Result<bool, RepositoryError> {
        let present = storage::list_ids(&*self.shared.store, storage::INDEX).await?;
        let is_known = present.into_iter().collect::<BTreeSet<_>>() == *self.shared.index_files();
        if !is_known {
            self.reload_index().await?;
        }
        Ok(!is_known)
    }

    /// Where a file begins in the storage: reading files in ascending order of this goes through each pack once. `None`
    /// for an empty file and for a blob that is not in the index.
    #[must_use]
    pub fn locality(&self, content: &[BlobId]) -> Option<(PackId, u64)> {
        let location = self.shared.index().get(BlobKind::Data, content.first()?)?;
        Some((location.pack, u64::from(location.blob.offset)))
    }

    /// Loads a folder.
    ///
    /// # Errors
    /// [`RepositoryError::Damaged`] when it is not in the index, its bytes are wrong, or it is no proper tree; storage errors.
    pub async fn load_tree(&self, id: &BlobId) -> Result<Tree, RepositoryError> {
        let (pack, content) = crate::reader::read_blob(self, BlobKind::Tree, id).await?;
        Tree::decode(&content)
            .map_err(|error| RepositoryError::damaged_blob(error.to_string(), pack, *id))
    }

    /// Publishes a snapshot; it is durable when this returns. Call it after [`Writer::finish`].
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] when no published index names the tree; storage errors.
    pub async fn save_snapshot(&self, snapshot: &Snapshot) -> Result<SnapshotId, RepositoryError> {
        if !self.has_blob(BlobKind::Tree, &snapshot.tree) {
            return Err(RepositoryError::not_found(format!("tree {}", snapshot.tree)));
        }
        let json = serde_json::to_vec(snapshot).expect("strings always serialize");
        let (id, sealed) = self.shared.seal_named(&json)?;
        let id = SnapshotId::from_bytes(id);
        let path = storage::file_path(storage::SNAPSHOTS, id);
        storage::put(&*self.shared.store, &path, sealed).await?;
        Ok(id)
    }

    /// What a snapshot file says.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`], [`RepositoryError::Damaged`], storage errors.
    pub async fn load_snapshot(&self, id: &SnapshotId) -> Result<Snapshot, RepositoryError> {
        let path = storage::file_path(storage::SNAPSHOTS, id);
        let what = format!("snapshot {id}");
        let stored = storage::get(&*self.shared.store, &path)
            .await?
            .ok_or_else(|| RepositoryError::not_found(what.clone()))?;
        let json = self.shared.open_named(&stored, id.as_bytes(), &what)?;
        serde_json::from_slice(&json)
            .map_err(|_| RepositoryError::damaged(format!("{what} is malformed")))
    }

    /// The ids of all snapshots, in ascending order, which says nothing about their times.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn list_snapshots(&self) -> Result<Vec<SnapshotId>, RepositoryError> {
        storage::list_ids(&*self.shared.store, storage::SNAPSHOTS).await
    }

    /// Forgets a snapshot; its data stays until pruned. Not an error when it has gone.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn remove_snapshot(&self, id: &SnapshotId) -> Result<(), RepositoryError> {
        let path = storage::file_path(storage::SNAPSHOTS, id);
        storage::remove(&*self.shared.store, &path).await
    }
}

impl Shared {
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_files(&self) -> MutexGuard<'_, BTreeSet<IndexId>> {
        self.index_files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals a file that is named by its digest.
    pub(crate) fn seal_named(&self, json: &[u8]) -> Result<([u8; 32], Bytes), RepositoryError> {
        let sealed = codec::seal_file(&self.key, json, true)?;
        Ok((*BlobId::of(&sealed).as_bytes(), sealed.into()))
    }

    /// Opens a file that is named by its digest, which must match.
    pub(crate) fn open_named(
        &self,
        stored: &[u8],
        name: &[u8; 32],
        what: &str,
    ) -> Result<Vec<u8>, RepositoryError> {
        if BlobId::of(stored).as_bytes() != name {
            let reason = "has other bytes than those that were written";
            return Err(RepositoryError::damaged(format!("{what} {reason}")));
        }
        codec::open_file(&self.key, stored.to_vec())
            .map_err(|error| RepositoryError::damaged(format!("{what} cannot be opened: {error}")))
    }
}

/// The master keys that `secret` opens; more than one only after two attempts at once to make the repository.
async fn find_master_keys(
    store: &dyn ObjectStore,
    secret: &RepositorySecret,
) -> Result<Vec<KeyBytes>, RepositoryError> {
    let mut masters = Vec::new();
    for (name, _) in storage::list(store, storage::KEYS).await? {
        let file = storage::get(store, &storage::file_path(storage::KEYS, name)).await?;
        masters.extend(file.and_then(|file| open_key_file(&file, secret)));
    }
    Ok(masters)
}
