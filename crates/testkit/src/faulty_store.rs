//! An object store whose calls can fail, or end the process.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::Faults;

/// Passes every call through [`Faults`].
#[derive(Debug)]
pub struct FaultyStore {
    store: Arc<dyn ObjectStore>,
    faults: Arc<Faults>,
}

impl FaultyStore {
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, faults: Arc<Faults>) -> Self {
        Self { store, faults }
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.faults.call(call).await.map_err(or_planned)
    }
}

fn or_planned(error: Option<Error>) -> Error {
    error.unwrap_or_else(|| Error::Generic {
        store: "FaultyStore",
        source: "the test makes this call fail".into(),
    })
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FaultyStore({})", self.store)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.call(self.store.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.call(self.store.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(self.store.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.call(self.store.get_ranges(location, ranges)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (store, faults) = (self.store.clone(), self.faults.clone());
        locations
            .and_then(move |path| {
                let (store, faults) = (store.clone(), faults.clone());
                async move {
                    faults.call(store.delete(&path)).await.map_err(or_planned)?;
                    Ok(path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let faults = self.faults.clone();
        let listed = self.store.list(prefix);
        stream::once(async move { faults.call(listed.try_collect::<Vec<_>>()).await })
            .map(|listed| match listed {
                Ok(found) => stream::iter(found.into_iter().map(Ok)).boxed(),
                Err(error) => stream::iter([Err(or_planned(error))]).boxed(),
            })
            .flatten()
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call(self.store.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.call(self.store.copy_opts(from, to, options)).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::Fault;

    #[tokio::test]
    async fn a_planned_failure_has_no_effect() {
        let faults = Arc::new(Faults::default());
        let store = FaultyStore::new(Arc::new(InMemory::new()), faults.clone());
        faults.plan(1, Fault::Fail);
        let path = Path::from("a");
        assert!(store.put(&path, PutPayload::from_static(b"x")).await.is_err());
        assert!(matches!(store.get(&path).await, Err(Error::NotFound { .. })));
        store.put(&path, PutPayload::from_static(b"x")).await.expect("works");
        assert_eq!(store.list(None).try_collect::<Vec<_>>().await.expect("works").len(), 1);
        store.delete(&path).await.expect("works");
        assert_eq!(faults.calls(), 5);
    }
}
