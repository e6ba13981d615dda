//! `POST /solutions/backupRestore/restorePoints/search` (`restorePoint: search`)

use holdfast_domain::limits::{SEARCH_RESPONSE, UNITS_PER_SEARCH};
use holdfast_domain::{
    ArtifactQuery, ItemKind, PolicyId, RestorePoint, SearchResponseId, StructuredQuery, Timestamp,
    UnitId, Workload,
};
use holdfast_graph_model::evolvable::{GranularRestoreItems, RestorePointPreference};
use holdfast_graph_model::{ErrorCode, Evolvable};
use holdfast_store::query::{
    Comparison, Direction, Filter, ListQuery, RestorePointColumn, Value as StoredValue,
};
use holdfast_store::{Listed, SearchResponse};
use serde_json::{Map, Value, json};

use super::{take_tags, unit_of};
use crate::answer::Answer;
use crate::call::Call;
use crate::extract::JsonObject;
use crate::problem::Problem;
use crate::render;
use crate::service::enable::type_context;

const CODE: ErrorCode = ErrorCode::InvalidSearchRequest;

struct Search {
    units: Vec<UnitId>,
    from: Timestamp,
    until: Timestamp,
    preference: RestorePointPreference,
    policy: Option<PolicyId>,
    artifact_query: Option<ArtifactQuery>,
}

/// One point for each unit: the latest or oldest of the period that has not expired. Units without one are named.
pub(crate) async fn search_restore_points(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let search = read(&call)?;
    let (tenant, now) = (call.caller.tenant, call.now());
    let mut tx = call.write().await?;
    let (mut results, mut without) = (Vec::new(), Vec::new());
    let mut first = None;
    for id in search.units {
        let found = tx.unit(tenant, id).await?.map(|row| row.value);
        if let Some(unit) = &found {
            call.caller.require_workload(unit.workload)?;
        }
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
            && search.artifact_query.is_some()
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
        match Listed::<RestorePoint>::list(&mut *tx, tenant, &query).await?.rows.first() {
            None => without.push(id.to_string()),
            Some(point) => {
                let mut found = render::restore_point(point, call.viewer);
                if let Some(unit) = unit_of(&mut *tx, point).await? {
                    let unit = render::unit(&unit, &call);
                    found.insert("protectionUnit".to_owned(), Value::Object(unit));
                }
                first.get_or_insert(point.id);
                results.push(json!({ "restorePoint": found }));
            }
        }
    }
    let response = SearchResponse {
        id: SearchResponseId::random(&*call.app.entropy),
        tenant,
        // A granular restore refers to the one point of a search with a query.
        restore_point: first.filter(|_| search.artifact_query.is_some()),
        query: search.artifact_query.map(|query| query.to_string()).unwrap_or_default(),
        expires_at: now.plus(SEARCH_RESPONSE),
    };
    tx.insert_search_response(&response, now).await?;
    tx.commit().await?;
    let mut body = Map::new();
    let context = type_context(&call, "restorePointSearchResponse");
    body.insert("@odata.context".to_owned(), json!(context));
    body.insert("searchResponseId".to_owned(), json!(response.id.to_string()));
    body.insert("searchResults".to_owned(), Value::Array(results));
    body.insert("noResultProtectionUnitIds".to_owned(), json!(without));
    Ok(Answer::ok(body))
}

/// `artifactQuery`: the text form, or the structured one of beta.
fn take_query(call: &Call, body: &mut JsonObject) -> Result<Option<ArtifactQuery>, Problem> {
    let Some(mut query) = body.take_object("artifactQuery")? else { return Ok(None) };
    query.check_type("artifactQuery")?;
    match query.take_text("artifactType")?.as_deref() {
        None | Some("message") => {}
        Some(_) => return Err(query.refuse("artifactType", "must be message")),
    }
    let text = query.take_text("queryExpression")?;
    let structured = match call.is_beta() {
        true => query.take_object("structuredQueryExpression")?,
        false => None,
    };
    let parsed = match (text, structured) {
        (Some(text), None) => ArtifactQuery::parse(&text).map_err(|error| {
            query.refuse("queryExpression", &format!("cannot be understood: {error}"))
        })?,
        (None, Some(structured)) => read_structured(structured)?,
        (None, None) => return Err(query.refuse("queryExpression", "is required")),
        (Some(_), Some(_)) => {
            let why = "cannot be sent together with structuredQueryExpression";
            return Err(query.refuse("queryExpression", why));
        }
    };
    query.finish()?;
    Ok(Some(parsed))
}

fn read_structured(mut structured: JsonObject) -> Result<ArtifactQuery, Problem> {
    structured.check_type("restoreSearchArtifactQueryExpression")?;
    let mut query = StructuredQuery {
        senders: structured.take_texts("senders")?,
        recipients: structured.take_texts("recipients")?,
        subjects: structured.take_texts("subjects")?,
        has_attachment: structured.take_flag("hasAttachment")?,
        kinds: Vec::new(),
    };
    for kind in structured.take_texts("items")? {
        let known = GranularRestoreItems::from_name(&kind)
            .ok_or_else(|| structured.refuse("items", &format!("has no member '{kind}'")))?;
        query.kinds.push(match known {
            GranularRestoreItems::Email => ItemKind::Email,
            GranularRestoreItems::Note => ItemKind::Note,
            GranularRestoreItems::Contact => ItemKind::Contact,
            GranularRestoreItems::Task => ItemKind::Task,
            GranularRestoreItems::Calendar => ItemKind::Calendar,
        });
    }
    let lists = [&query.senders, &query.recipients, &query.subjects];
    if lists.into_iter().flatten().any(|text| text.trim().is_empty()) {
        return Err(structured.refuse("senders", "and the other lists cannot hold empty texts"));
    }
    let place = structured.place("");
    structured.finish()?;
    query.query().ok_or_else(|| {
        Problem::at(CODE, place, "'structuredQueryExpression' must name at least one condition.")
    })
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
    take_tags(&mut body)?;
    let artifact_query = take_query(call, &mut body)?;
    if artifact_query.is_some() && units.len() != 1 {
        return Err(body.refuse("artifactQuery", "needs exactly one unit"));
    }
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
