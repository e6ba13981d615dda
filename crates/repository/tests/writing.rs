//! What a writer promises: contents come back, each blob once, order of writes, and what a failure or a kill leaves.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use holdfast_repository::{
    BlobKind, CheckOptions, Node, NodeKind, Repository, RepositoryError, RepositorySecret,
    StoreFileError, Tree,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use support::{Bench, back_up, noise, read, small_packs, snapshot, store, text, time};

/// A store in memory that notes when each PUT begins and ends, and can refuse them.
#[derive(Debug, Default)]
struct RecordingStore {
    inner: InMemory,
    log: Mutex<Vec<(bool, String)>>,
    refuses_packs: AtomicBool,
    gets: AtomicUsize,
}

impl std::fmt::Display for RecordingStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RecordingStore")
    }
}

type StoreResult<T> = object_store::Result<T>;

#[async_trait]
impl ObjectStore for RecordingStore {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        let folder = at.parts().next().unwrap().as_ref().to_owned();
        self.log.lock().unwrap().push((false, folder.clone()));
        if folder == "data" && self.refuses_packs.load(Ordering::SeqCst) {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull).into();
            return Err(object_store::Error::Generic { store: "test", source });
        }
        // Others get a turn between beginning and end, so that a missing wait shows.
        tokio::task::yield_now().await;
        let result = self.inner.put_opts(at, payload, options).await;
        self.log.lock().unwrap().push((true, folder));
        result
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

async fn in_memory() -> (Arc<RecordingStore>, RepositorySecret, Repository) {
    let store = Arc::new(RecordingStore::default());
    let secret = RepositorySecret::generate().unwrap();
    let repository = Repository::init(store.clone(), &secret, small_packs()).await.unwrap();
    store.log.lock().unwrap().clear();
    (store, secret, repository)
}

async fn stored_names(store: &RecordingStore, folder: &str) -> usize {
    store.inner.list(Some(&Path::from(folder))).count().await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn contents_come_back_in_whatever_pieces_they_arrive(
        length in prop_oneof![0..2_000_usize, 500_000..600_000_usize, 0..12_000_000_usize],
        piece_bytes in prop_oneof![1..2_000_usize, 100_000..5_000_000_usize],
        seed in any::<u64>(),
        is_text in any::<bool>(),
        start in any::<prop::sample::Index>(),
        end in any::<prop::sample::Index>(),
    ) {
        let content = if is_text { text(seed, length) } else { noise(seed, length) };
        runtime().block_on(async {
            let (_, _, repository) = in_memory().await;
            let writer = repository.writer();
            let stored = store(&writer, &content, piece_bytes).await;
            let again = store(&writer, &content, 1 << 20).await;
            assert_eq!(stored, again);
            assert_eq!(stored.size, length as u64);
            assert_eq!(stored.sha256, <[u8; 32]>::from(Sha256::digest(&content)));
            let summary = writer.finish().await.unwrap();
            assert_eq!(summary.data.raw_bytes, length as u64);
            assert!(read(&repository, &stored.content).await.unwrap() == content);
            let (start, end) = (start.index(length + 1), end.index(length + 1));
            let range = start.min(end)..start.max(end);
            let part = repository.read_range(&stored.content, range.start as u64..range.end as u64);
            assert!(part.await.unwrap() == content[range]);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_contents_in_one_or_two_pieces_are_stored_whole() {
    let (_, _, repository) = in_memory().await;
    let writer = repository.writer();
    let mut files = Vec::new();
    for (seed, length) in [(1, 524_287), (2, 524_288), (3, 2_097_153), (4, 30_000_000)] {
        for piece_bytes in [length, length - 1, length / 2] {
            let content = noise(seed, length);
            let stored = store(&writer, &content, piece_bytes).await;
            assert_eq!(stored.size, length as u64, "in pieces of {piece_bytes}");
            files.push((content, stored.content));
        }
    }
    writer.finish().await.unwrap();
    for (content, blobs) in files {
        assert!(read(&repository, &blobs).await.unwrap() == content);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_beyond_the_end_is_shortened() {
    let (_, _, repository) = in_memory().await;
    let writer = repository.writer();
    let stored = store(&writer, b"0123456789", 4).await;
    writer.finish().await.unwrap();
    for (range, expected) in [(0..0, ""), (8..20, "89"), (10..20, ""), (50..60, "")] {
        assert_eq!(repository.read_range(&stored.content, range).await.unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_with_the_same_content_store_it_once() {
    let (_, _, repository) = in_memory().await;
    let writer = repository.writer();
    let (small, large) = (text(1, 5_000), noise(2, 3_000_000));
    let callers: Vec<_> = (0..32)
        .map(|number| {
            let writer = writer.clone();
            let content = if number % 2 == 0 { small.clone() } else { large.clone() };
            tokio::spawn(async move { store(&writer, &content, 200_000).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let summary = writer.finish().await.unwrap();
    assert_eq!(summary.data.raw_bytes, 3_005_000);
    // A later session stores nothing of it again.
    let writer = repository.writer();
    store(&writer, &large, 1_000).await;
    assert_eq!(writer.finish().await.unwrap(), Default::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_are_stored_before_the_index_and_that_before_the_snapshot() {
    let (store, _, repository) = in_memory().await;
    back_up(&repository, &[("a", noise(1, 20_000_000)), ("b", text(2, 20_000_000))]).await;
    let log = store.log.lock().unwrap().clone();
    let mut packs_under_way = 0;
    let mut kinds = Vec::new();
    for (is_end, folder) in &log {
        match (folder.as_str(), is_end) {
            ("data", false) => packs_under_way += 1,
            ("data", true) => packs_under_way -= 1,
            _ => {}
        }
        kinds.push((folder.as_str(), *is_end));
    }
    assert_eq!(packs_under_way, 0);
    let last_pack = kinds.iter().rposition(|entry| *entry == ("data", true)).unwrap();
    let last_index = kinds.iter().rposition(|entry| *entry == ("index", false)).unwrap();
    assert!(last_pack < last_index, "{kinds:?}");
    assert_eq!(
        kinds[last_index..],
        [("index", false), ("index", true), ("snapshots", false), ("snapshots", true)]
    );
    assert!(kinds.iter().filter(|entry| **entry == ("index", true)).count() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_put_fails_the_writer_and_publishes_nothing() {
    let (store, secret, repository) = in_memory().await;
    let before = back_up(&repository, &[("a", noise(1, 1_000_000))]).await;
    let indexes = stored_names(&store, "index").await;
    store.refuses_packs.store(true, Ordering::SeqCst);
    let writer = repository.writer();
    let stored = support::store(&writer, &noise(2, 100), 100).await;
    let tree = writer
        .store_tree(
            &Tree::from_unsorted(vec![Node::file(
                "x".to_owned(),
                stored.size,
                stored.content.clone(),
                time(),
            )])
            .unwrap(),
        )
        .await
        .unwrap();
    let clone = writer.clone();
    assert!(matches!(writer.finish().await, Err(RepositoryError::NoSpace(_))));
    assert!(clone.store_tree(&Tree::new()).await.is_err());
    assert!(clone.checkpoint().await.is_err());
    assert_eq!(stored_names(&store, "index").await, indexes);
    assert!(!repository.has_blob(BlobKind::Tree, &tree));
    assert!(matches!(
        repository.save_snapshot(&snapshot(tree)).await,
        Err(RepositoryError::NotFound { .. })
    ));
    // With room again the next run works without repair, and the earlier snapshot was never hurt.
    store.refuses_packs.store(false, Ordering::SeqCst);
    back_up(&repository, &[("x", noise(2, 100))]).await;
    let reopened = Repository::open(store.clone(), &secret, small_packs()).await.unwrap();
    assert!(reopened.check(CheckOptions { read_data: true }).await.unwrap().is_sound());
    assert!(reopened.load_snapshot(&before).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_while_many_store_reaches_all_of_them() {
    let (store, _, repository) = in_memory().await;
    store.refuses_packs.store(true, Ordering::SeqCst);
    let writer = repository.writer();
    let callers: Vec<_> = (0..16)
        .map(|seed| {
            let writer = writer.clone();
            let pieces: Vec<Result<Bytes, ()>> = vec![Ok(noise(seed, 3_000_000).into())];
            tokio::spawn(async move { writer.store_file(stream::iter(pieces)).await.is_err() })
        })
        .collect();
    let mut failed = 0;
    for caller in callers {
        failed += u32::from(caller.await.unwrap());
    }
    assert!(failed > 0);
    assert!(matches!(writer.finish().await, Err(RepositoryError::NoSpace(_))));
    assert_eq!(stored_names(&store, "index").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_error_comes_back_and_the_writer_goes_on() {
    let (_, _, repository) = in_memory().await;
    let writer = repository.writer();
    for length in [0, 10, 600_000, 5_000_000] {
        let pieces = vec![Ok(Bytes::from(noise(3, length))), Err("the connection broke")];
        let error = writer.store_file(stream::iter(pieces)).await.unwrap_err();
        assert!(matches!(error, StoreFileError::Source("the connection broke")));
    }
    let stored = store(&writer, b"fine", 4).await;
    writer.finish().await.unwrap();
    assert_eq!(read(&repository, &stored.content).await.unwrap(), b"fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_writer_harms_nothing_and_the_next_reuses_what_was_published() {
    let bench = Bench::new(small_packs()).await;
    let before = back_up(&bench.repository, &[("old", noise(1, 700_000))]).await;
    // Each repository cuts with its own polynomial: this is three chunks at the least.
    let content = noise(2, 20_000_000);
    let writer = bench.repository.writer();
    let stored = store(&writer, &content, 1 << 20).await;
    writer.checkpoint().await.unwrap();
    drop(writer);

    let reopened = bench.reopen().await;
    let reused = stored.content.iter().filter(|id| reopened.has_blob(BlobKind::Data, id)).count();
    // All but those of the pack that was not full.
    assert!(
        reused + 2 > stored.content.len() && reused > 0,
        "{reused} of {}",
        stored.content.len()
    );
    bench.restic_ok(&["check", "--read-data"]);
    let report = reopened.check(CheckOptions { read_data: true }).await.unwrap();
    assert!(report.is_sound(), "{:#?}", report.problems);
    let tree = reopened.load_snapshot(&before).await.unwrap().tree;
    let NodeKind::File { content: old, .. } =
        reopened.load_tree(&tree).await.unwrap().into_nodes().remove(0).kind
    else {
        panic!("a file was stored")
    };
    assert!(read(&reopened, &old).await.unwrap() == noise(1, 700_000));

    let writer = reopened.writer();
    assert_eq!(store(&writer, &content, 70_000).await, stored);
    let summary = writer.finish().await.unwrap();
    assert_eq!(summary.data.blobs as usize, stored.content.len() - reused);
    assert!(read(&reopened, &stored.content).await.unwrap() == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn making_a_repository_can_be_repeated_after_a_kill() {
    let bench = Bench::new(small_packs()).await;
    let again = Repository::init(bench.store.clone(), &bench.secret, small_packs()).await;
    assert!(matches!(again, Err(RepositoryError::AlreadyExists)));
    // As if killed after the key and before the config.
    std::fs::remove_file(bench.path().join("config")).unwrap();
    assert!(!Repository::exists(&*bench.store).await.unwrap());
    let opened = Repository::open(bench.store.clone(), &bench.secret, small_packs()).await;
    assert!(matches!(opened, Err(RepositoryError::NotFound { .. })));
    let repository =
        Repository::init(bench.store.clone(), &bench.secret, small_packs()).await.unwrap();
    assert_eq!(support::files_under(&bench.path().join("keys")).len(), 1);
    back_up(&repository, &[("a", b"a".to_vec())]).await;
    bench.restic_ok(&["check", "--read-data"]);
    // A repository that lost its config is not none.
    std::fs::remove_file(bench.path().join("config")).unwrap();
    let again = Repository::init(bench.store.clone(), &bench.secret, small_packs()).await;
    assert!(matches!(again, Err(RepositoryError::Damaged { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_secret_opens() {
    let bench = Bench::new(small_packs()).await;
    assert!(Repository::exists(&*bench.store).await.unwrap());
    let other = RepositorySecret::generate().unwrap();
    let opened = Repository::open(bench.store.clone(), &other, small_packs()).await;
    assert!(matches!(opened, Err(RepositoryError::WrongSecret)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_cache_fetches_many_small_files_at_once() {
    let (recorder, _, repository) = in_memory().await;
    let writer = repository.writer();
    let mut files = Vec::new();
    for seed in 0..200 {
        files.push((seed, store(&writer, &noise(seed, 5_000), 5_000).await.content));
    }
    writer.finish().await.unwrap();
    files.sort_by_key(|(_, content)| repository.locality(content));
    for (cached, most) in [(repository.with_read_cache(1 << 20), 20), (repository.clone(), 200)] {
        recorder.gets.store(0, Ordering::SeqCst);
        for (seed, content) in &files {
            assert!(read(&cached, content).await.unwrap() == noise(*seed, 5_000));
        }
        let gets = recorder.gets.load(Ordering::SeqCst);
        assert!(gets <= most && gets > most / 10, "{gets}");
    }
}
