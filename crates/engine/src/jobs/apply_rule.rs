//! [`Work::ApplyRule`]: what a rule names comes into its policy; what a dynamic rule no longer names leaves.

use std::collections::HashSet;

use holdfast_connector::Connector;
use holdfast_domain::{
    ActivityOperation, ActivityResult, Actor, ClaimedJob, GroupExpression, ProtectionPolicy,
    ProtectionRule, ProtectionSources, PublicError, PublicErrorDetail, ResourceId, RuleId,
    RuleKind, RuleState, SiteExpression, SiteFacts, UnitId, Work, Workload, limits,
};
use holdfast_store::activity::{Acting, UnitChanges, log_activity, policy_details};
use holdfast_store::{Versioned, find};

use super::membership::{Admission, BATCH, admit, enqueue, release, tell_removal, units_changed};
use crate::Shared;
use crate::error::JobError;
use crate::lease::LeaseKeeper;

pub(crate) async fn run(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: RuleId,
) -> Result<(), JobError> {
    let mut tx = shared.store.begin().await?;
    let rule = find::<ProtectionRule>(&mut *tx, job.tenant, &id).await?;
    let Some(rule) = rule.map(|row| row.value) else {
        tx.finish(keeper.lease()?).await?;
        return Ok(tx.commit().await?);
    };
    let policy = tx.policy(job.tenant, rule.policy).await?.map(|row| row.value);
    drop(tx);
    let Some(policy) = policy else { return finish(shared, keeper, job, id, None, None).await };
    if rule.state == RuleState::DeleteRequested {
        release_all(shared, &rule, keeper).await?;
        return delete(shared, keeper, job, &rule).await;
    }
    let connector = shared.connector(job.tenant).await?;
    let (named, errors) = evaluate(&*connector, &rule).await?;
    let counts = apply(shared, keeper, &policy, &rule, &named).await?;
    let error = (!errors.is_empty()).then(|| PublicError {
        details: errors,
        ..PublicError::new("UnknownError", "The rule names what is not there.")
    });
    finish(shared, keeper, job, id, error, Some((policy, Some(counts)))).await
}

/// No attempt succeeded: the rule says so, and is applied again when its time comes.
pub(crate) async fn give_up(
    shared: &Shared,
    job: &ClaimedJob,
    keeper: &LeaseKeeper,
    id: RuleId,
    error: PublicError,
) -> Result<(), JobError> {
    let mut tx = shared.store.read().await?;
    let rule = find::<ProtectionRule>(&mut *tx, job.tenant, &id).await?;
    let policy = match rule {
        Some(rule) => tx.policy(job.tenant, rule.value.policy).await?,
        None => None,
    };
    drop(tx);
    let done = policy.map(|policy| (policy.value, None));
    finish(shared, keeper, job, id, Some(error), done).await
}

/// What the rule names now, and what of it cannot be found.
async fn evaluate(
    connector: &dyn Connector,
    rule: &ProtectionRule,
) -> Result<(Vec<ResourceId>, Vec<PublicErrorDetail>), JobError> {
    let malformed = |error: String| JobError::give_up("InvalidRuleExpression", error);
    let (mut named, mut errors) = (Vec::new(), Vec::new());
    match rule.workload {
        Workload::SharePoint => {
            let expression = SiteExpression::parse(&rule.expression)
                .map_err(|error| malformed(error.to_string()))?;
            for summary in connector.sites().await? {
                let facts = SiteFacts {
                    display_name: &summary.site.display_name,
                    web_url: &summary.site.web_url,
                    last_modified: summary.last_modified,
                };
                if expression.matches(facts) {
                    named.extend(ResourceId::parse(rule.workload, &summary.site.id));
                }
            }
        }
        Workload::OneDrive | Workload::Exchange => {
            let expression = GroupExpression::parse(&rule.expression)
                .map_err(|error| malformed(error.to_string()))?;
            let mut seen = HashSet::new();
            for group in expression.groups {
                match connector.group_members(&group.to_string()).await? {
                    Some(members) => {
                        let ids = members.into_iter().map(|member| member.id);
                        let new = ids.filter(|id| seen.insert(id.clone()));
                        named.extend(new.filter_map(|id| ResourceId::parse(rule.workload, &id)));
                    }
                    None => errors.push(PublicErrorDetail {
                        code: "GroupNotFound".to_owned(),
                        message: "There is no group with this id.".to_owned(),
                        target: Some(group.to_string()),
                    }),
                }
            }
        }
    }
    Ok((named, errors))
}

async fn apply(
    shared: &Shared,
    keeper: &LeaseKeeper,
    policy: &ProtectionPolicy,
    rule: &ProtectionRule,
    named: &[ResourceId],
) -> Result<UnitChanges, JobError> {
    let sources = match rule.kind {
        RuleKind::Static => ProtectionSources::MANUAL,
        RuleKind::Dynamic => ProtectionSources::DYNAMIC_RULE,
    };
    let actor = &rule.stamps.last_modified_by;
    let (mut counts, mut held) = (UnitChanges::default(), HashSet::new());
    for batch in named.chunks(BATCH) {
        let mut tx = shared.store.begin().await?;
        tx.guard(keeper.lease()?).await?;
        // The policy as it is now: it may have been activated meanwhile.
        let Some(policy) = tx.policy(policy.tenant, policy.id).await? else { return Ok(counts) };
        for resource in batch {
            let unit =
                match admit(&mut *tx, shared, &policy.value, resource, sources, actor).await? {
                    Admission::Added(unit) => {
                        counts.asked_to_add += 1;
                        counts.added += 1;
                        unit
                    }
                    Admission::Held(unit) => unit,
                    Admission::Elsewhere => {
                        counts.asked_to_add += 1;
                        continue;
                    }
                };
            held.insert(unit);
            if rule.kind == RuleKind::Dynamic {
                tx.add_rule_member(rule.tenant, rule.id, unit).await?;
            }
        }
        units_changed(&mut *tx, rule.tenant, rule.policy, shared.clock.now()).await?;
        tx.commit().await?;
    }
    let members = shared.store.read().await?.rule_members(rule.tenant, rule.id).await?;
    let left: Vec<UnitId> = members.into_iter().filter(|unit| !held.contains(unit)).collect();
    counts.removed = release_members(shared, rule, keeper, &left).await?;
    counts.asked_to_remove = counts.removed;
    Ok(counts)
}

async fn release_all(
    shared: &Shared,
    rule: &ProtectionRule,
    keeper: &LeaseKeeper,
) -> Result<u64, JobError> {
    let members = shared.store.read().await?.rule_members(rule.tenant, rule.id).await?;
    release_members(shared, rule, keeper, &members).await
}

/// How many of the units left the policy.
async fn release_members(
    shared: &Shared,
    rule: &ProtectionRule,
    keeper: &LeaseKeeper,
    units: &[UnitId],
) -> Result<u64, JobError> {
    let mut all = 0;
    for batch in units.chunks(BATCH) {
        let mut tx = shared.store.begin().await?;
        tx.guard(keeper.lease()?).await?;
        let mut removed = 0;
        for unit in batch {
            let is_held = tx.remove_rule_member(rule.tenant, rule.id, *unit).await?;
            if !is_held && release(&mut *tx, shared, rule.tenant, *unit).await? {
                removed += 1;
            }
        }
        tell_removal(&mut *tx, shared, rule.tenant, rule.policy, removed).await?;
        units_changed(&mut *tx, rule.tenant, rule.policy, shared.clock.now()).await?;
        tx.commit().await?;
        all += removed;
    }
    Ok(all)
}

async fn delete(
    shared: &Shared,
    keeper: &LeaseKeeper,
    job: &ClaimedJob,
    rule: &ProtectionRule,
) -> Result<(), JobError> {
    let mut tx = shared.store.begin().await?;
    if let Some(row) = find::<ProtectionRule>(&mut *tx, job.tenant, &rule.id).await? {
        tx.delete(&row.value, row.version).await?;
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}

/// The evaluation has ended, without counts when it failed; a dynamic rule is evaluated again later.
async fn finish(
    shared: &Shared,
    keeper: &LeaseKeeper,
    job: &ClaimedJob,
    id: RuleId,
    error: Option<PublicError>,
    done: Option<(ProtectionPolicy, Option<UnitChanges>)>,
) -> Result<(), JobError> {
    let now = shared.clock.now();
    let mut tx = shared.store.begin().await?;
    if let Some(Versioned { value: mut rule, version }) =
        find::<ProtectionRule>(&mut *tx, job.tenant, &id).await?
    {
        rule.applied(error.clone());
        tx.put(&rule, version).await?;
        if rule.kind == RuleKind::Dynamic {
            let again = now.plus(limits::RULE_INTERVAL);
            enqueue(&mut *tx, shared, job.tenant, Work::ApplyRule { rule: id }, again).await?;
        }
        if let (RuleKind::Dynamic, Some((policy, counts))) = (rule.kind, done) {
            let mut details = policy_details(&policy);
            let result = match (&error, &counts) {
                (None, _) => ActivityResult::Succeeded,
                (Some(_), Some(_)) => ActivityResult::PartiallySucceeded,
                (Some(_), None) => ActivityResult::Failed,
            };
            details["protectionUnitDetails"] = counts.unwrap_or_default().details("dynamic");
            let acting = Acting {
                tenant: job.tenant,
                actor: &Actor::default(),
                now,
                entropy: &*shared.entropy,
            };
            let operation = ActivityOperation::DynamicRuleExecution;
            log_activity(&mut *tx, acting, operation, (result, error), policy.workload, &details)
                .await?;
        }
    }
    tx.finish(keeper.lease()?).await?;
    Ok(tx.commit().await?)
}
