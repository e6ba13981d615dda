//! Artifacts as requests name them: shared by create and update (`spec/api.md` section 13).

use holdfast_domain::{
    ArtifactId, ArtifactPart, BrowseSessionId, DestinationType, RestoreArtifact, RestoreJobType,
    RestorePoint, RestorePointId, RestoreSession, SearchResponseId, Workload,
};
use holdfast_graph_model::ErrorCode;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::browse_sessions;
use crate::call::{Call, Writing};
use crate::extract::JsonObject;
use crate::problem::Problem;
use crate::workload::Wording;

/// Properties of an artifact that the service sets.
const SERVER_SET: [&str; 19] = [
    "status",
    "startDateTime",
    "completionDateTime",
    "createdDateTime",
    "error",
    "restoredSiteId",
    "restoredSiteName",
    "restoredSiteWebUrl",
    "restoredFolderId",
    "restoredFolderName",
    "restoredItemCount",
    "restoredItemKey",
    "restoredItemPath",
    "restoredItemWebUrl",
    "restorePointDateTime",
    "artifactCount",
    "webUrl",
    "siteId",
    "directoryObjectId",
];

/// An artifact to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) part: WantedPart,
    pub(super) destination: DestinationType,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WantedPart {
    Whole { point: RestorePointId },
    Found { point: RestorePointId, response: SearchResponseId },
    Item { browse_session: BrowseSessionId, item_key: String },
}

impl Wanted {
    /// What an artifact that exists was asked for as.
    pub(super) fn of(artifact: &RestoreArtifact) -> Self {
        let point = artifact.restore_point;
        let part = match &artifact.part {
            ArtifactPart::Whole => WantedPart::Whole { point },
            ArtifactPart::Found { response } => WantedPart::Found { point, response: *response },
            ArtifactPart::Item { browse_session, item_key, .. } => {
                WantedPart::Item { browse_session: *browse_session, item_key: item_key.clone() }
            }
        };
        Self { part, destination: artifact.destination }
    }

    /// The kind of session that such artifacts make.
    pub(super) fn kind(&self) -> RestoreJobType {
        match self.part {
            WantedPart::Whole { .. } => RestoreJobType::Standard,
            WantedPart::Found { .. } | WantedPart::Item { .. } => RestoreJobType::Granular,
        }
    }
}

/// The two lists of artifacts that a body may carry; at most one of them is sent.
pub(super) fn take_items(
    body: &mut JsonObject,
    workload: Workload,
    suffix: &str,
) -> Result<Option<(RestoreJobType, String, Value)>, Problem> {
    let whole = format!("{}{suffix}", workload.artifacts());
    let granular = format!("{}{suffix}", workload.granular_artifacts());
    match (body.take(&whole), body.take(&granular)) {
        (None, None) => Ok(None),
        (Some(items), None) => Ok(Some((RestoreJobType::Standard, whole, items))),
        (None, Some(items)) => Ok(Some((RestoreJobType::Granular, granular, items))),
        (Some(_), Some(_)) => {
            Err(body.refuse(&granular, &format!("cannot be sent together with {whole}")))
        }
    }
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

fn invalid_destination(place: String) -> Problem {
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

/// Reads an artifact to add. Its id was taken before: the service gives whole artifacts theirs; the id of a part of a site or
/// drive is the key of its item.
pub(super) fn read_artifact(
    call: &Call,
    mut item: JsonObject,
    workload: Workload,
    kind: RestoreJobType,
    id: Option<String>,
) -> Result<Wanted, Problem> {
    let is_item = kind == RestoreJobType::Granular && workload != Workload::Exchange;
    if is_item {
        return read_item(call, item, workload, id);
    }
    item.check_type(&match kind {
        RestoreJobType::Granular => workload.granular_artifact_type(),
        RestoreJobType::Standard | RestoreJobType::Bulk => workload.artifact_type(),
    })?;
    let point = take_point(&mut item)?.ok_or_else(|| invalid_point(item.place("restorePoint")))?;
    let destination = take_destination(&mut item)?
        .ok_or_else(|| invalid_destination(item.place("destinationType")))?;
    let part = match kind {
        RestoreJobType::Granular => {
            let response = item.take_text("searchResponseId")?.and_then(|text| text.parse().ok());
            let response = response.ok_or_else(|| {
                let why = "must be the searchResponseId of a search with an artifactQuery";
                item.refuse("searchResponseId", why)
            })?;
            WantedPart::Found { point, response }
        }
        RestoreJobType::Standard | RestoreJobType::Bulk => WantedPart::Whole { point },
    };
    finish(item)?;
    Ok(Wanted { part, destination })
}

/// A part of a site or drive. The SDKs cannot set `id` on everything they send: `itemKey` and `restoredItemKey` are read as well.
fn read_item(
    call: &Call,
    mut item: JsonObject,
    workload: Workload,
    id: Option<String>,
) -> Result<Wanted, Problem> {
    item.check_type(&workload.granular_artifact_type())?;
    let named = [item.take_text("itemKey")?, item.take_text("restoredItemKey")?];
    let item_key = id
        .into_iter()
        .chain(named.into_iter().flatten())
        .find(|key| !key.is_empty())
        .ok_or_else(|| item.refuse("id", "must be the itemKey of a browse answer"))?;
    let browse_session = item
        .take_text("browseSessionId")?
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| item.refuse("browseSessionId", "must be the id of a browse session"))?;
    let asked = match call.is_beta() {
        true => take_destination(&mut item)?,
        false => None,
    };
    finish(item)?;
    // Without a wish, nothing that is there may be touched.
    let destination = asked.unwrap_or(DestinationType::New);
    Ok(Wanted { part: WantedPart::Item { browse_session, item_key }, destination })
}

/// Passes over what the service sets, and refuses what is unknown.
pub(super) fn finish(mut item: JsonObject) -> Result<(), Problem> {
    item.pass_over(&SERVER_SET);
    item.finish()
}

/// The same point twice, or one unit in place twice: the same artifact twice.
pub(super) fn refuse_duplicates(wanted: &[Wanted]) -> Result<(), Problem> {
    for (index, one) in wanted.iter().enumerate() {
        if wanted[..index].iter().any(|other| is_same_artifact(one, other)) {
            return Err(Problem::new(
                ErrorCode::DuplicateArtifactInList,
                format!("Artifact {} of the request is there twice.", index + 1),
            ));
        }
    }
    Ok(())
}

pub(super) fn is_same_artifact(one: &Wanted, other: &Wanted) -> bool {
    match (&one.part, &other.part) {
        (WantedPart::Whole { point }, WantedPart::Whole { point: theirs }) => {
            point == theirs
                || (point.unit() == theirs.unit()
                    && one.destination == DestinationType::InPlace
                    && other.destination == DestinationType::InPlace)
        }
        // Their keys are their ids.
        (WantedPart::Item { item_key, .. }, WantedPart::Item { item_key: theirs, .. }) => {
            item_key == theirs
        }
        (ours, theirs) => ours == theirs,
    }
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
    session: &RestoreSession,
    id: RestorePointId,
) -> Result<Option<RestorePoint>, Problem> {
    let tenant = call.caller.tenant;
    let found = tx.restore_point(tenant, id).await?;
    let Some(point) = found.filter(|point| point.expires_at > call.now()) else { return Ok(None) };
    let Some(unit) = tx.unit(tenant, point.unit).await? else { return Ok(None) };
    let is_in_policy = session.policy.is_none() || session.policy == unit.value.policy;
    Ok((unit.value.workload == session.workload && is_in_policy).then_some(point))
}

/// Adds an artifact; `place` is where the request names it.
pub(super) async fn insert(
    tx: &mut Writing,
    call: &Call,
    session: &RestoreSession,
    wanted: Wanted,
    place: &str,
) -> Result<(RestoreArtifact, RestorePoint), Problem> {
    let (point, part) = match wanted.part {
        WantedPart::Whole { point } => (point, ArtifactPart::Whole),
        WantedPart::Found { point, response } => {
            let known = tx.search_response(session.tenant, response).await?;
            let known = known.filter(|known| {
                known.expires_at > call.now() && known.restore_point == Some(point)
            });
            if known.is_none() {
                let place = format!("{place}/searchResponseId");
                let message =
                    format!("'{place}' must be that of a search that found the restore point.");
                return Err(Problem::at(ErrorCode::InvalidArtifactRequest, place, message));
            }
            (point, ArtifactPart::Found { response })
        }
        WantedPart::Item { browse_session, item_key } => {
            let found =
                browse_sessions::item(&mut **tx, call, session.workload, browse_session, &item_key)
                    .await?;
            let (point, web_url) = found.ok_or_else(|| {
                let message = format!(
                    "'{place}' must name an item of a browse session that is created and has not expired."
                );
                Problem::at(ErrorCode::InvalidArtifactRequest, place, message)
            })?;
            (point, ArtifactPart::Item { browse_session, item_key, web_url, restored: None })
        }
    };
    let point = usable_point(tx, call, session, point)
        .await?
        .ok_or_else(|| invalid_point(format!("{place}/restorePoint")))?;
    let artifact = RestoreArtifact::added(
        ArtifactId::random(&*call.app.entropy),
        session,
        point.id,
        part,
        wanted.destination,
        call.now(),
    );
    tx.insert(&artifact).await?;
    Ok((artifact, point))
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
