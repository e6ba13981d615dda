//! `GET …/sharePointRestoreSessions/{id}/siteRestoreArtifacts`, with `$count`

use holdfast_domain::limits::PAGE;
use holdfast_domain::{RestoreSessionId, Workload};
use holdfast_graph_model::Evolvable;
use holdfast_graph_model::evolvable::{ArtifactRestoreStatus, DestinationType};
use holdfast_store::query::{ArtifactColumn, Filter};

use crate::answer::{Answer, object};
use crate::call::Call;
use crate::listing::{Collection, Field, FieldKind, Listing, count_filter};
use crate::problem::Problem;
use crate::{render, restore_sessions};

fn field(name: &str) -> Option<Field<ArtifactColumn>> {
    let (column, kind) = match name {
        "id" => (ArtifactColumn::Id, FieldKind::Id),
        "status" => (
            ArtifactColumn::Status,
            FieldKind::Member(|text| ArtifactRestoreStatus::from_name(text).is_some()),
        ),
        "destinationType" => (
            ArtifactColumn::DestinationType,
            FieldKind::Member(|text| DestinationType::from_name(text).is_some()),
        ),
        "restorePoint/id" => (ArtifactColumn::RestorePointId, FieldKind::Id),
        "startDateTime" => (ArtifactColumn::StartDateTime, FieldKind::Time),
        "completionDateTime" => (ArtifactColumn::CompletionDateTime, FieldKind::Time),
        _ => return None,
    };
    Some(Field { column, kind })
}

/// The session must exist: an unknown one is 404, not an empty list.
async fn session(call: &Call) -> Result<RestoreSessionId, Problem> {
    let mut tx = call.read().await?;
    Ok(restore_sessions::load(&mut *tx, call, Some(Workload::SharePoint)).await?.value.id)
}

fn of_session(id: RestoreSessionId) -> Option<Filter<ArtifactColumn>> {
    Some(Filter::equal(ArtifactColumn::SessionId, id.to_string()))
}

/// The point is shown with its times, expanded or not, as the published examples have it.
pub(crate) async fn list_artifacts(call: Call) -> Result<Answer, Problem> {
    let session = session(&call).await?;
    let listing = Listing::of(
        &call,
        &Collection {
            scope: of_session(session),
            field: &field,
            properties: render::ARTIFACT_PROPERTIES,
            expandable: &["restorePoint"],
            default_page: PAGE,
        },
    )?;
    let tenant = call.caller.tenant;
    let mut tx = call.read().await?;
    let (mut rows, mut next) = (Vec::new(), None);
    if listing.wants_rows() {
        let page = tx.list_artifacts(tenant, &listing.query).await?;
        next = page.next;
        for artifact in &page.rows {
            let point = tx.restore_point(tenant, artifact.restore_point).await?;
            rows.push(object(&render::artifact(artifact, point.as_ref(), call.viewer)));
        }
    }
    let count = match listing.options.count {
        true => Some(tx.count_artifacts(tenant, listing.filter.as_ref()).await?),
        false => None,
    };
    let context = format!("/sharePointRestoreSessions('{session}')/siteRestoreArtifacts");
    Ok(listing.answer(&call, &context, rows, next.as_ref(), count))
}

pub(crate) async fn count_artifacts(call: Call) -> Result<Answer, Problem> {
    let session = session(&call).await?;
    let filter = count_filter(&call, of_session(session), &field)?;
    let count = call.read().await?.count_artifacts(call.caller.tenant, filter.as_ref()).await?;
    Ok(Answer::count(count))
}
