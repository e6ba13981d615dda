//! [`Work::RunBulkJob`]: every name and id of a bulk job becomes a unit, or an exclusion unit, of its policy.

use holdfast_domain::{
    BulkAdditionJob, BulkJobId, BulkPurpose, BulkState, ClaimedJob, ExclusionId, ExclusionUnit,
    ProtectionSources, PublicError, PublicErrorDetail, ResourceId, Stamps, Work,
};
use holdfast_store::query::{ExclusionColumn, Filter};
use holdfast_store::{Listed, Tx, find};

use super::membership::{Admission, BATCH, Names, admit, enqueue, read_ids, units_changed};
use crate::Shared;
use crate::error::JobError;
use crate::lease::LeaseKeeper;

/// Each batch is a transaction of its own that also notes how far the job is: a kill loses one batch at most, which is done again.
pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: BulkJobId,
) -> Result<(), JobError> {
    let found = find::<BulkAdditionJob>(&mut *shared.store.read().await?, job.tenant, &id).await?;
    let Some(bulk) = found.map(|row| row.value).filter(|bulk| bulk.state == BulkState::Active)
    else {
        return finish(shared, job, keeper, id, Vec::new()).await;
    };
    let connector = shared.connector(job.tenant).await?;
    let at_once = shared.options.transfers;
    let names = Names::new(&*connector, bulk.workload, bulk.names.len(), at_once).await?;
    let mut progress = Progress::parse(job.progress.as_deref());
    while let Some(batch) = bulk.names.chunks(BATCH).nth(progress.batches) {
        let resolved = names.resolve(batch).await?;
        carry_out(shared, keeper, &bulk, resolved, &mut progress).await?;
    }
    let named = bulk.names.chunks(BATCH).count();
    while let Some(batch) = bulk.ids.chunks(BATCH).nth(progress.batches - named) {
        let read = read_ids(bulk.workload, batch);
        carry_out(shared, keeper, &bulk, read, &mut progress).await?;
    }
    finish(shared, job, keeper, id, progress.failures).await
}

pub(crate) async fn give_up(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: BulkJobId,
    error: PublicError,
) -> Result<(), JobError> {
    let detail = PublicErrorDetail { code: error.code, message: error.message, target: None };
    finish(shared, job, keeper, id, vec![detail]).await
}

/// How far a job is, and what failed so far.
#[derive(Default)]
struct Progress {
    batches: usize,
    failures: Vec<PublicErrorDetail>,
}

impl Progress {
    fn parse(noted: Option<&str>) -> Self {
        type Noted = (usize, Vec<(String, String, Option<String>)>);
        let noted: Option<Noted> = noted.and_then(|text| serde_json::from_str(text).ok());
        let Some((batches, failures)) = noted else { return Self::default() };
        let failures = failures.into_iter().map(|(code, message, target)| PublicErrorDetail {
            code,
            message,
            target,
        });
        Self { batches, failures: failures.collect() }
    }

    fn text(&self) -> String {
        let failures: Vec<_> = self
            .failures
            .iter()
            .map(|failure| (&failure.code, &failure.message, &failure.target))
            .collect();
        serde_json::json!([self.batches, failures]).to_string()
    }
}

async fn carry_out(
    shared: &Shared,
    keeper: &LeaseKeeper,
    bulk: &BulkAdditionJob,
    entries: Vec<Result<ResourceId, PublicErrorDetail>>,
    progress: &mut Progress,
) -> Result<(), JobError> {
    let mut tx = shared.store.begin().await?;
    let policy = tx.policy(bulk.tenant, bulk.policy).await?;
    let policy =
        policy.ok_or_else(|| JobError::give_up("PolicyNotFound", "The policy was deleted."))?.value;
    let actor = &bulk.stamps.created_by;
    for entry in entries {
        let resource = match entry {
            Ok(resource) => resource,
            Err(failure) => {
                progress.failures.push(failure);
                continue;
            }
        };
        match bulk.purpose {
            BulkPurpose::Protect => {
                let manual = ProtectionSources::MANUAL;
                let admission = admit(&mut *tx, shared, &policy, &resource, manual, actor).await?;
                if let Admission::Elsewhere = admission {
                    progress.failures.push(PublicErrorDetail {
                        code: "ProtectionUnitAlreadyExists".to_owned(),
                        message: "It is in another policy, or being offboarded.".to_owned(),
                        target: Some(resource.to_string()),
                    });
                }
            }
            BulkPurpose::Exclude => exclude(&mut *tx, shared, bulk, &resource).await?,
        }
    }
    if bulk.purpose == BulkPurpose::Protect {
        units_changed(&mut *tx, bulk.tenant, bulk.policy, shared.clock.now()).await?;
    }
    progress.batches += 1;
    tx.put_progress(keeper.lease()?, &progress.text()).await?;
    Ok(tx.commit().await?)
}

async fn exclude(
    tx: &mut dyn Tx,
    shared: &Shared,
    bulk: &BulkAdditionJob,
    resource: &ResourceId,
) -> Result<(), JobError> {
    let resource = resource.to_string();
    let same = Filter::equal(ExclusionColumn::PolicyId, bulk.policy.to_string())
        .and(Filter::equal(ExclusionColumn::Resource, resource.clone()));
    if Listed::<ExclusionUnit>::count(tx, bulk.tenant, Some(&same)).await? > 0 {
        return Ok(());
    }
    let unit = ExclusionUnit {
        id: ExclusionId::random(&*shared.entropy),
        tenant: bulk.tenant,
        workload: bulk.workload,
        policy: bulk.policy,
        resource,
        stamps: Stamps::new(bulk.stamps.created_by.clone(), shared.clock.now()),
    };
    Ok(tx.insert(&unit).await?)
}

async fn finish(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: BulkJobId,
    failures: Vec<PublicErrorDetail>,
) -> Result<(), JobError> {
    let now = shared.clock.now();
    let mut tx = shared.store.begin().await?;
    let found = find::<BulkAdditionJob>(&mut *tx, job.tenant, &id).await?;
    if let Some(mut row) = found.filter(|row| row.value.state == BulkState::Active) {
        let bulk = &mut row.value;
        bulk.state = match failures.is_empty() {
            true => BulkState::Completed,
            false => BulkState::CompletedWithErrors,
        };
        bulk.error = failures.first().cloned().map(|first| {
            let entries = bulk.names.len() + bulk.ids.len();
            let message = format!("{} of {entries} entries failed.", failures.len());
            PublicError { details: failures, ..PublicError::new(&first.code, message) }
        });
        bulk.stamps.last_modified_at = now;
        tx.put(&row.value, row.version).await?;
        let policy = tx.policy(job.tenant, row.value.policy).await?;
        if row.value.purpose == BulkPurpose::Exclude
            && policy.is_some_and(|policy| policy.value.state.protects())
        {
            let work = Work::ProtectWorkload { policy: row.value.policy };
            enqueue(&mut *tx, shared, job.tenant, work, now).await?;
        }
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}
