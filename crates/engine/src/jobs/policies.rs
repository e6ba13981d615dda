//! A policy settles when the last of its units has.

use holdfast_domain::{PolicyId, TenantId, Timestamp};
use holdfast_store::Tx;

use crate::error::JobError;

pub(crate) async fn settle(
    tx: &mut dyn Tx,
    tenant: TenantId,
    policy: Option<PolicyId>,
    now: Timestamp,
) -> Result<(), JobError> {
    let Some(policy) = policy else { return Ok(()) };
    let Some(mut found) = tx.policy(tenant, policy).await? else { return Ok(()) };
    let settled = found.value.state.settle(tx.tally_units(tenant, policy).await?)?;
    if settled != found.value.state {
        found.value.state = settled;
        found.value.stamps.last_modified_at = now;
        tx.put(&found.value, found.version).await?;
    }
    Ok(())
}
