//! Browse sessions: walks through a restore point of a site or drive (`spec/api.md` section 12).

pub(crate) mod browse;
pub(crate) mod create;
mod items;

use async_trait::async_trait;
use holdfast_domain::{
    BrowseSession, BrowseSessionId, BrowseState, ResourceId, RestorePointId, Workload,
};
use holdfast_graph_model::evolvable::BrowseSessionStatus;
use holdfast_graph_model::odata::QueryOptions;
use holdfast_graph_model::{ErrorCode, Evolvable, Viewer};
use holdfast_store::query::{BrowseSessionColumn, Comparison, Filter, Value as StoredValue};
use holdfast_store::{AnyTx, Listed, Versioned, find};
use serde_json::{Map, Value};

use crate::call::Call;
use crate::collection::{At, PlaceColumns, Recorded, Resource};
use crate::listing::{Field, FieldKind};
use crate::problem::Problem;
use crate::shape::Shape;
use crate::workload::Wording;
use items::Items;

/// See [`Resource`].
pub(crate) struct BrowseSessions;

#[async_trait]
impl Resource for BrowseSessions {
    type Noun = BrowseSession;

    const BASE: &'static str = "browseSessionBase";
    const WORD: &'static str = "browse session";
    const PLACE_COLUMNS: PlaceColumns<BrowseSessionColumn> =
        PlaceColumns { workload: Some(BrowseSessionColumn::Workload), parent: None };
    const RECORDED: Recorded<BrowseSessionColumn> = Recorded {
        error: Some(BrowseSessionColumn::Error),
        created_by: None,
        last_modified_by: None,
    };

    fn segment(at: At) -> String {
        at.workload().map_or_else(|| "browseSessions".to_owned(), Wording::browse_sessions)
    }

    fn field(name: &str, _call: &Call) -> Option<Field<BrowseSessionColumn>> {
        let (column, kind) = match name {
            "id" => (BrowseSessionColumn::Id, FieldKind::Id),
            "status" => (
                BrowseSessionColumn::Status,
                FieldKind::Member(|text| BrowseSessionStatus::from_name(text).is_some()),
            ),
            "siteId" | "directoryObjectId" => (BrowseSessionColumn::Resource, FieldKind::Text),
            "restorePointDateTime" => (BrowseSessionColumn::RestorePointDateTime, FieldKind::Time),
            "createdDateTime" => (BrowseSessionColumn::CreatedDateTime, FieldKind::Time),
            "expirationDateTime" => (BrowseSessionColumn::ExpirationDateTime, FieldKind::Time),
            _ => return None,
        };
        Some(Field::column(column, kind))
    }

    fn place(session: &BrowseSession) -> (Option<Workload>, Option<String>) {
        (Some(session.workload), None)
    }

    /// Expired ones are gone, whether they were swept already or not.
    fn visible(call: &Call) -> Option<Filter<BrowseSessionColumn>> {
        Some(Filter::Compare(
            BrowseSessionColumn::ExpirationDateTime,
            Comparison::Greater,
            StoredValue::Time(call.now()),
        ))
    }

    async fn find(
        tx: &mut AnyTx,
        call: &Call,
        key: &str,
        _parent: Option<&str>,
    ) -> Result<Option<Versioned<BrowseSession>>, Problem>
    where
        AnyTx: Listed<BrowseSession>,
    {
        // An id is opaque: what is not of our form is nothing.
        let Ok(id) = key.parse::<BrowseSessionId>() else { return Ok(None) };
        let found = find::<BrowseSession>(tx, call.caller.tenant, &id).await?;
        Ok(found.filter(|found| found.value.expires_at > call.now()))
    }

    async fn shown(
        session: &BrowseSession,
        _tx: &mut AnyTx,
        call: &Call,
        _options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        Ok(render(session, call.viewer))
    }
}

fn render(session: &BrowseSession, viewer: Viewer) -> Map<String, Value> {
    let (status, error) = match &session.state {
        BrowseState::Creating => (BrowseSessionStatus::Creating, None),
        BrowseState::Created => (BrowseSessionStatus::Created, None),
        BrowseState::Failed { error } => (BrowseSessionStatus::Failed, Some(error)),
    };
    // The GUID of a site's collection, not the whole id.
    let resource = match ResourceId::parse(session.workload, &session.resource) {
        Some(ResourceId::Site(site)) => site.collection.to_string(),
        Some(ResourceId::User(..)) | None => session.resource.clone(),
    };
    let shape = Shape::of(session.workload.browse_session_type(), viewer)
        .set("id", session.id.to_string())
        .time("restorePointDateTime", session.protection_date_time)
        .member("status", status)
        .time("createdDateTime", session.created_at)
        .time("expirationDateTime", session.expires_at)
        .set("backupSizeInBytes", session.size_bytes.to_string())
        .set(session.workload.resource(), resource);
    match error {
        Some(error) => shape.error(Some(error)).done(),
        None => shape.done(),
    }
}

/// Refuses a session that has no rows to look at.
fn require_created(session: &BrowseSession) -> Result<(), Problem> {
    let message = match &session.state {
        BrowseState::Created => return Ok(()),
        BrowseState::Creating => {
            "The browse session is being created; ask again when its status is created.".to_owned()
        }
        BrowseState::Failed { error } => {
            format!("The browse session failed: {} Create another one.", error.message)
        }
    };
    Err(Problem::new(ErrorCode::BrowseSessionNotReady, message))
}

/// The restore point and the original address of an item, if a session that is created and not expired has it.
pub(crate) async fn item(
    tx: &mut AnyTx,
    call: &Call,
    workload: Workload,
    session: BrowseSessionId,
    item_key: &str,
) -> Result<Option<(RestorePointId, String)>, Problem> {
    let found = find::<BrowseSession>(tx, call.caller.tenant, &session).await?;
    let found = found.map(|found| found.value).filter(|found| {
        found.workload == workload
            && found.expires_at > call.now()
            && found.state == BrowseState::Created
    });
    let Some(session) = found else { return Ok(None) };
    let mut items = Items::of(tx, session.id);
    let Some(item) = items.of_key(item_key).await? else { return Ok(None) };
    Ok(Some((session.restore_point, items.web_url(&item).await?)))
}

#[cfg(test)]
mod tests;
