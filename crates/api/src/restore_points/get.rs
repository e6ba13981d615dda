//! `GET /solutions/backupRestore/restorePoints/{id}` and its `protectionUnit`

use holdfast_domain::{RestorePoint, RestorePointId};
use holdfast_graph_model::ErrorCode;
use holdfast_store::Tx;
use serde_json::json;

use super::{check_expands, shown, unit_of};
use crate::answer::{Answer, object};
use crate::call::Call;
use crate::listing::{check_names, select_with_expanded};
use crate::problem::Problem;
use crate::render;

/// The point of the path's first key. Ids of points are opaque, so that a malformed one is simply not found.
pub(crate) async fn load(tx: &mut dyn Tx, call: &Call) -> Result<RestorePoint, Problem> {
    let no_point =
        || Problem::new(ErrorCode::ResourceNotFound, "There is no restore point with that id.");
    let id: RestorePointId = call.key(0, ErrorCode::ResourceNotFound).map_err(|_| no_point())?;
    tx.restore_point(call.caller.tenant, id).await?.ok_or_else(no_point)
}

pub(crate) async fn get_restore_point(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&["$select", "$expand"])?;
    check_names(&call.options, render::POINT_PROPERTIES, &["protectionUnit"])?;
    check_expands(&call.options.expand)?;
    let expand = call.options.expand.first();
    let mut tx = call.read().await?;
    let point = load(&mut *tx, &call).await?;
    let mut body = shown(&mut *tx, &call, &point, expand).await?;
    if let Some(names) = &call.options.select {
        select_with_expanded(&mut body, names, &call.options.expand);
    }
    body.insert("@odata.context".to_owned(), json!(call.context("/restorePoints/$entity")));
    Ok(Answer::ok(body))
}

pub(crate) async fn get_protection_unit(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&["$select"])?;
    check_names(&call.options, render::UNIT_PROPERTIES, &[])?;
    let mut tx = call.read().await?;
    let point = load(&mut *tx, &call).await?;
    let unit = unit_of(&mut *tx, &point).await?.ok_or_else(|| {
        Problem::new(ErrorCode::ProtectionUnitNotFound, "The point's protection unit is gone.")
    })?;
    let mut body = object(&render::unit(&unit, call.caller.kind, call.viewer));
    if let Some(names) = &call.options.select {
        select_with_expanded(&mut body, names, &[]);
    }
    body.insert("@odata.context".to_owned(), json!(call.context("/protectionUnits/$entity")));
    Ok(Answer::ok(body))
}
