//! [`Work::PrepareBrowseSession`](holdfast_domain::Work::PrepareBrowseSession): a restore point becomes rows to walk through.

use holdfast_domain::{BrowseSession, BrowseSessionId, BrowseState, ClaimedJob, PublicError};
use holdfast_store::{Collection, Versioned, find};

use crate::Shared;
use crate::browse::{Rows, index};
use crate::error::JobError;
use crate::lease::LeaseKeeper;

/// The walk reads trees that lie together.
const READ_CACHE_BYTES: usize = 32 << 20;

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    session: BrowseSessionId,
) -> Result<(), JobError> {
    let mut tx = shared.store.read().await?;
    let found = find::<BrowseSession>(&mut *tx, job.tenant, &session).await?;
    let wanted = found.filter(|found| found.value.state == BrowseState::Creating);
    let point = match &wanted {
        Some(found) => tx.restore_point(job.tenant, found.value.restore_point).await?,
        None => None,
    };
    drop(tx);
    if wanted.is_some() {
        let now = shared.clock.now();
        let point = point.filter(|point| point.expires_at > now).ok_or_else(|| {
            JobError::give_up("InvalidRestorePoint", "The restore point has expired.")
        })?;
        let repository = shared.repositories.open(job.tenant, point.unit).await?;
        let repository = repository.with_read_cache(READ_CACHE_BYTES);
        let rows = Rows { store: &*shared.store, keeper, session };
        index(&rows, &repository, &point).await?;
    }
    end(shared, job, keeper, session, None).await
}

pub(crate) async fn give_up(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    session: BrowseSessionId,
    error: PublicError,
) -> Result<(), JobError> {
    end(shared, job, keeper, session, Some(error)).await
}

async fn end(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    session: BrowseSessionId,
    error: Option<PublicError>,
) -> Result<(), JobError> {
    let mut tx = shared.store.begin().await?;
    let found = find::<BrowseSession>(&mut *tx, job.tenant, &session).await?;
    if let Some(Versioned { value: mut session, version }) = found {
        let ended = match error {
            None => session.state.finish(),
            Some(error) => session.state.fail(error),
        };
        // Ended already: by an attempt whose lease ran out.
        if let Ok(state) = ended {
            session.state = state;
            Collection::<BrowseSession>::put(&mut *tx, &session, version).await?;
        }
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}
