//! `GET /solutions/backupRestore/protectionPolicies/{id}` and the same on the typed collections

use holdfast_domain::Workload;

use super::{artifact_count, entity, load};
use crate::answer::Answer;
use crate::call::Call;
use crate::listing::{check_names, select_with_expanded};
use crate::problem::Problem;
use crate::render;

pub(crate) async fn get_policy(call: Call, workload: Option<Workload>) -> Result<Answer, Problem> {
    call.allow_options(&["$select"])?;
    check_names(&call.options, render::POLICY_PROPERTIES, &[])?;
    let mut tx = call.read().await?;
    let policy = load(&mut *tx, &call, workload).await?.value;
    let Some(names) = &call.options.select else {
        return Ok(Answer::ok(entity(&call, &policy, None)));
    };
    // The count costs a scan of the policy's units: only when it is asked for by name.
    let count = match names.iter().any(|name| name == "protectionPolicyArtifactCount") {
        true => Some(artifact_count(&mut *tx, &policy).await?),
        false => None,
    };
    let mut body = entity(&call, &policy, count);
    select_with_expanded(&mut body, names, &[]);
    Ok(Answer::ok(body))
}
