//! `GET /solutions/backupRestore` (`backupRestoreRoot`)

use holdfast_graph_model::wire::BackupRestoreRoot;
use serde_json::json;

use crate::answer::{Answer, object};
use crate::call::Call;
use crate::listing::{check_names, select_with_expanded};
use crate::problem::Problem;
use crate::render;

pub(crate) async fn get_service(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&["$select"])?;
    check_names(&call.options, &["id", "serviceStatus"], &[])?;
    let service = call.read().await?.service(call.caller.tenant).await?.map(|row| row.value);
    let service_status = render::service(service.as_ref(), call.viewer);
    let mut body = object(&BackupRestoreRoot { service_status });
    if let Some(names) = &call.options.select {
        select_with_expanded(&mut body, names, &[]);
    }
    body.insert("@odata.context".to_owned(), json!(call.context("/$entity")));
    Ok(Answer::ok(body))
}
