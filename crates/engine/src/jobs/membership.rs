//! Units into policies and out of them, as rules, bulk jobs and policies for a whole workload have it.

use std::collections::HashMap;

use futures::{StreamExt, stream};
use holdfast_connector::Connector;
use holdfast_domain::{
    Actor, JobId, NoticeKind, PolicyId, ProtectionPolicy, ProtectionSources, ProtectionUnit,
    PublicErrorDetail, ResourceId, Stamps, TenantId, Timestamp, UnitId, UnitState, Work, Workload,
};
use holdfast_store::activity::{self, Acting};
use holdfast_store::{StoreError, Tx, find_unit};

use super::policies;
use crate::Shared;
use crate::error::JobError;

/// Units that one transaction brings in or out: the store has one writer, and others wait for it.
pub(super) const BATCH: usize = 200;

/// What asking a unit into a policy came to.
pub(super) enum Admission {
    Added(UnitId),
    /// It is in this policy already; it is now held by what asked as well.
    Held(UnitId),
    /// In another policy, on its way out of one, or being offboarded.
    Elsewhere,
}

/// Brings a resource into `policy`, if it is free. The caller settles the policy.
pub(super) async fn admit(
    tx: &mut dyn Tx,
    shared: &Shared,
    policy: &ProtectionPolicy,
    resource: &ResourceId,
    sources: ProtectionSources,
    actor: &Actor,
) -> Result<Admission, JobError> {
    let (tenant, now) = (policy.tenant, shared.clock.now());
    let (mut unit, read) = match find_unit(tx, tenant, resource).await? {
        Some(row) => (row.value, Some(row.version)),
        None => {
            let id = UnitId::random(&*shared.entropy);
            let stamps = Stamps::new(actor.clone(), now);
            let workload = resource.workload();
            (ProtectionUnit::detached(id, tenant, workload, resource.to_string(), stamps), None)
        }
    };
    let is_here = unit.policy == Some(policy.id) && unit.state != UnitState::RemoveRequested;
    if is_here {
        unit.sources.manual |= sources.manual;
        unit.sources.dynamic_rule |= sources.dynamic_rule;
    } else if unit.join(policy, sources, now).is_err() {
        return Ok(Admission::Elsewhere);
    }
    unit.stamps.touch(actor.clone(), now);
    match read {
        Some(read) => tx.put(&unit, read).await?,
        None => tx.insert(&unit).await?,
    }
    if is_here {
        return Ok(Admission::Held(unit.id));
    }
    tx.set_expiry(tenant, unit.id, unit.retention, now).await?;
    if unit.state == UnitState::ProtectRequested {
        enqueue(tx, shared, tenant, Work::ProtectUnit { unit: unit.id }, now).await?;
    }
    if let Some(pending) = unit.retention.pending {
        let work = Work::ApplyRetention { policy: policy.id };
        enqueue(tx, shared, tenant, work, pending.effective_at).await?;
    }
    Ok(Admission::Added(unit.id))
}

/// The unit is no longer held by a rule, or by its policy for the whole workload; without another source it leaves. Did it?
pub(super) async fn release(
    tx: &mut dyn Tx,
    shared: &Shared,
    tenant: TenantId,
    unit: UnitId,
) -> Result<bool, JobError> {
    let now = shared.clock.now();
    let Some(row) = tx.unit(tenant, unit).await? else { return Ok(false) };
    let mut unit = row.value;
    unit.sources.dynamic_rule = false;
    let mut leaves = false;
    if unit.sources.is_none()
        && let Ok(state) = unit.state.request_removal()
    {
        unit.state = state;
        leaves = true;
        enqueue(tx, shared, tenant, Work::RemoveUnit { unit: unit.id }, now).await?;
    }
    tx.put(&unit, row.version).await?;
    Ok(leaves)
}

/// Units left a policy because of what its rules say: that is told as harm, as a removal by hand is.
pub(super) async fn tell_removal(
    tx: &mut dyn Tx,
    shared: &Shared,
    tenant: TenantId,
    policy: PolicyId,
    removed: u64,
) -> Result<(), StoreError> {
    if removed == 0 {
        return Ok(());
    }
    let name = tx.policy(tenant, policy).await?.map(|row| row.value.display_name);
    let actor = Actor::default();
    let acting =
        Acting { tenant, actor: &actor, now: shared.clock.now(), entropy: &*shared.entropy };
    let about =
        format!("units: {removed}; policyId: {policy}; policyName: {}", name.unwrap_or_default());
    let what = "Units were removed from their policy";
    activity::tell(tx, acting, NoticeKind::Harmful, what, &about).await
}

/// The policy's units have changed: it is on its way to where they settle.
pub(super) async fn units_changed(
    tx: &mut dyn Tx,
    tenant: TenantId,
    policy: PolicyId,
    now: Timestamp,
) -> Result<(), JobError> {
    if let Some(mut row) = tx.policy(tenant, policy).await? {
        row.value.state = row.value.state.change_units()?;
        tx.put(&row.value, row.version).await?;
    }
    policies::settle(tx, tenant, Some(policy), now).await
}

pub(super) async fn enqueue(
    tx: &mut dyn Tx,
    shared: &Shared,
    tenant: TenantId,
    work: Work,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.enqueue(tenant, JobId::random(&*shared.entropy), work, at).await
}

/// Turns names into resources: addresses of sites, principal names of users.
pub(super) struct Names<'a> {
    connector: &'a dyn Connector,
    workload: Workload,
    /// Sites by address, when there are so many names that listing all costs less than asking for each.
    sites: HashMap<String, String>,
    /// Names asked for at once.
    at_once: usize,
}

/// From this many names on all sites are listed.
const LISTING_PAYS: usize = 50;

impl<'a> Names<'a> {
    pub(super) async fn new(
        connector: &'a dyn Connector,
        workload: Workload,
        names: usize,
        at_once: usize,
    ) -> Result<Self, JobError> {
        let mut sites = HashMap::new();
        if workload == Workload::SharePoint && names >= LISTING_PAYS {
            for summary in connector.sites().await? {
                sites.insert(address_key(&summary.site.web_url), summary.site.id);
            }
        }
        Ok(Self { connector, workload, sites, at_once: at_once.max(1) })
    }

    /// In the order of `names`; those that name nothing are told apart from those that could not be asked for.
    pub(super) async fn resolve(
        &self,
        names: &[String],
    ) -> Result<Vec<Result<ResourceId, PublicErrorDetail>>, JobError> {
        let asked = stream::iter(names).map(|name| self.resolve_one(name));
        let answers: Vec<Result<Option<String>, JobError>> =
            asked.buffered(self.at_once).collect().await;
        names
            .iter()
            .zip(answers)
            .map(|(name, answer)| {
                let resource = answer?.and_then(|id| ResourceId::parse(self.workload, &id));
                Ok(resource.ok_or_else(|| not_found(self.workload, name)))
            })
            .collect()
    }

    async fn resolve_one(&self, name: &str) -> Result<Option<String>, JobError> {
        match self.workload {
            Workload::SharePoint => {
                if let Some(id) = self.sites.get(&address_key(name)) {
                    return Ok(Some(id.clone()));
                }
                let Some((host, path)) = host_and_path(name) else { return Ok(None) };
                Ok(self.connector.site_by_path(host, path).await?.map(|site| site.id))
            }
            Workload::OneDrive | Workload::Exchange => {
                Ok(self.connector.user(name).await?.map(|user| user.id))
            }
        }
    }
}

/// Reads the ids of a job.
pub(super) fn read_ids(
    workload: Workload,
    ids: &[String],
) -> Vec<Result<ResourceId, PublicErrorDetail>> {
    let read = |id: &String| {
        ResourceId::parse(workload, id).ok_or_else(|| PublicErrorDetail {
            code: "InvalidProtectionUnitId".to_owned(),
            message: "This is no well-formed id.".to_owned(),
            target: Some(id.clone()),
        })
    };
    ids.iter().map(read).collect()
}

fn not_found(workload: Workload, name: &str) -> PublicErrorDetail {
    let (code, message) = match workload {
        Workload::SharePoint => ("SiteUrlNotFound", "There is no site at this address."),
        Workload::OneDrive | Workload::Exchange => {
            ("UserNotFound", "There is no user of this name.")
        }
    };
    PublicErrorDetail {
        code: code.to_owned(),
        message: message.to_owned(),
        target: Some(name.to_owned()),
    }
}

/// Addresses differ in letter case and a slash at the end without naming another site.
pub(super) fn address_key(address: &str) -> String {
    address.trim().trim_end_matches('/').to_lowercase()
}

/// `https://host/path` taken apart; an address without a path names the root site.
fn host_and_path(address: &str) -> Option<(&str, &str)> {
    let rest = address.trim().trim_end_matches('/');
    let rest = rest.strip_prefix("https://").or_else(|| rest.strip_prefix("http://"))?;
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let is_clean = !host.is_empty() && !path.contains(['?', '#', '\\']) && !path.contains("..");
    is_clean.then_some((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let parts = |address| host_and_path(address);
        assert_eq!(
            parts("https://contoso.sharepoint.com/sites/a/"),
            Some(("contoso.sharepoint.com", "/sites/a"))
        );
        assert_eq!(parts("https://contoso.sharepoint.com"), Some(("contoso.sharepoint.com", "/")));
        for address in ["", "sites/a", "https://", "https://h/../x", "https://h/a?b", "ftp://h/a"] {
            assert_eq!(parts(address), None, "{address}");
        }
    }
}
