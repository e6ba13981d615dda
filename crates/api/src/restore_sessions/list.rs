//! `GET /solutions/backupRestore/restoreSessions` and the typed collections, with `$count`

use holdfast_domain::Workload;
use holdfast_domain::limits::PAGE;
use holdfast_graph_model::Evolvable;
use holdfast_graph_model::evolvable::RestoreSessionStatus;
use holdfast_store::query::{Filter, RestoreSessionColumn};

use crate::answer::{Answer, object};
use crate::call::Call;
use crate::listing::{Collection, Field, FieldKind, Listing, count_filter};
use crate::problem::Problem;
use crate::render;

/// `status` is filtered by its true members: `failed` too, whether the caller gets to read it or not.
fn field(name: &str) -> Option<Field<RestoreSessionColumn>> {
    let (column, kind) = match name {
        "id" => (RestoreSessionColumn::Id, FieldKind::Id),
        "status" => (
            RestoreSessionColumn::Status,
            FieldKind::Member(|text| RestoreSessionStatus::from_name(text).is_some()),
        ),
        "createdDateTime" => (RestoreSessionColumn::CreatedDateTime, FieldKind::Time),
        "lastModifiedDateTime" => (RestoreSessionColumn::LastModifiedDateTime, FieldKind::Time),
        "completedDateTime" => (RestoreSessionColumn::CompletedDateTime, FieldKind::Time),
        _ => return None,
    };
    Some(Field { column, kind })
}

fn scope(workload: Option<Workload>) -> Option<Filter<RestoreSessionColumn>> {
    workload.map(|workload| Filter::equal(RestoreSessionColumn::Workload, workload.name()))
}

fn collection_name(workload: Option<Workload>) -> &'static str {
    match workload {
        None => "/restoreSessions",
        Some(Workload::SharePoint) => "/sharePointRestoreSessions",
        Some(Workload::OneDrive) => "/oneDriveForBusinessRestoreSessions",
        Some(Workload::Exchange) => "/exchangeRestoreSessions",
    }
}

pub(crate) async fn list_restore_sessions(
    call: Call,
    workload: Option<Workload>,
) -> Result<Answer, Problem> {
    let listing = Listing::of(
        &call,
        &Collection {
            scope: scope(workload),
            field: &field,
            properties: render::SESSION_PROPERTIES,
            expandable: &[],
            default_page: PAGE,
        },
    )?;
    let tenant = call.caller.tenant;
    let mut tx = call.read().await?;
    let (mut rows, mut next) = (Vec::new(), None);
    if listing.wants_rows() {
        let page = tx.list_restore_sessions(tenant, &listing.query).await?;
        next = page.next;
        for session in &page.rows {
            let tally = tx.tally_artifacts(tenant, session.id).await?;
            rows.push(object(&render::session(session, tally, call.viewer)));
        }
    }
    let count = match listing.options.count {
        true => Some(tx.count_restore_sessions(tenant, listing.filter.as_ref()).await?),
        false => None,
    };
    Ok(listing.answer(&call, collection_name(workload), rows, next.as_ref(), count))
}

pub(crate) async fn count_restore_sessions(
    call: Call,
    workload: Option<Workload>,
) -> Result<Answer, Problem> {
    let filter = count_filter(&call, scope(workload), &field)?;
    let count =
        call.read().await?.count_restore_sessions(call.caller.tenant, filter.as_ref()).await?;
    Ok(Answer::count(count))
}
