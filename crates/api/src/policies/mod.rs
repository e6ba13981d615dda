//! Protection policies: `protectionPolicies` and the typed collections.

pub(crate) mod activate;
pub(crate) mod create;
pub(crate) mod deactivate;
pub(crate) mod delete;
mod unit_changes;
pub(crate) mod update;

use async_trait::async_trait;
use holdfast_domain::limits::POLICY_NAME_CHARACTERS;
use holdfast_domain::{ProtectionMode, ProtectionPolicy, ProtectionUnit, RetentionDays, Workload};
use holdfast_graph_model::evolvable::ProtectionPolicyStatus;
use holdfast_graph_model::odata::{Expression, QueryOptions};
use holdfast_graph_model::{ErrorCode, Evolvable};
use holdfast_store::query::{Filter, Part, PolicyColumn, Term, UnitColumn};
use holdfast_store::{AnyTx, Listed, Versioned};
use serde_json::{Map, Value, json};

pub(crate) use unit_changes::{read_resource, refuse_duplicates};
pub(crate) use update::{not_removed, read_removal};

use crate::bulk_jobs::{AdditionJobs, ExclusionJobs};
use crate::call::Call;
use crate::collection::{self, At, PlaceColumns, Recorded, Resource, expanded, part};
use crate::exclusions::Exclusions;
use crate::extract::JsonObject;
use crate::filter::{Elements, any_element};
use crate::listing::{Field, FieldKind};
use crate::problem::Problem;
use crate::render;
use crate::rules::Rules;
use crate::units::Units;
use crate::workload::Wording;

/// Properties that the service sets; clients that send a whole policy back send them too.
const SERVER_SET: [&str; 8] = [
    "status",
    "isEnabled",
    "protectionPolicyArtifactCount",
    "createdBy",
    "createdDateTime",
    "lastModifiedBy",
    "lastModifiedDateTime",
    "offboardRequestedDateTime",
];

/// See [`Resource`].
pub(crate) struct Policies;

#[async_trait]
impl Resource for Policies {
    type Noun = ProtectionPolicy;

    const BASE: &'static str = "protectionPolicyBase";
    const MALFORMED: ErrorCode = ErrorCode::InvalidPolicyId;
    const NOT_FOUND: ErrorCode = ErrorCode::PolicyNotFound;
    const WORD: &'static str = "policy";
    const EXPANDABLE: &'static [&'static str] = &[
        "siteProtectionUnits",
        "driveProtectionUnits",
        "mailboxProtectionUnits",
        "siteInclusionRules",
        "driveInclusionRules",
        "mailboxInclusionRules",
        "siteProtectionUnitsBulkAdditionJobs",
        "driveProtectionUnitsBulkAdditionJobs",
        "mailboxProtectionUnitsBulkAdditionJobs",
        "siteExclusionUnits",
        "driveExclusionUnits",
        "mailboxExclusionUnits",
        "siteExclusionUnitsBulkAdditionJobs",
        "driveExclusionUnitsBulkAdditionJobs",
        "mailboxExclusionUnitsBulkAdditionJobs",
    ];
    const PLACE_COLUMNS: PlaceColumns<PolicyColumn> =
        PlaceColumns { workload: Some(PolicyColumn::Workload), parent: None };
    const RECORDED: Recorded<PolicyColumn> = Recorded {
        error: None,
        created_by: Some(PolicyColumn::CreatedBy),
        last_modified_by: Some(PolicyColumn::LastModifiedBy),
    };

    fn segment(at: At) -> String {
        at.workload().map_or_else(|| "protectionPolicies".to_owned(), Wording::policies)
    }

    fn field(name: &str, _call: &Call) -> Option<Field<PolicyColumn>> {
        let (column, kind) = match name {
            "id" => (PolicyColumn::Id, FieldKind::Id),
            "displayName" => (PolicyColumn::DisplayName, FieldKind::Text),
            "status" => (
                PolicyColumn::Status,
                FieldKind::Member(|text| ProtectionPolicyStatus::from_name(text).is_some()),
            ),
            "protectionMode" => (
                PolicyColumn::Mode,
                FieldKind::Member(|text| ProtectionMode::from_name(text).is_some()),
            ),
            "isEnabled" => (PolicyColumn::IsEnabled, FieldKind::Bool),
            "protectionPolicyArtifactCount/total" => (PolicyColumn::UnitsTotal, FieldKind::Number),
            "protectionPolicyArtifactCount/completed" => {
                (PolicyColumn::UnitsCompleted, FieldKind::Number)
            }
            "protectionPolicyArtifactCount/inProgress" => {
                (PolicyColumn::UnitsInProgress, FieldKind::Number)
            }
            "protectionPolicyArtifactCount/failed" => {
                (PolicyColumn::UnitsFailed, FieldKind::Number)
            }
            "createdDateTime" => (PolicyColumn::CreatedDateTime, FieldKind::Time),
            "lastModifiedDateTime" => (PolicyColumn::LastModifiedDateTime, FieldKind::Time),
            _ => return None,
        };
        Some(Field::column(column, kind))
    }

    fn place(policy: &ProtectionPolicy) -> (Option<Workload>, Option<String>) {
        (Some(policy.workload), None)
    }

    fn searchable(_call: &Call) -> &'static [PolicyColumn] {
        &[PolicyColumn::DisplayName]
    }

    fn any(
        property: &str,
        holds: Option<Expression>,
        call: &Call,
    ) -> Result<Option<Filter<PolicyColumn>>, Problem> {
        if property == "retentionSettings" {
            let list = Term::Column(PolicyColumn::RetentionSettings);
            let found = any_element(list, Elements::RetentionSettings, holds, call.now())?;
            return Ok(Some(found));
        }
        let holds = holds.as_ref();
        let (workload, part) =
            if let Some((workload, units)) = part::<Units>(property, holds, call)? {
                (workload, Part::UnitsOfPolicy(units))
            } else if let Some((workload, rules)) = part::<Rules>(property, holds, call)? {
                (workload, Part::RulesOfPolicy(rules))
            } else if let Some((workload, jobs)) = part::<AdditionJobs>(property, holds, call)? {
                (workload, Part::BulkJobsOfPolicy(jobs))
            } else if let Some((workload, units)) = part::<Exclusions>(property, holds, call)? {
                (workload, Part::ExclusionsOfPolicy(units))
            } else if let Some((workload, jobs)) = part::<ExclusionJobs>(property, holds, call)? {
                (workload, Part::BulkJobsOfPolicy(jobs))
            } else {
                return Ok(None);
            };
        let of_workload = Filter::equal(PolicyColumn::Workload, workload.name());
        Ok(Some(of_workload.and(Filter::Any(part))))
    }

    async fn shown(
        policy: &ProtectionPolicy,
        tx: &mut AnyTx,
        call: &Call,
        options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        let mut body = render::policy(policy, call);
        // The count costs a scan of the policy's units: only when it is asked for by name.
        let selected = options.select.iter().flatten();
        if selected.into_iter().any(|name| name == "protectionPolicyArtifactCount") {
            let count = artifact_count(tx, policy).await?;
            body.insert("protectionPolicyArtifactCount".to_owned(), count);
        }
        let (workload, id) = (policy.workload, policy.id.to_string());
        for expand in &options.expand {
            let name = expand.property.as_str();
            let at = At::In(workload);
            let parts = if name == Units::segment(at) {
                expanded::<Units>(tx, call, workload, &id, expand).await?
            } else if name == Rules::segment(at) {
                expanded::<Rules>(tx, call, workload, &id, expand).await?
            } else if name == AdditionJobs::segment(at) {
                expanded::<AdditionJobs>(tx, call, workload, &id, expand).await?
            } else if name == Exclusions::segment(at) {
                expanded::<Exclusions>(tx, call, workload, &id, expand).await?
            } else if name == ExclusionJobs::segment(at) {
                expanded::<ExclusionJobs>(tx, call, workload, &id, expand).await?
            } else {
                // A collection of another type's: this policy has none.
                continue;
            };
            body.extend(parts);
        }
        Ok(body)
    }
}

/// The policy of the path's first key; `workload` is that of a typed collection.
pub(crate) async fn load(
    tx: &mut AnyTx,
    call: &Call,
    workload: Option<Workload>,
) -> Result<Versioned<ProtectionPolicy>, Problem> {
    collection::load_in::<Policies>(tx, call, workload.map_or(At::All, At::Of), None).await
}

/// How the policy's units stand: `protectionPolicyArtifactCount`.
async fn artifact_count(tx: &mut AnyTx, policy: &ProtectionPolicy) -> Result<Value, Problem> {
    let tally = tx.tally_units(policy.tenant, policy.id).await?;
    let in_policy = Filter::equal(UnitColumn::PolicyId, policy.id.to_string());
    let total = Listed::<ProtectionUnit>::count(tx, policy.tenant, Some(&in_policy)).await?;
    Ok(json!({
        "total": total,
        "completed": tally.protected,
        "inProgress": tally.on_the_way,
        "failed": tally.failed,
    }))
}

/// One policy with its context.
fn entity(call: &Call, policy: &ProtectionPolicy) -> Map<String, Value> {
    collection::entity(call, "/protectionPolicies/$entity", render::policy(policy, call))
}

/// `displayName`: 1 to 1,024 characters.
fn check_name(name: Option<String>) -> Result<String, Problem> {
    name.filter(|name| !name.trim().is_empty() && name.chars().count() <= POLICY_NAME_CHARACTERS)
        .ok_or_else(|| {
            Problem::at(
                ErrorCode::InvalidDisplayName,
                "displayName",
                format!("'displayName' must have 1 to {POLICY_NAME_CHARACTERS} characters."),
            )
        })
}

/// The window that `retentionSettings` asks for. The entry for `R/P1W` sets it; that for `R/PT10M`, which clients send back as
/// they read it, is fixed.
fn take_retention(body: &mut JsonObject) -> Result<Option<RetentionDays>, Problem> {
    let name = "retentionSettings";
    let Some(items) = body.take_list(name)? else { return Ok(None) };
    let mut window = None;
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("{name}/{index}");
        let mut item = JsonObject::from_value(item, place, ErrorCode::BadRequest)?;
        let interval = item.take_text("interval")?;
        let period = item.take_text("period")?;
        match (interval.as_deref(), period.as_deref()) {
            (Some("R/PT10M"), Some("P2W" | "P14D")) => {}
            (Some("R/P1W"), Some(period)) if window.is_none() => {
                window = Some(render::retention_of(period).ok_or_else(|| {
                    let choices = RetentionDays::CHOICES.map(|days| format!("P{days}D"));
                    item.refuse("period", &format!("must be one of {}", choices.join(", ")))
                })?);
            }
            (Some("R/PT10M"), _) => return Err(item.refuse("period", "is P2W for R/PT10M")),
            (Some("R/P1W"), _) => return Err(item.refuse("period", "is required, once")),
            (_, _) => {
                return Err(item.refuse("interval", "must be R/P1W, the interval that can be set"));
            }
        }
        item.finish()?;
    }
    Ok(window)
}

/// `protectionMode` of beta.
fn take_mode(call: &Call, body: &mut JsonObject) -> Result<Option<ProtectionMode>, Problem> {
    if !call.is_beta() {
        return Ok(None);
    }
    let Some(text) = body.take_text("protectionMode")? else { return Ok(None) };
    ProtectionMode::from_name(&text)
        .map(Some)
        .ok_or_else(|| body.refuse("protectionMode", "must be standard or fullServiceBackup"))
}

/// `billingPolicyId` of beta: nothing is billed, so that there is none to name.
fn refuse_billing_policy(call: &Call, body: &mut JsonObject) -> Result<(), Problem> {
    let name = "billingPolicyId";
    match body.take_if(call.is_beta(), name) {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(body.refuse(name, "cannot be set: policies have no billing policy here")),
    }
}

#[cfg(test)]
mod tests;
