//! [`Work::RunBulkRestore`]: every name of a bulk restore request becomes an artifact, with a point of the period it gives.

use std::collections::HashMap;

use holdfast_domain::{
    ArtifactId, ArtifactPart, ArtifactState, BulkJobId, BulkRestoreRequest, BulkState, ClaimedJob,
    PointPreference, ProtectionUnit, PublicError, PublicErrorDetail, ResourceId, RestoreArtifact,
    RestorePoint, RestoreSession, RestoreState, Timestamp, UnitId, Work,
};
use holdfast_store::query::{
    Comparison, Direction, Filter, ListQuery, RestorePointColumn, UnitColumn,
};
use holdfast_store::{Listed, Tx, find, find_all, find_unit};

use super::membership::{Names, address_key, enqueue, read_ids};
use crate::Shared;
use crate::error::JobError;
use crate::lease::LeaseKeeper;

/// All artifacts come with one transaction: ten thousand rows at most, and a session has all of them or none.
pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: BulkJobId,
) -> Result<(), JobError> {
    let found =
        find::<BulkRestoreRequest>(&mut *shared.store.read().await?, job.tenant, &id).await?;
    let Some(request) = found.map(|row| row.value).filter(|found| found.state == BulkState::Active)
    else {
        return finish(shared, job, keeper, id, Vec::new(), Vec::new()).await;
    };
    let (units, failures) = resolve(shared, job, &request).await?;
    finish(shared, job, keeper, id, units, failures).await
}

pub(crate) async fn give_up(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: BulkJobId,
    error: PublicError,
) -> Result<(), JobError> {
    let detail = PublicErrorDetail { code: error.code, message: error.message, target: None };
    finish(shared, job, keeper, id, Vec::new(), vec![detail]).await
}

/// What was named, and the unit of it.
type Named = (String, UnitId);

/// The tenant says what a name means today; only what it no longer has is found by the name that its last backup saw, so that what is
/// gone can be restored. An address may have passed from one site to another.
async fn resolve(
    shared: &Shared,
    job: &ClaimedJob,
    request: &BulkRestoreRequest,
) -> Result<(Vec<Named>, Vec<PublicErrorDetail>), JobError> {
    let names = &request.names;
    let mut resources = Vec::new();
    if !names.is_empty() {
        let connector = shared.connector(job.tenant).await?;
        let at_once = shared.options.transfers;
        let asked = Names::new(&*connector, request.workload, names.len(), at_once).await?;
        resources.extend(names.iter().zip(asked.resolve(names).await?));
    }
    let ids = read_ids(request.workload, &request.ids);
    resources.extend(request.ids.iter().zip(ids));
    let known = last_names(shared, job, request).await?;
    let (mut units, mut failures) = (Vec::new(), Vec::new());
    let mut tx = shared.store.read().await?;
    for (name, resource) in resources {
        let (unit, failed) = match resource {
            Ok(resource) => {
                let why = "It was never protected.";
                let failed = failure("ProtectionUnitNotFound", why, name.clone());
                (unit_of(&mut *tx, job, &resource).await?, failed)
            }
            Err(failed) => (None, failed),
        };
        match unit.or_else(|| known.get(&address_key(name)).copied()) {
            Some(unit) => units.push((name.clone(), unit)),
            None => failures.push(failed),
        }
    }
    Ok((units, failures))
}

/// Units by the addresses that their last backups saw; of several the one that was protected last.
async fn last_names(
    shared: &Shared,
    job: &ClaimedJob,
    request: &BulkRestoreRequest,
) -> Result<HashMap<String, UnitId>, JobError> {
    let of = Filter::equal(UnitColumn::Workload, request.workload.name());
    let mut all =
        find_all::<ProtectionUnit>(&mut *shared.store.read().await?, job.tenant, of).await?;
    all.sort_by_key(|unit| unit.stamps.created_at);
    let names = all.iter().flat_map(|unit| {
        let names = [unit.web_url.as_deref(), unit.email.as_deref()];
        names.into_iter().flatten().map(|name| (address_key(name), unit.id))
    });
    Ok(names.collect())
}

async fn unit_of(
    tx: &mut dyn Tx,
    job: &ClaimedJob,
    resource: &ResourceId,
) -> Result<Option<UnitId>, JobError> {
    Ok(find_unit(tx, job.tenant, resource).await?.map(|row| row.value.id))
}

fn failure(code: &str, message: &str, target: String) -> PublicErrorDetail {
    PublicErrorDetail { code: code.to_owned(), message: message.to_owned(), target: Some(target) }
}

async fn finish(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: BulkJobId,
    units: Vec<Named>,
    mut failures: Vec<PublicErrorDetail>,
) -> Result<(), JobError> {
    let now = shared.clock.now();
    let mut tx = shared.store.begin().await?;
    let request = find::<BulkRestoreRequest>(&mut *tx, job.tenant, &id).await?;
    let session = match &request {
        Some(row) if row.value.state == BulkState::Active => {
            tx.restore_session(job.tenant, row.value.session).await?
        }
        Some(_) | None => None,
    };
    if let (Some(mut row), Some(session)) = (request, session) {
        let session = session.value;
        let mut seen = HashMap::new();
        for (name, unit) in units {
            if seen.insert(unit, ()).is_some() {
                continue;
            }
            match point_of(&mut *tx, &row.value, &session, unit, now).await? {
                Some(point) => add(&mut *tx, shared, &row.value, &session, &point).await?,
                None => failures.push(failure(
                    "InvalidRestoreTime",
                    "It has no restore point in the period, or is in another policy.",
                    name,
                )),
            }
        }
        row.value.state = match failures.is_empty() {
            true => BulkState::Completed,
            false => BulkState::CompletedWithErrors,
        };
        row.value.error = (!failures.is_empty()).then(|| {
            let message = format!("{} could not be found.", failures.len());
            PublicError {
                details: failures,
                ..PublicError::new("BulkRestoreArtifactsNotFound", message)
            }
        });
        row.value.stamps.last_modified_at = now;
        tx.put(&row.value, row.version).await?;
        // Activated meanwhile: it waited for this.
        if let RestoreState::Activating { .. } = session.state {
            let work = Work::ActivateRestoreSession { session: session.id };
            enqueue(&mut *tx, shared, job.tenant, work, now).await?;
        }
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}

async fn point_of(
    tx: &mut dyn Tx,
    request: &BulkRestoreRequest,
    session: &RestoreSession,
    unit: UnitId,
    now: Timestamp,
) -> Result<Option<RestorePoint>, JobError> {
    let column = RestorePointColumn::ProtectionDateTime;
    let compare =
        |column, comparison, at: Timestamp| Filter::Compare(column, comparison, at.into());
    let mut filter = Filter::equal(RestorePointColumn::UnitId, unit.to_string()).and(compare(
        RestorePointColumn::ExpirationDateTime,
        Comparison::Greater,
        now,
    ));
    if let Some(start) = request.period.start {
        filter = filter.and(compare(column, Comparison::GreaterOrEqual, start));
    }
    if let Some(end) = request.period.end {
        filter = filter.and(compare(column, Comparison::LessOrEqual, end));
    }
    if let Some(policy) = session.policy {
        filter = filter.and(Filter::equal(RestorePointColumn::PolicyId, policy.to_string()));
    }
    let mut query = ListQuery::first(1, Some(filter));
    let direction = match request.preference {
        PointPreference::Latest => Direction::Descending,
        PointPreference::Oldest => Direction::Ascending,
    };
    query.order = vec![(column, direction)];
    Ok(Listed::<RestorePoint>::list(tx, request.tenant, &query).await?.rows.pop())
}

async fn add(
    tx: &mut dyn Tx,
    shared: &Shared,
    request: &BulkRestoreRequest,
    session: &RestoreSession,
    point: &RestorePoint,
) -> Result<(), JobError> {
    let mut artifact = RestoreArtifact::added(
        ArtifactId::random(&*shared.entropy),
        session,
        point.id,
        ArtifactPart::Whole,
        request.destination,
        shared.clock.now(),
    );
    if let RestoreState::Activating { .. } = session.state {
        artifact.state = ArtifactState::Scheduling;
    }
    Ok(tx.insert(&artifact).await?)
}
