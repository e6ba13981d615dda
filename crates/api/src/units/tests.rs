//! Units by every path, and queries on them.

use std::time::Duration;

use axum::http::Method;
use holdfast_domain::limits::OFFBOARD_GRACE;
use holdfast_domain::{Clock, ServiceState, TenantId, UnitId, UnitState};
use holdfast_store::Store;
use serde_json::{Value, json};

use crate::harness::{Harness, Reply, TENANT, Token, site};

#[tokio::test]
async fn the_same_unit_by_every_path() {
    let harness = Harness::new().await;
    let (unit, _) = harness.protected(&[1]).await[0];
    let policy = Harness::id(&harness.get("/protectionPolicies").await.ok()["value"][0]);
    let below = format!("/sharePointProtectionPolicies/{policy}/siteProtectionUnits");
    let plain = harness.get(&format!("/protectionUnits/{unit}")).await.ok();
    for path in [
        format!("/protectionUnits/{unit}/microsoft.graph.siteProtectionUnit"),
        format!("/protectionUnits('{unit}')/graph.siteProtectionUnit"),
        format!("/siteProtectionUnits/{unit}"),
        format!("{below}/{unit}"),
    ] {
        let mut read = harness.get(&path).await.ok();
        read["@odata.context"] = plain["@odata.context"].clone();
        assert_eq!(read, plain, "{path}");
    }
    for path in [
        "/protectionUnits",
        "/protectionUnits/graph.siteProtectionUnit",
        "/siteProtectionUnits",
        &below,
    ] {
        let list = harness.get(path).await.ok();
        assert_eq!(list["value"][0]["id"], unit.to_string(), "{path}");
        let count = harness.get(&format!("{path}/$count")).await;
        assert_eq!((count.text.as_str(), count.header("content-type")), ("1", "text/plain"));
    }
    // Case I01: another workload's cast.
    for path in ["graph.driveProtectionUnit", "microsoft.graph.mailboxProtectionUnit"] {
        let list = harness.get(&format!("/protectionUnits/{path}?$count=true&$top=5")).await.ok();
        assert_eq!((&list["value"], &list["@odata.count"]), (&json!([]), &json!(0)));
        let reply = harness.get(&format!("/protectionUnits/{unit}/{path}")).await;
        reply.refused(404, "ProtectionUnitNotFound");
    }
    harness
        .get(&format!("/driveProtectionUnits/{unit}"))
        .await
        .refused(404, "ProtectionUnitNotFound");
    harness.get("/protectionUnits/x").await.refused(400, "InvalidProtectionUnitId");
    let other = harness.policy(&[2]).await;
    let path = format!("/sharePointProtectionPolicies/{other}/siteProtectionUnits/{unit}");
    harness.get(&path).await.refused(404, "ProtectionUnitNotFound");
}

#[tokio::test]
async fn names_are_for_users_only() {
    let harness = Harness::new().await;
    harness.protected(&[1]).await;
    let read = |token: Token, path: &'static str| {
        let harness = &harness;
        async move { harness.by(&token, Method::GET, path, &Value::Null).await }
    };
    let list = read(Token::delegated(), "/siteProtectionUnits").await.ok();
    assert_eq!(list["value"][0]["siteName"], "Site");
    let list = read(Token::application(), "/siteProtectionUnits").await.ok();
    assert!(list["value"][0].get("siteName").is_none());
    // A filter would tell as well.
    for query in [
        "/siteProtectionUnits?$filter=siteName eq 'Site'",
        "/siteProtectionUnits?$orderby=siteWebUrl",
    ] {
        read(Token::delegated(), query).await.ok();
        read(Token::application(), query).await.refused(400, "BadRequest");
    }
    let found =
        read(Token::delegated(), "/siteProtectionUnits?$filter=contains(siteWebUrl,'SITES')")
            .await
            .ok();
    assert_eq!(found["value"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn pages_follow_links_and_miss_nothing() {
    let harness = Harness::new().await;
    let sites: Vec<u32> = (0..7).collect();
    harness.policy(&sites).await;
    for query in [
        "$top=3",
        "$top=3&$orderby=siteId desc,createdDateTime",
        "%24top=1&$filter=status%20eq%20'unprotected'&$select=id,siteId",
        "$top=7",
    ] {
        let mut path = format!("/siteProtectionUnits?$count=true&{query}");
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let page = harness.get(&path).await.ok();
            assert_eq!(page["@odata.count"], 7, "{query}");
            let rows = page["value"].as_array().expect("a list");
            assert!(!rows.is_empty(), "{query}: case I04, no empty page with a link");
            seen.extend(rows.iter().map(|row| row["siteId"].as_str().expect("text").to_owned()));
            if query.contains("select") {
                assert!(rows[0].get("status").is_none());
            }
            pages += 1;
            let Some(link) = page["@odata.nextLink"].as_str() else { break };
            path = link.strip_prefix("https://localhost:8443").expect("absolute").to_owned();
        }
        if query.contains("desc") {
            assert!(seen.is_sorted_by(|left, right| left > right), "{query}");
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 7, "{query} in {pages} pages");
    }
    let empty = harness.get("/siteProtectionUnits?$top=0&$count=true").await.ok();
    assert_eq!((&empty["value"], &empty["@odata.count"]), (&json!([]), &json!(7)));
    assert!(empty.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let harness = Harness::new().await;
    harness.policy(&[1, 2, 3]).await;
    let unit = Harness::id(&harness.get("/siteProtectionUnits").await.ok()["value"][0]);
    let (one, two) = (site(1), site(2));
    for (filter, expected) in [
        (format!("siteId eq '{one}'"), 1),
        (format!("siteId ne '{one}'"), 2),
        (format!("siteId in ('{one}', '{two}')"), 2),
        (format!("not (siteId eq '{one}' or siteId eq '{two}')"), 1),
        (format!("id eq {unit}"), 1),
        (format!("id eq '{}'", unit.to_uppercase()), 1),
        ("startswith(siteId,'CONTOSO')".to_owned(), 3),
        ("endswith(siteId,'x')".to_owned(), 0),
        ("status eq 'unprotected'".to_owned(), 3),
        ("status in ('protected','offboarded')".to_owned(), 0),
        ("policyId ne null and policyId ne ''".to_owned(), 3),
        ("policyId eq null".to_owned(), 0),
        ("createdDateTime le 2026-03-04T10:15:30Z".to_owned(), 3),
        ("createdDateTime gt 2026-03-04T11:15:30.0%2B01:00".to_owned(), 0),
    ] {
        let list = harness.get(&format!("/protectionUnits?$filter={filter}")).await.ok();
        assert_eq!(list["value"].as_array().map(Vec::len), Some(expected), "{filter}");
        let count = harness.get(&format!("/protectionUnits/$count?$filter={filter}")).await;
        assert_eq!(count.text, expected.to_string(), "{filter}");
    }
}

#[tokio::test]
async fn queries_that_cannot_be_answered_are_refused_by_name() {
    let harness = Harness::new().await;
    let long = vec!["id eq 'x'"; 101].join(" or ");
    let token = "W10";
    for (query, code, word) in [
        ("$filter=colour eq 'red'", "BadRequest", "colour"),
        ("$filter=status gt 'protected'", "BadRequest", "status"),
        ("$filter=status eq 'unknownFutureValue'", "BadRequest", "unknownFutureValue"),
        ("$filter=status eq 5", "BadRequest", "status"),
        ("$filter=createdDateTime eq 'x'", "BadRequest", "createdDateTime"),
        ("$filter=startswith(status,'p')", "BadRequest", "status"),
        ("$filter=id eq", "BadRequest", "$filter"),
        (&format!("$filter={long}"), "FilterLengthExceeded", "$filter"),
        ("$orderby=colour", "BadRequest", "colour"),
        ("$select=colour", "BadRequest", "colour"),
        ("$expand=policy", "BadRequest", "policy"),
        ("$top=1000", "BadRequest", "$top"),
        ("$skip=-1", "BadRequest", "$skip"),
        ("$search=x", "BadRequest", "$search"),
        (&format!("$skiptoken={token}"), "BadRequest", "$skiptoken"),
        ("$skiptoken=W10&$top=5", "BadRequest", "$top"),
        ("$top=%FF", "BadRequest", "UTF-8"),
    ] {
        let message = harness.get(&format!("/protectionUnits?{query}")).await.refused(400, code);
        assert!(message.contains(word), "{query}: {message}");
    }
    harness.get("/protectionUnits/$count?$top=5").await.refused(400, "BadRequest");
}

/// The states of offboarding come after the sentinel.
const ALL_MEMBERS: &str = "include-unknown-enum-members";

/// A unit that was protected and has left its policy, with the policy.
async fn detached(harness: &Harness) -> (UnitId, String) {
    let (unit, _) = harness.protected(&[1]).await[0];
    let policy = Harness::id(&harness.get("/protectionPolicies").await.ok()["value"][0]);
    let removed = json!({ "@removed": { "reason": "changed" }, "id": unit.to_string() });
    let body = json!({ "siteProtectionUnits@delta": [removed] });
    harness.patch(&format!("/sharePointProtectionPolicies/{policy}"), body).await.ok();
    (unit, policy)
}

async fn act(harness: &Harness, unit: UnitId, action: &str) -> Reply {
    let path = format!("/protectionUnits/{unit}/{action}");
    harness.by_with(&Token::delegated(), Method::POST, &path, &Value::Null, Some(ALL_MEMBERS)).await
}

#[tokio::test]
async fn offboarding_and_back_in_every_state() {
    let harness = Harness::new().await;
    let both_refused = async |unit: UnitId, when: &str| {
        for action in ["offboard", "cancelOffboard"] {
            let message = act(&harness, unit, action).await.refused(403, "OperationNotAllowed");
            assert!(message.contains(when), "{action}: {message}");
        }
    };
    let (unit, policy) = detached(&harness).await;
    both_refused(unit, "removeRequested").await;
    harness.work().await;
    act(&harness, unit, "cancelOffboard").await.refused(403, "OperationNotAllowed");
    let path = format!("/protectionUnits/{unit}");
    let never = json!("0001-01-01T00:00:00Z");
    assert_eq!(harness.get(&path).await.ok()["offboardRequestedDateTime"], never);

    let at = harness.clock.now();
    let answer = act(&harness, unit, "offboard").await.ok();
    assert_eq!(answer["status"], "offboardRequested");
    assert_eq!(answer["offboardRequestedDateTime"], at.to_string());
    act(&harness, unit, "offboard").await.refused(403, "OperationNotAllowed");
    // Meanwhile no policy takes it.
    let add = json!({ "siteProtectionUnits@delta": [{ "siteId": site(1) }] });
    let typed = format!("/sharePointProtectionPolicies/{policy}");
    let entry =
        harness.patch(&typed, add.clone()).await.ok()["siteProtectionUnits@delta"][0].clone();
    let failure = &entry["@Core.DataModificationException"]["info"];
    assert_eq!(failure["code"], "ProtectionUnitAlreadyExists");
    // Its points are there until the grace has ended: the job waits.
    assert_eq!(harness.work().await, Vec::<&str>::new());
    let points = format!("/restorePoints/$count?$filter=protectionUnit/id eq '{unit}'");
    assert_eq!(harness.get(&points).await.text, "1");

    let answer = act(&harness, unit, "cancelOffboard").await.ok();
    assert_eq!(answer["status"], "cancelOffboardRequested");
    both_refused(unit, "cancelOffboardRequested").await;
    assert_eq!(harness.work().await, ["cancelOffboard"]);
    let back = harness.get(&path).await.ok();
    assert_eq!(
        (&back["status"], &back["offboardRequestedDateTime"]),
        (&json!("unprotected"), &never)
    );
    assert_eq!(harness.get(&points).await.text, "1");
    // As before, a policy takes it, under its id.
    let added = harness.patch(&typed, add).await.ok()["siteProtectionUnits@delta"][0].clone();
    assert_eq!(added["id"], unit.to_string());
    both_refused(unit, "protectRequested").await;
}

/// Billing, offboarding and its taking back, each with its answer, of a detached unit.
async fn change_all(harness: &Harness, unit: UnitId, token: &Token) -> Vec<Reply> {
    let billing = json!({ "billingPolicyId": "a billing policy" });
    let (typed, path) =
        (format!("/siteProtectionUnits/{unit}"), format!("/protectionUnits/{unit}"));
    vec![
        harness.by(token, Method::PATCH, &typed, &billing).await,
        harness.by(token, Method::POST, &format!("{path}/offboard"), &Value::Null).await,
        harness.by(token, Method::POST, &format!("{path}/cancelOffboard"), &Value::Null).await,
    ]
}

#[tokio::test]
async fn a_locked_service_changes_no_unit() {
    let harness = Harness::new().await;
    let (unit, _) = detached(&harness).await;
    harness.work().await;
    let since = harness.clock.now();
    for state in [
        ServiceState::Disabled,
        ServiceState::ProtectionChangeLocked { since },
        ServiceState::RestoreLocked { since },
    ] {
        harness.put_service(TENANT, state).await;
        for reply in change_all(&harness, unit, &Token::delegated()).await {
            let message = reply.refused(403, "OperationNotAllowed");
            assert!(message.contains("protection cannot be changed"), "{message}");
        }
    }
    harness.put_service(TENANT, ServiceState::Enabled).await;
    for reply in change_all(&harness, unit, &Token::delegated()).await {
        reply.ok();
    }
}

#[tokio::test]
async fn an_application_that_is_to_control_changes_no_unit_before() {
    let harness = Harness::new().await;
    let (unit, _) = detached(&harness).await;
    harness.work().await;
    let second = "00000009-0002-4000-8000-000000090002";
    let of = |token: Token| token.claim("appid", json!(second));
    harness.by(&of(Token::application()), Method::POST, "/serviceApps", &json!({})).await.ok();
    let refused = async || {
        for reply in change_all(&harness, unit, &of(Token::delegated())).await {
            let message = reply.refused(403, "Forbidden");
            assert!(message.contains("does not control protection"), "{message}");
        }
    };
    refused().await;
    let at = harness.clock.now().plus(Duration::from_secs(8 * 24 * 60 * 60));
    let body = json!({ "effectiveDateTime": at.to_string() });
    let path = format!("/serviceApps/{second}/activate");
    harness.by(&Token::delegated(), Method::POST, &path, &body).await.ok();
    refused().await;
    // Until then the other one controls.
    for reply in change_all(&harness, unit, &Token::delegated()).await {
        reply.ok();
    }
    harness.work().await;
    harness.clock.set(at);
    for reply in change_all(&harness, unit, &Token::delegated()).await {
        reply.refused(403, "Forbidden");
    }
    for reply in change_all(&harness, unit, &of(Token::delegated())).await {
        reply.ok();
    }
}

#[tokio::test]
async fn what_was_offboarded_stays_so() {
    let harness = Harness::new().await;
    let (unit, _) = detached(&harness).await;
    harness.work().await;
    act(&harness, unit, "offboard").await.ok();
    harness.clock.advance(OFFBOARD_GRACE);
    assert_eq!(harness.work().await, ["offboardUnit"], "due now");
    // What the engine does then.
    let tenant: TenantId = TENANT.parse().expect("a GUID");
    let mut tx = harness.store.begin().await.expect("works");
    let row = tx.unit(tenant, unit).await.expect("works").expect("it exists");
    let mut gone = row.value;
    gone.state = gone.state.destroy().expect("requested");
    gone.state = gone.state.finish_offboard().expect("being destroyed");
    assert!(matches!(gone.state, UnitState::Offboarded { .. }));
    tx.put(&gone, row.version).await.expect("works");
    tx.commit().await.expect("works");
    for action in ["offboard", "cancelOffboard"] {
        act(&harness, unit, action).await.refused(403, "OperationNotAllowed");
    }
    let path = format!("/protectionUnits/{unit}");
    let read = harness.get_with(&path, "prefer", ALL_MEMBERS).await.ok();
    assert_eq!(read["status"], "offboarded");
    assert_eq!(harness.get(&path).await.ok()["status"], "unknownFutureValue");
}

#[tokio::test]
async fn the_billing_policy_of_detached_units_can_be_changed() {
    let harness = Harness::new().await;
    let (unit, _) = detached(&harness).await;
    let beta = "/beta/solutions/backupRestore";
    let patch = async |segment: &str, body: Value| {
        let path = format!("{beta}/{segment}/{unit}");
        harness.by(&Token::delegated(), Method::PATCH, &path, &body).await
    };
    let body = json!({ "billingPolicyId": "billing-1" });
    let message =
        patch("siteProtectionUnits", body.clone()).await.refused(403, "OperationNotAllowed");
    assert!(message.contains("detached"), "{message}");
    harness.work().await;
    let path = format!("{beta}/siteProtectionUnits/{unit}");
    harness.patch(&path, body.clone()).await.refused(403, "Forbidden");
    for wrong in [
        json!({}),
        json!({ "billingPolicyId": null }),
        json!({ "billingPolicyId": " " }),
        json!({ "billingPolicyId": "x".repeat(257) }),
        json!({ "billingPolicyId": "x", "status": "protected" }),
        json!({ "billingPolicyId": "x", "@odata.type": "#microsoft.graph.driveProtectionUnit" }),
    ] {
        let reply = patch("siteProtectionUnits", wrong.clone()).await;
        assert_eq!(reply.status.as_u16(), 400, "{wrong}: {}", reply.text);
    }
    patch("driveProtectionUnits", body.clone()).await.refused(404, "ProtectionUnitNotFound");
    let answer = patch("siteProtectionUnits", body).await.ok();
    assert_eq!(answer["billingPolicyId"], "billing-1");
    let path = format!("{beta}/protectionUnits/{unit}");
    let read = harness.by(&Token::delegated(), Method::GET, &path, &Value::Null).await.ok();
    assert_eq!(read["billingPolicyId"], "billing-1");
    assert_eq!(read["lastModifiedBy"]["user"]["displayName"], "User1");
}
