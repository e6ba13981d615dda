//! Writing: blobs are sealed on the pool's threads, collected into packs, and handed to the uploader.
//!
//! Each blob is stored once however many callers bring it at the same time: the set of blobs that are in packs but not yet
//! in a published index decides, under the lock of the open pack. Two callers may both seal such a blob, but only one adds
//! it, and neither returns before it is in a pack.
//!
//! Order of locks: open pack, then set of unpublished blobs. The first failure ends the writer: nothing more is published.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::codec;
use crate::error::RepositoryError;
use crate::id::{BlobId, BlobKind};
use crate::pack::PackBuilder;
use crate::pool::lock;
use crate::repository::Shared;
use crate::tree::Tree;
use crate::uploader::{Command, PackToStore, Uploader};

/// Content of large files that may be waiting for, or in, the pool: two of the largest chunks, and four average ones for
/// each thread.
const IN_FLIGHT_KIB: usize = 16 << 10;
const IN_FLIGHT_KIB_PER_THREAD: usize = 4 << 10;
/// A pack's header, and restic's memory for it, stay small.
const MAX_PACK_BLOBS: usize = 50_000;

/// How many blobs were added, and how long they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlobTotals {
    /// Number of blobs.
    pub blobs: u64,
    /// Bytes of their content.
    pub raw_bytes: u64,
    /// Bytes of them as stored, without the packs' headers.
    pub stored_bytes: u64,
}

/// What a writer added to the repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteSummary {
    /// Pieces of files.
    pub data: BlobTotals,
    /// Folders.
    pub trees: BlobTotals,
    /// Packs written.
    pub packs: u64,
    /// Index files written.
    pub index_files: u64,
}

/// Adds files and folders to a repository. Clones share one session; many callers may use them at the same time.
///
/// A future of it that is dropped stops its work; what it had stored so far is garbage unless stored again.
#[derive(Clone)]
pub struct Writer {
    pub(crate) session: Arc<Session>,
}

pub(crate) struct Session {
    pub(crate) progress: Arc<Progress>,
    data_pack: Mutex<OpenPack>,
    tree_pack: Mutex<OpenPack>,
    commands: mpsc::UnboundedSender<Command>,
    /// One permit for each large file being cut.
    pub(crate) large_files: Semaphore,
    /// One permit for each KiB of large files in the pool.
    pub(crate) in_flight: Arc<Semaphore>,
}

enum OpenPack {
    Open(Option<PackBuilder>),
    Closed,
}

/// What the writer and its uploader both know.
pub(crate) struct Progress {
    pub(crate) repository: Arc<Shared>,
    pub(crate) unpublished: Mutex<HashSet<(BlobKind, BlobId)>>,
    pub(crate) packs: watch::Sender<PacksUnderWay>,
    failure: Mutex<Option<RepositoryError>>,
    pub(crate) summary: Mutex<WriteSummary>,
}

/// Packs by number, from being full until stored.
#[derive(Default)]
pub(crate) struct PacksUnderWay {
    next: u64,
    unfinished: BTreeSet<u64>,
}

/// Says that a pack is under way. Dropped before the pack was stored, it fails the writer.
pub(crate) struct PackTicket {
    progress: Arc<Progress>,
    number: u64,
    pub(crate) is_stored: bool,
}

impl Drop for PackTicket {
    fn drop(&mut self) {
        if !self.is_stored {
            self.progress.fail(RepositoryError::ComputationEnded);
        }
        self.progress.packs.send_modify(|packs| {
            packs.unfinished.remove(&self.number);
        });
    }
}

impl Progress {
    /// Keeps the first failure.
    pub(crate) fn fail(&self, error: RepositoryError) {
        lock(&self.failure).get_or_insert(error);
    }

    pub(crate) fn check(&self) -> Result<(), RepositoryError> {
        lock(&self.failure).clone().map_or(Ok(()), Err)
    }

    fn begin_pack(self: &Arc<Self>) -> PackTicket {
        let mut number = 0;
        self.packs.send_modify(|packs| {
            number = packs.next;
            packs.next += 1;
            packs.unfinished.insert(number);
        });
        PackTicket { progress: self.clone(), number, is_stored: false }
    }
}

impl Writer {
    pub(crate) fn new(repository: Arc<Shared>) -> Self {
        let (commands, receiver) = mpsc::unbounded_channel();
        let progress = Arc::new(Progress {
            unpublished: Mutex::default(),
            packs: watch::Sender::default(),
            failure: Mutex::default(),
            summary: Mutex::default(),
            repository,
        });
        tokio::spawn(Uploader::new(progress.clone()).run(receiver));
        let large_files = progress.repository.options.large_file_concurrency.max(1);
        let threads = progress.repository.pool.threads();
        Self {
            session: Arc::new(Session {
                progress,
                data_pack: Mutex::new(OpenPack::Open(None)),
                tree_pack: Mutex::new(OpenPack::Open(None)),
                commands,
                large_files: Semaphore::new(large_files),
                in_flight: Arc::new(Semaphore::new(
                    IN_FLIGHT_KIB + threads * IN_FLIGHT_KIB_PER_THREAD,
                )),
            }),
        }
    }

    /// Stores a folder and returns its id. The blobs that it refers to must have been stored before.
    ///
    /// # Errors
    /// [`RepositoryError::WriterClosed`], and whatever ended the writer before.
    pub async fn store_tree(&self, tree: &Tree) -> Result<BlobId, RepositoryError> {
        self.session.admit().await?;
        self.session.submit_blob(BlobKind::Tree, tree.encode().into()).await
    }

    /// Publishes the index of the packs that were full when this was called, so that a later run need not store their
    /// blobs again if this one is killed. Happens by itself every few packs.
    ///
    /// # Errors
    /// Whatever ended the writer.
    pub async fn checkpoint(&self) -> Result<(), RepositoryError> {
        self.session.publish().await
    }

    /// Makes everything durable and publishes the index. Other clones cannot store any more.
    ///
    /// # Errors
    /// Whatever ended the writer; then nothing that was not published before is.
    pub async fn finish(self) -> Result<WriteSummary, RepositoryError> {
        let session = self.session.clone();
        let pool = self.session.progress.repository.pool.clone();
        pool.run(move || session.close()).await??;
        self.session.publish().await?;
        Ok(*lock(&self.session.progress.summary))
    }
}

impl Session {
    /// Waits until packs that are full have been stored, as far as memory requires.
    pub(crate) async fn admit(&self) -> Result<(), RepositoryError> {
        let limit = self.progress.repository.options.upload_concurrency.max(1) + 1;
        let has_room = |packs: &PacksUnderWay| packs.unfinished.len() < limit;
        if !has_room(&self.progress.packs.borrow()) {
            // Cannot fail: the sender is ours.
            let _ = self.progress.packs.subscribe().wait_for(has_room).await;
        }
        self.progress.check()
    }

    /// Queues the storing of one blob at once; the future yields its id when it is in a pack.
    pub(crate) fn submit_blob(
        self: &Arc<Self>,
        kind: BlobKind,
        content: Bytes,
    ) -> impl Future<Output = Result<BlobId, RepositoryError>> + Send + use<> {
        let session = self.clone();
        let stored = self.progress.repository.pool.run(move || session.store_blob(kind, &content));
        async move { stored.await? }
    }

    /// On a thread of the pool: hash → known? → compress → seal → pack.
    pub(crate) fn store_blob(
        &self,
        kind: BlobKind,
        content: &[u8],
    ) -> Result<BlobId, RepositoryError> {
        let id = BlobId::of(content);
        if self.is_known(kind, &id) {
            return Ok(id);
        }
        let repository = &self.progress.repository;
        codec::with_sealed_blob(
            &repository.key,
            repository.options.compression_level,
            content,
            |sealed, raw_length| self.add_to_pack(kind, id, sealed, raw_length),
        )??;
        Ok(id)
    }

    /// The set first: publishing adds to the index before it takes from the set.
    fn is_known(&self, kind: BlobKind, id: &BlobId) -> bool {
        lock(&self.progress.unpublished).contains(&(kind, *id))
            || self.progress.repository.index().contains(kind, id)
    }

    fn add_to_pack(
        &self,
        kind: BlobKind,
        id: BlobId,
        sealed: &[u8],
        raw_length: Option<u32>,
    ) -> Result<(), RepositoryError> {
        let pack_size_bytes = self.progress.repository.options.pack_size_bytes;
        let full = {
            let mut open = lock(self.open_pack(kind));
            let OpenPack::Open(builder) = &mut *open else {
                return Err(RepositoryError::WriterClosed);
            };
            if !lock(&self.progress.unpublished).insert((kind, id)) {
                return Ok(());
            }
            let is_full = builder.as_ref().is_some_and(|pack| {
                pack.body_bytes() + sealed.len() > pack_size_bytes
                    || pack.blob_count() >= MAX_PACK_BLOBS
            });
            let full = if is_full { builder.take() } else { None };
            builder
                .get_or_insert_with(|| PackBuilder::new(pack_size_bytes.max(sealed.len())))
                .push(kind, id, sealed, raw_length);
            // The ticket is taken under the lock: whoever publishes after this blob waits for the pack.
            full.map(|pack| (pack, self.progress.begin_pack()))
        };
        full.map_or(Ok(()), |(pack, ticket)| self.send_pack(pack, ticket))
    }

    fn send_pack(&self, pack: PackBuilder, ticket: PackTicket) -> Result<(), RepositoryError> {
        let pack = pack.finish(&self.progress.repository.key)?;
        let command = Command::StorePack(PackToStore { pack, ticket });
        self.commands.send(command).map_err(|_| RepositoryError::WriterClosed)
    }

    fn open_pack(&self, kind: BlobKind) -> &Mutex<OpenPack> {
        match kind {
            BlobKind::Data => &self.data_pack,
            BlobKind::Tree => &self.tree_pack,
        }
    }

    /// Sends the last packs off.
    fn close(&self) -> Result<(), RepositoryError> {
        for kind in [BlobKind::Data, BlobKind::Tree] {
            let last = {
                let mut open = lock(self.open_pack(kind));
                match std::mem::replace(&mut *open, OpenPack::Closed) {
                    OpenPack::Closed => return Err(RepositoryError::WriterClosed),
                    OpenPack::Open(builder) => {
                        builder.map(|pack| (pack, self.progress.begin_pack()))
                    }
                }
            };
            if let Some((pack, ticket)) = last {
                self.send_pack(pack, ticket)?;
            }
        }
        Ok(())
    }

    /// Waits for the packs that are under way now, then has the index published.
    async fn publish(&self) -> Result<(), RepositoryError> {
        let mut packs = self.progress.packs.subscribe();
        let limit = packs.borrow().next;
        let is_stored =
            |packs: &PacksUnderWay| packs.unfinished.first().is_none_or(|first| *first >= limit);
        // Cannot fail: the sender is ours.
        let _ = packs.wait_for(is_stored).await;
        self.progress.check()?;
        let (reply, published) = oneshot::channel();
        self.commands.send(Command::Publish(reply)).map_err(|_| RepositoryError::WriterClosed)?;
        published.await.map_err(|_| RepositoryError::WriterClosed)?
    }
}
