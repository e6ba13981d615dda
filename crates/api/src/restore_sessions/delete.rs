//! `DELETE /solutions/backupRestore/restoreSessions/{id}` and the same on `sharePointRestoreSessions`

use holdfast_domain::Workload;
use holdfast_graph_model::ErrorCode;

use super::load;
use crate::answer::Answer;
use crate::call::Call;
use crate::problem::Problem;

/// Only drafts can be deleted; their artifacts go with them.
pub(crate) async fn delete_restore_session(
    call: Call,
    workload: Option<Workload>,
) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut tx = call.write().await?;
    let row = load(&mut *tx, &call, workload).await?;
    tx.require_restore().await?;
    row.value.state.delete().map_err(|error| {
        Problem::transition(ErrorCode::RestoreSessionActionNotAllowed, "restore session", error)
    })?;
    tx.delete(&row.value, row.version).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}
