//! The activity log (beta): what was done to protection and restores, by whom, and how it ended.

use async_trait::async_trait;
use holdfast_domain::{Activity, ActivityOperation, ActivityResult, Workload};
use holdfast_graph_model::odata::QueryOptions;
use holdfast_store::AnyTx;
use holdfast_store::query::ActivityColumn;
use serde_json::{Map, Value};

use crate::call::Call;
use crate::caller::Caller;
use crate::collection::{At, PlaceColumns, Resource};
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

    fn segment(_at: At) -> String {
        "activityLogs".to_owned()
    }

    fn field(name: &str, _caller: &Caller) -> Option<Field<ActivityColumn>> {
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
            _ => return None,
        };
        Some(Field { column, kind })
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
