//! Exclusion units (beta): what a policy for the whole workload leaves out.

use async_trait::async_trait;
use holdfast_domain::limits::UNITS_PER_POLICY_REQUEST;
use holdfast_domain::{
    ExclusionId, ExclusionUnit, ProtectionMode, ProtectionPolicy, ResourceId, Stamps, Workload,
};
use holdfast_graph_model::ErrorCode;
use holdfast_graph_model::odata::QueryOptions;
use holdfast_store::query::{ExclusionColumn, Filter};
use holdfast_store::{AnyTx, Listed, find, find_unit};
use serde_json::{Map, Value};

use crate::call::{Call, Writing};
use crate::collection::{At, Parent, PlaceColumns, Recorded, Resource};
use crate::extract::JsonObject;
use crate::listing::{Field, FieldKind};
use crate::policies::{not_removed, read_removal, read_resource, refuse_duplicates};
use crate::problem::Problem;
use crate::render;
use crate::workload::Wording;

/// See [`Resource`].
pub(crate) struct Exclusions;

#[async_trait]
impl Resource for Exclusions {
    type Noun = ExclusionUnit;

    const BASE: &'static str = "exclusionUnitBase";
    const PARENT: Parent = Parent::Policy;
    const WORD: &'static str = "exclusion unit";
    const PLACE_COLUMNS: PlaceColumns<ExclusionColumn> = PlaceColumns {
        workload: Some(ExclusionColumn::Workload),
        parent: Some(ExclusionColumn::PolicyId),
    };
    const RECORDED: Recorded<ExclusionColumn> = Recorded {
        error: None,
        created_by: Some(ExclusionColumn::CreatedBy),
        last_modified_by: Some(ExclusionColumn::LastModifiedBy),
    };

    fn segment(at: At) -> String {
        at.workload().map_or_else(|| "exclusionUnits".to_owned(), Wording::exclusions)
    }

    fn field(name: &str, _call: &Call) -> Option<Field<ExclusionColumn>> {
        let (column, kind) = match name {
            "id" => (ExclusionColumn::Id, FieldKind::Id),
            "policyId" => (ExclusionColumn::PolicyId, FieldKind::Id),
            "siteId" | "directoryObjectId" => (ExclusionColumn::Resource, FieldKind::Text),
            "createdDateTime" => (ExclusionColumn::CreatedDateTime, FieldKind::Time),
            "lastModifiedDateTime" => (ExclusionColumn::LastModifiedDateTime, FieldKind::Time),
            _ => return None,
        };
        Some(Field::column(column, kind))
    }

    fn place(unit: &ExclusionUnit) -> (Option<Workload>, Option<String>) {
        (Some(unit.workload), Some(unit.policy.to_string()))
    }

    async fn shown(
        unit: &ExclusionUnit,
        tx: &mut AnyTx,
        call: &Call,
        _options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        // The names that the resource had when it was protected; one that never was has none.
        let resource = ResourceId::parse(unit.workload, &unit.resource);
        let known = match resource {
            Some(resource) => find_unit(tx, unit.tenant, &resource).await?,
            None => None,
        };
        Ok(render::exclusion(unit, known.as_ref().map(|row| &row.value), call))
    }
}

/// A change of a policy's exclusion units.
pub(crate) enum Change {
    Add(ResourceId),
    Remove(ExclusionId),
}

/// The exclusion units of a new policy: only policies for the whole workload have any.
pub(crate) fn take_list(
    call: &Call,
    body: &mut JsonObject,
    workload: Workload,
    mode: ProtectionMode,
) -> Result<Vec<ResourceId>, Problem> {
    let name = workload.exclusions();
    let items = match body.take_if(call.is_beta(), &name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(body.refuse(&name, "must be a list")),
    };
    if mode != ProtectionMode::FullService && !items.is_empty() {
        let why = "is for policies with the protectionMode fullServiceBackup";
        return Err(body.refuse(&name, why));
    }
    let changes = read_changes(items, &name, workload)?;
    changes
        .into_iter()
        .map(|change| match change {
            Change::Add(resource) => Ok(resource),
            Change::Remove(_) => Err(body.refuse(&name, "cannot remove from a new policy")),
        })
        .collect()
}

/// `…ExclusionUnits@delta` of an update.
pub(crate) fn take_delta(
    call: &Call,
    body: &mut JsonObject,
    workload: Workload,
) -> Result<Option<Vec<Change>>, Problem> {
    let name = format!("{}@delta", workload.exclusions());
    match body.take_if(call.is_beta(), &name) {
        None => Ok(None),
        Some(Value::Array(items)) => read_changes(items, &name, workload).map(Some),
        Some(_) => Err(body.refuse(&name, "must be a list")),
    }
}

fn read_changes(items: Vec<Value>, name: &str, workload: Workload) -> Result<Vec<Change>, Problem> {
    if items.len() > UNITS_PER_POLICY_REQUEST {
        let message =
            format!("At most {UNITS_PER_POLICY_REQUEST} exclusion units fit into one request.");
        return Err(Problem::at(ErrorCode::ProtectionUnitsLimitBreached, name, message));
    }
    let (mut changes, mut added) = (Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("{name}/{index}");
        let item = JsonObject::from_value(item, place, ErrorCode::InvalidPatchRequest)?;
        if item.has("@removed") {
            changes.push(Change::Remove(read_removal(item, &workload.exclusion_type())?));
        } else {
            let resource = read_resource(item, workload, &workload.exclusion_type())?;
            added.push(resource.clone());
            changes.push(Change::Add(resource));
        }
    }
    refuse_duplicates(&added)?;
    Ok(changes)
}

/// Leaves a resource out; `None` when it is left out already.
pub(crate) async fn add(
    tx: &mut Writing,
    call: &Call,
    policy: &ProtectionPolicy,
    resource: &ResourceId,
) -> Result<Option<ExclusionUnit>, Problem> {
    let text = resource.to_string();
    let same = Filter::equal(ExclusionColumn::PolicyId, policy.id.to_string())
        .and(Filter::equal(ExclusionColumn::Resource, text.clone()));
    if Listed::<ExclusionUnit>::count(&mut **tx, policy.tenant, Some(&same)).await? > 0 {
        return Ok(None);
    }
    let unit = ExclusionUnit {
        id: ExclusionId::random(&*call.app.entropy),
        tenant: policy.tenant,
        workload: policy.workload,
        policy: policy.id,
        resource: text,
        stamps: Stamps::new(call.caller.actor.clone(), call.now()),
    };
    tx.insert(&unit).await?;
    Ok(Some(unit))
}

/// Carries the changes of an update out; what the answer shows of each.
pub(crate) async fn apply(
    tx: &mut Writing,
    call: &Call,
    policy: &ProtectionPolicy,
    changes: Vec<Change>,
) -> Result<Vec<Value>, Problem> {
    if policy.mode != ProtectionMode::FullService {
        return Err(Problem::at(
            ErrorCode::InvalidPatchRequest,
            format!("{}@delta", policy.workload.exclusions()),
            "Only policies with the protectionMode fullServiceBackup have exclusion units.",
        ));
    }
    let mut results = Vec::new();
    for change in changes {
        results.push(match change {
            Change::Add(resource) => match add(tx, call, policy, &resource).await? {
                Some(unit) => Value::Object(render::exclusion(&unit, None, call)),
                None => {
                    let message = format!("{resource} is excluded already.");
                    render::failed_change(call, "ProtectionUnitAlreadyExists", message, "add")
                }
            },
            Change::Remove(id) => {
                let found = find::<ExclusionUnit>(&mut **tx, policy.tenant, &id).await?;
                match found.filter(|row| row.value.policy == policy.id) {
                    Some(row) => {
                        tx.delete(&row.value, row.version).await?;
                        serde_json::json!({ "id": id.to_string(), "@removed": { "reason": "changed" } })
                    }
                    None => not_removed(call, &id.to_string()),
                }
            }
        });
    }
    Ok(results)
}
