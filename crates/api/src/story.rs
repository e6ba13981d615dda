//! The story that real clients walk, end to end: enable → protect → points → session → update → restore.

use serde_json::{Value, json};

use crate::harness::{Harness, ROOT, TENANT, artifact, site};

#[tokio::test]
async fn protect_and_restore_a_site() {
    let harness = Harness::new().await;
    let enabled = harness.post("/enable", json!({ "appOwnerTenantId": TENANT })).await.ok();
    assert_eq!(enabled["status"], "enabled");
    let root = harness.get("").await.ok();
    assert_eq!(root["serviceStatus"]["status"], "enabled");

    let body = json!({
        "@odata.type": "#microsoft.graph.sharePointProtectionPolicy",
        "displayName": "Acceptance", "siteProtectionUnits": [],
    });
    let policy = harness.post("/sharePointProtectionPolicies", body).await.ok();
    assert_eq!(policy["status"], "inactive");
    let policy = Harness::id(&policy);
    let delta = json!({ "siteProtectionUnits@delta": [{ "siteId": site(1) }] });
    let patched =
        harness.patch(&format!("/sharePointProtectionPolicies/{policy}"), delta).await.ok();
    assert_eq!(patched["siteProtectionUnits@delta"][0]["status"], "unprotected");
    let units = format!("/sharePointProtectionPolicies/{policy}/siteProtectionUnits");
    let unit = Harness::id(&harness.get(&units).await.ok()["value"][0]);

    let activate = format!("/protectionPolicies/{policy}/activate");
    let activated = harness.post(&activate, Value::Null).await;
    assert_eq!(activated.status, 202);
    let url = format!("https://localhost:8443{ROOT}/protectionPolicies('{policy}')");
    assert_eq!(activated.header("content-location"), url);
    assert_eq!(activated.json["status"], "updating");
    assert_eq!(harness.work().await, ["protectUnit"]);
    let read = harness.get(&format!("/sharePointProtectionPolicies/{policy}")).await.ok();
    assert_eq!(read["status"], "active");
    let read = harness.get(&format!("/protectionUnits/{unit}")).await.ok();
    assert_eq!(read["status"], "protected");
    assert_eq!(read["@odata.type"], "#microsoft.graph.siteProtectionUnit");

    let points = format!(
        "/restorePoints?$expand=protectionUnit&$filter=protectionUnit/id eq '{unit}' and protectionDateTime le 2026-12-31T00:00:00Z&$orderby=protectionDateTime desc&$top=10"
    );
    let points = harness.get(&points).await.ok();
    assert_eq!(points["value"][0]["protectionUnit"]["id"], unit);
    let point = Harness::id(&points["value"][0]);
    let search = json!({
        "protectionUnitIds": [unit], "restorePointPreference": "latest",
        "protectionTimePeriod": {
            "startDateTime": "2026-03-01T00:00:00.110731+00:00", "endDateTime": "2026-04-01T00:00:00Z",
        },
    });
    let found = harness.post("/restorePoints/search", search).await.ok();
    assert_eq!(found["searchResults"][0]["restorePoint"]["id"], point);

    let point = point.parse().expect("a point's id");
    let body = json!({ "siteRestoreArtifacts": [artifact(point, "new")] });
    let session = harness.post("/sharePointRestoreSessions", body).await.ok();
    assert_eq!(session["status"], "draft");
    let session = Harness::id(&session);
    let first = harness.artifact_ids(&session).await.remove(0);
    let delta =
        json!({ "siteRestoreArtifacts@delta": [{ "id": first, "destinationType": "inPlace" }] });
    harness.patch(&format!("/sharePointRestoreSessions/{session}"), delta).await.ok();
    let artifacts =
        format!("/sharePointRestoreSessions/{session}/siteRestoreArtifacts?$expand=restorePoint");
    assert_eq!(harness.get(&artifacts).await.ok()["value"][0]["destinationType"], "inPlace");

    let activate = format!("/restoreSessions/{session}/activate");
    let activated = harness.post(&activate, Value::Null).await;
    assert_eq!((activated.status.as_u16(), &activated.json["status"]), (200, &json!("activating")));
    assert_eq!(harness.work().await, ["activateRestoreSession", "restoreArtifact"]);
    let ended = harness.get(&format!("/restoreSessions/{session}")).await.ok();
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["@odata.type"], "#microsoft.graph.sharePointRestoreSession");
    let read = harness.get(&artifacts).await.ok();
    assert_eq!(read["value"][0]["status"], "succeeded");
    assert!(read["value"][0]["restoredSiteId"].is_string());
    assert_eq!(read["value"][0]["restorePoint"]["id"], point.to_string());
    let listed = harness.get("/restoreSessions").await.ok();
    assert_eq!(listed["value"][0]["id"], session);
}
