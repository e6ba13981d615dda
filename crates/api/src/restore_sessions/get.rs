//! `GET /solutions/backupRestore/restoreSessions/{id}` and the same on the typed collections

use holdfast_domain::Workload;

use super::{entity, load};
use crate::answer::Answer;
use crate::call::Call;
use crate::listing::{check_names, select_with_expanded};
use crate::problem::Problem;
use crate::render;

pub(crate) async fn get_restore_session(
    call: Call,
    workload: Option<Workload>,
) -> Result<Answer, Problem> {
    call.allow_options(&["$select"])?;
    check_names(&call.options, render::SESSION_PROPERTIES, &[])?;
    let mut tx = call.read().await?;
    let session = load(&mut *tx, &call, workload).await?.value;
    let mut body = entity(&mut *tx, &call, &session).await?;
    if let Some(names) = &call.options.select {
        select_with_expanded(&mut body, names, &[]);
    }
    Ok(Answer::ok(body))
}
