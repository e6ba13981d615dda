//! `POST` on the typed collections of restore sessions, and the same on `restoreSessions` with `@odata.type`

use axum::http::StatusCode;
use holdfast_domain::limits::ARTIFACTS_PER_SESSION_REQUEST;
use holdfast_domain::{
    ConflictBehavior, PolicyId, RestoreJobType, RestoreSession, RestoreSessionId, Stamps, Workload,
};
use holdfast_graph_model::ErrorCode;
use serde_json::Value;

use super::artifact_requests::{
    Wanted, insert, read_artifact, refuse_duplicates, refuse_mixed_destinations, take_items,
};
use super::entity;
use crate::answer::Answer;
use crate::call::{Call, Writing};
use crate::extract::{JsonObject, type_name};
use crate::problem::Problem;
use crate::workload::{Wording, workload_of};

/// Properties that the service sets; well-formed or not, they do not matter for a session that does not exist yet.
const SERVER_SET: [&str; 10] = [
    "id",
    "status",
    "restoreJobType",
    "restoreSessionArtifactCount",
    "completedDateTime",
    "error",
    "createdBy",
    "createdDateTime",
    "lastModifiedBy",
    "lastModifiedDateTime",
];
pub(super) const CONFLICT_BEHAVIOR: &str = "@microsoft.graph.conflictBehavior";
/// Ours: granular items keep the permissions they had.
const KEEP_ITEM_PERMISSIONS: &str = "@holdfast.keepItemPermissions";

/// A body, read and well-formed.
struct Creation {
    /// The list's name in the body, for errors.
    list: String,
    wanted: Vec<Wanted>,
    kind: RestoreJobType,
    policy: Option<PolicyId>,
    conflict_behavior: ConflictBehavior,
    keeps_item_permissions: bool,
}

/// On the base collection the type decides.
pub(crate) async fn create_restore_session_of_named_type(call: Call) -> Result<Answer, Problem> {
    let mut body = call.json(ErrorCode::BadRequest)?;
    let named = match body.take("@odata.type") {
        Some(Value::String(text)) => workload_of(type_name(&text), Wording::session_type),
        Some(_) | None => None,
    };
    match named {
        Some(workload) => {
            call.caller.require_workload(workload)?;
            create_restore_session(call, workload).await
        }
        None => Err(body.refuse(
            "@odata.type",
            "must name the type of restore session, such as #microsoft.graph.sharePointRestoreSession",
        )),
    }
}

/// Without artifacts the session is an empty draft, to which artifacts or a bulk request are added later.
pub(crate) async fn create_restore_session(
    call: Call,
    workload: Workload,
) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let creation = read(&call, workload)?;
    let mut tx = call.write().await?;
    tx.require_restore().await?;
    let id = RestoreSessionId::random(&*call.app.entropy);
    let stamps = Stamps::new(call.caller.actor.clone(), call.now());
    let mut session = RestoreSession::draft(id, call.caller.tenant, workload, stamps);
    session.kind = creation.kind;
    session.conflict_behavior = creation.conflict_behavior;
    session.keeps_item_permissions = creation.keeps_item_permissions;
    if let Some(policy) = creation.policy {
        require_policy(&mut tx, &call, workload, policy).await?;
        session.policy = Some(policy);
    }
    tx.insert(&session).await?;
    for (index, wanted) in creation.wanted.into_iter().enumerate() {
        let place = format!("{}/{index}", creation.list);
        insert(&mut tx, &call, &session, wanted, &place).await?;
    }
    tx.log_new_session(&session).await?;
    let body = entity(&mut *tx, &call, &session).await?;
    tx.commit().await?;
    let url = call.url(&format!("/restoreSessions/{}", session.id));
    Ok(Answer::with(StatusCode::CREATED, body).located_at(url))
}

/// `policyId` of beta names a policy of the session's workload.
pub(super) async fn require_policy(
    tx: &mut Writing,
    call: &Call,
    workload: Workload,
    policy: PolicyId,
) -> Result<(), Problem> {
    let found = tx.policy(call.caller.tenant, policy).await?;
    match found.filter(|row| row.value.workload == workload) {
        Some(_) => Ok(()),
        None => Err(Problem::at(
            ErrorCode::PolicyNotFound,
            "policyId",
            format!("There is no policy with the id {policy} for this workload."),
        )),
    }
}

/// `policyId`, of beta.
pub(super) fn take_policy(call: &Call, body: &mut JsonObject) -> Result<Option<PolicyId>, Problem> {
    if !call.is_beta() {
        return Ok(None);
    }
    let Some(text) = body.take_text("policyId")? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| body.refuse("policyId", "is no well-formed id"))
}

fn read(call: &Call, workload: Workload) -> Result<Creation, Problem> {
    let mut body = call.json(ErrorCode::BadRequest)?;
    body.check_type(&workload.session_type())?;
    let bulk = workload.bulk_restores();
    if body.has(&bulk) {
        return Err(body.refuse(&bulk, "are created in the restore session, once it exists"));
    }
    let policy = take_policy(call, &mut body)?;
    let items = take_items(&mut body, workload, "")?;
    let conflict_behavior = take_conflict_behavior(call, &mut body, workload, items.as_ref())?;
    let keeps_item_permissions = body.take_flag(KEEP_ITEM_PERMISSIONS)?.unwrap_or(false);
    body.pass_over(&SERVER_SET);
    body.finish()?;
    let mut creation = Creation {
        list: String::new(),
        wanted: Vec::new(),
        kind: RestoreJobType::Standard,
        policy,
        conflict_behavior,
        keeps_item_permissions,
    };
    let Some((kind, list, items)) = items else { return Ok(creation) };
    let items = match items {
        Value::Array(items) if !items.is_empty() => items,
        _ => {
            let message =
                format!("'{list}' must be a list of at least one artifact, or be left out.");
            return Err(Problem::at(ErrorCode::InvalidArtifactRequest, list, message));
        }
    };
    if items.len() > ARTIFACTS_PER_SESSION_REQUEST {
        return Err(Problem::at(
            ErrorCode::TooManyArtifactsInCreate,
            list,
            format!(
                "At most {ARTIFACTS_PER_SESSION_REQUEST} artifacts fit into one request; add the others by PATCH."
            ),
        ));
    }
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("{list}/{index}");
        let mut item = JsonObject::from_value(item, place, ErrorCode::InvalidArtifactRequest)?;
        let id = item.take_text("id")?;
        creation.wanted.push(read_artifact(call, item, workload, kind, id)?);
    }
    refuse_mixed_destinations(creation.wanted.iter().map(|wanted| wanted.destination))?;
    refuse_duplicates(&creation.wanted)?;
    (creation.kind, creation.list) = (kind, list);
    Ok(creation)
}

/// Of granular sessions for sites and drives, in beta.
fn take_conflict_behavior(
    call: &Call,
    body: &mut JsonObject,
    workload: Workload,
    items: Option<&(RestoreJobType, String, Value)>,
) -> Result<ConflictBehavior, Problem> {
    // A table of the page leaves the namespace out.
    let plain = body.take_if(call.is_beta(), "conflictBehavior");
    let Some(value) = body.take(CONFLICT_BEHAVIOR).or(plain) else {
        return Ok(ConflictBehavior::Fail);
    };
    let is_granular = items.is_some_and(|(kind, _, _)| *kind == RestoreJobType::Granular);
    if !call.is_beta() || !is_granular || workload == Workload::Exchange {
        let why = "is for granular restores of sites and drives, in beta";
        return Err(body.refuse(CONFLICT_BEHAVIOR, why));
    }
    value
        .as_str()
        .and_then(ConflictBehavior::from_name)
        .ok_or_else(|| body.refuse(CONFLICT_BEHAVIOR, "must be fail, replace or rename"))
}
