//! `GET /holdfast/v1/restoreArtifacts/{id}/failures`: items that a restore could not restore

use holdfast_domain::ArtifactId;
use holdfast_graph_model::ErrorCode;
use serde_json::json;

use super::list;
use crate::answer::Answer;
use crate::call::Call;
use crate::problem::Problem;

pub(crate) async fn list_failures(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let no_artifact =
        || Problem::new(ErrorCode::ResourceNotFound, "There is no artifact with that id.");
    let id: ArtifactId = call.key(0, ErrorCode::ResourceNotFound).map_err(|_| no_artifact())?;
    let tenant = call.caller.tenant;
    let mut tx = call.read().await?;
    let artifact = tx.artifact_by_id(tenant, id).await?.ok_or_else(no_artifact)?.value;
    let session = tx.restore_session(tenant, artifact.session).await?.ok_or_else(no_artifact)?;
    call.caller.require_workload(session.value.workload)?;
    let failures = tx.failures(tenant, id).await?;
    Ok(list(
        failures
            .into_iter()
            .map(|failure| {
                json!({
                    "path": failure.path,
                    "code": failure.code,
                    "message": failure.message,
                })
            })
            .collect(),
    ))
}
