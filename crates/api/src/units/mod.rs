//! Protection units: `protectionUnits`, its casts, the collections of one workload, and those in policies.

pub(crate) mod offboard;
pub(crate) mod update;

use async_trait::async_trait;
use holdfast_domain::{ProtectionUnit, UnitState, Workload};
use holdfast_graph_model::ErrorCode;
use holdfast_graph_model::Evolvable;
use holdfast_graph_model::evolvable::{ProtectionSource, ProtectionUnitStatus};
use holdfast_graph_model::odata::QueryOptions;
use holdfast_store::AnyTx;
use holdfast_store::query::{Filter, Term, UnitColumn, Value as StoredValue};
use serde_json::{Map, Value};

use crate::call::Call;
use crate::caller::CallerKind;
use crate::collection::{At, Parent, PlaceColumns, Recorded, Resource};
use crate::listing::{Field, FieldKind, flags};
use crate::problem::Problem;
use crate::render;
use crate::workload::Wording;

/// See [`Resource`].
pub(crate) struct Units;

#[async_trait]
impl Resource for Units {
    type Noun = ProtectionUnit;

    const BASE: &'static str = "protectionUnitBase";
    const PARENT: Parent = Parent::Policy;
    const MALFORMED: ErrorCode = ErrorCode::InvalidProtectionUnitId;
    const NOT_FOUND: ErrorCode = ErrorCode::ProtectionUnitNotFound;
    const WORD: &'static str = "protection unit";
    const PLACE_COLUMNS: PlaceColumns<UnitColumn> =
        PlaceColumns { workload: Some(UnitColumn::Workload), parent: Some(UnitColumn::PolicyId) };
    const RECORDED: Recorded<UnitColumn> = Recorded {
        error: Some(UnitColumn::Error),
        created_by: Some(UnitColumn::CreatedBy),
        last_modified_by: Some(UnitColumn::LastModifiedBy),
    };

    fn segment(at: At) -> String {
        at.workload().map_or_else(|| "protectionUnits".to_owned(), Wording::units)
    }

    fn field(name: &str, call: &Call) -> Option<Field<UnitColumn>> {
        let delegated = call.caller.kind == CallerKind::Delegated;
        let (column, kind) = match name {
            "id" => (UnitColumn::Id, FieldKind::Id),
            "policyId" => (UnitColumn::PolicyId, FieldKind::Id),
            "siteId" | "directoryObjectId" => (UnitColumn::Resource, FieldKind::Text),
            "siteName" | "displayName" if delegated => (UnitColumn::Name, FieldKind::Text),
            "siteWebUrl" if delegated => (UnitColumn::WebUrl, FieldKind::Text),
            "email" if delegated => (UnitColumn::Email, FieldKind::Text),
            "offboardRequestedDateTime" => (UnitColumn::OffboardRequestedDateTime, FieldKind::Time),
            "backupRetentionPeriodInDays" => (UnitColumn::RetentionDays, FieldKind::Number),
            "billingPolicyId" => (UnitColumn::BillingPolicy, FieldKind::Text),
            "status" => (
                UnitColumn::Status,
                FieldKind::Member(|text| ProtectionUnitStatus::from_name(text).is_some()),
            ),
            "protectionSources" => {
                (UnitColumn::Sources, FieldKind::Flags(flags::<ProtectionSource>))
            }
            "mailboxType" => {
                let mailbox = Filter::equal(UnitColumn::Workload, Workload::Exchange.name());
                let none = Term::Value(StoredValue::Null);
                let is_member = |text: &str| ["unknown", "user", "shared"].contains(&text);
                let kind = FieldKind::Member(is_member);
                return Some(Field::choice(vec![(mailbox, "unknown")], none, kind));
            }
            "createdDateTime" => (UnitColumn::CreatedDateTime, FieldKind::Time),
            "lastModifiedDateTime" => (UnitColumn::LastModifiedDateTime, FieldKind::Time),
            _ => return None,
        };
        Some(Field::column(column, kind))
    }

    /// Names are searched only for those who may read them.
    fn searchable(call: &Call) -> &'static [UnitColumn] {
        match call.caller.kind {
            CallerKind::Delegated => &[UnitColumn::Name, UnitColumn::WebUrl],
            CallerKind::Application => &[],
        }
    }

    fn place(unit: &ProtectionUnit) -> (Option<Workload>, Option<String>) {
        (Some(unit.workload), unit.policy.map(|id| id.to_string()))
    }

    async fn shown(
        unit: &ProtectionUnit,
        _tx: &mut AnyTx,
        call: &Call,
        _options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        Ok(render::unit(unit, call))
    }
}

/// Why a unit cannot be added to a policy.
pub(crate) fn why_not_attachable(state: UnitState) -> &'static str {
    match state {
        UnitState::OffboardRequested { .. }
        | UnitState::Destroying { .. }
        | UnitState::Offboarded { .. }
        | UnitState::CancelOffboardRequested { .. } => "is being offboarded",
        UnitState::Unprotected
        | UnitState::ProtectRequested
        | UnitState::Protected
        | UnitState::UnprotectRequested
        | UnitState::RemoveRequested
        | UnitState::Detached => "is in a policy already",
    }
}

#[cfg(test)]
mod tests;
