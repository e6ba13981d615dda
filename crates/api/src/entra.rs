//! `entraProtectionPolicies` (beta): nothing describes how they are made, so that there are none.

use holdfast_domain::PolicyId;
use holdfast_graph_model::ErrorCode;

use crate::answer::Answer;
use crate::call::Call;
use crate::collection::{Words, asked_of, check_names_of};
use crate::listing::{Listing, count_filter};
use crate::policies::Policies;
use crate::problem::Problem;

pub(crate) async fn list_entra_policies(call: Call) -> Result<Answer, Problem> {
    check_names_of("entraProtectionPolicy", &[], &call.options, call.viewer.version)?;
    // What is asked must make sense, although there is nothing to find.
    let words = Words::<Policies>::of(&call);
    let listing = Listing::of(&call, &asked_of::<Policies>(None, &words))?;
    let count = listing.options.count.then_some(0);
    Ok(listing.answer(&call, "/entraProtectionPolicies", Vec::new(), None, count))
}

pub(crate) async fn count_entra_policies(call: Call) -> Result<Answer, Problem> {
    let words = Words::<Policies>::of(&call);
    count_filter(&call, &asked_of::<Policies>(None, &words))?;
    Ok(Answer::count(0))
}

pub(crate) async fn get_entra_policy(call: Call) -> Result<Answer, Problem> {
    let id: PolicyId = call.key(0, ErrorCode::InvalidPolicyId)?;
    let message = format!("There is no policy with the id {id}.");
    Err(Problem::new(ErrorCode::PolicyNotFound, message))
}
