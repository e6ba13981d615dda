//! Browse sessions: walks through a restore point of a site or drive.

use holdfast_domain::{BrowseSessionId, RestorePointId, Workload};
use holdfast_store::AnyTx;

use crate::call::Call;
use crate::problem::Problem;

/// The restore point and the original address of an item, if a session that is created and not expired has it.
pub(crate) async fn item(
    _tx: &mut AnyTx,
    _call: &Call,
    _workload: Workload,
    _session: &BrowseSessionId,
    _item_key: &str,
) -> Result<Option<(RestorePointId, String)>, Problem> {
    Ok(None)
}
