//! Restore points: the service makes them, clients find them.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod search;

use holdfast_domain::{ProtectionUnit, RestorePoint};
use holdfast_graph_model::odata::Expand;
use holdfast_store::Tx;
use serde_json::{Map, Value, json};

use crate::answer::{object, select};
use crate::call::Call;
use crate::listing::check_names;
use crate::problem::Problem;
use crate::render;

async fn unit_of(tx: &mut dyn Tx, point: &RestorePoint) -> Result<Option<ProtectionUnit>, Problem> {
    Ok(tx.unit(point.tenant, point.unit).await?.map(|row| row.value))
}

/// `expand`: the item of `$expand` that asks for the unit.
async fn shown(
    tx: &mut dyn Tx,
    call: &Call,
    point: &RestorePoint,
    expand: Option<&Expand>,
) -> Result<Map<String, Value>, Problem> {
    let mut body = object(&render::restore_point(point, None, call.viewer));
    let Some(expand) = expand else { return Ok(body) };
    let unit = match unit_of(tx, point).await? {
        None => Value::Null,
        Some(unit) => {
            let mut unit = object(&render::unit(&unit, call.caller.kind, call.viewer));
            if let Some(names) = &expand.select {
                select(&mut unit, names);
            }
            Value::Object(unit)
        }
    };
    body.insert("protectionUnit".to_owned(), json!(unit));
    Ok(body)
}

/// Checks the `$select` inside `$expand=protectionUnit`.
fn check_expands(call_options: &[Expand]) -> Result<(), Problem> {
    for expand in call_options {
        let inner = holdfast_graph_model::odata::QueryOptions {
            select: expand.select.clone(),
            ..Default::default()
        };
        check_names(&inner, render::UNIT_PROPERTIES, &[])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
