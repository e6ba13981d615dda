//! How a policy's and a workload's units are counted.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Harness, Token};

const REPORTS: &str = "/beta/solutions/backupRestore/reports";

async fn counts(harness: &Harness, function: &str) -> Value {
    let mut body = harness.get(&format!("{REPORTS}/{function}")).await.ok();
    match body.get("countStatistics") {
        Some(counts) => counts.clone(),
        None => {
            body.as_object_mut().expect("an object").remove("@odata.context");
            body
        }
    }
}

/// The counts that are neither 0 nor null.
fn told(counts: &Value) -> Value {
    let counts = counts.as_object().expect("an object").iter();
    counts
        .filter(|(name, value)| {
            *name != "lastComputedDateTime" && !value.is_null() && **value != json!(0)
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn units_are_counted_as_they_stand() {
    let harness = Harness::new().await;
    let units = harness.protected(&[1, 2, 3]).await;
    let policy = Harness::id(&harness.get("/protectionPolicies").await.ok()["value"][0]);
    let other = harness.policy(&[4]).await;
    let by_policy = |policy: &str| format!("getStatisticsByPolicy(policyId='{policy}')");
    let of_sites = "getStatisticsByWorkload(workloadId='sharePoint')";
    let first = counts(&harness, &by_policy(&policy)).await;
    assert_eq!(told(&first), json!({ "total": 3, "protectedCompleted": 3 }));
    assert_eq!(first["removed"], Value::Null);
    assert_eq!(
        first["lastComputedDateTime"],
        holdfast_domain::Clock::now(&*harness.clock).to_string()
    );
    let second = counts(&harness, &by_policy(&other)).await;
    assert_eq!(told(&second), json!({ "total": 1, "unprotectedCompleted": 1 }));

    let delta = json!({ "siteProtectionUnits@delta": [
        { "@removed": { "reason": "changed" }, "id": units[0].0.to_string() },
        { "siteId": crate::harness::site(5) },
    ] });
    harness.patch(&format!("/sharePointProtectionPolicies/{policy}"), delta).await.ok();
    let changing = counts(&harness, &by_policy(&policy)).await;
    let expected = json!({
        "total": 4, "protectedCompleted": 2, "protectedInProgress": 1, "unprotectedInProgress": 1,
    });
    assert_eq!(told(&changing), expected);
    harness.work().await;
    let settled = counts(&harness, &by_policy(&policy)).await;
    assert_eq!(told(&settled), json!({ "total": 3, "protectedCompleted": 3 }));
    let all = counts(&harness, of_sites).await;
    assert_eq!(told(&all)["removed"], 1);
    let path = format!("/protectionUnits/{}/offboard", units[0].0);
    harness.by(&Token::delegated(), Method::POST, &path, &Value::Null).await.ok();
    let all = counts(&harness, of_sites).await;
    assert_eq!((&all["total"], &all["offboardRequested"]), (&json!(5), &json!(1)));
    let none = counts(&harness, "getStatisticsByWorkload(workloadId='exchange')").await;
    assert_eq!(told(&none), json!({}));
}

#[tokio::test]
async fn unknown_subjects_are_refused() {
    let harness = Harness::new().await;
    let unknown = "00000000-0000-4000-8000-000000000001";
    for (function, status, code) in [
        ("getStatisticsByPolicy(policyId='x')".to_owned(), 400, "InvalidPolicyId"),
        (format!("getStatisticsByPolicy(policyId='{unknown}')"), 404, "PolicyNotFound"),
        ("getStatisticsByWorkload(workloadId='teams')".to_owned(), 400, "BadRequest"),
    ] {
        harness.get(&format!("{REPORTS}/{function}")).await.refused(status, code);
    }
    // In beta only.
    harness.get("/reports").await.refused(404, "ResourceNotFound");
    assert_eq!(harness.get(REPORTS).await.ok()["id"], "reports");
}
