//! The activity log (beta): what was done to protection and restores, by whom, and how it ended.

use async_trait::async_trait;
use holdfast_domain::{Activity, ActivityOperation, ActivityResult, Workload};
use holdfast_graph_model::odata::QueryOptions;
use holdfast_graph_model::types;
use holdfast_store::AnyTx;
use holdfast_store::query::{ActivityColumn, Filter, Term};
use serde_json::{Map, Value};

use crate::call::Call;
use crate::collection::{At, PlaceColumns, Recorded, Resource};
use crate::listing::{Field, FieldKind};
use crate::problem::Problem;
use crate::render;

/// See [`Resource`].
pub(crate) struct ActivityLogs;

#[async_trait]
impl Resource for ActivityLogs {
    type Noun = Activity;

    const BASE: &'static str = "activityLogBase";
    const WORD: &'static str = "entry of the activity log";
    const PLACE_COLUMNS: PlaceColumns<ActivityColumn> =
        PlaceColumns { workload: Some(ActivityColumn::Workload), parent: None };
    const RECORDED: Recorded<ActivityColumn> =
        Recorded { error: Some(ActivityColumn::Error), created_by: None, last_modified_by: None };

    fn segment(_at: At) -> String {
        "activityLogs".to_owned()
    }

    fn field(name: &str, _call: &Call) -> Option<Field<ActivityColumn>> {
        let (column, kind) = match name {
            "id" => (ActivityColumn::Id, FieldKind::Id),
            "eventDateTime" => (ActivityColumn::EventDateTime, FieldKind::Time),
            "activityType" => (
                ActivityColumn::Operation,
                FieldKind::Member(|text| ActivityOperation::from_name(text).is_some()),
            ),
            "resultStatus" => (
                ActivityColumn::Result,
                FieldKind::Member(|text| ActivityResult::from_name(text).is_some()),
            ),
            "performedBy" => (ActivityColumn::PerformedBy, FieldKind::Text),
            "serviceType" => (
                ActivityColumn::ServiceType,
                FieldKind::Member(|text| {
                    Workload::ALL.into_iter().any(|of| render::service_type(of) == text)
                }),
            ),
            "severity" => {
                let of = |severity: &str| operations(|operation| operation.severity() == severity);
                let cases = vec![(of("high"), "high"), (of("medium"), "medium")];
                let otherwise = Term::Value("low".into());
                let is_member = |text: &str| ["high", "medium", "low"].contains(&text);
                return Some(Field::choice(cases, otherwise, FieldKind::Member(is_member)));
            }
            _ => {
                // Of derived types; null in the entries of others.
                let path = match name {
                    "policyId" => "$.policyId",
                    "policyName" => "$.policyName",
                    "oldPolicyName" => "$.oldPolicyName",
                    "retentionPeriod" => "$.retentionPeriod",
                    "policyStatus" => "$.policyStatus",
                    "restoreSessionId" => "$.restoreSessionId",
                    "restoreSessionStatus" => "$.restoreSessionStatus",
                    "destinationType" => "$.destinationType",
                    _ => return None,
                };
                let term = Term::Json(ActivityColumn::Details, path);
                return Some(Field { term, kind: FieldKind::Text });
            }
        };
        Some(Field::column(column, kind))
    }

    fn of_type(property: Option<&str>, type_name: &str) -> Option<Filter<ActivityColumn>> {
        let is_type = types().family(Self::BASE).any(|info| info.name == type_name);
        (property.is_none() && is_type && type_name != Self::BASE)
            .then(|| operations(|operation| operation.type_name() == type_name))
    }

    fn place(activity: &Activity) -> (Option<Workload>, Option<String>) {
        (Some(activity.workload), None)
    }

    async fn shown(
        activity: &Activity,
        _tx: &mut AnyTx,
        call: &Call,
        _options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        Ok(render::activity(activity, call.viewer))
    }
}

/// Entries of the operations that are like that.
fn operations(is_like_that: impl Fn(ActivityOperation) -> bool) -> Filter<ActivityColumn> {
    let members = types().get("activityLogOperationType").map(|info| &info.members[..]);
    let operations = members.unwrap_or_default().iter();
    let names = operations
        .filter_map(|member| ActivityOperation::from_name(&member.name))
        .filter(|operation| is_like_that(*operation))
        .map(|operation| operation.name().into());
    Filter::In(ActivityColumn::Operation, names.collect())
}
