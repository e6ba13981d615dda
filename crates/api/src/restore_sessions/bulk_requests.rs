//! Bulk restore requests (`spec/api.md` section 14): restores by name instead of by point.

use async_trait::async_trait;
use axum::http::StatusCode;
use holdfast_domain::limits::BULK_RESTORE_NAMES;
use holdfast_domain::{
    BulkJobId, BulkRestoreRequest, BulkState, DestinationType, PointPreference, RestoreJobType,
    Stamps, TimePeriod, Work, Workload,
};
use holdfast_graph_model::evolvable::DestinationType as GraphDestination;
use holdfast_graph_model::odata::{Expression, QueryOptions};
use holdfast_graph_model::{ErrorCode, Evolvable};
use holdfast_store::AnyTx;
use holdfast_store::query::{BulkRestoreColumn, Filter};
use serde_json::{Map, Value};

use super::load;
use crate::answer::Answer;
use crate::bulk_jobs::{any_named, take_display_name};
use crate::call::Call;
use crate::collection::{self, At, Parent, PlaceColumns, Recorded, Resource};
use crate::extract::{JsonObject, SERVER_SET};
use crate::listing::{Field, FieldKind};
use crate::problem::Problem;
use crate::render;
use crate::restore_points::take_tags;
use crate::workload::Wording;

const CODE: ErrorCode = ErrorCode::BulkRestoreInvalidCreateRequest;

/// See [`Resource`].
pub(crate) struct BulkRequests;

#[async_trait]
impl Resource for BulkRequests {
    type Noun = BulkRestoreRequest;

    const BASE: &'static str = "restoreArtifactsBulkRequestBase";
    const PARENT: Parent = Parent::Session;
    const MALFORMED: ErrorCode = ErrorCode::InvalidBulkRestoreArtifactId;
    const NOT_FOUND: ErrorCode = ErrorCode::BulkRestoreArtifactsNotFound;
    const WORD: &'static str = "bulk restore request";
    const PLACE_COLUMNS: PlaceColumns<BulkRestoreColumn> = PlaceColumns {
        workload: Some(BulkRestoreColumn::Workload),
        parent: Some(BulkRestoreColumn::SessionId),
    };
    const RECORDED: Recorded<BulkRestoreColumn> = Recorded {
        error: Some(BulkRestoreColumn::Error),
        created_by: Some(BulkRestoreColumn::CreatedBy),
        last_modified_by: Some(BulkRestoreColumn::LastModifiedBy),
    };

    fn segment(at: At) -> String {
        at.workload().map_or_else(String::new, Wording::bulk_restores)
    }

    fn field(name: &str, _call: &Call) -> Option<Field<BulkRestoreColumn>> {
        let (column, kind) = match name {
            "id" => (BulkRestoreColumn::Id, FieldKind::Id),
            "displayName" => (BulkRestoreColumn::DisplayName, FieldKind::Text),
            "status" => (BulkRestoreColumn::Status, FieldKind::Member(render::is_bulk_status)),
            "destinationType" => (
                BulkRestoreColumn::DestinationType,
                FieldKind::Member(|text| GraphDestination::from_name(text).is_some()),
            ),
            "restorePointPreference" => (
                BulkRestoreColumn::Preference,
                FieldKind::Member(|text| PointPreference::from_name(text).is_some()),
            ),
            "protectionTimePeriod/startDateTime" => {
                (BulkRestoreColumn::PeriodStart, FieldKind::Time)
            }
            "protectionTimePeriod/endDateTime" => (BulkRestoreColumn::PeriodEnd, FieldKind::Time),
            "createdDateTime" => (BulkRestoreColumn::CreatedDateTime, FieldKind::Time),
            "lastModifiedDateTime" => (BulkRestoreColumn::LastModifiedDateTime, FieldKind::Time),
            _ => return None,
        };
        Some(Field::column(column, kind))
    }

    fn any(
        property: &str,
        holds: Option<Expression>,
        call: &Call,
    ) -> Result<Option<Filter<BulkRestoreColumn>>, Problem> {
        let lists = (BulkRestoreColumn::Names, BulkRestoreColumn::Ids);
        any_named(property, lists, holds, call)
    }

    fn place(request: &BulkRestoreRequest) -> (Option<Workload>, Option<String>) {
        (Some(request.workload), Some(request.session.to_string()))
    }

    async fn shown(
        request: &BulkRestoreRequest,
        _tx: &mut AnyTx,
        call: &Call,
        _options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        Ok(render::bulk_restore(request, call.viewer))
    }
}

/// `POST …RestoreSessions/{id}/…BulkAdditionRequests`: the engine finds the artifacts, in the draft already.
pub(crate) async fn create_bulk_request(call: Call, workload: Workload) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    if call.body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::new(CODE, "The body is missing: send names and a period."));
    }
    let mut body = call.json(CODE)?;
    body.check_type(&workload.bulk_restore_type())?;
    let display_name = take_display_name(&mut body)?;
    let names = take_names(&mut body, workload)?;
    let ids = body.take_texts(workload.ids())?;
    if !body.take_texts("protectionUnitIds")?.is_empty() {
        return Err(body.refuse("protectionUnitIds", "is not implemented: use names or ids"));
    }
    let entries = names.len() + ids.len();
    if entries == 0 {
        return Err(body.refuse(workload.names(), "must name at least one, unless ids do"));
    }
    if entries > BULK_RESTORE_NAMES {
        return Err(Problem::at(
            ErrorCode::BulkRestoreResourcesLimit,
            workload.names(),
            format!("At most {BULK_RESTORE_NAMES} can be restored by one request."),
        ));
    }
    let period = take_period(&mut body)?;
    let preference = match body.take_text("restorePointPreference")? {
        None => PointPreference::Latest,
        Some(text) => PointPreference::from_name(&text)
            .ok_or_else(|| body.refuse("restorePointPreference", "must be latest or oldest"))?,
    };
    let destination = body
        .take_text("destinationType")?
        .and_then(|text| DestinationType::from_name(&text))
        .ok_or_else(|| body.refuse("destinationType", "must be new or inPlace"))?;
    take_tags(&mut body)?;
    body.pass_over(&SERVER_SET);
    body.finish()?;

    let mut tx = call.write().await?;
    let row = load(&mut *tx, &call, Some(workload)).await?;
    tx.require_restore().await?;
    let mut session = row.value;
    let refuse = |why: &str| Problem::new(ErrorCode::RestoreSessionActionNotAllowed, why);
    session.state = session.state.change_artifacts().map_err(|error| {
        Problem::transition(ErrorCode::RestoreSessionActionNotAllowed, "restore session", error)
    })?;
    if session.kind == RestoreJobType::Bulk {
        return Err(refuse("The restore session has a bulk request already."));
    }
    if tx.tally_artifacts(session.tenant, session.id).await?.total > 0 {
        return Err(refuse(
            "The restore session has artifacts: a bulk request needs an empty one.",
        ));
    }
    session.kind = RestoreJobType::Bulk;
    session.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put(&session, row.version).await?;
    let request = BulkRestoreRequest {
        id: BulkJobId::random(&*call.app.entropy),
        tenant: session.tenant,
        workload,
        session: session.id,
        display_name,
        names,
        ids,
        destination,
        period,
        preference,
        state: BulkState::Active,
        error: None,
        stamps: Stamps::new(call.caller.actor.clone(), call.now()),
    };
    tx.insert(&request).await?;
    tx.enqueue_work(Work::RunBulkRestore { request: request.id }).await?;
    tx.commit().await?;
    let below = format!("/{}('{}')/{}", workload.sessions(), session.id, workload.bulk_restores());
    let body = collection::entity(
        &call,
        &format!("{below}/$entity"),
        render::bulk_restore(&request, call.viewer),
    );
    let url = call.url(&format!("{below}('{}')", request.id));
    Ok(Answer::with(StatusCode::CREATED, body).located_at(url))
}

/// `siteWebUrls`, `drives` or `mailboxes`, each well-formed.
fn take_names(body: &mut JsonObject, workload: Workload) -> Result<Vec<String>, Problem> {
    let names = body.take_texts(workload.names())?;
    for (index, name) in names.iter().enumerate() {
        let place = format!("{}/{index}", workload.names());
        let (code, is_right, what) = match workload {
            Workload::SharePoint => (
                ErrorCode::BulkRestoreInvalidCreateRequestSiteUrl,
                name.parse::<axum::http::Uri>().is_ok_and(|uri| {
                    uri.host().is_some() && matches!(uri.scheme_str(), Some("https" | "http"))
                }),
                "the address of a site",
            ),
            Workload::OneDrive | Workload::Exchange => (
                ErrorCode::BulkRestoreInvalidCreateRequestUserEmail,
                name.split_once('@').is_some_and(|(user, domain)| {
                    !user.is_empty() && domain.len() > 1 && !name.contains(char::is_whitespace)
                }),
                "the e-mail address of a user",
            ),
        };
        if !is_right {
            let message = format!("'{place}' must be {what}.");
            return Err(Problem::at(code, place, message));
        }
    }
    Ok(names)
}

fn take_period(body: &mut JsonObject) -> Result<TimePeriod, Problem> {
    let Some(mut period) = body.take_object("protectionTimePeriod")? else {
        return Err(body.refuse("protectionTimePeriod", "is required"));
    };
    period.check_type("timePeriod")?;
    let (start, end) = (period.take_time("startDateTime")?, period.take_time("endDateTime")?);
    if start.is_some() && end.is_some() && start > end {
        return Err(period.refuse("startDateTime", "must not lie after endDateTime"));
    }
    period.finish()?;
    Ok(TimePeriod { start, end })
}

/// `DELETE` of a request that has ended. The artifacts that it found stay, and the session remains a bulk one.
pub(crate) async fn delete_bulk_request(call: Call, workload: Workload) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut tx = call.write().await?;
    let row = collection::load::<BulkRequests>(&mut *tx, &call, At::In(workload)).await?;
    tx.require_restore().await?;
    if row.value.state == BulkState::Active {
        return Err(Problem::new(
            ErrorCode::InvalidStateForBulkRequestDeletion,
            "The request is still being carried out; it can be deleted when it has ended.",
        ));
    }
    tx.delete(&row.value, row.version).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}
