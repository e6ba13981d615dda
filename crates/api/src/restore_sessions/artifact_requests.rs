//! Artifacts as requests name them: shared by create and update (`spec/api.md` section 13).

use holdfast_domain::{
    ArtifactId, ArtifactState, DestinationType, RestoreArtifact, RestorePoint, RestorePointId,
    RestoreSession, Workload,
};
use holdfast_graph_model::ErrorCode;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::call::{Call, Writing};
use crate::extract::JsonObject;
use crate::problem::Problem;

/// Properties that the service sets.
const SERVER_SET: [&str; 8] = [
    "status",
    "startDateTime",
    "completionDateTime",
    "createdDateTime",
    "error",
    "restoredSiteId",
    "restoredSiteName",
    "restoredSiteWebUrl",
];

/// A point and a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) point: RestorePointId,
    pub(super) destination: DestinationType,
}

/// `destinationType`, if it is there.
pub(super) fn take_destination(item: &mut JsonObject) -> Result<Option<DestinationType>, Problem> {
    let place = item.place("destinationType");
    match item.take("destinationType") {
        None => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(DestinationType::from_name)
            .map(Some)
            .ok_or_else(|| invalid_destination(place)),
    }
}

pub(super) fn invalid_destination(place: String) -> Problem {
    let message = format!("'{place}' must be new or inPlace.");
    Problem::at(ErrorCode::InvalidPathType, place, message)
}

/// `restorePoint`, if it is there: a reference by `id`, by `@odata.id` (bare, or an address), or as `restorePoint@odata.bind`.
pub(super) fn take_point(item: &mut JsonObject) -> Result<Option<RestorePointId>, Problem> {
    let place = item.place("restorePoint");
    let text = match (item.take("restorePoint"), item.take("restorePoint@odata.bind")) {
        (None, None) => return Ok(None),
        (Some(Value::Object(reference)), None) => reference_text(&reference),
        (None, Some(Value::String(address))) => Some(key_of(&address)),
        _ => None,
    };
    text.and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| invalid_point(place))
}

fn reference_text(reference: &Map<String, Value>) -> Option<String> {
    let (id, address) = (reference.get("id"), reference.get("@odata.id"));
    match (id.and_then(Value::as_str), address.and_then(Value::as_str)) {
        (Some(id), _) => Some(id.to_owned()),
        (None, Some(address)) => Some(key_of(address)),
        (None, None) => None,
    }
}

/// The key at the end of an address such as `…/restorePoints('key')` or `…/restorePoints/key`.
fn key_of(address: &str) -> String {
    let last = address.rsplit('/').next().unwrap_or(address);
    let key = match last.split_once('(') {
        Some((_, rest)) => rest.trim_end_matches(')').trim_matches('\''),
        None => last,
    };
    percent_decode_str(key).decode_utf8_lossy().into_owned()
}

pub(super) fn invalid_point(place: String) -> Problem {
    let message = format!("'{place}' must name a restore point that exists and has not expired.");
    Problem::at(ErrorCode::InvalidRestorePoint, place, message)
}

/// Reads an artifact to add.
pub(super) fn read_artifact(mut item: JsonObject) -> Result<Wanted, Problem> {
    item.check_type("siteRestoreArtifact")?;
    let point = take_point(&mut item)?.ok_or_else(|| invalid_point(item.place("restorePoint")))?;
    let destination = take_destination(&mut item)?
        .ok_or_else(|| invalid_destination(item.place("destinationType")))?;
    finish(item)?;
    Ok(Wanted { point, destination })
}

/// Passes over what the service sets, and refuses what is unknown.
pub(super) fn finish(mut item: JsonObject) -> Result<(), Problem> {
    for name in SERVER_SET {
        item.take(name);
    }
    item.finish()
}

/// The same point twice, or one unit in place twice: the same artifact twice.
pub(super) fn refuse_duplicates(wanted: &[Wanted]) -> Result<(), Problem> {
    for (index, one) in wanted.iter().enumerate() {
        if wanted[..index].iter().any(|other| is_same_artifact(*one, *other)) {
            return Err(Problem::new(
                ErrorCode::DuplicateArtifactInList,
                format!(
                    "The restore point {} or its unit is named twice in the request.",
                    one.point
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn is_same_artifact(one: Wanted, other: Wanted) -> bool {
    one.point == other.point
        || (one.point.unit() == other.point.unit()
            && one.destination == DestinationType::InPlace
            && other.destination == DestinationType::InPlace)
}

/// All artifacts of a restore session go to the same kind of destination.
pub(super) fn refuse_mixed_destinations(
    destinations: impl IntoIterator<Item = DestinationType>,
) -> Result<(), Problem> {
    let mut destinations = destinations.into_iter();
    let Some(first) = destinations.next() else { return Ok(()) };
    if destinations.all(|destination| destination == first) {
        return Ok(());
    }
    Err(Problem::at(
        ErrorCode::DifferentRestoreDestinationType,
        "destinationType",
        "All artifacts of a restore session must have the same destinationType.",
    ))
}

/// The point, if it can be restored in this session.
pub(super) async fn usable_point(
    tx: &mut Writing,
    call: &Call,
    workload: Workload,
    id: RestorePointId,
) -> Result<Option<RestorePoint>, Problem> {
    let tenant = call.caller.tenant;
    let found = tx.restore_point(tenant, id).await?;
    let Some(point) = found.filter(|point| point.expires_at > call.now()) else { return Ok(None) };
    let unit = tx.unit(tenant, point.unit).await?;
    Ok(unit.filter(|row| row.value.workload == workload).map(|_| point))
}

pub(super) async fn insert(
    tx: &mut Writing,
    call: &Call,
    session: &RestoreSession,
    wanted: Wanted,
) -> Result<RestoreArtifact, Problem> {
    let artifact = RestoreArtifact {
        id: ArtifactId::random(&*call.app.entropy),
        tenant: session.tenant,
        session: session.id,
        restore_point: wanted.point,
        destination: wanted.destination,
        state: ArtifactState::Added,
        error: None,
        restored: None,
        created_at: call.now(),
    };
    tx.insert_artifact(&artifact).await?;
    Ok(artifact)
}

/// Granular artifacts need browse sessions, which are not served yet.
pub(super) fn refuse_granular(body: &mut JsonObject, name: &str) -> Result<(), Problem> {
    match body.take(name) {
        None => Ok(()),
        Some(_) => Err(Problem::at(
            ErrorCode::BadRequest,
            name,
            format!(
                "'{name}' is not supported yet: granular restore comes with browse sessions. Restore the whole site with siteRestoreArtifacts."
            ),
        )),
    }
}

/// `policyId` and the annotation for conflicts belong to parts of beta that are not served.
pub(super) fn refuse_unserved(call: &Call, body: &mut JsonObject) -> Result<(), Problem> {
    if call.is_beta() && body.take("policyId").is_some_and(|value| !value.is_null()) {
        return Err(body.refuse("policyId", "is not supported yet"));
    }
    if body.take("@microsoft.graph.conflictBehavior").is_some() {
        return Err(body.refuse(
            "@microsoft.graph.conflictBehavior",
            "is for granular artifacts only, which are not supported yet",
        ));
    }
    let bulk = "siteRestoreArtifactsBulkAdditionRequests";
    if body.take(bulk).is_some() {
        return Err(body.refuse(bulk, "cannot be sent with a restore session"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_references() {
        for address in [
            "abc_1",
            "https://graph.microsoft.com/v1.0/solutions/backupRestore/restorePoints/abc_1",
            "https://graph.microsoft.com/v1.0/solutions/backupRestore/restorePoints('abc_1')",
            "restorePoints(abc%5F1)",
        ] {
            assert_eq!(key_of(address), "abc_1", "{address}");
        }
    }
}
