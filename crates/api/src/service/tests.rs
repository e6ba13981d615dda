//! The service's state and `enable`.

use axum::http::Method;
use holdfast_domain::{Clock, ServiceState};
use serde_json::{Value, json};

use crate::harness::{Harness, OTHER_TENANT, TENANT, Token};

#[tokio::test]
async fn without_a_controller_the_service_is_disabled() {
    let harness = Harness::bare();
    let root = harness.get("").await.ok();
    assert_eq!(root["serviceStatus"]["status"], "disabled");
    assert_eq!(root["serviceStatus"]["backupServiceConsumer"], "unknown");
    let body = json!({ "appOwnerTenantId": TENANT });
    harness.post("/enable", body).await.refused(403, "Forbidden");
    harness.post("/sharePointRestoreSessions", json!({})).await.refused(403, "OperationNotAllowed");
}

#[tokio::test]
async fn the_controller_enables_and_nobody_else() {
    let harness = Harness::new().await;
    harness.put_service(TENANT, ServiceState::Disabled).await;
    let body = json!({ "appOwnerTenantId": OTHER_TENANT });
    let other = Token::application().claim("appid", json!(OTHER_TENANT));
    harness.by(&other, Method::POST, "/enable", &body).await.refused(403, "Forbidden");
    let enabled = harness.by(&Token::delegated(), Method::POST, "/enable", &body).await.ok();
    assert_eq!(enabled["status"], "enabled");
    assert_eq!(enabled["backupServiceConsumer"], "thirdparty");
    assert_eq!(enabled["lastModifiedBy"]["user"]["displayName"], "User1");
    // Again: the same answer, nothing changes.
    harness.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(harness.post("/enable", body).await.ok(), enabled);
    let own = harness.post("/enable", json!({ "appOwnerTenantId": TENANT })).await.ok();
    assert_eq!(own["backupServiceConsumer"], "firstparty");
}

#[tokio::test]
async fn the_owners_id_must_be_a_guid() {
    let harness = Harness::new().await;
    for owner in [json!("contoso"), json!(""), json!(5), json!(null)] {
        let reply = harness.post("/enable", json!({ "appOwnerTenantId": owner })).await;
        reply.refused(400, "InvalidAppOwnerTenantId");
    }
    harness.post("/enable", Value::Null).await.refused(400, "InvalidAppOwnerTenantId");
    let body = json!({ "appOwnerTenantId": TENANT, "colour": 1 });
    assert!(harness.post("/enable", body).await.refused(400, "BadRequest").contains("colour"));
}

/// Case I12: a locked service says until when restores are possible, and `enable` unlocks it.
#[tokio::test]
async fn locks_are_shown_and_lifted() {
    let harness = Harness::new().await;
    let since = harness.clock.now();
    let draft = harness.post("/sharePointRestoreSessions", json!({})).await.ok();
    let draft = Harness::id(&draft);
    harness.put_service(TENANT, ServiceState::ProtectionChangeLocked { since }).await;
    let status = harness.get("").await.ok()["serviceStatus"].clone();
    assert_eq!(status["status"], "protectionChangeLocked");
    assert_eq!(status["restoreAllowedTillDateTime"], "2026-04-03T10:15:30Z");
    harness.put_service(TENANT, ServiceState::RestoreLocked { since }).await;
    assert_eq!(harness.get("").await.ok()["serviceStatus"]["status"], "restoreLocked");
    harness.post("/sharePointRestoreSessions", json!({})).await.refused(403, "OperationNotAllowed");
    // Reading only: not even a draft goes.
    let path = format!("/restoreSessions/{draft}");
    harness.delete(&path).await.refused(403, "OperationNotAllowed");
    harness.get(&path).await.ok();
    harness.post("/enable", json!({ "appOwnerTenantId": TENANT })).await.ok();
    harness.post("/sharePointRestoreSessions", json!({})).await.ok();
}
