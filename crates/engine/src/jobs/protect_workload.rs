//! [`Work::ProtectWorkload`]: everything in a workload comes into a policy with the mode `fullServiceBackup`, but its exclusion
//! units and what has a policy of its own.

use std::collections::HashSet;

use holdfast_domain::{
    ClaimedJob, ExclusionUnit, PolicyId, ProtectionMode, ProtectionPolicy, ProtectionSources,
    PublicError, ResourceId, UnitId, Work, Workload, limits,
};
use holdfast_store::find_all;
use holdfast_store::query::{ExclusionColumn, Filter};

use super::membership::{BATCH, admit, enqueue, release, tell_removal, units_changed};
use crate::Shared;
use crate::error::JobError;
use crate::lease::LeaseKeeper;

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: PolicyId,
) -> Result<(), JobError> {
    let policy = shared.store.read().await?.policy(job.tenant, id).await?.map(|row| row.value);
    let Some(policy) = policy.filter(is_wanted) else {
        let mut tx = shared.store.begin().await?;
        tx.finish(keeper.lease()?).await?;
        return Ok(tx.commit().await?);
    };
    let connector = shared.connector(job.tenant).await?;
    let ids: Vec<String> = match policy.workload {
        Workload::SharePoint => {
            connector.sites().await?.into_iter().map(|summary| summary.site.id).collect()
        }
        Workload::OneDrive | Workload::Exchange => {
            connector.users().await?.into_iter().map(|user| user.id).collect()
        }
    };
    let all = ids.iter().filter_map(|id| ResourceId::parse(policy.workload, id));
    let of = Filter::equal(ExclusionColumn::PolicyId, id.to_string());
    let excluded =
        find_all::<ExclusionUnit>(&mut *shared.store.read().await?, job.tenant, of).await?;
    let excluded: Vec<ResourceId> = excluded
        .iter()
        .filter_map(|unit| ResourceId::parse(policy.workload, &unit.resource))
        .collect();
    let (out, within): (Vec<ResourceId>, Vec<ResourceId>) =
        all.partition(|resource| excluded.iter().any(|other| other.is_same(resource)));
    for batch in within.chunks(BATCH) {
        let mut tx = shared.store.begin().await?;
        tx.guard(keeper.lease()?).await?;
        let source = ProtectionSources::DYNAMIC_RULE;
        for resource in batch {
            let actor = &policy.stamps.last_modified_by;
            // In a policy of its own: that one wins.
            admit(&mut *tx, shared, &policy, resource, source, actor).await?;
        }
        units_changed(&mut *tx, job.tenant, id, shared.clock.now()).await?;
        tx.commit().await?;
    }
    release_excluded(shared, job, keeper, &policy, &out).await?;
    finish(shared, job, keeper, id).await
}

/// Tried again when its time comes; what is wrong is in the log, and the units that are in stay.
pub(crate) async fn give_up(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: PolicyId,
    error: PublicError,
) -> Result<(), JobError> {
    tracing::error!(policy = %id, code = error.code, "the workload of a policy could not be listed");
    finish(shared, job, keeper, id).await
}

fn is_wanted(policy: &ProtectionPolicy) -> bool {
    policy.mode == ProtectionMode::FullService && policy.state.protects()
}

async fn release_excluded(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    policy: &ProtectionPolicy,
    out: &[ResourceId],
) -> Result<(), JobError> {
    let units = shared.store.read().await?.units_of_policy(job.tenant, policy.id).await?;
    let is_out = |text: &str| {
        let resource = ResourceId::parse(policy.workload, text);
        resource.is_some_and(|resource| out.iter().any(|other| other.is_same(&resource)))
    };
    let leaving: HashSet<UnitId> = units
        .into_iter()
        .filter(|row| row.value.sources.dynamic_rule && is_out(&row.value.resource))
        .map(|row| row.value.id)
        .collect();
    if leaving.is_empty() {
        return Ok(());
    }
    let mut tx = shared.store.begin().await?;
    tx.guard(keeper.lease()?).await?;
    let mut removed = 0;
    for unit in leaving {
        removed += u64::from(release(&mut *tx, shared, job.tenant, unit).await?);
    }
    tell_removal(&mut *tx, shared, job.tenant, policy.id, removed).await?;
    units_changed(&mut *tx, job.tenant, policy.id, shared.clock.now()).await?;
    Ok(tx.commit().await?)
}

async fn finish(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: PolicyId,
) -> Result<(), JobError> {
    let again = shared.clock.now().plus(limits::RULE_INTERVAL);
    let mut tx = shared.store.begin().await?;
    enqueue(&mut *tx, shared, job.tenant, Work::ProtectWorkload { policy: id }, again).await?;
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}
