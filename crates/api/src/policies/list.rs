//! `GET /solutions/backupRestore/protectionPolicies` and the typed collections, with `$count`

use holdfast_domain::Workload;
use holdfast_domain::limits::PAGE;
use holdfast_graph_model::Evolvable;
use holdfast_graph_model::evolvable::ProtectionPolicyStatus;
use holdfast_store::query::{Filter, PolicyColumn};

use super::artifact_count;
use crate::answer::{Answer, object};
use crate::call::Call;
use crate::listing::{Collection, Field, FieldKind, Listing, count_filter};
use crate::problem::Problem;
use crate::render;

fn field(name: &str) -> Option<Field<PolicyColumn>> {
    let (column, kind) = match name {
        "id" => (PolicyColumn::Id, FieldKind::Id),
        "displayName" => (PolicyColumn::DisplayName, FieldKind::Text),
        "status" => (
            PolicyColumn::Status,
            FieldKind::Member(|text| ProtectionPolicyStatus::from_name(text).is_some()),
        ),
        "createdDateTime" => (PolicyColumn::CreatedDateTime, FieldKind::Time),
        "lastModifiedDateTime" => (PolicyColumn::LastModifiedDateTime, FieldKind::Time),
        _ => return None,
    };
    Some(Field { column, kind })
}

fn scope(workload: Option<Workload>) -> Option<Filter<PolicyColumn>> {
    workload.map(|workload| Filter::equal(PolicyColumn::Workload, workload.name()))
}

fn collection_name(workload: Option<Workload>) -> &'static str {
    match workload {
        None => "/protectionPolicies",
        Some(Workload::SharePoint) => "/sharePointProtectionPolicies",
        Some(Workload::OneDrive) => "/oneDriveForBusinessProtectionPolicies",
        Some(Workload::Exchange) => "/exchangeProtectionPolicies",
    }
}

pub(crate) async fn list_policies(
    call: Call,
    workload: Option<Workload>,
) -> Result<Answer, Problem> {
    let listing = Listing::of(
        &call,
        &Collection {
            scope: scope(workload),
            field: &field,
            properties: render::POLICY_PROPERTIES,
            expandable: &[],
            default_page: PAGE,
        },
    )?;
    let counted = listing
        .options
        .select
        .as_ref()
        .is_some_and(|names| names.iter().any(|name| name == "protectionPolicyArtifactCount"));
    let tenant = call.caller.tenant;
    let mut tx = call.read().await?;
    let (mut rows, mut next) = (Vec::new(), None);
    if listing.wants_rows() {
        let page = tx.list_policies(tenant, &listing.query).await?;
        next = page.next;
        for policy in &page.rows {
            let count = match counted {
                true => Some(artifact_count(&mut *tx, policy).await?),
                false => None,
            };
            rows.push(object(&render::policy(policy, count, call.viewer)));
        }
    }
    let count = match listing.options.count {
        true => Some(tx.count_policies(tenant, listing.filter.as_ref()).await?),
        false => None,
    };
    Ok(listing.answer(&call, collection_name(workload), rows, next.as_ref(), count))
}

pub(crate) async fn count_policies(
    call: Call,
    workload: Option<Workload>,
) -> Result<Answer, Problem> {
    let filter = count_filter(&call, scope(workload), &field)?;
    let count = call.read().await?.count_policies(call.caller.tenant, filter.as_ref()).await?;
    Ok(Answer::count(count))
}
