//! Restore points: the service makes them, clients find them.
//!
//! Clients written to the published page send `$expand=protectionUnit($filter=id eq '…')` and
//! `$filter=protectionDateTime lt …`; both narrow the list, neither is required.

pub(crate) mod search;

use async_trait::async_trait;
use holdfast_domain::limits::RESTORE_POINTS_PAGE;
use holdfast_domain::{ProtectionUnit, RestorePoint, Workload};
use holdfast_graph_model::evolvable::{ProtectionSource, ProtectionUnitStatus, RestorePointTags};
use holdfast_graph_model::odata::QueryOptions;
use holdfast_graph_model::{ErrorCode, Evolvable, types};
use holdfast_store::query::{Comparison, Filter, RestorePointColumn};
use holdfast_store::{AnyTx, Versioned, find};
use serde_json::{Map, Value};

use crate::answer::{Answer, select};
use crate::call::Call;
use crate::caller::CallerKind;
use crate::collection::{
    self, At, PlaceColumns, Recorded, Resource, check_names, entity, workload_of_type,
};
use crate::extract::JsonObject;
use crate::listing::{Field, FieldKind, flags};
use crate::problem::Problem;
use crate::render;
use crate::units::Units;

/// See [`Resource`].
pub(crate) struct RestorePoints;

#[async_trait]
impl Resource for RestorePoints {
    type Noun = RestorePoint;

    const BASE: &'static str = "restorePoint";
    const WORD: &'static str = "restore point";
    const EXPANDABLE: &'static [&'static str] = &["protectionUnit"];
    const DEFAULT_PAGE: u32 = RESTORE_POINTS_PAGE;
    const PLACE_COLUMNS: PlaceColumns<RestorePointColumn> =
        PlaceColumns { workload: Some(RestorePointColumn::UnitWorkload), parent: None };
    const RECORDED: Recorded<RestorePointColumn> = Recorded::NOTHING;

    fn segment(_at: At) -> String {
        "restorePoints".to_owned()
    }

    fn field(name: &str, call: &Call) -> Option<Field<RestorePointColumn>> {
        let delegated = call.caller.kind == CallerKind::Delegated;
        let (column, kind) = match name {
            "id" => (RestorePointColumn::Id, FieldKind::Id),
            "protectionDateTime" => (RestorePointColumn::ProtectionDateTime, FieldKind::Time),
            "expirationDateTime" => (RestorePointColumn::ExpirationDateTime, FieldKind::Time),
            "protectionUnit" => (RestorePointColumn::UnitId, FieldKind::Object),
            "tags" => {
                let kind = FieldKind::Flags(flags::<RestorePointTags>);
                return Some(Field::constant("fastRestore", kind));
            }
            "protectionUnit/id" => (RestorePointColumn::UnitId, FieldKind::Id),
            "protectionUnit/policyId" => (RestorePointColumn::PolicyId, FieldKind::Id),
            "protectionUnit/status" => (
                RestorePointColumn::UnitStatus,
                FieldKind::Member(|text| ProtectionUnitStatus::from_name(text).is_some()),
            ),
            "protectionUnit/protectionSources" => {
                (RestorePointColumn::UnitSources, FieldKind::Flags(flags::<ProtectionSource>))
            }
            "protectionUnit/siteId" | "protectionUnit/directoryObjectId" => {
                (RestorePointColumn::UnitResource, FieldKind::Text)
            }
            "protectionUnit/siteName" | "protectionUnit/displayName" if delegated => {
                (RestorePointColumn::UnitName, FieldKind::Text)
            }
            "protectionUnit/siteWebUrl" if delegated => {
                (RestorePointColumn::UnitWebUrl, FieldKind::Text)
            }
            "protectionUnit/email" if delegated => (RestorePointColumn::UnitEmail, FieldKind::Text),
            "protectionUnit/error" => (RestorePointColumn::UnitError, FieldKind::Object),
            _ => return None,
        };
        Some(Field::column(column, kind))
    }

    fn of_type(property: Option<&str>, type_name: &str) -> Option<Filter<RestorePointColumn>> {
        let is_unit = types().family(Units::BASE).any(|info| info.name == type_name);
        match (property, workload_of_type(type_name)) {
            (Some("protectionUnit"), Some(workload)) if is_unit => {
                Some(Filter::equal(RestorePointColumn::UnitWorkload, workload.name()))
            }
            (Some("protectionUnit"), None) if is_unit => Some(Filter::constant(true)),
            _ => None,
        }
    }

    /// The workload is the unit's: `find` looks at it.
    fn place(_point: &RestorePoint) -> (Option<Workload>, Option<String>) {
        (None, None)
    }

    /// Expired points are gone for clients, whenever the engine forgets them.
    fn visible(call: &Call) -> Option<Filter<RestorePointColumn>> {
        let (column, now) = (RestorePointColumn::ExpirationDateTime, call.now());
        Some(Filter::Compare(column, Comparison::Greater, now.into()))
    }

    async fn shown(
        point: &RestorePoint,
        tx: &mut AnyTx,
        call: &Call,
        options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        let mut body = render::restore_point(point, call.viewer);
        let Some(expand) = options.expand.first() else { return Ok(body) };
        check_names::<Units>(&expand.options, call.viewer.version)?;
        let unit = match unit_of(tx, point).await? {
            None => Value::Null,
            Some(unit) => {
                let mut unit = render::unit(&unit, call);
                if let Some(names) = &expand.options.select {
                    select(&mut unit, names);
                }
                Value::Object(unit)
            }
        };
        body.insert("protectionUnit".to_owned(), unit);
        Ok(body)
    }

    /// Ids of points are opaque, so that a malformed one is simply not found.
    async fn find(
        tx: &mut AnyTx,
        call: &Call,
        key: &str,
        _parent: Option<&str>,
    ) -> Result<Option<Versioned<RestorePoint>>, Problem> {
        let Ok(id) = key.parse() else { return Ok(None) };
        let found = find::<RestorePoint>(tx, call.caller.tenant, &id).await?;
        let found = found.filter(|row| row.value.expires_at > call.now());
        // Most callers may read all: for them the unit need not be looked at.
        if let Some(row) = found.as_ref().filter(|_| call.caller.covered().is_some())
            && let Some(unit) = unit_of(tx, &row.value).await?
        {
            call.caller.require_workload(unit.workload)?;
        }
        Ok(found)
    }
}

async fn unit_of(tx: &mut AnyTx, point: &RestorePoint) -> Result<Option<ProtectionUnit>, Problem> {
    Ok(tx.unit(point.tenant, point.unit).await?.map(|row| row.value))
}

/// The point of the path's first key.
pub(crate) async fn load(tx: &mut AnyTx, call: &Call) -> Result<RestorePoint, Problem> {
    Ok(collection::load::<RestorePoints>(tx, call, At::All).await?.value)
}

/// Takes the wished `tags`. Every point of ours is tagged `fastRestore`, so that each flag that can be wished finds all.
pub(crate) fn take_tags(body: &mut JsonObject) -> Result<(), Problem> {
    let Some(tags) = body.take_text("tags")? else { return Ok(()) };
    let is_served = |flag: &str| {
        ["none", "fastRestore"].iter().any(|known| flag.trim().eq_ignore_ascii_case(known))
    };
    if tags.split(',').all(is_served) {
        return Ok(());
    }
    Err(body.refuse("tags", "must be none or fastRestore: no restore point here has another tag"))
}

/// `GET /restorePoints/{id}/protectionUnit`
pub(crate) async fn get_protection_unit(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&["$select"])?;
    check_names::<Units>(&call.options, call.viewer.version)?;
    let mut tx = call.read().await?;
    let point = load(&mut *tx, &call).await?;
    let unit = unit_of(&mut *tx, &point).await?.ok_or_else(|| {
        Problem::new(ErrorCode::ProtectionUnitNotFound, "The point's protection unit is gone.")
    })?;
    Ok(Answer::ok(entity(&call, "/protectionUnits/$entity", render::unit(&unit, &call))))
}

#[cfg(test)]
mod tests;
