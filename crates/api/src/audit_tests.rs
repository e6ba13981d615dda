//! What stays of a write: one record in the audit, and entries in the activity log.

use axum::http::Method;
use holdfast_domain::{AuditRecord, Clock, TenantId};
use holdfast_store::Store;
use serde_json::{Value, json};

use crate::harness::{APP, Harness, TENANT, Token, site};

const USER: &str = "0000000a-0001-4000-8000-0000000a0001";

/// The tenant's records after that place, and the last one's place.
async fn records_after(harness: &Harness, place: i64) -> (Vec<AuditRecord>, i64) {
    let tenant: TenantId = TENANT.parse().expect("a GUID");
    let mut tx = harness.store.read().await.expect("works");
    let found = tx.audit_records(tenant, place, 1000).await.expect("works");
    let last = found.last().map_or(place, |(place, _)| *place);
    (found.into_iter().map(|(_, record)| record).collect(), last)
}

#[tokio::test]
async fn each_write_adds_one_record() {
    let harness = Harness::new().await;
    let units = harness.protected(&[1]).await;
    let policy = Harness::id(&harness.get("/protectionPolicies").await.ok()["value"][0]);
    let (unit, point) = units[0];
    let session = harness.draft(&[point]).await;
    let typed = format!("/sharePointProtectionPolicies/{policy}");
    let (_, mut place) = records_after(&harness, 0).await;
    let (application, user) = (Token::application(), Token::delegated());
    let name = |name: &str| json!({ "displayName": name });
    let mail = json!({ "isEnabled": true });
    let removed = json!({ "@removed": { "reason": "changed" }, "id": unit.to_string() });
    let removal = json!({ "siteProtectionUnits@delta": [removed] });
    let rule = json!({ "siteExpression": "(displayName -contains 'Finance')" });
    let steps: [(&Token, Method, String, Value, &str, String); 8] = [
        (
            &user,
            Method::PATCH,
            typed.clone(),
            name("Q"),
            "sharePointProtectionPolicies.update",
            policy.clone(),
        ),
        (
            &application,
            Method::POST,
            "/exchangeProtectionPolicies".into(),
            name("M"),
            "exchangeProtectionPolicies.create",
            String::new(),
        ),
        (
            &application,
            Method::POST,
            format!("{typed}/siteInclusionRules"),
            rule,
            "sharePointProtectionPolicies.siteInclusionRules.create",
            policy.clone(),
        ),
        (
            &application,
            Method::POST,
            format!("/restoreSessions/{session}/activate"),
            Value::Null,
            "restoreSessions.activate",
            session.clone(),
        ),
        (
            &user,
            Method::PATCH,
            "/emailNotificationsSetting".into(),
            mail,
            "emailNotificationsSetting.update",
            String::new(),
        ),
        (
            &user,
            Method::PATCH,
            typed.clone(),
            removal,
            "sharePointProtectionPolicies.update",
            policy.clone(),
        ),
        (
            &application,
            Method::POST,
            format!("/protectionPolicies/{policy}/deactivate"),
            Value::Null,
            "protectionPolicies.deactivate",
            policy.clone(),
        ),
        (
            &application,
            Method::DELETE,
            format!("/serviceApps/{APP}"),
            Value::Null,
            "serviceApps.delete",
            APP.into(),
        ),
    ];
    for (token, method, path, body, operation, target) in steps {
        // Changes settle before the next.
        harness.work().await;
        let at = harness.clock.now();
        let reply = harness.by(token, method, &path, &body).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.text);
        let (records, last) = records_after(&harness, place).await;
        place = last;
        let [record] = &records[..] else { panic!("{path}: {records:?}") };
        assert_eq!(
            (record.operation.as_str(), record.target.as_str()),
            (operation, target.as_str())
        );
        assert_eq!(record.request, reply.header("request-id"));
        assert_eq!(record.at, at);
        let actor = &record.actor;
        assert_eq!(actor.application.as_ref().map(|app| app.id.as_str()), Some(APP));
        let is_user = std::ptr::eq(token, &raw const user);
        assert_eq!(actor.user.as_ref().map(|user| user.id.as_str()), is_user.then_some(USER));
    }
    // Neither reading nor failing is writing.
    harness.get("/protectionPolicies").await.ok();
    harness.post("/restorePoints/search", json!({})).await.refused(400, "InvalidSearchRequest");
    let again = format!("/protectionPolicies/{policy}/deactivate");
    harness.post(&again, Value::Null).await.refused(400, "invalidStateForActivation");
    let (records, _) = records_after(&harness, place).await;
    assert_eq!(records, []);
}

#[tokio::test]
async fn the_activity_log_tells_what_was_done() {
    let harness = Harness::new().await;
    let log = "/beta/solutions/backupRestore/activityLogs";
    let seen = async |what: &str| -> Vec<Value> {
        let list = harness.get(&format!("{log}?$orderby=eventDateTime desc&$top=2")).await.ok();
        assert!(list["value"].is_array(), "{what}");
        list["value"].as_array().expect("a list").clone()
    };
    let newest = async |what: &str| {
        let entry = seen(what).await.into_iter().next().expect(what);
        harness.clock.advance(std::time::Duration::from_secs(1));
        entry
    };
    let policy = harness.policy(&[1]).await;
    let entry = newest("create").await;
    assert_eq!(entry["activityType"], "backupPolicyCreated");
    assert_eq!(entry["@odata.type"], "#microsoft.graph.backupPolicyActivityLog");
    assert_eq!((&entry["policyId"], &entry["policyName"]), (&json!(policy), &json!("Policy")));
    assert_eq!((&entry["resultStatus"], &entry["severity"]), (&json!("succeeded"), &json!("low")));
    assert_eq!((&entry["serviceType"], &entry["performedBy"]), (&json!("sharePoint"), &json!(APP)));
    let typed = format!("/sharePointProtectionPolicies/{policy}");
    let action = |name: &str| format!("/protectionPolicies/{policy}/{name}");
    harness.post(&action("activate"), Value::Null).await.ok();
    assert_eq!(newest("activate").await["activityType"], "backupPolicyActivated");
    harness.work().await;
    harness
        .by(&Token::delegated(), Method::PATCH, &typed, &json!({ "displayName": "Q" }))
        .await
        .ok();
    let entry = newest("rename").await;
    assert_eq!(entry["activityType"], "backupPolicyRenamed");
    assert_eq!((&entry["oldPolicyName"], &entry["policyName"]), (&json!("Policy"), &json!("Q")));
    assert_eq!(entry["performedBy"], USER);
    let unknown = json!({ "@removed": { "reason": "changed" }, "id": APP });
    let add = json!({ "siteProtectionUnits@delta": [{ "siteId": site(2) }, unknown] });
    harness.patch(&typed, add).await.ok();
    let entry = newest("modify").await;
    assert_eq!(entry["activityType"], "backupPolicyModified");
    let counts = &entry["protectionUnitDetails"];
    assert_eq!((&counts["requestedToAddCount"], &counts["addedCount"]), (&json!(1), &json!(1)));
    assert_eq!((&counts["requestedToRemoveCount"], &counts["failedCount"]), (&json!(1), &json!(1)));
    harness.work().await;
    let shorter = json!({ "retentionSettings": [{ "interval": "R/P1W", "period": "P90D" }] });
    harness.patch(&typed, shorter).await.ok();
    let entry = newest("retention").await;
    assert_eq!(entry["activityType"], "backupPolicyModified");
    assert_eq!(entry["retentionPeriod"], "P90D", "what it becomes");
    harness.work().await;
    harness.post(&action("deactivate"), Value::Null).await.ok();
    let entry = newest("pause").await;
    assert_eq!(
        (&entry["activityType"], &entry["severity"]),
        (&json!("backupPolicyPaused"), &json!("high"))
    );
    let session = harness.draft(&[]).await;
    let entry = newest("restore").await;
    assert_eq!(entry["activityType"], "restoreTaskCreated");
    assert_eq!(entry["restoreSessionId"], session);
    assert_eq!(entry["restoreArtifactDetails"]["totalArtifactsCount"], 0);
    // It is read, never written; and only with its own permission.
    harness
        .delete(&format!("{log}/{}", Harness::id(&entry)))
        .await
        .refused(405, "MethodNotAllowed");
    let other = Token::application_with(&["BackupRestore-Configuration.ReadWrite.All"]);
    harness.by(&other, Method::GET, log, &Value::Null).await.refused(403, "Forbidden");
}
