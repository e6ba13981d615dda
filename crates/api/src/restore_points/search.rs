//! `POST /solutions/backupRestore/restorePoints/search` (`restorePoint: search`)

use holdfast_domain::limits::UNITS_PER_SEARCH;
use holdfast_domain::{PolicyId, Timestamp, UnitId, Workload};
use holdfast_graph_model::evolvable::RestorePointPreference;
use holdfast_graph_model::wire::{RestorePointSearchResponse, RestorePointSearchResult};
use holdfast_graph_model::{ErrorCode, Evolvable};
use holdfast_store::query::{
    Comparison, Direction, Filter, ListQuery, RestorePointColumn, Value as StoredValue,
};
use serde_json::{Value, json};

use super::unit_of;
use crate::answer::{Answer, object};
use crate::call::Call;
use crate::extract::JsonObject;
use crate::problem::Problem;
use crate::render;

const CODE: ErrorCode = ErrorCode::InvalidSearchRequest;

struct Search {
    units: Vec<UnitId>,
    from: Timestamp,
    until: Timestamp,
    preference: RestorePointPreference,
    policy: Option<PolicyId>,
    artifact_query: bool,
}

/// One point for each unit: the latest or oldest of the period that has not expired. Units without one are named.
pub(crate) async fn search_restore_points(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let search = read(&call)?;
    let (tenant, now) = (call.caller.tenant, call.now());
    let mut tx = call.read().await?;
    let (mut results, mut without) = (Vec::new(), Vec::new());
    for id in search.units {
        let found = tx.unit(tenant, id).await?.map(|row| row.value);
        if let (Some(unit), Some(policy)) = (&found, search.policy)
            && unit.policy != Some(policy)
        {
            return Err(Problem::at(
                ErrorCode::InvalidProtectionUnitId,
                "protectionUnitIds",
                format!("The unit {id} does not belong to the policy {policy}."),
            ));
        }
        if let Some(unit) = &found
            && search.artifact_query
            && unit.workload != Workload::Exchange
        {
            return Err(Problem::at(
                CODE,
                "artifactQuery",
                "'artifactQuery' searches mailboxes only; the unit is none.",
            ));
        }
        let column = RestorePointColumn::ProtectionDateTime;
        let compare = |column, comparison, time: Timestamp| {
            Filter::Compare(column, comparison, StoredValue::Time(time))
        };
        let filter = Filter::equal(RestorePointColumn::UnitId, id.to_string())
            .and(compare(column, Comparison::GreaterOrEqual, search.from))
            .and(compare(column, Comparison::LessOrEqual, search.until))
            .and(compare(RestorePointColumn::ExpirationDateTime, Comparison::Greater, now));
        let direction = match search.preference {
            RestorePointPreference::Latest => Direction::Descending,
            RestorePointPreference::Oldest => Direction::Ascending,
        };
        let mut query = ListQuery::first(1, Some(filter));
        query.order = vec![(column, direction)];
        match tx.list_restore_points(tenant, &query).await?.rows.first() {
            None => without.push(id.to_string()),
            Some(point) => {
                let unit = unit_of(&mut *tx, point).await?;
                let unit = unit.map(|unit| render::unit(&unit, call.caller.kind, call.viewer));
                let restore_point = render::restore_point(point, unit, call.viewer);
                results.push(RestorePointSearchResult { restore_point });
            }
        }
    }
    let mut body = object(&RestorePointSearchResponse {
        search_response_id: call.app.entropy.secret_hex(),
        search_results: results,
        no_result_protection_unit_ids: without,
    });
    body.insert("@odata.context".to_owned(), json!(call.context("/restorePoints")));
    Ok(Answer::ok(body))
}

fn read(call: &Call) -> Result<Search, Problem> {
    let mut body = call.json(CODE)?;
    let units = read_units(&mut body)?;
    let Some(period @ Value::Object(_)) = body.take("protectionTimePeriod") else {
        return Err(body.refuse(
            "protectionTimePeriod",
            "is required: an object with startDateTime and endDateTime",
        ));
    };
    let mut period = JsonObject::from_value(period, "protectionTimePeriod".to_owned(), CODE)?;
    period.check_type("timePeriod")?;
    let from = period
        .take_time("startDateTime")?
        .ok_or_else(|| period.refuse("startDateTime", "is required"))?;
    let until = period.take_time("endDateTime")?.unwrap_or_else(|| call.now());
    if from > until {
        return Err(period.refuse("startDateTime", "must not lie after endDateTime"));
    }
    period.finish()?;
    let preference = match body.take_text("restorePointPreference")? {
        None => RestorePointPreference::Latest,
        Some(text) => RestorePointPreference::from_name(&text)
            .ok_or_else(|| body.refuse("restorePointPreference", "must be latest or oldest"))?,
    };
    // Every point of ours is tagged fastRestore, so that either value finds all.
    if let Some(tags) = body.take_text("tags")?
        && !["none", "fastRestore"].iter().any(|known| tags.eq_ignore_ascii_case(known))
    {
        return Err(body.refuse("tags", "must be none or fastRestore"));
    }
    let artifact_query = match body.take("artifactQuery") {
        None | Some(Value::Null) => false,
        Some(Value::Object(_)) if units.len() == 1 => true,
        Some(_) => {
            return Err(body.refuse("artifactQuery", "must be an object, with exactly one unit"));
        }
    };
    let policy = match call.is_beta() {
        false => None,
        true => body
            .take_text("policyId")?
            .map(|text| text.parse().map_err(|_| body.refuse("policyId", "is no well-formed id")))
            .transpose()?,
    };
    body.finish()?;
    Ok(Search { units, from, until, preference, policy, artifact_query })
}

fn read_units(body: &mut JsonObject) -> Result<Vec<UnitId>, Problem> {
    let items = body.take_list("protectionUnitIds")?.unwrap_or_default();
    if items.is_empty() || items.len() > UNITS_PER_SEARCH {
        return Err(body.refuse(
            "protectionUnitIds",
            &format!("must name 1 to {UNITS_PER_SEARCH} protection units"),
        ));
    }
    let mut units: Vec<UnitId> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let id = item.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
            let place = format!("protectionUnitIds/{index}");
            let message = format!("'{place}' is no well-formed id of a protection unit.");
            Problem::at(ErrorCode::InvalidProtectionUnitId, place, message)
        })?;
        if !units.contains(&id) {
            units.push(id);
        }
    }
    Ok(units)
}
