//! The three levels, over HTTP.

use serde_json::{Value, json};

use crate::harness::Harness;

async fn at_level(harness: &Harness, path: &str, level: &str) -> Value {
    let accept = format!("application/json;odata.metadata={level}");
    let reply = harness.get_with(path, "accept", &accept).await;
    assert_eq!(reply.header("content-type"), accept);
    reply.ok()
}

#[tokio::test]
async fn full_tells_types_and_places() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[1]).await;
    let unit = Harness::id(&harness.get("/siteProtectionUnits").await.ok()["value"][0]);
    let root = "https://localhost:8443/v1.0/solutions/backupRestore";
    let path = format!("/sharePointProtectionPolicies/{policy}?$expand=siteProtectionUnits");
    let body = at_level(&harness, &path, "full").await;
    let own = format!("{root}/sharePointProtectionPolicies('{policy}')");
    for (name, expected) in [
        ("@odata.type", json!("#microsoft.graph.sharePointProtectionPolicy")),
        ("@odata.id", json!(own)),
        ("@odata.editLink", json!(own)),
        ("createdDateTime@odata.type", json!("#DateTimeOffset")),
        ("status@odata.type", json!("#microsoft.graph.protectionPolicyStatus")),
        ("retentionSettings@odata.type", json!("#Collection(microsoft.graph.retentionSetting)")),
        ("siteInclusionRules@odata.navigationLink", json!(format!("{own}/siteInclusionRules"))),
        (
            "siteInclusionRules@odata.associationLink",
            json!(format!("{own}/siteInclusionRules/$ref")),
        ),
    ] {
        assert_eq!(body[name], expected, "{name}");
    }
    assert!(body.get("displayName@odata.type").is_none(), "a text shows what it is");
    assert_eq!(body["createdBy"]["@odata.type"], "#microsoft.graph.identitySet");
    assert_eq!(body["retentionSettings"][0]["period@odata.type"], "#Duration");
    let expanded = &body["siteProtectionUnits"][0];
    assert_eq!(expanded["@odata.id"], format!("{own}/siteProtectionUnits('{unit}')"));
    let list = at_level(&harness, "/protectionUnits", "full").await;
    assert_eq!(list["value"][0]["@odata.id"], format!("{root}/protectionUnits('{unit}')"));
    assert_eq!(
        list["value"][0]["protectionSources@odata.type"],
        "#microsoft.graph.protectionSource"
    );
    let service = at_level(&harness, "", "full").await;
    assert_eq!(service["@odata.id"], root);
    assert_eq!(service["restorePoints@odata.navigationLink"], format!("{root}/restorePoints"));
}

#[tokio::test]
async fn none_leaves_only_what_clients_need() {
    let harness = Harness::new().await;
    harness.policy(&[1, 2]).await;
    let list = at_level(&harness, "/siteProtectionUnits?$top=1&$count=true", "none").await;
    let mut names: Vec<&str> =
        list.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["@odata.count", "@odata.nextLink", "value"]);
    let row = list["value"][0].as_object().expect("an object");
    assert!(row.keys().all(|name| !name.contains("@odata.")), "{row:?}");
}

#[tokio::test]
async fn format_wins_over_accept() {
    let harness = Harness::new().await;
    let path = "?$format=application/json;odata.metadata=full";
    let reply = harness.get_with(path, "accept", "application/json;odata.metadata=none").await;
    assert_eq!(reply.header("content-type"), "application/json;odata.metadata=full");
    assert!(reply.json.get("@odata.id").is_some());
    let reply = harness.get("?$format=json").await;
    assert_eq!(reply.header("content-type"), "application/json;odata.metadata=minimal");
    let path = "/protectionPolicies?$count=true";
    let reply = harness.get_with(path, "accept", "application/json;IEEE754Compatible=true").await;
    let expected = "application/json;odata.metadata=minimal;IEEE754Compatible=true";
    assert_eq!(reply.header("content-type"), expected);
    assert_eq!(reply.json["@odata.count"], "0");
}
