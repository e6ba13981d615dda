//! OData's options over HTTP, the same for every collection: policies, units and sessions stand for all.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Harness, Token, site};

/// The values of `property` in the answer to `path`, sorted.
async fn values(harness: &Harness, path: &str, property: &str) -> Vec<String> {
    let body = harness.get(path).await.ok();
    let rows = body["value"].as_array().expect("a list");
    let mut values: Vec<String> =
        rows.iter().map(|row| row[property].as_str().expect("text").to_owned()).collect();
    values.sort();
    values
}

async fn two_policies() -> (Harness, String, String) {
    let harness = Harness::new().await;
    let first = harness.policy(&[1, 2]).await;
    let second = harness.policy(&[3]).await;
    let rename = json!({ "displayName": "Sales archive" });
    harness.patch(&format!("/sharePointProtectionPolicies/{second}"), rename).await.ok();
    (harness, first, second)
}

#[tokio::test]
async fn filters_find_by_type_parts_flags_and_casts() {
    let (harness, first, second) = two_policies().await;
    let both = {
        let mut both = vec![first.clone(), second.clone()];
        both.sort();
        both
    };
    let one = format!("siteProtectionUnits/any(u: u/siteId eq '{}')", site(1));
    let not_three = format!("siteProtectionUnits/all(u: not (u/siteId eq '{}'))", site(3));
    for (filter, expected) in [
        (one.as_str(), vec![first.clone()]),
        (not_three.as_str(), vec![first.clone()]),
        ("siteProtectionUnits/any()", both.clone()),
        ("siteProtectionUnits/any(u: u/protectionSources has 'manual')", both.clone()),
        ("driveProtectionUnits/any()", vec![]),
        ("driveProtectionUnits/all(d: d/status eq 'protected')", both.clone()),
        ("isof('microsoft.graph.sharePointProtectionPolicy')", both.clone()),
        ("isof('microsoft.graph.exchangeProtectionPolicy')", vec![]),
        ("not isof(graph.exchangeProtectionPolicy)", both.clone()),
        (
            "microsoft.graph.sharePointProtectionPolicy/displayName eq 'Sales archive'",
            vec![second.clone()],
        ),
        ("microsoft.graph.exchangeProtectionPolicy/displayName ne 'x'", both.clone()),
        ("status eq microsoft.graph.protectionPolicyStatus'inactive'", both.clone()),
        ("displayName in ('Policy','nothing')", vec![first.clone()]),
        (
            "endswith(displayName,'ARCHIVE') and createdDateTime gt 2020-01-01T00:00:00%2B01:00",
            vec![second.clone()],
        ),
    ] {
        let path = format!("/protectionPolicies?$filter={filter}");
        assert_eq!(values(&harness, &path, "id").await, expected, "{filter}");
        let count = harness.get(&format!("/protectionPolicies/$count?$filter={filter}")).await;
        assert_eq!(count.text, expected.len().to_string(), "{filter}");
    }
    for (filter, expected) in [
        ("protectionSources has microsoft.graph.protectionSource'manual'", 3),
        ("protectionSources has 'dynamicRule,manual'", 0),
        ("protectionSources eq 'manual'", 3),
        ("isof('microsoft.graph.siteProtectionUnit') and policyId ne null", 3),
        ("microsoft.graph.siteProtectionUnit/siteId ne 'x'", 3),
        ("microsoft.graph.driveProtectionUnit/directoryObjectId eq 'x'", 0),
    ] {
        let count = harness.get(&format!("/protectionUnits/$count?$filter={filter}")).await;
        assert_eq!(count.text, expected.to_string(), "{filter}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let harness = Harness::new().await;
    for (query, word) in [
        ("/protectionPolicies?$filter=nothing eq 'x'", "nothing"),
        ("/protectionPolicies?$filter=round(1) eq 1", "round"),
        ("/protectionPolicies?$filter=createdBy/device/id eq 'x'", "createdBy/device/id"),
        ("/protectionPolicies?$filter=createdBy eq 'x'", "createdBy"),
        ("/protectionPolicies?$filter=isEnabled eq 'true'", "isEnabled"),
        ("/protectionPolicies?$filter=isEnabled gt false", "isEnabled"),
        ("/protectionPolicies?$filter=tolower(status) eq 'active'", "status"),
        ("/protectionPolicies?$filter=tolower(5) eq 'active'", "tolower"),
        ("/protectionPolicies?$filter=year(displayName) eq 5", "displayName"),
        ("/protectionPolicies?$filter=displayName eq createdDateTime", "createdDateTime"),
        ("/protectionPolicies?$filter=displayName add 1 eq 5", "displayName"),
        ("/protectionPolicies?$filter=createdDateTime add 1 gt now()", "createdDateTime"),
        ("/protectionPolicies?$filter=createdDateTime gt now() sub duration'P1M'", "P1M"),
        ("/protectionPolicies?$filter=date(createdDateTime) eq now()", "now"),
        ("/protectionPolicies?$filter=cast(displayName,Edm.Int32) eq 5", "Edm.Int32"),
        ("/protectionPolicies?$filter=status eq cast('x',microsoft.graph.nothing)", "nothing"),
        ("/protectionPolicies?$filter=retentionSettings/any(r: r/nothing eq 'x')", "nothing"),
        ("/protectionPolicies?$filter=retentionSettings/any(r: r eq 'x')", "$it"),
        (
            "/protectionPolicies?$filter=siteProtectionUnits/any(u: u/error/details/any(d: u/id eq 'x'))",
            "u/id",
        ),
        ("/protectionPolicies?$orderby=createdBy/user/id", "createdBy/user/id"),
        ("/restorePoints?$filter=isof(protectionUnit,'microsoft.graph.site')", "protectionUnit"),
        ("/restorePoints?$filter=protectionUnit/siteName eq 'x'", "protectionUnit/siteName"),
        ("/beta/solutions/backupRestore/entraProtectionPolicies?$filter=nothing eq 1", "nothing"),
        ("/beta/solutions/backupRestore/entraProtectionPolicies?$orderby=nothing", "nothing"),
        ("/beta/solutions/backupRestore/entraProtectionPolicies/$count?$filter=x eq 1", "x"),
        ("/protectionPolicies?$filter=status has 'active'", "status"),
        ("/protectionPolicies?$filter=status gt 'active'", "status"),
        ("/protectionPolicies?$filter=status eq microsoft.graph.nothing'active'", "nothing"),
        ("/protectionPolicies?$filter=isof('microsoft.graph.site')", "site"),
        ("/protectionPolicies?$filter=microsoft.graph.site/id eq 'x'", "microsoft.graph.site"),
        (
            "/protectionPolicies?$filter=microsoft.graph.exchangeProtectionPolicy/siteId eq 'x'",
            "siteId",
        ),
        ("/protectionPolicies?$filter=siteProtectionUnits/any(u: id eq 'x')", "id"),
        ("/protectionPolicies?$filter=displayName eq 5", "displayName"),
        ("/protectionPolicies?$filter=displayName eq duration'P1D'", "displayName"),
        ("/protectionPolicies?$filter=displayName eq 'x", "character 16"),
        ("/protectionPolicies?$search=", "$search"),
        ("/protectionUnits?$search=x", "$search"),
        ("/protectionPolicies?$apply=x", "$apply"),
        ("/protectionPolicies?$expand=siteProtectionUnits($levels=2)", "$levels"),
        ("/protectionPolicies?$expand=nothing", "nothing"),
        ("/restorePoints?$expand=protectionUnit($top=1)", "$top"),
        ("/protectionPolicies?$format=atom", "$format"),
        ("/protectionPolicies?$select=createdBy/colour", "createdBy/colour"),
        ("/protectionPolicies?$select=microsoft.graph.site/id", "microsoft.graph.site/id"),
        ("/beta/solutions/backupRestore/reports?$select=nothing", "nothing"),
        ("/beta/solutions/backupRestore/entraProtectionPolicies?$select=nothing", "nothing"),
    ] {
        let message = harness.get(query).await.refused(400, "BadRequest");
        assert!(message.contains(word), "{query}: {message}");
    }
    let long = vec!["id eq 'x'"; 101].join(" or ");
    let reply = harness.get(&format!("/protectionPolicies?$filter={long}")).await;
    reply.refused(400, "FilterLengthExceeded");
}

#[tokio::test]
async fn paths_can_be_selected() {
    let harness = Harness::new().await;
    harness.policy(&[1]).await;
    let query = "$select=createdBy/application/id,retentionSettings/period,id,microsoft.graph.sharePointProtectionPolicy/displayName";
    let list = harness.get(&format!("/protectionPolicies?{query}")).await.ok();
    let row = &list["value"][0];
    assert!(row["id"].is_string() && row["displayName"].is_string() && row.get("status").is_none());
    let names = |value: &Value| -> Vec<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    assert_eq!(names(&row["createdBy"]), ["application"]);
    assert_eq!(names(&row["createdBy"]["application"]), ["id"]);
    assert_eq!(names(&row["retentionSettings"][0]), ["period"]);
    // What belongs to an expanded collection stays beside it.
    let query = "$select=id&$expand=siteProtectionUnits($count=true)";
    let list = harness.get(&format!("/protectionPolicies?{query}")).await.ok();
    assert_eq!(list["value"][0]["siteProtectionUnits@odata.count"], 1);
}

#[tokio::test]
async fn search_finds_terms_in_names() {
    let (harness, first, second) = two_policies().await;
    for (search, expected) in [
        ("archive", vec![second.clone()]),
        ("\"sales arch\" AND NOT policy", vec![second.clone()]),
        ("policy OR SALES", {
            let mut both = vec![first.clone(), second.clone()];
            both.sort();
            both
        }),
        ("policy sales", vec![]),
    ] {
        let path = format!("/protectionPolicies?$search={}", search.replace('"', "%22"));
        assert_eq!(values(&harness, &path, "id").await, expected, "{search}");
    }
    let path = "/siteProtectionUnits?$search=site";
    harness.by(&Token::delegated(), Method::GET, path, &Value::Null).await.ok();
}

#[tokio::test]
async fn skip_leaves_rows_out_once() {
    let harness = Harness::new().await;
    harness.policy(&[1, 2, 3, 4, 5, 6, 7]).await;
    let all = harness.get("/siteProtectionUnits?$orderby=siteId").await.ok();
    let mut path = "/siteProtectionUnits?$orderby=siteId&$skip=2&$top=2&$count=true".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = harness.get(&path).await.ok();
        assert_eq!(page["@odata.count"], 7);
        seen.extend(page["value"].as_array().expect("a list").clone());
        let Some(next) = page["@odata.nextLink"].as_str() else { break };
        path = next.trim_start_matches("https://localhost:8443").to_owned();
    }
    assert_eq!(seen, all["value"].as_array().expect("a list")[2..]);
    let beyond = harness.get("/siteProtectionUnits?$skip=100").await.ok();
    assert_eq!(beyond["value"], json!([]));
}

#[tokio::test]
async fn expanded_collections_take_options_and_page() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[1, 2, 3]).await;
    let inside = format!(
        "$select=siteId;$orderby=siteId desc;$top=1;$skip=1;$count=true;$filter=siteId ne '{}'",
        site(1)
    );
    let path = format!("/protectionPolicies/{policy}?$expand=siteProtectionUnits({inside})");
    let body = harness.get(&path).await.ok();
    assert_eq!(body["siteProtectionUnits@odata.count"], 2);
    let units = body["siteProtectionUnits"].as_array().expect("a list");
    assert_eq!((units.len(), &units[0]["siteId"]), (1, &json!(site(2))));
    assert!(units[0].get("status").is_none() && units[0].get("id").is_none());
    assert!(body.get("siteProtectionUnits@odata.nextLink").is_none(), "the second is the last");
    let path =
        format!("/protectionPolicies/{policy}?$expand=siteProtectionUnits($top=2;$orderby=siteId)");
    let body = harness.get(&path).await.ok();
    let next = body["siteProtectionUnits@odata.nextLink"].as_str().expect("there is a third");
    let next = harness.get(next.trim_start_matches("https://localhost:8443")).await.ok();
    assert_eq!(next["value"].as_array().map(Vec::len), Some(1));
    assert_eq!(next["value"][0]["siteId"], site(3));
}
