//! `GET /solutions/backupRestore/restorePoints`, with `$count`
//!
//! Clients written to the published page send `$expand=protectionUnit($filter=id eq '…')` and
//! `$filter=protectionDateTime lt …`; both narrow the list, neither is required.

use holdfast_domain::limits::RESTORE_POINTS_PAGE;
use holdfast_graph_model::odata::Expression;
use holdfast_store::query::RestorePointColumn;

use super::{check_expands, shown};
use crate::answer::Answer;
use crate::call::Call;
use crate::listing::{Collection, Field, FieldKind, Listing, count_filter, typed};
use crate::problem::Problem;
use crate::render;

fn field(name: &str) -> Option<Field<RestorePointColumn>> {
    let (column, kind) = match name {
        "id" => (RestorePointColumn::Id, FieldKind::Id),
        "protectionDateTime" => (RestorePointColumn::ProtectionDateTime, FieldKind::Time),
        "expirationDateTime" => (RestorePointColumn::ExpirationDateTime, FieldKind::Time),
        "protectionUnit/id" => (RestorePointColumn::UnitId, FieldKind::Id),
        "protectionUnit/policyId" => (RestorePointColumn::PolicyId, FieldKind::Id),
        _ => return None,
    };
    Some(Field { column, kind })
}

/// Names inside `$expand=protectionUnit(…)` are the unit's.
fn field_of_expanded(name: &str) -> Option<Field<RestorePointColumn>> {
    match name {
        "id" => field("protectionUnit/id"),
        "policyId" => field("protectionUnit/policyId"),
        _ => None,
    }
}

pub(crate) async fn list_restore_points(call: Call) -> Result<Answer, Problem> {
    let mut listing = Listing::of(
        &call,
        &Collection {
            scope: None,
            field: &field,
            properties: render::POINT_PROPERTIES,
            expandable: &["protectionUnit"],
            default_page: RESTORE_POINTS_PAGE,
        },
    )?;
    let expand = listing.options.expand.first().cloned();
    check_expands(&listing.options.expand)?;
    if let Some(text) = expand.as_ref().and_then(|expand| expand.filter.as_ref()) {
        listing.narrow(typed(Expression::parse(text)?, &field_of_expanded)?);
    }
    let tenant = call.caller.tenant;
    let mut tx = call.read().await?;
    let (mut rows, mut next) = (Vec::new(), None);
    if listing.wants_rows() {
        let page = tx.list_restore_points(tenant, &listing.query).await?;
        next = page.next;
        for point in &page.rows {
            rows.push(shown(&mut *tx, &call, point, expand.as_ref()).await?);
        }
    }
    let count = match listing.options.count {
        true => Some(tx.count_restore_points(tenant, listing.filter.as_ref()).await?),
        false => None,
    };
    Ok(listing.answer(&call, "/restorePoints", rows, next.as_ref(), count))
}

pub(crate) async fn count_restore_points(call: Call) -> Result<Answer, Problem> {
    let filter = count_filter(&call, None, &field)?;
    let count =
        call.read().await?.count_restore_points(call.caller.tenant, filter.as_ref()).await?;
    Ok(Answer::count(count))
}
