//! `GET …/siteRestoreArtifacts/{id}` and its `restorePoint`

use holdfast_domain::{ArtifactId, RestoreArtifact, Workload};
use holdfast_graph_model::ErrorCode;
use holdfast_store::Tx;
use serde_json::json;

use crate::answer::{Answer, object};
use crate::call::Call;
use crate::listing::{check_names, select_with_expanded};
use crate::problem::Problem;
use crate::{render, restore_sessions};

/// The artifact of the path's second key, in the session of its first.
async fn load(tx: &mut dyn Tx, call: &Call) -> Result<RestoreArtifact, Problem> {
    let session = restore_sessions::load(tx, call, Some(Workload::SharePoint)).await?.value.id;
    let no_artifact = || {
        let message = "There is no artifact with that id in the restore session.";
        Problem::new(ErrorCode::ResourceNotFound, message)
    };
    let id: ArtifactId = call.key(1, ErrorCode::ResourceNotFound).map_err(|_| no_artifact())?;
    tx.artifact(call.caller.tenant, session, id).await?.map(|row| row.value).ok_or_else(no_artifact)
}

pub(crate) async fn get_artifact(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&["$select", "$expand"])?;
    check_names(&call.options, render::ARTIFACT_PROPERTIES, &["restorePoint"])?;
    let mut tx = call.read().await?;
    let artifact = load(&mut *tx, &call).await?;
    let point = tx.restore_point(call.caller.tenant, artifact.restore_point).await?;
    let mut body = object(&render::artifact(&artifact, point.as_ref(), call.viewer));
    if let Some(names) = &call.options.select {
        select_with_expanded(&mut body, names, &call.options.expand);
    }
    let context =
        format!("/sharePointRestoreSessions('{}')/siteRestoreArtifacts/$entity", artifact.session);
    body.insert("@odata.context".to_owned(), json!(call.context(&context)));
    Ok(Answer::ok(body))
}

pub(crate) async fn get_artifact_restore_point(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&["$select"])?;
    check_names(&call.options, render::POINT_PROPERTIES, &[])?;
    let mut tx = call.read().await?;
    let artifact = load(&mut *tx, &call).await?;
    let point =
        tx.restore_point(call.caller.tenant, artifact.restore_point).await?.ok_or_else(|| {
            Problem::new(ErrorCode::ResourceNotFound, "The restore point has expired.")
        })?;
    let mut body = object(&render::restore_point(&point, None, call.viewer));
    if let Some(names) = &call.options.select {
        select_with_expanded(&mut body, names, &[]);
    }
    body.insert("@odata.context".to_owned(), json!(call.context("/restorePoints/$entity")));
    Ok(Answer::ok(body))
}
