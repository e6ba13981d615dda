//! `entraProtectionPolicies` (beta): nothing describes how they are made, so that there are none.

use holdfast_domain::PolicyId;
use holdfast_graph_model::ErrorCode;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::collection::check_names_of;
use crate::problem::Problem;

pub(crate) async fn list_entra_policies(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&["$select", "$top", "$count"])?;
    check_names_of("entraProtectionPolicy", &[], &call.options, call.viewer.version)?;
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(call.context("/entraProtectionPolicies")));
    if call.options.count {
        body.insert("@odata.count".to_owned(), json!(0));
    }
    body.insert("value".to_owned(), Value::Array(Vec::new()));
    Ok(Answer::ok(body))
}

pub(crate) async fn count_entra_policies(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    Ok(Answer::count(0))
}

pub(crate) async fn get_entra_policy(call: Call) -> Result<Answer, Problem> {
    let id: PolicyId = call.key(0, ErrorCode::InvalidPolicyId)?;
    let message = format!("There is no policy with the id {id}.");
    Err(Problem::new(ErrorCode::PolicyNotFound, message))
}
