//! `GET …/protectionUnits`, its casts, `…/siteProtectionUnits`, and the units of a policy, with `$count`

use holdfast_domain::Workload;
use holdfast_domain::limits::PAGE;
use holdfast_graph_model::Evolvable;
use holdfast_graph_model::evolvable::ProtectionUnitStatus;
use holdfast_store::query::{Filter, UnitColumn};

use crate::answer::{Answer, object};
use crate::call::Call;
use crate::caller::CallerKind;
use crate::listing::{Collection, Field, FieldKind, Listing, count_filter};
use crate::policies;
use crate::problem::Problem;
use crate::render;

/// What may be filtered by. Names only for those who may read them, since a filter tells what it matches.
fn field(name: &str, kind: CallerKind) -> Option<Field<UnitColumn>> {
    let delegated = kind == CallerKind::Delegated;
    let (column, kind) = match name {
        "id" => (UnitColumn::Id, FieldKind::Id),
        "policyId" => (UnitColumn::PolicyId, FieldKind::Id),
        "siteId" => (UnitColumn::Resource, FieldKind::Text),
        "siteName" if delegated => (UnitColumn::Name, FieldKind::Text),
        "siteWebUrl" if delegated => (UnitColumn::WebUrl, FieldKind::Text),
        "status" => (
            UnitColumn::Status,
            FieldKind::Member(|text| ProtectionUnitStatus::from_name(text).is_some()),
        ),
        "createdDateTime" => (UnitColumn::CreatedDateTime, FieldKind::Time),
        "lastModifiedDateTime" => (UnitColumn::LastModifiedDateTime, FieldKind::Time),
        _ => return None,
    };
    Some(Field { column, kind })
}

fn of_workload(workload: Workload) -> Option<Filter<UnitColumn>> {
    Some(Filter::equal(UnitColumn::Workload, workload.name()))
}

pub(crate) async fn list_all_units(call: Call) -> Result<Answer, Problem> {
    list(call, None, "/protectionUnits".to_owned()).await
}

pub(crate) async fn count_all_units(call: Call) -> Result<Answer, Problem> {
    count(call, None).await
}

pub(crate) async fn list_units(call: Call, workload: Workload) -> Result<Answer, Problem> {
    let context = match workload {
        Workload::SharePoint => "/siteProtectionUnits",
        Workload::OneDrive => "/driveProtectionUnits",
        Workload::Exchange => "/mailboxProtectionUnits",
    };
    list(call, of_workload(workload), context.to_owned()).await
}

pub(crate) async fn count_units(call: Call, workload: Workload) -> Result<Answer, Problem> {
    count(call, of_workload(workload)).await
}

pub(crate) async fn list_units_of_policy(call: Call) -> Result<Answer, Problem> {
    let (scope, context) = of_policy(&call).await?;
    list(call, Some(scope), context).await
}

pub(crate) async fn count_units_of_policy(call: Call) -> Result<Answer, Problem> {
    let (scope, _) = of_policy(&call).await?;
    count(call, Some(scope)).await
}

async fn of_policy(call: &Call) -> Result<(Filter<UnitColumn>, String), Problem> {
    let mut tx = call.read().await?;
    let id = policies::load(&mut *tx, call, Some(Workload::SharePoint)).await?.value.id;
    let context = format!("/sharePointProtectionPolicies('{id}')/siteProtectionUnits");
    Ok((Filter::equal(UnitColumn::PolicyId, id.to_string()), context))
}

async fn list(
    call: Call,
    scope: Option<Filter<UnitColumn>>,
    context: String,
) -> Result<Answer, Problem> {
    let kind = call.caller.kind;
    let listing = Listing::of(
        &call,
        &Collection {
            scope,
            field: &|name| field(name, kind),
            properties: render::UNIT_PROPERTIES,
            expandable: &[],
            default_page: PAGE,
        },
    )?;
    let tenant = call.caller.tenant;
    let mut tx = call.read().await?;
    let (mut rows, mut next) = (Vec::new(), None);
    if listing.wants_rows() {
        let page = tx.list_units(tenant, &listing.query).await?;
        next = page.next;
        rows.extend(page.rows.iter().map(|unit| object(&render::unit(unit, kind, call.viewer))));
    }
    let count = match listing.options.count {
        true => Some(tx.count_units(tenant, listing.filter.as_ref()).await?),
        false => None,
    };
    Ok(listing.answer(&call, &context, rows, next.as_ref(), count))
}

async fn count(call: Call, scope: Option<Filter<UnitColumn>>) -> Result<Answer, Problem> {
    let kind = call.caller.kind;
    let filter = count_filter(&call, scope, &|name| field(name, kind))?;
    let count = call.read().await?.count_units(call.caller.tenant, filter.as_ref()).await?;
    Ok(Answer::count(count))
}
