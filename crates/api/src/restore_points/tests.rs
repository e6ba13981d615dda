//! Restore points: finding them.

use std::time::Duration;

use holdfast_domain::{Clock, Gap, RestorePointId, UnitId};
use serde_json::{Value, json};

use crate::harness::Harness;

async fn seven_points() -> (Harness, UnitId, UnitId, Vec<RestorePointId>) {
    let harness = Harness::new().await;
    let units = harness.protected(&[1, 2]).await;
    let mut points = vec![units[0].1];
    for _ in 0..6 {
        harness.clock.advance(Duration::from_secs(600));
        points.push(harness.point(units[0].0, Vec::new()).await);
    }
    (harness, units[0].0, units[1].0, points)
}

fn ids(list: &Value) -> Vec<String> {
    list["value"].as_array().expect("a list").iter().map(Harness::id).collect()
}

#[tokio::test]
async fn five_newest_by_default_and_links_beyond() {
    let (harness, unit, _, points) = seven_points().await;
    // As the published page has it: both options, the unit inside $expand.
    let published = format!(
        "/restorePoints?$expand=protectionUnit($filter=id eq '{unit}')&$filter=protectionDateTime lt 2027-01-01T00:00:00Z"
    );
    let page = harness.get(&published).await.ok();
    let newest: Vec<String> = points.iter().rev().take(5).map(ToString::to_string).collect();
    assert_eq!(ids(&page), newest);
    assert_eq!(page["value"][0]["tags"], "fastRestore");
    assert!(
        page["value"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|point| point["protectionUnit"]["id"] == unit.to_string())
    );
    let link = page["@odata.nextLink"].as_str().expect("two more");
    let next =
        harness.get(link.strip_prefix("https://localhost:8443").expect("absolute")).await.ok();
    let oldest: Vec<String> = points.iter().rev().skip(5).map(ToString::to_string).collect();
    assert_eq!(ids(&next), oldest);
    assert!(next["value"][0]["protectionUnit"]["siteId"].is_string(), "the link remembers $expand");
    assert!(next.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn filters_orders_and_selections() {
    let (harness, unit, other, points) = seven_points().await;
    let third = harness.get(&format!("/restorePoints/{}", points[2])).await.ok();
    let time = third["protectionDateTime"].as_str().expect("text");
    for (operator, expected) in [("lt", 2), ("le", 3), ("eq", 1), ("ne", 6), ("ge", 5), ("gt", 4)] {
        let query = format!(
            "$filter=protectionUnit/id eq '{unit}' and protectionDateTime {operator} {time}&$top=50"
        );
        let list = harness.get(&format!("/restorePoints?{query}")).await.ok();
        assert_eq!(ids(&list).len(), expected, "{operator}");
    }
    let list = harness
        .get(&format!("/restorePoints?$filter=protectionUnit/id eq '{other}'&$count=true"))
        .await
        .ok();
    assert_eq!((&list["@odata.count"], ids(&list).len()), (&json!(1), 1));
    let list = harness.get("/restorePoints?$orderby=protectionDateTime asc&$top=1&$select=id&$expand=protectionUnit($select=siteId)").await.ok();
    let first = &list["value"][0];
    assert_eq!(first["id"], points[0].to_string());
    assert!(
        first.get("protectionDateTime").is_none() && first["protectionUnit"]["siteId"].is_string()
    );
    assert!(first["protectionUnit"].get("id").is_none());
    let policy = harness.get(&format!("/protectionUnits/{unit}")).await.ok()["policyId"].clone();
    let policy = policy.as_str().expect("text");
    let list = harness
        .get(&format!("/restorePoints?$filter=protectionUnit/policyId eq '{policy}'&$top=50"))
        .await
        .ok();
    assert_eq!(ids(&list).len(), 8);
    assert_eq!(harness.get("/restorePoints/$count").await.text, "8");
    for query in [
        "$filter=tags eq 'slow'",
        "$expand=snapshot",
        "$expand=protectionUnit($filter=colour eq 'x')",
        "$expand=protectionUnit($select=colour)",
    ] {
        harness.get(&format!("/restorePoints?{query}")).await.refused(400, "BadRequest");
    }
}

#[tokio::test]
async fn one_point_and_its_unit_and_gaps() {
    let harness = Harness::new().await;
    let (unit, _) = harness.protected(&[1]).await[0];
    let gap = Gap {
        drive: "d".to_owned(),
        item: "i".to_owned(),
        path: "/a.docx".to_owned(),
        reason: "notFound".to_owned(),
        since: harness.clock.now(),
        stale: true,
    };
    let point = harness.point(unit, vec![gap]).await;
    let read = harness.get(&format!("/restorePoints/{point}?$expand=protectionUnit")).await.ok();
    assert_eq!(read["protectionUnit"]["id"], unit.to_string());
    let read = harness.get(&format!("/restorePoints('{point}')/protectionUnit")).await.ok();
    assert_eq!(read["id"], unit.to_string());
    let gaps = harness.get(&format!("/holdfast/v1/restorePoints/{point}/gaps")).await.ok();
    assert_eq!(gaps["count"], 1);
    assert_eq!(gaps["value"][0]["path"], "/a.docx");
    for path in
        ["/restorePoints/x", "/restorePoints/x/protectionUnit", "/holdfast/v1/restorePoints/x/gaps"]
    {
        harness.get(path).await.refused(404, "ResourceNotFound");
    }
    let hint = harness.delete(&format!("/restorePoints/{point}")).await;
    assert!(hint.refused(405, "MethodNotAllowed").contains("by the service only"));
}

#[tokio::test]
async fn search_gives_one_point_for_each_unit() {
    let (harness, unit, other, points) = seven_points().await;
    let unknown = "00000000-0000-4000-8000-0000000000ff";
    let body = |preference: &str| {
        json!({
            "protectionUnitIds": [unit.to_string(), unknown, other.to_string(), unit.to_string()],
            "protectionTimePeriod": { "startDateTime": "2020-01-01T00:00:00Z", "endDateTime": null },
            "restorePointPreference": preference, "tags": "FastRestore",
        })
    };
    for (preference, point) in [("latest", points[6]), ("oldest", points[0])] {
        let found = harness.post("/restorePoints/search", body(preference)).await.ok();
        let results = found["searchResults"].as_array().expect("a list");
        assert_eq!(results.len(), 2);
        assert_eq!(results[0]["restorePoint"]["id"], point.to_string());
        assert_eq!(results[1]["restorePoint"]["protectionUnit"]["id"], other.to_string());
        assert_eq!(found["noResultProtectionUnitIds"], json!([unknown]));
        assert!(found["searchResponseId"].as_str().is_some_and(|id| id.len() >= 32));
    }
    // Expired points cannot be restored, so that they are not found.
    harness.clock.advance(holdfast_domain::RetentionDays::DEFAULT.duration());
    let found = harness.post("/restorePoints/search", body("oldest")).await.ok();
    assert_eq!(found["searchResults"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn search_refuses_what_it_cannot_do() {
    let (harness, unit, _, _) = seven_points().await;
    let base = json!({
        "protectionUnitIds": [unit.to_string()],
        "protectionTimePeriod": { "startDateTime": "2020-01-01T00:00:00Z" },
    });
    let with = |name: &str, value: Value| {
        let mut body = base.clone();
        body[name] = value;
        body
    };
    let invalid = "InvalidSearchRequest";
    let period = "protectionTimePeriod";
    for (body, code, word) in [
        (json!({}), invalid, "protectionUnitIds"),
        (with("protectionUnitIds", json!([])), invalid, "protectionUnitIds"),
        (with("protectionUnitIds", json!(vec![unit.to_string(); 21])), invalid, "20"),
        (with("protectionUnitIds", json!(["x"])), "InvalidProtectionUnitId", "protectionUnitIds/0"),
        (with("protectionUnitIds", json!([5])), "InvalidProtectionUnitId", "protectionUnitIds/0"),
        (with(period, json!(null)), invalid, period),
        (with(period, json!({})), invalid, "startDateTime"),
        (with(period, json!({ "startDateTime": "x" })), invalid, "startDateTime"),
        (
            with(
                period,
                json!({ "startDateTime": "2026-03-02T00:00:00Z", "endDateTime": "2026-03-01T00:00:00Z" }),
            ),
            invalid,
            "after",
        ),
        (
            with(period, json!({ "startDateTime": "2020-01-01T00:00:00Z", "colour": 1 })),
            invalid,
            "colour",
        ),
        (with("restorePointPreference", json!("newest")), invalid, "restorePointPreference"),
        (with("tags", json!("slow")), invalid, "tags"),
        (
            with("tags", json!("fastRestore,includeNewerItems")),
            invalid,
            "no restore point here has another tag",
        ),
        (with("artifactQuery", json!({ "artifactType": "message" })), invalid, "queryExpression"),
        (
            with("artifactQuery", json!({ "queryExpression": "(Subject -like 'x*')" })),
            invalid,
            "mailboxes",
        ),
        (with("artifactQuery", json!({ "queryExpression": "(Subject" })), invalid, "character 9"),
        (with("artifactQuery", json!(5)), invalid, "artifactQuery"),
        (with("policyId", json!(unit.to_string())), invalid, "policyId"),
        (with("colour", json!(5)), invalid, "colour"),
    ] {
        let message = harness.post("/restorePoints/search", body.clone()).await.refused(400, code);
        assert!(message.contains(word), "{body}: {message}");
    }
    let path = "/beta/solutions/backupRestore/restorePoints/search";
    let body = with("policyId", json!(unit.to_string()));
    harness.post(path, body).await.refused(400, "InvalidProtectionUnitId");
}
