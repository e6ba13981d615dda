//! Reading many small blobs that lie near each other: one request fetches a window of a pack for all of them.
//!
//! Against an object store each request costs tens of milliseconds, whatever its length; a mailbox has 100,000 small
//! blobs. The cache keeps stored bytes, not content: each blob is opened and verified from it as from the store.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use object_store::ObjectStore;
use tokio::sync::OnceCell;

use crate::id::PackId;
use crate::pool::lock;
use crate::storage;

/// Length of a window, which begins at a multiple of it.
const WINDOW_BYTES: u64 = 1 << 20;
/// What is longer is fetched by itself.
const MAX_READ_BYTES: u64 = WINDOW_BYTES / 8;

/// The windows that were used last.
pub(crate) struct WindowCache {
    capacity: usize,
    /// The most recently used last.
    windows: Mutex<VecDeque<Arc<Window>>>,
}

struct Window {
    pack: PackId,
    number: u64,
    /// `None` when it could not be fetched; then everyone asks the store itself and learns the reason.
    content: OnceCell<Option<Bytes>>,
}

impl WindowCache {
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        let capacity = capacity_bytes / usize::try_from(WINDOW_BYTES).expect("a small constant");
        Self { capacity: capacity.max(1), windows: Mutex::default() }
    }

    /// The bytes of a pack in `range`, if they lie in one window that the store has; `pack_end` is where its blobs end.
    pub(crate) async fn get(
        &self,
        store: &dyn ObjectStore,
        pack: PackId,
        range: &Range<u64>,
        pack_end: u64,
    ) -> Option<Bytes> {
        let number = range.start / WINDOW_BYTES;
        let start = number * WINDOW_BYTES;
        let end = (start + WINDOW_BYTES).min(pack_end);
        if range.end > end || range.end - range.start > MAX_READ_BYTES {
            return None;
        }
        let window = self.window(pack, number);
        let content = window.content.get_or_init(|| async {
            let path = storage::pack_path(&pack);
            let range = start..end;
            store.get_ranges(&path, std::slice::from_ref(&range)).await.ok()?.pop()
        });
        let content = content.await.as_ref()?;
        let offset = usize::try_from(range.start - start).ok()?;
        let length = usize::try_from(range.end - range.start).ok()?;
        // A copy, so that what is handed on does not keep the window.
        content.get(offset..offset + length).map(Bytes::copy_from_slice)
    }

    fn window(&self, pack: PackId, number: u64) -> Arc<Window> {
        let mut windows = lock(&self.windows);
        let found =
            windows.iter().rposition(|window| window.number == number && window.pack == pack);
        let window = found
            .and_then(|position| windows.remove(position))
            .unwrap_or_else(|| Arc::new(Window { pack, number, content: OnceCell::new() }));
        if windows.len() >= self.capacity {
            windows.pop_front();
        }
        windows.push_back(window.clone());
        window
    }
}
