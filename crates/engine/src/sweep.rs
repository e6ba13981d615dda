//! Removes what has expired and is no job's.

use holdfast_domain::BrowseSession;
use holdfast_store::{Collection, StoreError};

use crate::Shared;

/// Rows deleted in one transaction: others write in between.
const BATCH: u32 = 2_000;

/// Browse sessions with their rows. Their last transaction removes the session, so that nothing is left without one.
pub(crate) async fn sweep_browse_sessions(shared: &Shared) -> Result<(), StoreError> {
    loop {
        let now = shared.clock.now();
        if shared.store.read().await?.expired_browse_sessions(now, 1).await?.is_empty() {
            return Ok(());
        }
        let mut tx = shared.store.begin().await?;
        // Another node may have been first.
        if let Some(session) = tx.expired_browse_sessions(now, 1).await?.pop()
            && tx.delete_browse_items(session.value.id, BATCH).await? == 0
        {
            Collection::<BrowseSession>::delete(&mut *tx, &session.value, session.version).await?;
        }
        tx.commit().await?;
    }
}
