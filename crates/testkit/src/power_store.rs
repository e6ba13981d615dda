//! An object store that a power cut can hit.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Objects in memory, of which a power cut takes those whose write was not acknowledged yet, in any combination. What was acknowledged stays: that is what a store must promise, and all that a writer may build on. A writer
/// that publishes a name before it has waited for what the name points to is found out.
#[derive(Debug, Clone)]
pub struct PowerStore {
    durable: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Written, visible to nobody, not acknowledged.
    on_the_way: BTreeMap<Path, Bytes>,
}

impl Default for PowerStore {
    fn default() -> Self {
        Self { durable: Arc::new(InMemory::new()), state: Arc::default() }
    }
}

impl PowerStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes. `survives` decides for each write on its way, in the order of names, whether it reached the disk.
    /// A writer that still waits for it waits for ever.
    ///
    /// # Errors
    /// None in practice: memory takes every write.
    pub async fn cut_power(&self, mut survives: impl FnMut() -> bool) -> Result<()> {
        let on_the_way = std::mem::take(&mut self.state().on_the_way);
        for (path, bytes) in on_the_way {
            if survives() {
                self.durable.put(&path, PutPayload::from(bytes)).await?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for PowerStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PowerStore")
    }
}

#[async_trait]
impl ObjectStore for PowerStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let bytes: Bytes = payload.iter().flat_map(|part| part.iter().copied()).collect();
        self.state().on_the_way.insert(location.clone(), bytes);
        // Others go on meanwhile: several writes are on their way together.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        if self.state().on_the_way.remove(location).is_none() {
            std::future::pending::<()>().await;
        }
        self.durable.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented {
            operation: "put_multipart".to_owned(),
            implementer: "PowerStore".to_owned(),
        })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.durable.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.durable.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.durable.list(prefix).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.durable.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.durable.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cut_takes_only_what_was_not_acknowledged() {
        let store = PowerStore::default();
        let (kept, lucky, lost) = (Path::from("kept"), Path::from("lucky"), Path::from("lost"));
        store.put(&kept, PutPayload::from_static(b"kept")).await.expect("works");
        let mut lucky_put = Box::pin(store.put(&lucky, PutPayload::from_static(b"lucky")));
        let mut lost_put = Box::pin(store.put(&lost, PutPayload::from_static(b"lost")));
        assert!(futures::poll!(&mut lucky_put).is_pending());
        assert!(futures::poll!(&mut lost_put).is_pending());
        let mut fates = [false, true].into_iter();
        store.cut_power(|| fates.next().expect("two writes")).await.expect("works");
        for _ in 0..20 {
            assert!(futures::poll!(&mut lost_put).is_pending(), "nothing is written without power");
        }
        let read = async |path| store.get(path).await.expect("is there").bytes().await;
        assert_eq!(read(&kept).await.expect("works"), "kept");
        assert_eq!(read(&lucky).await.expect("works"), "lucky");
        assert!(matches!(store.get(&lost).await, Err(Error::NotFound { .. })));
    }
}
