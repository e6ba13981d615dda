//! The task that stores packs, several at a time, and publishes the index of those that are stored.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use object_store::PutPayload;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::error::RepositoryError;
use crate::id::{BlobKind, IndexId, PackId};
use crate::index::IndexFile;
use crate::pack::{FinishedPack, PackedBlob};
use crate::pool::lock;
use crate::storage;
use crate::writer::{PackTicket, Progress};

/// An index file is published at the latest when it would name so many blobs.
const MAX_INDEX_BLOBS: usize = 50_000;
/// However much was written, an index is published after so many packs.
const MAX_INTERVAL_PACKS: usize = 512;

/// A full pack on its way.
pub(crate) struct PackToStore {
    pub(crate) pack: FinishedPack,
    pub(crate) ticket: PackTicket,
}

pub(crate) enum Command {
    StorePack(PackToStore),
    Publish(oneshot::Sender<Result<(), RepositoryError>>),
}

/// A pack that is stored but in no index yet.
struct StoredPack {
    id: PackId,
    blobs: Vec<PackedBlob>,
    raw_bytes: u64,
}

pub(crate) struct Uploader {
    progress: Arc<Progress>,
    waiting: VecDeque<PackToStore>,
    uploads: JoinSet<(Result<StoredPack, RepositoryError>, PackTicket)>,
    stored: Vec<StoredPack>,
    /// Packs that an index names already.
    indexed_packs: usize,
}

impl Uploader {
    pub(crate) fn new(progress: Arc<Progress>) -> Self {
        Self {
            progress,
            waiting: VecDeque::new(),
            uploads: JoinSet::new(),
            stored: Vec::new(),
            indexed_packs: 0,
        }
    }

    /// Ends when the writer is gone; uploads under way are given up then.
    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    None => return,
                    Some(Command::StorePack(pack)) => self.waiting.push_back(pack),
                    Some(Command::Publish(reply)) => {
                        let published = self.publish().await;
                        // Whoever asked may have gone.
                        let _ = reply.send(published);
                    }
                },
                Some(finished) = self.uploads.join_next() => {
                    // A task that panicked has dropped its ticket, which fails the writer.
                    if let Ok((result, ticket)) = finished {
                        self.note_stored(result, ticket);
                    }
                    if self.is_index_due()
                        && let Err(error) = self.publish().await
                    {
                        self.progress.fail(error);
                    }
                }
            }
            self.start_uploads();
        }
    }

    fn start_uploads(&mut self) {
        let concurrency = self.progress.repository.options.upload_concurrency.max(1);
        while self.uploads.len() < concurrency
            && let Some(PackToStore { pack, ticket }) = self.waiting.pop_front()
        {
            // After a failure packs are only let go.
            if self.progress.check().is_err() {
                continue;
            }
            let repository = self.progress.repository.clone();
            self.uploads.spawn(async move {
                let FinishedPack { id, body, header, blobs, raw_bytes } = pack;
                let payload = PutPayload::from_iter([body, header]);
                let path = storage::pack_path(&id);
                let put = storage::put(&*repository.store, &path, payload).await;
                (put.map(|()| StoredPack { id, blobs, raw_bytes }), ticket)
            });
        }
    }

    fn note_stored(&mut self, result: Result<StoredPack, RepositoryError>, mut ticket: PackTicket) {
        match result {
            Ok(pack) => {
                ticket.is_stored = true;
                self.stored.push(pack);
            }
            Err(error) => self.progress.fail(error),
        }
    }

    fn is_index_due(&self) -> bool {
        let least = self.progress.repository.options.index_interval_packs.max(1);
        let interval = (self.indexed_packs / 8).min(MAX_INTERVAL_PACKS).max(least);
        let blobs: usize = self.stored.iter().map(|pack| pack.blobs.len()).sum();
        self.stored.len() >= interval || blobs >= MAX_INDEX_BLOBS
    }

    /// Writes an index file for the packs that are stored, and only then lets them be known.
    async fn publish(&mut self) -> Result<(), RepositoryError> {
        self.progress.check()?;
        if self.stored.is_empty() {
            return Ok(());
        }
        let packs = std::mem::take(&mut self.stored);
        let repository = self.progress.repository.clone();
        let for_job = repository.clone();
        let sealing = repository.pool.run(move || {
            let file = IndexFile::new(packs.iter().map(|pack| (pack.id, &pack.blobs[..])));
            let json = serde_json::to_vec(&file).expect("numbers and strings always serialize");
            for_job.seal_named(&json).map(|(id, sealed)| (IndexId::from_bytes(id), sealed, packs))
        });
        let (id, sealed, packs) = sealing.await??;
        let path = storage::file_path(storage::INDEX, id);
        storage::put(&*repository.store, &path, sealed).await?;
        {
            let mut index = repository.index.write().unwrap_or_else(PoisonError::into_inner);
            for pack in &packs {
                index.add_pack(pack.id, &pack.blobs);
            }
        }
        repository.index_files().insert(id);
        {
            let mut unpublished = lock(&self.progress.unpublished);
            for blob in packs.iter().flat_map(|pack| &pack.blobs) {
                unpublished.remove(&(blob.kind, blob.id));
            }
            unpublished.shrink_to(0);
        }
        self.indexed_packs += packs.len();
        self.count(&packs);
        Ok(())
    }

    fn count(&self, packs: &[StoredPack]) {
        let mut summary = lock(&self.progress.summary);
        summary.index_files += 1;
        for pack in packs {
            summary.packs += 1;
            let kind = pack.blobs.first().map_or(BlobKind::Data, |blob| blob.kind);
            let totals = match kind {
                BlobKind::Data => &mut summary.data,
                BlobKind::Tree => &mut summary.trees,
            };
            totals.blobs += pack.blobs.len() as u64;
            totals.raw_bytes += pack.raw_bytes;
            totals.stored_bytes +=
                pack.blobs.iter().map(|blob| u64::from(blob.length)).sum::<u64>();
        }
    }
}
