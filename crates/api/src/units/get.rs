//! `GET …/protectionUnits/{id}`, the same with a cast, `…/siteProtectionUnits/{id}`, and one unit of a policy

use holdfast_domain::{ProtectionUnit, UnitId, Workload};
use holdfast_graph_model::ErrorCode;
use serde_json::json;

use crate::answer::{Answer, object};
use crate::call::Call;
use crate::listing::{check_names, select_with_expanded};
use crate::policies;
use crate::problem::Problem;
use crate::render;

pub(crate) async fn get_any_unit(call: Call) -> Result<Answer, Problem> {
    get(call, 0, |_| true).await
}

/// With a cast or in a typed collection: a unit of another workload is not found.
pub(crate) async fn get_unit(call: Call, workload: Workload) -> Result<Answer, Problem> {
    get(call, 0, move |unit| unit.workload == workload).await
}

pub(crate) async fn get_unit_of_policy(call: Call) -> Result<Answer, Problem> {
    let mut tx = call.read().await?;
    let policy = policies::load(&mut *tx, &call, Some(Workload::SharePoint)).await?.value.id;
    drop(tx);
    get(call, 1, move |unit| unit.policy == Some(policy)).await
}

async fn get(
    call: Call,
    key: usize,
    is_here: impl Fn(&ProtectionUnit) -> bool + Send,
) -> Result<Answer, Problem> {
    call.allow_options(&["$select"])?;
    check_names(&call.options, render::UNIT_PROPERTIES, &[])?;
    let id: UnitId = call.key(key, ErrorCode::InvalidProtectionUnitId)?;
    let mut tx = call.read().await?;
    let unit =
        tx.unit(call.caller.tenant, id).await?.map(|row| row.value).filter(is_here).ok_or_else(
            || {
                let message = format!("There is no such protection unit with the id {id}.");
                Problem::new(ErrorCode::ProtectionUnitNotFound, message)
            },
        )?;
    let mut body = object(&render::unit(&unit, call.caller.kind, call.viewer));
    if let Some(names) = &call.options.select {
        select_with_expanded(&mut body, names, &[]);
    }
    body.insert("@odata.context".to_owned(), json!(call.context("/protectionUnits/$entity")));
    Ok(Answer::ok(body))
}
