//! Reads what a handler left of a request's body.
//!
//! A server that answers early and closes makes the kernel reset the connection, and a client that is still sending loses
//! the answer with it: Graph's Python SDK repeats the last fragment of a finished upload and then sees a broken
//! connection instead of the item. So the rest is read and thrown away first, within bounds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};

/// The longest rest that is read: a little more than the longest fragment of an upload.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;
/// How long a client may take over it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A body that a handler reads and whose rest can be read by whoever made it.
pub(crate) struct Readable<B>(Arc<Mutex<B>>);

/// What is left of a [`Readable`] body.
pub(crate) struct Rest<B>(Arc<Mutex<B>>);

pub(crate) fn share<B>(body: B) -> (Readable<B>, Rest<B>) {
    let shared = Arc::new(Mutex::new(body));
    (Readable(Arc::clone(&shared)), Rest(shared))
}

impl<B: Body + Unpin> Body for Readable<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Rest<B> {
    /// Reads to the end, to the limit, or until patience ends. Does nothing while the handler still holds the body.
    pub(crate) async fn read(self) {
        let Some(body) = Arc::into_inner(self.0) else { return };
        let mut body = body.into_inner().unwrap_or_else(PoisonError::into_inner);
        let reading = async {
            let mut read = 0;
            while read < LIMIT_BYTES
                && let Some(Ok(frame)) = body.frame().await
            {
                read += frame.data_ref().map_or(0, Bytes::len);
            }
        };
        if tokio::time::timeout(PATIENCE, reading).await.is_err() {
            tracing::debug!("a client was too slow with a body that nobody needs");
        }
    }
}
