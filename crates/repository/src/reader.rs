//! Reading: blobs that lie together are fetched together, opened on the pool's threads and verified.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::codec;
use crate::error::RepositoryError;
use crate::id::{BlobId, BlobKind, PackId};
use crate::index::BlobLocation;
use crate::pack::PackedBlob;
use crate::repository::{Repository, Shared};
use crate::storage;

/// Blobs that lie together are fetched in one request up to this length, stored or raw.
const GROUP_BYTES: u64 = 4 << 20;
/// Groups of one file that are fetched before they are asked for.
const GROUPS_AHEAD: usize = 4;

impl Repository {
    /// The content of a file, in order and verified; the stream ends at the first error. Fetches ahead, within the
    /// memory that the options give to all readers. Needs a tokio runtime when polled.
    ///
    /// # Errors
    /// [`RepositoryError::Damaged`] names the pack and blob; a blob that the index does not name is damage too.
    pub fn read_file(
        &self,
        content: Vec<BlobId>,
    ) -> impl Stream<Item = Result<Bytes, RepositoryError>> + Send + use<> {
        let reading = Reading {
            repository: self.clone(),
            content: content.into(),
            under_way: VecDeque::new(),
            opened: VecDeque::new(),
            _permit: None,
        };
        stream::unfold(reading, |mut reading| async move {
            let item = reading.next().await?;
            if item.is_err() {
                reading.content.clear();
                reading.under_way.clear();
            }
            Some((item, reading))
        })
    }

    /// A part of a file, verified; shorter than `range` where the file ends before. Only the blobs in it are fetched.
    ///
    /// # Errors
    /// As for [`Repository::read_file`].
    pub async fn read_range(
        &self,
        content: &[BlobId],
        range: Range<u64>,
    ) -> Result<Bytes, RepositoryError> {
        let mut blobs = Vec::new();
        let mut skipped_bytes = 0;
        let mut position = 0;
        for id in content {
            let end = position + self.shared.locate(BlobKind::Data, id)?.blob.content_length();
            if end > range.start && position < range.end {
                if blobs.is_empty() {
                    skipped_bytes = range.start - position;
                }
                blobs.push(*id);
            }
            position = end;
        }
        let wanted_bytes = range.end.min(position).saturating_sub(range.start);
        let wanted_bytes = usize::try_from(wanted_bytes).unwrap_or(usize::MAX);
        let mut skipped_bytes = usize::try_from(skipped_bytes).unwrap_or(usize::MAX);
        let mut part = BytesMut::with_capacity(wanted_bytes);
        let mut pieces = Box::pin(self.read_file(blobs));
        while let Some(piece) = pieces.next().await {
            let mut piece = piece?;
            let skipped = piece.split_to(skipped_bytes.min(piece.len()));
            skipped_bytes -= skipped.len();
            piece.truncate(wanted_bytes - part.len());
            part.extend_from_slice(&piece);
        }
        Ok(part.freeze())
    }
}

/// One file being read.
struct Reading {
    repository: Repository,
    content: VecDeque<BlobId>,
    under_way: VecDeque<Fetch>,
    opened: VecDeque<Bytes>,
    /// Held while the blobs in `opened` are handed out.
    _permit: Option<OwnedSemaphorePermit>,
}

/// A group being fetched; given up when dropped.
struct Fetch {
    task: JoinHandle<Result<VecDeque<Bytes>, RepositoryError>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Bytes, RepositoryError>> {
        loop {
            if let Some(blob) = self.opened.pop_front() {
                return Some(Ok(blob));
            }
            self._permit = None;
            if let Err(error) = self.fetch_ahead() {
                return Some(Err(error));
            }
            let mut fetch = self.under_way.pop_front()?;
            match (&mut fetch.task).await {
                Ok(Ok(blobs)) => self.opened = blobs,
                Ok(Err(error)) => return Some(Err(error)),
                Err(_) => return Some(Err(RepositoryError::ComputationEnded)),
            }
            self._permit = fetch.permit.take();
            // While the caller works on this group, the next ones come in.
            if let Err(error) = self.fetch_ahead() {
                return Some(Err(error));
            }
        }
    }

    /// The group that is needed next is always fetched; further ones only as far as all readers' memory allows, so that
    /// no reader waits for another.
    fn fetch_ahead(&mut self) -> Result<(), RepositoryError> {
        while self.under_way.len() < GROUPS_AHEAD && !self.content.is_empty() {
            let mut permit = None;
            if !self.under_way.is_empty() || self._permit.is_some() {
                let kib = u32::try_from((2 * GROUP_BYTES) >> 10).expect("a small constant");
                match self.repository.shared.read_ahead.clone().try_acquire_many_owned(kib) {
                    Ok(acquired) => permit = Some(acquired),
                    Err(_) => return Ok(()),
                }
            }
            let Some(group) = self.next_group()? else { return Ok(()) };
            let repository = self.repository.clone();
            let task = tokio::spawn(async move { fetch_group(&repository, group).await });
            self.under_way.push_back(Fetch { task, permit });
        }
        Ok(())
    }

    /// Takes the blobs that follow each other both in the file and in a pack.
    fn next_group(&mut self) -> Result<Option<Group>, RepositoryError> {
        let Some(first) = self.content.front() else { return Ok(None) };
        let first = match self.repository.shared.locate(BlobKind::Data, first) {
            Ok(location) => location,
            // What comes before it is handed out first.
            Err(_) if !self.under_way.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        };
        self.content.pop_front();
        let mut group = Group::new(first);
        let mut raw_bytes = first.blob.content_length();
        let mut end = first.blob.end();
        while let Some(next) = self.content.front() {
            let next = self.repository.shared.locate(BlobKind::Data, next);
            let Ok(BlobLocation { pack, blob, .. }) = next else { break };
            raw_bytes += blob.content_length();
            let stored_bytes = blob.end().saturating_sub(first.blob.offset.into());
            if pack != group.pack
                || u64::from(blob.offset) != end
                || raw_bytes.max(stored_bytes) > GROUP_BYTES
            {
                break;
            }
            end = blob.end();
            group.blobs.push(blob);
            self.content.pop_front();
        }
        Ok(Some(group))
    }
}

/// Blobs that follow each other in a pack.
struct Group {
    pack: PackId,
    pack_end: u64,
    blobs: Vec<PackedBlob>,
}

impl Group {
    fn new(location: BlobLocation) -> Self {
        let BlobLocation { pack, blob, pack_end } = location;
        Self { pack, pack_end, blobs: vec![blob] }
    }
}

/// One blob, verified, and the pack that it came from.
pub(crate) async fn read_blob(
    repository: &Repository,
    kind: BlobKind,
    id: &BlobId,
) -> Result<(PackId, Bytes), RepositoryError> {
    let location = repository.shared.locate(kind, id)?;
    Ok((location.pack, read_blob_at(repository, location).await?))
}

/// One blob, verified.
pub(crate) async fn read_blob_at(
    repository: &Repository,
    location: BlobLocation,
) -> Result<Bytes, RepositoryError> {
    let mut blobs = fetch_group(repository, Group::new(location)).await?;
    Ok(blobs.pop_front().expect("a group of one blob yields one"))
}

async fn fetch_group(
    repository: &Repository,
    group: Group,
) -> Result<VecDeque<Bytes>, RepositoryError> {
    let shared = repository.shared.clone();
    let start = group.blobs.first().map_or(0, |blob| u64::from(blob.offset));
    let end = group.blobs.last().map_or(0, PackedBlob::end);
    let range = start..end;
    let cached = match &repository.windows {
        Some(windows) => windows.get(&*shared.store, group.pack, &range, group.pack_end).await,
        None => None,
    };
    let stored = match cached {
        Some(stored) => stored,
        None => fetch(&*shared.store, &group, range).await?,
    };
    let for_job = shared.clone();
    shared.pool.run(move || open_group(&for_job, &group, stored)).await?
}

async fn fetch(
    store: &dyn ObjectStore,
    group: &Group,
    range: Range<u64>,
) -> Result<Bytes, RepositoryError> {
    let path = storage::pack_path(&group.pack);
    let damaged = |what: &str| {
        let blob = group.blobs.first().map(|blob| blob.id);
        Err(RepositoryError::Damaged { what: what.to_owned(), pack: Some(group.pack), blob })
    };
    // `get_ranges`, because it takes one trip to a blocking thread where `get_range` takes two.
    match store.get_ranges(&path, std::slice::from_ref(&range)).await {
        Ok(mut parts) if parts.len() == 1 && parts[0].len() as u64 == range.end - range.start => {
            Ok(parts.swap_remove(0))
        }
        Ok(_) => damaged("the pack is cut short"),
        Err(object_store::Error::NotFound { .. }) => damaged("the pack is missing"),
        Err(error) => match store.head(&path).await {
            Ok(found) if found.size < range.end => damaged("the pack is cut short"),
            _ => Err(error.into()),
        },
    }
}

/// On a thread of the pool.
fn open_group(
    shared: &Shared,
    group: &Group,
    stored: Bytes,
) -> Result<VecDeque<Bytes>, RepositoryError> {
    let mut stored = BytesMut::from(stored);
    let mut blobs = VecDeque::with_capacity(group.blobs.len());
    for blob in &group.blobs {
        let sealed = stored.split_to(blob.length as usize);
        blobs.push_back(open_verified(shared, group.pack, blob, sealed)?);
    }
    Ok(blobs)
}

/// Opens a sealed blob and compares its digest with its id.
pub(crate) fn open_verified(
    shared: &Shared,
    pack: PackId,
    blob: &PackedBlob,
    sealed: BytesMut,
) -> Result<Bytes, RepositoryError> {
    let content = codec::open_blob(&shared.key, sealed, blob.raw_length)
        .map_err(|error| RepositoryError::damaged_blob(error.to_string(), pack, blob.id))?;
    if BlobId::of(&content) != blob.id {
        let what = "the content is authentic but not that of the blob";
        return Err(RepositoryError::damaged_blob(what, pack, blob.id));
    }
    Ok(content)
}

impl Shared {
    pub(crate) fn locate(
        &self,
        kind: BlobKind,
        id: &BlobId,
    ) -> Result<BlobLocation, RepositoryError> {
        self.index().get(kind, id).ok_or_else(|| RepositoryError::Damaged {
            what: format!("no index names the {kind} blob"),
            pack: None,
            blob: Some(*id),
        })
    }
}
