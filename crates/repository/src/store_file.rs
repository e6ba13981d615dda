//! Storing one file from a stream: cut it, hash it as a whole, store its chunks.
//!
//! A file below the smallest chunk costs one job on the pool. A larger one is cut as it arrives, while its chunks are
//! sealed on all threads; it holds a place among the large files, so that their number and not their length sets the memory.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use sha2::{Digest, Sha256};

use crate::chunker::{MAX_CHUNK_BYTES, MIN_CHUNK_BYTES};
use crate::error::{RepositoryError, StoreFileError};
use crate::id::{BlobId, BlobKind};
use crate::repository::Shared;
use crate::writer::Writer;

/// Content that arrives before the cutter looks for a cut.
const READ_STEP_BYTES: usize = 1 << 20;
/// Chunks of one file in the pool at the same time; enough for all threads to help with a single file.
const CHUNKS_IN_FLIGHT: usize = 6;

/// A file's content in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The blobs that follow each other in the file; none for an empty file.
    pub content: Vec<BlobId>,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 digest of the whole content.
    pub sha256: [u8; 32],
}

impl Writer {
    /// Stores a file. When this returns, its blobs are in packs; [`Writer::finish`] makes them durable.
    ///
    /// # Errors
    /// [`StoreFileError::Source`] with the stream's own error: then nothing of the file is referenced.
    /// [`StoreFileError::Repository`] with whatever ended the writer.
    pub async fn store_file<S, E>(&self, mut content: S) -> Result<StoredFile, StoreFileError<E>>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
    {
        self.session.admit().await?;
        let mut source = Source { stream: &mut content, rest: Bytes::new(), has_ended: false };
        let Some(first) = source.next_piece().await? else {
            return Ok(StoredFile {
                content: Vec::new(),
                size: 0,
                sha256: Sha256::digest([]).into(),
            });
        };
        // Most files are small and come in one piece: nothing is copied then.
        let second = source.next_piece().await?;
        if second.is_none() && first.len() < MIN_CHUNK_BYTES {
            return Ok(self.store_small_file(first).await?);
        }
        let mut buffer = BytesMut::from(first.slice(..first.len().min(MIN_CHUNK_BYTES)));
        source.push_back(first.slice(buffer.len()..), second);
        source.fill(&mut buffer, MIN_CHUNK_BYTES).await?;
        if source.is_at_end() && buffer.len() < MIN_CHUNK_BYTES {
            return Ok(self.store_small_file(buffer.freeze()).await?);
        }
        self.store_large_file(source, buffer).await
    }

    async fn store_small_file(&self, content: Bytes) -> Result<StoredFile, RepositoryError> {
        let size = content.len() as u64;
        let id = self.session.submit_blob(BlobKind::Data, content).await?;
        Ok(StoredFile { content: vec![id], size, sha256: *id.as_bytes() })
    }

    async fn store_large_file<S, E>(
        &self,
        mut source: Source<'_, S>,
        buffer: BytesMut,
    ) -> Result<StoredFile, StoreFileError<E>>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
    {
        let session = &self.session;
        let repository = session.progress.repository.clone();
        let _place = session.large_files.acquire().await.expect("the semaphore is never closed");
        let mut cutter = Cutter { buffer, hashed_bytes: 0, digest: Sha256::new(), size: 0 };
        let mut in_flight = VecDeque::new();
        let mut ids = Vec::new();
        let mut wanted_bytes = READ_STEP_BYTES;
        loop {
            source.fill(&mut cutter.buffer, wanted_bytes).await?;
            let is_at_end = source.is_at_end();
            let for_job = repository.clone();
            let cutting = repository.pool.run(move || cutter.cut(&for_job, is_at_end));
            let (returned, chunks) = cutting.await?;
            cutter = returned;
            // Without a cut, twice the content is looked at next, so that looking again stays cheap.
            wanted_bytes = match chunks.is_empty() {
                true => (cutter.buffer.len() * 2).min(MAX_CHUNK_BYTES),
                false => cutter.buffer.len() + READ_STEP_BYTES,
            };
            for chunk in chunks {
                session.admit().await?;
                let kib = u32::try_from(chunk.len() >> 10).expect("chunks have at most 8 MiB");
                let permit = session.in_flight.clone().acquire_many_owned(kib);
                let permit = permit.await.expect("the semaphore is never closed");
                let session = session.clone();
                in_flight.push_back(repository.pool.run(move || {
                    let _permit = permit;
                    session.store_blob(BlobKind::Data, &chunk)
                }));
                if in_flight.len() >= CHUNKS_IN_FLIGHT
                    && let Some(oldest) = in_flight.pop_front()
                {
                    ids.push(oldest.await??);
                }
            }
            if is_at_end && cutter.buffer.is_empty() {
                break;
            }
        }
        for stored in in_flight {
            ids.push(stored.await??);
        }
        Ok(StoredFile { content: ids, size: cutter.size, sha256: cutter.digest.finalize().into() })
    }
}

/// A stream whose pieces can be taken in part.
struct Source<'a, S> {
    stream: &'a mut S,
    rest: Bytes,
    /// The stream has; `rest` may still hold content.
    has_ended: bool,
}

impl<S, E> Source<'_, S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// The next piece that is not empty.
    async fn next_piece(&mut self) -> Result<Option<Bytes>, StoreFileError<E>> {
        while self.rest.is_empty() && !self.has_ended {
            match self.stream.next().await {
                None => self.has_ended = true,
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => return Err(StoreFileError::Source(error)),
            }
        }
        Ok((!self.rest.is_empty()).then(|| std::mem::take(&mut self.rest)))
    }

    /// Whether all content has been taken.
    fn is_at_end(&self) -> bool {
        self.has_ended && self.rest.is_empty()
    }

    /// Gives back the rest of a piece and the piece after it.
    fn push_back(&mut self, rest: Bytes, next: Option<Bytes>) {
        self.rest = match next {
            None => rest,
            Some(next) if rest.is_empty() => next,
            Some(next) => [rest, next].concat().into(),
        };
    }

    /// Appends content until `buffer` has `wanted_bytes` or the stream ends.
    async fn fill(
        &mut self,
        buffer: &mut BytesMut,
        wanted_bytes: usize,
    ) -> Result<(), StoreFileError<E>> {
        buffer.reserve(wanted_bytes.saturating_sub(buffer.len()));
        while buffer.len() < wanted_bytes {
            let Some(mut piece) = self.next_piece().await? else { return Ok(()) };
            let taken = piece.split_to(piece.len().min(wanted_bytes - buffer.len()));
            buffer.extend_from_slice(&taken);
            self.rest = piece;
        }
        Ok(())
    }
}

/// The part of a large file that has arrived and is not cut yet.
struct Cutter {
    buffer: BytesMut,
    /// How much of `buffer` is in `digest` already.
    hashed_bytes: usize,
    digest: Sha256,
    size: u64,
}

impl Cutter {
    fn cut(mut self, repository: &Arc<Shared>, is_at_end: bool) -> (Self, Vec<Bytes>) {
        self.digest.update(&self.buffer[self.hashed_bytes..]);
        self.size += (self.buffer.len() - self.hashed_bytes) as u64;
        let mut chunks = Vec::new();
        while let Some(length) = repository.chunker.first_chunk_bytes(&self.buffer, is_at_end) {
            chunks.push(self.buffer.split_to(length).freeze());
        }
        self.hashed_bytes = self.buffer.len();
        (self, chunks)
    }
}
