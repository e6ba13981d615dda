#![expect(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
//! What the tests of this crate share: repositories in folders, sample contents, and restic as the independent judge.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use holdfast_repository::{
    BlobId, LockOwner, Node, Repository, RepositoryError, RepositoryOptions, RepositorySecret,
    Snapshot, SnapshotId, StoredFile, Tree, Writer, local_store,
};
use jiff::Timestamp;
use object_store::ObjectStore;

/// A repository in a temporary folder, with the means to open it again.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub store: Arc<dyn ObjectStore>,
    pub secret: RepositorySecret,
    pub repository: Repository,
}

pub fn options() -> RepositoryOptions {
    RepositoryOptions { cpu_threads: 2, ..RepositoryOptions::default() }
}

pub fn small_packs() -> RepositoryOptions {
    RepositoryOptions { pack_size_bytes: 256 << 10, index_interval_packs: 4, ..options() }
}

impl Bench {
    pub async fn new(options: RepositoryOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = local_store(&folder.path().join("repository")).unwrap();
        let secret = RepositorySecret::generate().unwrap();
        let repository = Repository::init(store.clone(), &secret, options).await.unwrap();
        Self { folder, store, secret, repository }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    pub async fn reopen(&self) -> Repository {
        Repository::open(self.store.clone(), &self.secret, small_packs()).await.unwrap()
    }

    /// Runs restic on the repository, without its cache.
    pub fn restic(&self, arguments: &[&str]) -> Output {
        Command::new("restic")
            .args(["--no-cache", "--repo"])
            .arg(self.path())
            .args(arguments)
            .env("RESTIC_PASSWORD", self.secret.expose())
            .output()
            .expect("these tests need `restic` on PATH: install Debian's package restic")
    }

    /// Runs restic and expects success.
    pub fn restic_ok(&self, arguments: &[&str]) -> String {
        let output = self.restic(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restic {arguments:?}: {text}{errors}");
        text
    }

    pub fn packs(&self) -> Vec<PathBuf> {
        files_under(&self.path().join("data"))
    }
}

pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Bytes that compress about as text does, the same for the same seed.
pub fn text(seed: u64, length: usize) -> Vec<u8> {
    let words =
        ["budget ", "quarter ", "meeting ", "the ", "and ", "report ", "final ", "\n", "42 "];
    let mut bytes = Vec::with_capacity(length + 8);
    for choice in noise(seed, length) {
        bytes.extend_from_slice(words[usize::from(choice) % words.len()].as_bytes());
        if bytes.len() >= length {
            break;
        }
    }
    bytes.truncate(length);
    bytes
}

pub async fn store(writer: &Writer, content: &[u8], piece_bytes: usize) -> StoredFile {
    let pieces: Vec<Result<Bytes, std::convert::Infallible>> =
        content.chunks(piece_bytes.max(1)).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    writer.store_file(stream::iter(pieces)).await.unwrap()
}

pub async fn read(repository: &Repository, content: &[BlobId]) -> Result<Vec<u8>, RepositoryError> {
    let pieces: Vec<Bytes> = repository.read_file(content.to_vec()).boxed().try_collect().await?;
    Ok(pieces.concat())
}

pub fn time() -> Timestamp {
    "2024-05-06T07:08:09.5Z".parse().unwrap()
}

pub fn owner() -> LockOwner {
    LockOwner { hostname: "elsewhere".to_owned(), username: "holdfast".to_owned(), pid: 1 }
}

/// Stores `files` in one folder, publishes a snapshot of it.
pub async fn back_up(repository: &Repository, files: &[(&str, Vec<u8>)]) -> SnapshotId {
    let writer = repository.writer();
    let mut nodes = Vec::new();
    for (name, content) in files {
        let stored = store(&writer, content, 100_000).await;
        nodes.push(Node::file((*name).to_owned(), stored.size, stored.content, time()));
    }
    let tree = writer.store_tree(&Tree::from_unsorted(nodes).unwrap()).await.unwrap();
    writer.finish().await.unwrap();
    repository.save_snapshot(&snapshot(tree)).await.unwrap()
}

pub fn snapshot(tree: BlobId) -> Snapshot {
    Snapshot {
        time: time(),
        parent: None,
        tree,
        paths: vec!["/content".to_owned()],
        hostname: "holdfast".to_owned(),
        username: "holdfast".to_owned(),
        tags: vec!["test".to_owned()],
        program_version: Some("holdfast 0.1.0".to_owned()),
    }
}
