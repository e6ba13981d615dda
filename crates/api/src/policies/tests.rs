//! Policies and their units, over the whole router.

use axum::http::Method;
use holdfast_domain::{PolicyState, ServiceState};
use holdfast_store::Store;
use serde_json::{Value, json};

use crate::harness::{Harness, TENANT, Token, site};

const UNKNOWN: &str = "00000000-0000-4000-8000-0000000000ff";

fn path(policy: &str) -> String {
    format!("/sharePointProtectionPolicies/{policy}")
}

async fn units(harness: &Harness, policy: &str) -> Vec<Value> {
    let list = harness.get(&format!("{}/siteProtectionUnits", path(policy))).await.ok();
    list["value"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn create_refuses_what_the_contract_refuses() {
    let harness = Harness::new().await;
    let name = |text: Value| json!({ "displayName": text });
    let with = |unit: Value| json!({ "displayName": "P", "siteProtectionUnits": [unit] });
    let many: Vec<Value> = (0..51).map(|n| json!({ "siteId": site(n) })).collect();
    let cases = [
        (json!({}), 400, "InvalidDisplayName", "displayName"),
        (name(json!("")), 400, "InvalidDisplayName", "displayName"),
        (name(json!(null)), 400, "InvalidDisplayName", "displayName"),
        (name(json!("x".repeat(1025))), 400, "InvalidDisplayName", "displayName"),
        (name(json!(5)), 400, "InvalidCreateRequest", "displayName"),
        (json!({ "displayName": "P", "colour": 1 }), 400, "InvalidCreateRequest", "colour"),
        (
            json!({ "displayName": "P", "protectionMode": "standard" }),
            400,
            "InvalidCreateRequest",
            "protectionMode",
        ),
        (
            json!({ "displayName": "P", "siteProtectionUnits": 5 }),
            400,
            "InvalidCreateRequest",
            "siteProtectionUnits",
        ),
        (
            json!({ "displayName": "P", "siteProtectionUnits": many }),
            413,
            "ProtectionUnitsLimitBreached",
            "50",
        ),
        (
            json!({ "displayName": "P", "@odata.type": "#microsoft.graph.exchangeProtectionPolicy" }),
            400,
            "InvalidCreateRequest",
            "@odata.type",
        ),
        (
            json!({ "displayName": "P", "retentionSettings": [{ "interval": "R/P1W", "period": "P91D" }] }),
            400,
            "BadRequest",
            "P3650D",
        ),
        (with(json!(5)), 400, "InvalidCreateRequest", "siteProtectionUnits/0"),
        (with(json!({})), 400, "InvalidProtectionUnitId", "siteProtectionUnits/0/siteId"),
        (with(json!({ "siteId": "x" })), 400, "InvalidProtectionUnitId", "siteId"),
        (with(json!({ "siteId": site(1), "colour": 1 })), 400, "InvalidCreateRequest", "colour"),
        (
            json!({ "displayName": "P", "siteProtectionUnits": [{ "siteId": site(1) }, { "siteId": site(1).to_uppercase() }] }),
            400,
            "DuplicateProtectionUnitInList",
            "twice",
        ),
    ];
    for (body, status, code, word) in cases {
        let message =
            harness.post("/sharePointProtectionPolicies", body.clone()).await.refused(status, code);
        assert!(message.contains(word), "{body}: {message}");
    }
    let reply = harness.post("/sharePointProtectionPolicies", Value::Null).await;
    assert!(reply.refused(400, "InvalidCreateRequest").contains("missing"));
    assert_eq!(harness.get("/protectionPolicies/$count").await.text, "0");
    assert_eq!(harness.get("/protectionUnits/$count").await.text, "0");
    let body = json!({ "displayName": "x".repeat(1024), "status": "active", "createdBy": {},
        "retentionSettings": [{ "interval": "R/P1W", "period": "P1Y" }, { "interval": "R/PT10M", "period": "P2W" }] });
    assert_eq!(
        harness.post("/sharePointProtectionPolicies", body).await.ok()["status"],
        "inactive"
    );
}

#[tokio::test]
async fn create_on_the_base_collection_needs_a_type() {
    let harness = Harness::new().await;
    for text in [
        "#microsoft.graph.sharePointProtectionPolicy",
        "microsoft.graph.sharepointprotectionpolicy",
    ] {
        let body = json!({ "displayName": "P", "@odata.type": text });
        let made = harness.post("/protectionPolicies", body).await.ok();
        assert_eq!(made["@odata.type"], "#microsoft.graph.sharePointProtectionPolicy");
    }
    let body = json!({ "displayName": "P" });
    let reply = harness.post("/protectionPolicies", body).await;
    assert!(reply.refused(400, "InvalidCreateRequest").contains("@odata.type"));
    let body =
        json!({ "displayName": "P", "@odata.type": "#microsoft.graph.exchangeProtectionPolicy" });
    let made = harness.post("/protectionPolicies", body).await.ok();
    assert_eq!(made["@odata.type"], "#microsoft.graph.exchangeProtectionPolicy");
}

#[tokio::test]
async fn a_site_is_in_one_policy() {
    let harness = Harness::new().await;
    let first = harness.policy(&[1]).await;
    let taken = json!({ "displayName": "P", "siteProtectionUnits": [{ "siteId": site(2) }, { "siteId": site(1) }] });
    let reply = harness.post("/sharePointProtectionPolicies", taken).await;
    reply.refused(409, "ProtectionUnitAlreadyExists");
    // All or nothing: the other site was not added either.
    assert_eq!(harness.get("/protectionUnits/$count").await.text, "1");
    let second = harness.policy(&[]).await;
    let bare = site(1).split(',').nth(1).expect("three parts").to_owned();
    for (policy, id) in [(&second, site(1)), (&first, site(1)), (&second, bare)] {
        let body = json!({ "siteProtectionUnits@delta": [{ "siteId": id }] });
        let answer = harness.patch(&path(policy), body).await.ok();
        let failed = &answer["siteProtectionUnits@delta"][0]["@Core.DataModificationException"];
        assert_eq!(failed["info"]["code"], "ProtectionUnitAlreadyExists");
        assert_eq!(failed["failedOperation"], "add");
    }
}

#[tokio::test]
async fn update_reports_each_entry() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[1, 2]).await;
    let before = units(&harness, &policy).await;
    let body = json!({
        "displayName": "New name",
        "siteProtectionUnits@delta": [
            { "@odata.type": "#microsoft.graph.siteProtectionUnit", "siteId": site(3) },
            { "@removed": { "reason": "changed" }, "id": before[0]["id"] },
            { "@removed": { "reason": "changed" }, "id": UNKNOWN },
        ],
    });
    let answer = harness.patch(&path(&policy), body).await.ok();
    assert_eq!(answer["displayName"], "New name");
    let delta = &answer["siteProtectionUnits@delta"];
    assert_eq!(delta[0]["siteId"], site(3));
    assert_eq!(delta[0]["policyId"], policy);
    assert_eq!(delta[1]["status"], "removeRequested");
    assert_eq!(
        delta[2]["@Core.DataModificationException"]["info"]["code"],
        "ProtectionUnitNotFound"
    );
    assert_eq!(delta[2]["id"], UNKNOWN);
    assert_eq!(harness.work().await, ["removeUnit"]);
    let removed = harness.get(&format!("/protectionUnits/{}", Harness::id(&before[0]))).await.ok();
    assert_eq!((&removed["status"], &removed["policyId"]), (&json!("unprotected"), &json!("")));
    assert_eq!(removed["protectionSources"], "none");
    assert_eq!(units(&harness, &policy).await.len(), 2);
    // Added again, the unit keeps its id.
    let body = json!({ "siteProtectionUnits@delta": [{ "siteId": removed["siteId"] }] });
    let answer = harness.patch(&path(&policy), body).await.ok();
    assert_eq!(answer["siteProtectionUnits@delta"][0]["id"], removed["id"]);
}

#[tokio::test]
async fn update_refuses_what_it_cannot_do() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[1]).await;
    let delta = |items: Value| json!({ "siteProtectionUnits@delta": items });
    let many: Vec<Value> = (0..51).map(|n| json!({ "siteId": site(n) })).collect();
    let invalid = "InvalidPatchRequest";
    let cases = [
        (json!({}), 400, invalid, "displayName"),
        (json!({ "status": "active" }), 400, invalid, "displayName"),
        (json!({ "colour": 1 }), 400, invalid, "colour"),
        (json!({ "id": UNKNOWN, "displayName": "x" }), 400, invalid, "id"),
        (json!({ "displayName": "" }), 400, "InvalidDisplayName", "displayName"),
        (json!({ "displayName": null }), 400, "InvalidDisplayName", "displayName"),
        (json!({ "siteProtectionUnits": [] }), 400, invalid, "@delta"),
        (json!({ "retentionSettings": [] }), 400, invalid, "retentionSettings"),
        (delta(json!(null)), 400, invalid, "list"),
        (delta(json!(many)), 413, "ProtectionUnitsLimitBreached", "50"),
        (
            delta(json!([{ "siteId": site(5) }, { "siteId": site(5) }])),
            400,
            "DuplicateProtectionUnitInList",
            "twice",
        ),
        (
            delta(json!([{ "@removed": {}, "id": UNKNOWN }, { "@removed": {}, "id": UNKNOWN }])),
            400,
            "DuplicateProtectionUnitInList",
            "twice",
        ),
        (
            delta(json!([{ "siteId": site(5) }, { "siteId": "x" }])),
            400,
            "InvalidProtectionUnitId",
            "@delta/1/siteId",
        ),
        (
            delta(json!([{ "@removed": {}, "id": "x" }])),
            400,
            "InvalidProtectionUnitId",
            "@delta/0/id",
        ),
        (delta(json!([{ "@removed": 1, "id": UNKNOWN }])), 400, invalid, "@removed"),
    ];
    for (body, status, code, word) in cases {
        let message = harness.patch(&path(&policy), body.clone()).await.refused(status, code);
        assert!(message.contains(word), "{body}: {message}");
    }
    assert_eq!(units(&harness, &policy).await.len(), 1);
    let body = json!({ "displayName": "x" });
    harness.patch(&path(UNKNOWN), body.clone()).await.refused(404, "PolicyNotFound");
    harness.patch(&path("x"), body.clone()).await.refused(400, "InvalidPolicyId");
    let base = harness.patch(&format!("/protectionPolicies/{policy}"), body).await;
    assert!(base.refused(405, "MethodNotAllowed").contains("sharePointProtectionPolicies"));
}

/// Case I06: a client sends back what it read, with one property changed.
#[tokio::test]
async fn a_read_policy_can_be_sent_back() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[1]).await;
    let mut read = harness.get(&path(&policy)).await.ok();
    read["displayName"] = json!("Changed");
    assert_eq!(harness.patch(&path(&policy), read).await.ok()["displayName"], "Changed");
    assert_eq!(harness.get(&path(&policy)).await.ok()["displayName"], "Changed");
}

#[tokio::test]
async fn activation_deactivation_and_deletion() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[1, 2]).await;
    let action = |name: &str| format!("/protectionPolicies/{policy}/{name}");
    harness
        .post(&action("deactivate"), Value::Null)
        .await
        .refused(400, "invalidStateForActivation");
    harness.post(&action("activate"), json!({ "colour": 1 })).await.refused(400, "BadRequest");
    let reply = harness.post(&action("activate"), json!({})).await;
    assert_eq!((reply.status.as_u16(), &reply.json["status"]), (202, &json!("updating")));
    for name in ["activate", "deactivate"] {
        harness.post(&action(name), Value::Null).await.refused(400, "invalidStateForActivation");
    }
    let why = harness.delete(&action("")).await.refused(403, "PolicyActionNotAllowed");
    assert!(why.contains("Try again when its units have settled"), "{why}");
    assert_eq!(harness.work().await, ["protectUnit", "protectUnit"]);
    let why = harness.delete(&action("")).await.refused(403, "PolicyActionNotAllowed");
    assert!(why.contains("Deactivate it first"), "{why}");
    let read = harness
        .get(&format!("{}?$select=status,isEnabled,protectionPolicyArtifactCount", path(&policy)))
        .await
        .ok();
    assert_eq!(
        read["protectionPolicyArtifactCount"],
        json!({ "total": 2, "completed": 2, "inProgress": 0, "failed": 0 })
    );
    assert_eq!((&read["status"], &read["isEnabled"]), (&json!("active"), &json!(true)));
    assert!(read.get("displayName").is_none());
    harness.post(&action("activate"), Value::Null).await.refused(400, "invalidStateForActivation");
    // A site added to an active policy is protected at once.
    let body = json!({ "siteProtectionUnits@delta": [{ "siteId": site(3) }] });
    let answer = harness.patch(&path(&policy), body).await.ok();
    assert_eq!(answer["siteProtectionUnits@delta"][0]["status"], "protectRequested");
    assert_eq!(harness.get(&path(&policy)).await.ok()["status"], "updating");
    assert_eq!(harness.work().await, ["protectUnit"]);

    let reply = harness.post(&action("deactivate"), Value::Null).await;
    assert_eq!((reply.status.as_u16(), &reply.json["status"]), (202, &json!("updating")));
    assert_eq!(harness.work().await, ["unprotectUnit"; 3]);
    assert_eq!(harness.get(&path(&policy)).await.ok()["status"], "inactive");
    let reply = harness.delete(&action("")).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (204, ""));
    harness.get(&path(&policy)).await.refused(404, "PolicyNotFound");
    // The units outlive their policy.
    let list = harness.get("/siteProtectionUnits?$filter=policyId eq ''").await.ok();
    assert_eq!(list["value"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_policy_without_units_settles_at_once() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[]).await;
    let action = |name: &str| format!("/protectionPolicies('{policy}')/{name}");
    assert_eq!(harness.post(&action("activate"), Value::Null).await.ok()["status"], "active");
    assert_eq!(harness.post(&action("deactivate"), Value::Null).await.ok()["status"], "inactive");
    assert!(harness.work().await.is_empty());
}

#[tokio::test]
async fn a_hundred_active_policies_are_the_limit() {
    let harness = Harness::new().await;
    let extra = harness.policy(&[]).await;
    for _ in 0..100 {
        let policy = harness.policy(&[]).await;
        let mut tx = harness.store.begin().await.expect("works");
        let tenant = TENANT.parse().expect("a GUID");
        let id = policy.parse().expect("a GUID");
        let row = tx.policy(tenant, id).await.expect("works").expect("it exists");
        let mut policy = row.value;
        policy.state = PolicyState::Active;
        tx.put(&policy, row.version).await.expect("works");
        tx.commit().await.expect("works");
    }
    let body = json!({ "displayName": "P" });
    harness
        .post("/sharePointProtectionPolicies", body)
        .await
        .refused(409, "PolicyCreationNotAllowed");
    let activate = format!("/protectionPolicies/{extra}/activate");
    harness.post(&activate, Value::Null).await.refused(409, "PolicyCreationNotAllowed");
}

#[tokio::test]
async fn a_locked_service_changes_no_policy() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[1]).await;
    let since = holdfast_domain::Clock::now(&*harness.clock);
    for state in [ServiceState::Disabled, ServiceState::ProtectionChangeLocked { since }] {
        harness.put_service(TENANT, state).await;
        let name = json!({ "displayName": "P" });
        for (method, path, body) in [
            (Method::POST, "/sharePointProtectionPolicies".to_owned(), name.clone()),
            (Method::PATCH, path(&policy), name),
            (Method::POST, format!("/protectionPolicies/{policy}/activate"), Value::Null),
            (Method::DELETE, format!("/protectionPolicies/{policy}"), Value::Null),
        ] {
            let reply = harness.by(&Token::application(), method, &path, &body).await;
            reply.refused(403, "OperationNotAllowed");
        }
        harness.get(&path(&policy)).await.ok();
    }
}

#[tokio::test]
async fn recovery_windows_are_those_of_the_contract() {
    let harness = Harness::new().await;
    let weekly = |period: &str| json!([{ "interval": "R/P1W", "period": period }]);
    let create = async |settings: Value| {
        let body = json!({ "displayName": "P", "retentionSettings": settings });
        harness.post("/sharePointProtectionPolicies", body).await
    };
    for days in [90, 180, 365, 730, 1095, 1460, 1825, 2190, 2555, 2920, 3285, 3650] {
        let made = create(weekly(&format!("P{days}D"))).await.ok();
        let shown = if days == 365 { "P1Y".to_owned() } else { format!("P{days}D") };
        assert_eq!(made["retentionSettings"][1], json!({ "interval": "R/P1W", "period": shown }));
        assert_eq!(made["retentionSettings"][0], json!({ "interval": "R/PT10M", "period": "P2W" }));
    }
    let made = harness.policy(&[]).await;
    let read = harness.get(&format!("/protectionPolicies/{made}")).await.ok();
    assert_eq!(read["retentionSettings"][1]["period"], "P1Y");
    for wrong in [
        weekly("P91D"),
        weekly("P0D"),
        weekly("P090D"),
        weekly("P+90D"),
        weekly("p90d"),
        weekly("P3651D"),
        weekly("P10Y"),
        weekly(""),
        json!([{ "interval": "R/P1W" }]),
        json!([{ "interval": "R/P1D", "period": "P90D" }]),
        json!([{ "interval": "R/PT10M", "period": "P90D" }]),
        json!([{ "interval": "R/P1W", "period": "P90D" }, { "interval": "R/P1W", "period": "P180D" }]),
        json!([{ "interval": "R/P1W", "period": "P90D", "colour": 1 }]),
        json!(["P90D"]),
        json!("P90D"),
    ] {
        let reply = create(wrong.clone()).await;
        assert_eq!(reply.status.as_u16(), 400, "{wrong}: {}", reply.text);
        let body = json!({ "retentionSettings": wrong });
        let reply = harness.patch(&path(&made), body).await;
        assert_eq!(reply.status.as_u16(), 400, "{wrong}: {}", reply.text);
    }
    assert_eq!(harness.get(&format!("/protectionPolicies/{made}")).await.ok(), read);
}

/// A shorter window destroys points, so that it waits thirty days; a longer one does not.
#[tokio::test]
async fn a_shorter_window_waits() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[1]).await;
    let weekly =
        |period: &str| json!({ "retentionSettings": [{ "interval": "R/P1W", "period": period }] });
    let shown = async || {
        let read = harness.get(&path(&policy)).await.ok();
        let unit = "/beta/solutions/backupRestore/siteProtectionUnits";
        let unit = harness.get(unit).await.ok()["value"][0].clone();
        (read["retentionSettings"][1]["period"].clone(), unit)
    };
    let answer = harness.patch(&path(&policy), weekly("P90D")).await.ok();
    assert_eq!(answer["retentionSettings"][1]["period"], "P90D");
    let (period, unit) = shown().await;
    assert_eq!((period, &unit["backupRetentionPeriodInDays"]), (json!("P1Y"), &json!(365)));
    let pending = &unit["pendingRetentionPeriodChange"];
    assert_eq!(pending["targetRetentionPeriodInDays"], 90);
    assert_eq!(pending["effectiveFromDateTime"], "2026-04-03T10:15:30Z");
    // Taken back in time, nothing happened.
    harness.patch(&path(&policy), weekly("P1Y")).await.ok();
    assert!(shown().await.1.get("pendingRetentionPeriodChange").is_none());
    harness.patch(&path(&policy), weekly("P90D")).await.ok();
    harness.clock.advance(holdfast_domain::limits::RETENTION_GRACE);
    let (period, unit) = shown().await;
    assert_eq!((period, &unit["backupRetentionPeriodInDays"]), (json!("P90D"), &json!(90)));
    harness.patch(&path(&policy), weekly("P3650D")).await.ok();
    assert_eq!(shown().await.0, "P3650D");
}
