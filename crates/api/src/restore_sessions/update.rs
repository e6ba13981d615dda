//! `PATCH /solutions/backupRestore/sharePointRestoreSessions/{id}` and its siblings (`…RestoreSession: update`)
//!
//! Two bodies are legal, alone or together, all or nothing (`docs/decisions/0002`):
//!
//! - `…RestoreArtifacts@delta`, whole or granular, in a draft: entries add, change and remove artifacts. An entry that cannot be carried out is
//!   reported in its place; anything else refuses the whole request. The answer is the list of results.
//! - the first published form, which lists the session's own properties. `status` is a request to the state machine; the others
//!   are the service's to set, so that well-formed values are passed over and malformed ones refused. The answer is the session.

use holdfast_domain::limits::ARTIFACTS_PER_SESSION_REQUEST;
use holdfast_domain::{
    ArtifactPart, DestinationType, PolicyId, RequestedStatus, RestoreArtifact, RestoreJobType,
    RestorePoint, RestorePointId, RestoreSession, RestoreSessionId, StatusRequest, Workload,
};
use holdfast_graph_model::evolvable::{
    RestoreJobType as PublishedJobType, RestoreSessionStatus, SENTINEL,
};
use holdfast_graph_model::{ErrorCode, Evolvable};
use holdfast_store::Versioned;
use serde_json::{Map, Value, json};

use super::artifact_requests::{
    Wanted, WantedPart, finish, insert, invalid_point, is_same_artifact, read_artifact,
    refuse_duplicates, refuse_mixed_destinations, take_destination, take_items, take_point,
    usable_point,
};
use super::create::{CONFLICT_BEHAVIOR, require_policy, take_policy};
use super::{activate, entity, load};
use crate::answer::Answer;
use crate::artifacts::{GranularArtifacts, WholeArtifacts};
use crate::call::{Call, Writing};
use crate::collection::Resource;
use crate::extract::JsonObject;
use crate::policies::update::check_removed;
use crate::problem::Problem;
use crate::render;
use crate::workload::Wording;

const CODE: ErrorCode = ErrorCode::InvalidPatchRequest;

/// A body, read and well-formed.
struct Update {
    /// The first published form was used: the answer is the session.
    names_session: bool,
    status: StatusWish,
    policy: Option<PolicyId>,
    changes: Option<Changes>,
}

/// What a `@delta` collection asks for.
struct Changes {
    /// The collection's name in the body.
    delta: String,
    kind: RestoreJobType,
    list: Vec<Change>,
}

enum StatusWish {
    None,
    Status(RequestedStatus),
    /// `unknownFutureValue`: legal only as the echo of what the caller reads.
    Sentinel,
}

enum Change {
    Add(Wanted),
    Modify { id: String, point: Option<RestorePointId>, destination: Option<DestinationType> },
    Remove { id: String },
}

pub(crate) async fn update_restore_session(
    call: Call,
    workload: Workload,
) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let id: RestoreSessionId = call.key(0, ErrorCode::InvalidRestoreSessionId)?;
    let update = read(&call, id, workload)?;

    let mut tx = call.write().await?;
    let row = load(&mut *tx, &call, Some(workload)).await?;
    let mut session = row.value;
    let activates = resolve_status(&call, &session, &update.status)?;
    let mut changed = activates;
    let mut names_policy = false;
    let mut body = Map::new();
    if update.changes.is_some() || update.policy.is_some() {
        tx.require_restore().await?;
        session.state = session.state.change_artifacts().map_err(|error| {
            Problem::transition(ErrorCode::RestoreSessionActionNotAllowed, "restore session", error)
        })?;
    }
    if let Some(policy) = update.policy.filter(|policy| session.policy != Some(*policy)) {
        require_policy(&mut tx, &call, workload, policy).await?;
        session.policy = Some(policy);
        changed = true;
        names_policy = true;
    }
    if let Some(changes) = update.changes {
        if changes.kind == RestoreJobType::Granular && workload != Workload::Exchange {
            body.insert("@context".to_owned(), json!("#$delta"));
            body.insert("id".to_owned(), json!(session.id.to_string()));
        }
        let delta = changes.delta.clone();
        let outcome = apply(&mut tx, &call, &mut session, changes).await?;
        changed |= outcome.changed;
        body.insert(delta, Value::Array(outcome.results));
    }
    if names_policy {
        require_artifacts_of_policy(&mut tx, &session).await?;
    }
    if activates {
        tx.require_restore().await?;
        activate::activate(&mut tx, &call, &mut session).await?;
    }
    if changed {
        session.stamps.touch(call.caller.actor.clone(), call.now());
        tx.put(&session, row.version).await?;
    }
    if update.names_session {
        body.extend(entity(&mut *tx, &call, &session).await?);
        body.remove("@context");
    }
    tx.commit().await?;
    Ok(Answer::ok(body))
}

/// All units of a session that names a policy belong to it, those that were there before, too.
async fn require_artifacts_of_policy(
    tx: &mut Writing,
    session: &RestoreSession,
) -> Result<(), Problem> {
    for row in tx.artifacts_of_session(session.tenant, session.id).await? {
        let unit = row.value.restore_point.unit();
        let found = tx.unit(session.tenant, unit).await?;
        if found.is_none_or(|found| found.value.policy != session.policy) {
            return Err(Problem::at(
                CODE,
                "policyId",
                format!(
                    "'policyId' cannot be set: the unit {unit} of an artifact is in another policy; remove the artifact first."
                ),
            ));
        }
    }
    Ok(())
}

fn read(call: &Call, id: RestoreSessionId, workload: Workload) -> Result<Update, Problem> {
    let mut body = call.json(CODE)?;
    body.check_type(&workload.session_type())?;
    let mut names_session = false;
    if let Some(sent) = body.take("id") {
        names_session = true;
        if sent.as_str().and_then(|text| text.parse().ok()) != Some(id) {
            return Err(body.refuse("id", "must be the id in the address"));
        }
    }
    names_session |= body.has("status");
    let status = match body.take_text("status")?.as_deref() {
        None => StatusWish::None,
        Some(SENTINEL) => StatusWish::Sentinel,
        Some(text) => StatusWish::Status(
            RestoreSessionStatus::from_name(text)
                .map(requested)
                .ok_or_else(|| body.refuse("status", "is no member of restoreSessionStatus"))?,
        ),
    };
    for name in ["completedDateTime", "createdDateTime", "lastModifiedDateTime"] {
        names_session |= body.has(name);
        body.take_time(name)?;
    }
    for name in ["createdBy", "lastModifiedBy"] {
        names_session |= body.has(name);
        check_identity_set(&mut body, name)?;
    }
    names_session |= body.has("error");
    check_public_error(&mut body)?;
    names_session |= body.has("restoreJobType");
    if let Some(text) = body.take_text("restoreJobType")?
        && text != SENTINEL
        && PublishedJobType::from_name(&text).is_none()
    {
        return Err(body.refuse("restoreJobType", "is no member of restoreJobType"));
    }
    names_session |= body.has("restoreSessionArtifactCount");
    match body.take("restoreSessionArtifactCount") {
        None | Some(Value::Null | Value::Object(_)) => {}
        Some(_) => return Err(body.refuse("restoreSessionArtifactCount", "must be an object")),
    }
    let policy = take_policy(call, &mut body)?;
    names_session |= policy.is_some();
    for whole in [workload.artifacts(), workload.granular_artifacts(), workload.bulk_restores()] {
        if body.has(&whole) {
            return Err(body.refuse(
                &whole,
                &format!(
                    "cannot be replaced as a whole: send the changes as '{}@delta'",
                    workload.artifacts()
                ),
            ));
        }
    }
    if body.has(CONFLICT_BEHAVIOR) {
        return Err(body.refuse(CONFLICT_BEHAVIOR, "is chosen when a restore session is created"));
    }
    let items = take_items(&mut body, workload, "@delta")?;
    // A delta payload may say so.
    body.take("@context");
    body.finish()?;
    let changes = items
        .map(|(kind, delta, items)| {
            read_changes(call, workload, kind, &delta, items).map(|list| Changes {
                delta,
                kind,
                list,
            })
        })
        .transpose()?;
    if !names_session && changes.is_none() {
        return Err(Problem::new(
            CODE,
            format!(
                "The body names nothing: send '{}@delta' or properties of the restore session.",
                workload.artifacts()
            ),
        ));
    }
    Ok(Update { names_session, status, policy, changes })
}

fn requested(status: RestoreSessionStatus) -> RequestedStatus {
    match status {
        RestoreSessionStatus::Draft => RequestedStatus::Draft,
        RestoreSessionStatus::Activating => RequestedStatus::Activating,
        RestoreSessionStatus::Active => RequestedStatus::Active,
        RestoreSessionStatus::CompletedWithError => RequestedStatus::CompletedWithError,
        RestoreSessionStatus::Completed => RequestedStatus::Completed,
        RestoreSessionStatus::Failed => RequestedStatus::Failed,
    }
}

/// `identitySet` is an open type: its members are objects, whatever they are called.
fn check_identity_set(body: &mut JsonObject, name: &str) -> Result<(), Problem> {
    let set = match body.take(name) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(set)) => set,
        Some(_) => return Err(body.refuse(name, "must be an object")),
    };
    for (member, identity) in set {
        if !member.contains('@') && !identity.is_object() && !identity.is_null() {
            return Err(body.refuse(&format!("{name}/{member}"), "must be an object"));
        }
    }
    Ok(())
}

fn check_public_error(body: &mut JsonObject) -> Result<(), Problem> {
    let error = match body.take("error") {
        None | Some(Value::Null) => return Ok(()),
        Some(error @ Value::Object(_)) => error,
        Some(_) => return Err(body.refuse("error", "must be an object")),
    };
    let mut error = JsonObject::from_value(error, "error".to_owned(), CODE)?;
    for name in ["code", "message", "target"] {
        error.take_text(name)?;
    }
    for (name, is_right) in [
        ("details", Value::is_array as fn(&Value) -> bool),
        ("innerError", Value::is_object as fn(&Value) -> bool),
    ] {
        if error.take(name).is_some_and(|value| !value.is_null() && !is_right(&value)) {
            return Err(error.refuse(name, "has the wrong type"));
        }
    }
    error.finish()
}

fn read_changes(
    call: &Call,
    workload: Workload,
    kind: RestoreJobType,
    delta: &str,
    items: Value,
) -> Result<Vec<Change>, Problem> {
    let items = match items {
        Value::Array(items) if !items.is_empty() => items,
        _ => {
            let message = format!("'{delta}' must be a list of at least one change.");
            return Err(Problem::at(ErrorCode::InvalidArtifactRequest, delta, message));
        }
    };
    if items.len() > ARTIFACTS_PER_SESSION_REQUEST {
        let message =
            format!("At most {ARTIFACTS_PER_SESSION_REQUEST} artifacts fit into one request.");
        return Err(Problem::at(ErrorCode::TooManyArtifactsInUpdate, delta, message));
    }
    // Clients give parts of sites and drives their ids: the key of the item.
    let ids_are_keys = kind == RestoreJobType::Granular && workload != Workload::Exchange;
    let (mut changes, mut added, mut named) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("{delta}/{index}");
        let mut item = JsonObject::from_value(item, place, CODE)?;
        let id = match item.take("id") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if !id.is_empty() => Some(id),
            Some(_) => return Err(item.refuse("id", "must be a text")),
        };
        let change = if item.has("@removed") {
            check_removed(&mut item)?;
            let id = id.ok_or_else(|| item.refuse("id", "must name the artifact to remove"))?;
            take_point(&mut item)?;
            take_destination(&mut item)?;
            item.pass_over(&["@odata.type", "browseSessionId", "searchResponseId"]);
            finish(item)?;
            Change::Remove { id }
        } else if let Some(id) = id.clone().filter(|_| !ids_are_keys) {
            item.check_type(&match kind {
                RestoreJobType::Granular => workload.granular_artifact_type(),
                RestoreJobType::Standard | RestoreJobType::Bulk => workload.artifact_type(),
            })?;
            let (point, destination) = (take_point(&mut item)?, take_destination(&mut item)?);
            finish(item)?;
            Change::Modify { id, point, destination }
        } else {
            let wanted = read_artifact(call, item, workload, kind, id)?;
            added.push(wanted.clone());
            Change::Add(wanted)
        };
        if let Change::Modify { id, .. } | Change::Remove { id } = &change {
            // GUIDs are the same in either letter case.
            let id = if ids_are_keys { id.clone() } else { id.to_ascii_lowercase() };
            if named.contains(&id) {
                return Err(Problem::new(
                    ErrorCode::DuplicateArtifactInList,
                    format!("The artifact {id} is named twice in the request."),
                ));
            }
            named.push(id);
        }
        changes.push(change);
    }
    refuse_duplicates(&added)?;
    Ok(changes)
}

/// Is the session to be activated?
fn resolve_status(
    call: &Call,
    session: &RestoreSession,
    wish: &StatusWish,
) -> Result<bool, Problem> {
    match wish {
        StatusWish::None => Ok(false),
        StatusWish::Sentinel => {
            let read = render::session_status(session.state).render(call.viewer);
            if read.as_str() == SENTINEL {
                return Ok(false);
            }
            Err(Problem::at(
                CODE,
                "status",
                format!("'status' is {}: {SENTINEL} is no value to send.", read.as_str()),
            ))
        }
        StatusWish::Status(status) => match session.state.request_status(*status) {
            Ok(StatusRequest::NoChange) => Ok(false),
            Ok(StatusRequest::Activate) => Ok(true),
            Err(error) => Err(Problem::at(
                ErrorCode::RestoreSessionActionNotAllowed,
                "status",
                format!(
                    "The restore session is {}; the only change that can be asked for is to activate a draft.",
                    error.state
                ),
            )),
        },
    }
}

struct Outcome {
    results: Vec<Value>,
    changed: bool,
}

async fn apply(
    tx: &mut Writing,
    call: &Call,
    session: &mut RestoreSession,
    changes: Changes,
) -> Result<Outcome, Problem> {
    let present = tx.artifacts_of_session(session.tenant, session.id).await?;
    let kind_of_present = present.first().map(|row| Wanted::of(&row.value).kind());
    let is_bulk = session.kind == RestoreJobType::Bulk;
    if is_bulk || kind_of_present.is_some_and(|kind| kind != changes.kind) {
        return Err(Problem::at(
            ErrorCode::RestoreSessionActionNotAllowed,
            changes.delta,
            if is_bulk {
                "The restore session has a bulk request: artifacts cannot be changed by hand."
            } else {
                "A restore session has whole artifacts or granular ones, not both."
            },
        ));
    }
    let mut outcome = Outcome { results: Vec::new(), changed: session.kind != changes.kind };
    session.kind = changes.kind;
    // Removals and changes first, whatever their place: an artifact may be replaced in one request.
    let mut results: Vec<Option<Value>> = Vec::new();
    results.resize_with(changes.list.len(), || None);
    let order = |change: &Change| u8::from(matches!(change, Change::Add(_)));
    let mut ordered: Vec<(usize, Change)> = changes.list.into_iter().enumerate().collect();
    ordered.sort_by_key(|(index, change)| (order(change), *index));
    for (index, change) in ordered {
        let place = format!("{}/{index}", changes.delta);
        let done = match change {
            Change::Add(wanted) => add(tx, call, session, &place, wanted).await?,
            Change::Modify { id, point, destination } => {
                change_artifact(tx, call, session, &place, &id, point, destination).await?
            }
            Change::Remove { id } => remove(tx, call, session, &id).await?,
        };
        match done {
            Ok(shown) => {
                outcome.changed = true;
                results[index] = shown;
            }
            Err(failed) => results[index] = Some(failed),
        }
    }
    let artifacts = tx.artifacts_of_session(session.tenant, session.id).await?;
    refuse_mixed_destinations(artifacts.iter().map(|row| row.value.destination))?;
    outcome.results.extend(results.into_iter().flatten());
    Ok(outcome)
}

/// What an entry came to: what the answer shows of it, or its failure.
type Entry = Result<Option<Value>, Value>;

async fn add(
    tx: &mut Writing,
    call: &Call,
    session: &RestoreSession,
    place: &str,
    wanted: Wanted,
) -> Result<Entry, Problem> {
    if let WantedPart::Whole { point } = wanted.part {
        require_point(tx, call, session, place, point).await?;
    }
    if is_in_session(tx, session, None, &wanted).await? {
        let why = "The restore session has an artifact of this restore point or unit already.";
        return Ok(Err(failure(call, None, why, "add")));
    }
    let (artifact, point) = insert(tx, call, session, wanted, place).await?;
    Ok(Ok(Some(render::added_artifact(&artifact, Some(&point)))))
}

/// The artifact that an entry names.
async fn find(
    tx: &mut Writing,
    call: &Call,
    session: &RestoreSession,
    id: &str,
) -> Result<Option<Versioned<RestoreArtifact>>, Problem> {
    let parent = session.id.to_string();
    let found = match session.kind {
        RestoreJobType::Granular => {
            GranularArtifacts::find(&mut **tx, call, id, Some(&parent)).await?
        }
        RestoreJobType::Standard | RestoreJobType::Bulk => {
            WholeArtifacts::find(&mut **tx, call, id, Some(&parent)).await?
        }
    };
    Ok(found.filter(|row| row.value.session == session.id))
}

async fn change_artifact(
    tx: &mut Writing,
    call: &Call,
    session: &RestoreSession,
    place: &str,
    id: &str,
    point: Option<RestorePointId>,
    destination: Option<DestinationType>,
) -> Result<Entry, Problem> {
    if let Some(point) = point {
        require_point(tx, call, session, place, point).await?;
    }
    let Some(row) = find(tx, call, session, id).await? else {
        let why = "The identifier to be changed does not exist in this restore session.";
        return Ok(Err(failure(call, Some(id), why, "update")));
    };
    let mut artifact = row.value;
    artifact.restore_point = point.unwrap_or(artifact.restore_point);
    artifact.destination = destination.unwrap_or(artifact.destination);
    if is_in_session(tx, session, Some(&artifact), &Wanted::of(&artifact)).await? {
        let why = "The restore session has an artifact of this restore point or unit already.";
        return Ok(Err(failure(call, Some(id), why, "update")));
    }
    tx.put(&artifact, row.version).await?;
    Ok(Ok(Some(render::added_artifact(&artifact, None))))
}

/// A removal of a whole artifact that succeeds is not shown, one of a part is (`spec/examples/sharePointRestoreSessions.update*.json`).
async fn remove(
    tx: &mut Writing,
    call: &Call,
    session: &RestoreSession,
    id: &str,
) -> Result<Entry, Problem> {
    let Some(row) = find(tx, call, session, id).await? else {
        let why = "The identifier to be removed does not exist in this restore session.";
        return Ok(Err(failure(call, Some(id), why, "remove")));
    };
    tx.delete(&row.value, row.version).await?;
    Ok(Ok(match row.value.part {
        ArtifactPart::Whole | ArtifactPart::Found { .. } => None,
        ArtifactPart::Item { .. } => Some(json!({ "id": id, "@removed": { "reason": "changed" } })),
    }))
}

async fn require_point(
    tx: &mut Writing,
    call: &Call,
    session: &RestoreSession,
    place: &str,
    point: RestorePointId,
) -> Result<RestorePoint, Problem> {
    let found = usable_point(tx, call, session, point).await?;
    found.ok_or_else(|| invalid_point(format!("{place}/restorePoint")))
}

async fn is_in_session(
    tx: &mut Writing,
    session: &RestoreSession,
    except: Option<&RestoreArtifact>,
    wanted: &Wanted,
) -> Result<bool, Problem> {
    let artifacts = tx.artifacts_of_session(session.tenant, session.id).await?;
    Ok(artifacts.iter().map(|row| &row.value).any(|other| {
        except.is_none_or(|except| except.id != other.id)
            && is_same_artifact(wanted, &Wanted::of(other))
    }))
}

fn failure(call: &Call, id: Option<&str>, why: &str, operation: &'static str) -> Value {
    let mut failed = render::failed_change(call, "Invalid", why.to_owned(), operation);
    if let Some(id) = id {
        failed["id"] = json!(id);
    }
    failed
}

#[cfg(test)]
mod tests;
