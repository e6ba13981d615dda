//! The service of a tenant: `/solutions/backupRestore` itself.

pub(crate) mod enable;
pub(crate) mod get;

use holdfast_domain::{Service, ServiceApp, TenantId, Timestamp};
use holdfast_store::query::ListQuery;
use holdfast_store::{AnyTx, Listed, Versioned};

use crate::problem::Problem;

/// The tenant's service as it is by `now`.
pub(crate) async fn service_at(
    tx: &mut AnyTx,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Option<Versioned<Service>>, Problem> {
    let found = tx.service(tenant).await?;
    Ok(found.map(|row| Versioned { value: row.value.at(now), version: row.version }))
}

/// The tenant's controller applications as they are by `now`.
pub(crate) async fn controllers_at(
    tx: &mut AnyTx,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Vec<ServiceApp>, Problem> {
    let all = ListQuery::first(u32::MAX >> 1, None);
    let apps = Listed::<ServiceApp>::list(tx, tenant, &all).await?.rows;
    Ok(apps
        .into_iter()
        .map(|mut app| {
            app.state = app.state.at(now);
            app
        })
        .collect())
}

#[cfg(test)]
mod tests;
