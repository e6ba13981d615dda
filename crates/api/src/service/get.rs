//! `GET /solutions/backupRestore` (`backupRestoreRoot`)

use serde_json::{Map, json};

use super::service_at;
use crate::answer::Answer;
use crate::call::Call;
use crate::collection::{check_names_of, entity};
use crate::problem::Problem;
use crate::render;

pub(crate) async fn get_service(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&["$select"])?;
    check_names_of("backupRestoreRoot", &[], &call.options, call.viewer.version)?;
    let mut tx = call.read().await?;
    let service = service_at(&mut *tx, call.caller.tenant, call.now()).await?;
    let mut status = render::service(service.as_ref().map(|row| &row.value), call.viewer);
    status.remove("@odata.type");
    let mut body = Map::new();
    body.insert("serviceStatus".to_owned(), json!(status));
    Ok(Answer::ok(entity(&call, "/$entity", body)))
}
