//! Units into policies and out of them: shared by create and update.

use holdfast_domain::{
    PolicyState, ProtectionPolicy, ProtectionUnit, Stamps, UnitId, UnitState, Work, Workload,
};
use holdfast_graph_model::ErrorCode;
use holdfast_store::Versioned;
use holdfast_store::query::{Filter, ListQuery, TextMatch, UnitColumn};
use serde_json::Value;

use super::site_id::SiteId;
use crate::call::{Call, Writing};
use crate::extract::JsonObject;
use crate::problem::Problem;

/// Reads one unit of a request: an object with `siteId`. Properties that the service sets are passed over.
pub(super) fn site_of(mut item: JsonObject) -> Result<SiteId, Problem> {
    item.check_type("siteProtectionUnit")?;
    let place = item.place("siteId");
    let text = match item.take("siteId") {
        Some(Value::String(text)) => text,
        Some(_) | None => String::new(),
    };
    let site = SiteId::parse(&text).ok_or_else(|| {
        Problem::at(
            ErrorCode::InvalidProtectionUnitId,
            place.clone(),
            format!("'{place}' must be host,siteCollectionGuid,webGuid or the site's GUID."),
        )
    })?;
    for name in [
        "siteName",
        "siteWebUrl",
        "policyId",
        "status",
        "protectionSources",
        "offboardRequestedDateTime",
        "error",
        "createdBy",
        "createdDateTime",
        "lastModifiedBy",
        "lastModifiedDateTime",
    ] {
        item.take(name);
    }
    item.finish()?;
    Ok(site)
}

/// Refuses a request that names a site twice.
pub(super) fn refuse_duplicates(sites: &[SiteId]) -> Result<(), Problem> {
    for (index, site) in sites.iter().enumerate() {
        if sites[..index].iter().any(|earlier| earlier.is_same_site(site)) {
            return Err(Problem::new(
                ErrorCode::DuplicateProtectionUnitInList,
                format!("The site {site} is named twice in the request."),
            ));
        }
    }
    Ok(())
}

/// The unit of a site, in whichever form it was added, attached or not.
async fn unit_of_site(
    tx: &mut Writing,
    call: &Call,
    site: &SiteId,
) -> Result<Option<Versioned<ProtectionUnit>>, Problem> {
    let tenant = call.caller.tenant;
    let exact = tx.unit_of_resource(tenant, Workload::SharePoint, &site.to_string()).await?;
    if exact.is_some() {
        return Ok(exact);
    }
    let of_sites = Filter::equal(UnitColumn::Workload, Workload::SharePoint.name());
    let similar =
        Filter::Text(UnitColumn::Resource, TextMatch::Contains, site.collection.to_string());
    let query = ListQuery::first(u32::MAX >> 1, Some(of_sites.and(similar)));
    for unit in tx.list_units(tenant, &query).await?.rows {
        let same = SiteId::parse(&unit.resource).is_some_and(|theirs| theirs.is_same_site(site));
        if same {
            return Ok(tx.unit(tenant, unit.id).await?);
        }
    }
    Ok(None)
}

/// Why a unit could not be added.
pub(super) enum NotAdded {
    /// In this policy or another one, or on its way out of one.
    InPolicy,
    /// Its backups are being destroyed.
    Offboarding,
}

/// Adds a site to `policy`: its detached unit with the restore points it has, or a new one.
pub(super) async fn add_site(
    tx: &mut Writing,
    call: &Call,
    policy: &ProtectionPolicy,
    site: &SiteId,
) -> Result<Result<ProtectionUnit, NotAdded>, Problem> {
    let (tenant, now) = (call.caller.tenant, call.now());
    let protects = policy.state.protects();
    let unit = if let Some(row) = unit_of_site(tx, call, site).await? {
        let mut unit = row.value;
        let Ok(state) = unit.state.attach(protects) else {
            return Ok(Err(match unit.state {
                UnitState::OffboardRequested { .. }
                | UnitState::Offboarded { .. }
                | UnitState::CancelOffboardRequested { .. } => NotAdded::Offboarding,
                UnitState::Unprotected
                | UnitState::ProtectRequested
                | UnitState::Protected
                | UnitState::UnprotectRequested
                | UnitState::RemoveRequested
                | UnitState::Detached => NotAdded::InPolicy,
            }));
        };
        unit.state = state;
        unit.policy = Some(policy.id);
        unit.error = None;
        unit.stamps.touch(call.caller.actor.clone(), now);
        tx.put_unit(&unit, row.version).await?;
        unit
    } else {
        let state = UnitState::Detached
            .attach(protects)
            .expect("a detached unit can be attached: see UnitState::attach");
        let unit = ProtectionUnit {
            id: UnitId::random(&*call.app.entropy),
            tenant,
            workload: Workload::SharePoint,
            resource: site.to_string(),
            policy: Some(policy.id),
            state,
            name: None,
            web_url: None,
            error: None,
            next_backup_at: None,
            stamps: Stamps::new(call.caller.actor.clone(), now),
        };
        tx.insert_unit(&unit).await?;
        unit
    };
    if unit.state == UnitState::ProtectRequested {
        tx.enqueue_work(Work::ProtectUnit { unit: unit.id }).await?;
    }
    Ok(Ok(unit))
}

/// Takes a unit out of `policy`; `None` when it is not in it.
pub(super) async fn remove_unit(
    tx: &mut Writing,
    call: &Call,
    policy: &ProtectionPolicy,
    id: UnitId,
) -> Result<Option<ProtectionUnit>, Problem> {
    let found = tx.unit(call.caller.tenant, id).await?;
    let Some(row) = found.filter(|row| row.value.policy == Some(policy.id)) else {
        return Ok(None);
    };
    let mut unit = row.value;
    let Ok(state) = unit.state.request_removal() else { return Ok(None) };
    unit.state = state;
    unit.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put_unit(&unit, row.version).await?;
    tx.enqueue_work(Work::RemoveUnit { unit: id }).await?;
    Ok(Some(unit))
}

/// Where the policy's state goes when its units have changed: at once to its end if none is on its way.
pub(super) async fn settle(
    tx: &mut Writing,
    policy: &ProtectionPolicy,
    state: PolicyState,
) -> Result<PolicyState, Problem> {
    let tally = tx.tally_units(policy.tenant, policy.id).await?;
    Ok(state.settle(tally).unwrap_or(state))
}
