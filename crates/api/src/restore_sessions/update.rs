//! `PATCH /solutions/backupRestore/sharePointRestoreSessions/{id}` (`sharePointRestoreSession: update`)
//!
//! Two bodies are legal, alone or together, all or nothing (`docs/decisions/0002`):
//!
//! - `siteRestoreArtifacts@delta`, in a draft: entries add, change and remove artifacts. An entry that cannot be carried out is
//!   reported in its place; anything else refuses the whole request. The answer is the list of results.
//! - the first published form, which lists the session's own properties. `status` is a request to the state machine; the others
//!   are the service's to set, so that well-formed values are passed over and malformed ones refused. The answer is the session.

use holdfast_domain::limits::ARTIFACTS_PER_SESSION_REQUEST;
use holdfast_domain::{
    ArtifactId, DestinationType, RequestedStatus, RestoreArtifact, RestorePointId, RestoreSession,
    RestoreSessionId, StatusRequest, Workload,
};
use holdfast_graph_model::evolvable::{RestoreJobType, RestoreSessionStatus, SENTINEL};
use holdfast_graph_model::{ErrorCode, Evolvable};
use serde_json::{Map, Value, json};

use super::artifact_requests::{
    Wanted, finish, insert, invalid_point, is_same_artifact, read_artifact, refuse_duplicates,
    refuse_granular, refuse_mixed_destinations, refuse_unserved, take_destination, take_point,
    usable_point,
};
use super::{activate, entity, load};
use crate::answer::{Answer, object};
use crate::call::{Call, Writing};
use crate::extract::JsonObject;
use crate::policies::update::check_removed;
use crate::problem::Problem;
use crate::render;

const CODE: ErrorCode = ErrorCode::InvalidPatchRequest;
const DELTA: &str = "siteRestoreArtifacts@delta";

/// A body, read and well-formed.
struct Update {
    /// The first published form was used: the answer is the session.
    names_session: bool,
    status: StatusWish,
    changes: Option<Vec<Change>>,
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

pub(crate) async fn update_share_point_restore_session(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let id: RestoreSessionId = call.key(0, ErrorCode::InvalidRestoreSessionId)?;
    let update = read(&call, id)?;

    let mut tx = call.write().await?;
    let row = load(&mut *tx, &call, Some(Workload::SharePoint)).await?;
    let mut session = row.value;
    let activates = resolve_status(&call, &session, &update.status)?;
    let mut changed = activates;
    let mut results = None;
    if let Some(changes) = update.changes {
        session.state = session.state.change_artifacts().map_err(|error| {
            Problem::transition(ErrorCode::RestoreSessionActionNotAllowed, "restore session", error)
        })?;
        let outcome = apply(&mut tx, &call, &session, changes).await?;
        changed |= outcome.changed;
        results = Some(outcome.results);
    }
    if results.is_some() || activates {
        tx.require_restore().await?;
    }
    if activates {
        activate::activate(&mut tx, &call, &mut session).await?;
    }
    if changed {
        session.stamps.touch(call.caller.actor.clone(), call.now());
        tx.put_restore_session(&session, row.version).await?;
    }
    let mut body = match update.names_session {
        true => entity(&mut *tx, &call, &session).await?,
        false => Map::new(),
    };
    tx.commit().await?;
    if let Some(results) = results {
        body.insert(DELTA.to_owned(), Value::Array(results));
    }
    Ok(Answer::ok(body))
}

fn read(call: &Call, id: RestoreSessionId) -> Result<Update, Problem> {
    let mut body = call.json(CODE)?;
    body.check_type("sharePointRestoreSession")?;
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
        && RestoreJobType::from_name(&text).is_none()
    {
        return Err(body.refuse("restoreJobType", "is no member of restoreJobType"));
    }
    names_session |= body.has("restoreSessionArtifactCount");
    match body.take("restoreSessionArtifactCount") {
        None | Some(Value::Null | Value::Object(_)) => {}
        Some(_) => return Err(body.refuse("restoreSessionArtifactCount", "must be an object")),
    }
    refuse_granular(&mut body, "granularSiteRestoreArtifacts@delta")?;
    refuse_granular(&mut body, "granularSiteRestoreArtifacts")?;
    refuse_unserved(call, &mut body)?;
    if body.has("siteRestoreArtifacts") {
        return Err(body.refuse(
            "siteRestoreArtifacts",
            &format!("cannot be replaced as a whole: send the changes as '{DELTA}'"),
        ));
    }
    let items = body.take(DELTA);
    body.finish()?;
    let changes = items.map(read_changes).transpose()?;
    if !names_session && changes.is_none() {
        return Err(Problem::new(
            CODE,
            format!("The body names nothing: send '{DELTA}' or properties of the restore session."),
        ));
    }
    Ok(Update { names_session, status, changes })
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

fn read_changes(items: Value) -> Result<Vec<Change>, Problem> {
    let items = match items {
        Value::Array(items) if !items.is_empty() => items,
        _ => {
            return Err(Problem::at(
                ErrorCode::InvalidArtifactRequest,
                DELTA,
                format!("'{DELTA}' must be a list of at least one change."),
            ));
        }
    };
    if items.len() > ARTIFACTS_PER_SESSION_REQUEST {
        return Err(Problem::at(
            ErrorCode::TooManyArtifactsInUpdate,
            DELTA,
            format!("At most {ARTIFACTS_PER_SESSION_REQUEST} artifacts fit into one request."),
        ));
    }
    let (mut changes, mut added, mut named) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("{DELTA}/{index}");
        let mut item = JsonObject::from_value(item, place, CODE)?;
        let id = match item.take("id") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if !id.is_empty() => Some(id),
            Some(_) => return Err(item.refuse("id", "must be a text")),
        };
        let change = if item.has("@removed") {
            check_removed(&mut item)?;
            let id = id.ok_or_else(|| item.refuse("id", "must name the artifact to remove"))?;
            item.check_type("siteRestoreArtifact")?;
            take_point(&mut item)?;
            take_destination(&mut item)?;
            finish(item)?;
            Change::Remove { id }
        } else if let Some(id) = id {
            item.check_type("siteRestoreArtifact")?;
            let (point, destination) = (take_point(&mut item)?, take_destination(&mut item)?);
            finish(item)?;
            Change::Modify { id, point, destination }
        } else {
            let wanted = read_artifact(item)?;
            added.push(wanted);
            Change::Add(wanted)
        };
        if let Change::Modify { id, .. } | Change::Remove { id } = &change {
            let id = id.to_ascii_lowercase();
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
    session: &RestoreSession,
    changes: Vec<Change>,
) -> Result<Outcome, Problem> {
    let mut outcome = Outcome { results: Vec::new(), changed: false };
    // Removals and changes first, whatever their place: an artifact may be replaced in one request.
    let mut results: Vec<Option<Value>> = Vec::new();
    results.resize_with(changes.len(), || None);
    let order = |change: &Change| u8::from(matches!(change, Change::Add(_)));
    let mut ordered: Vec<(usize, Change)> = changes.into_iter().enumerate().collect();
    ordered.sort_by_key(|(index, change)| (order(change), *index));
    for (index, change) in ordered {
        let done = match change {
            Change::Add(wanted) => add(tx, call, session, index, wanted).await?,
            Change::Modify { id, point, destination } => {
                change_artifact(tx, call, session, index, &id, point, destination).await?
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
    index: usize,
    wanted: Wanted,
) -> Result<Entry, Problem> {
    require_point(tx, call, session, index, wanted.point).await?;
    if is_in_session(tx, session, None, wanted).await? {
        let why = "The restore session has an artifact of this restore point or unit already.";
        return Ok(Err(failure(call, None, why, "add")));
    }
    let artifact = insert(tx, call, session, wanted).await?;
    Ok(Ok(Some(shown(call, &artifact))))
}

async fn change_artifact(
    tx: &mut Writing,
    call: &Call,
    session: &RestoreSession,
    index: usize,
    id: &str,
    point: Option<RestorePointId>,
    destination: Option<DestinationType>,
) -> Result<Entry, Problem> {
    if let Some(point) = point {
        require_point(tx, call, session, index, point).await?;
    }
    let found = match id.parse::<ArtifactId>() {
        Ok(id) => tx.artifact(session.tenant, session.id, id).await?,
        Err(_) => None,
    };
    let Some(row) = found else {
        let why = "The identifier to be changed does not exist in this restore session.";
        return Ok(Err(failure(call, Some(id), why, "update")));
    };
    let mut artifact = row.value;
    artifact.restore_point = point.unwrap_or(artifact.restore_point);
    artifact.destination = destination.unwrap_or(artifact.destination);
    let wanted = Wanted { point: artifact.restore_point, destination: artifact.destination };
    if is_in_session(tx, session, Some(artifact.id), wanted).await? {
        let why = "The restore session has an artifact of this restore point or unit already.";
        return Ok(Err(failure(call, Some(id), why, "update")));
    }
    tx.put_artifact(&artifact, row.version).await?;
    Ok(Ok(Some(shown(call, &artifact))))
}

/// A removal that succeeds is not shown (`spec/examples/sharePointRestoreSessions.update.json`).
async fn remove(
    tx: &mut Writing,
    call: &Call,
    session: &RestoreSession,
    id: &str,
) -> Result<Entry, Problem> {
    let found = match id.parse::<ArtifactId>() {
        Ok(id) => tx.artifact(session.tenant, session.id, id).await?,
        Err(_) => None,
    };
    let Some(row) = found else {
        let why = "The identifier to be removed does not exist in this restore session.";
        return Ok(Err(failure(call, Some(id), why, "remove")));
    };
    tx.delete_artifact(session.tenant, row.value.id, row.version).await?;
    Ok(Ok(None))
}

async fn require_point(
    tx: &mut Writing,
    call: &Call,
    session: &RestoreSession,
    index: usize,
    point: RestorePointId,
) -> Result<(), Problem> {
    match usable_point(tx, call, session.workload, point).await? {
        Some(_) => Ok(()),
        None => Err(invalid_point(format!("{DELTA}/{index}/restorePoint"))),
    }
}

async fn is_in_session(
    tx: &mut Writing,
    session: &RestoreSession,
    except: Option<ArtifactId>,
    wanted: Wanted,
) -> Result<bool, Problem> {
    let artifacts = tx.artifacts_of_session(session.tenant, session.id).await?;
    Ok(artifacts.iter().map(|row| &row.value).any(|other| {
        let theirs = Wanted { point: other.restore_point, destination: other.destination };
        Some(other.id) != except && is_same_artifact(wanted, theirs)
    }))
}

fn shown(call: &Call, artifact: &RestoreArtifact) -> Value {
    Value::Object(object(&render::changed_artifact(artifact, call.viewer)))
}

fn failure(call: &Call, id: Option<&str>, why: &str, operation: &'static str) -> Value {
    let content_id = call.app.entropy.uuid().to_string();
    let mut failed = render::failed_change(&content_id, "Invalid", why.to_owned(), operation);
    failed.id = id.map(str::to_owned);
    json!(failed)
}

#[cfg(test)]
mod tests;
