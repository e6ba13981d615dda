//! The table of `spec/api.md` section 6, played by three applications and a clock.

use std::time::Duration;

use axum::http::Method;
use holdfast_domain::Clock;
use serde_json::{Value, json};

use crate::harness::{APP, Harness, Reply, TENANT, Token};

/// Applications that are not the controller of [`Harness::new`].
const SECOND: &str = "00000009-0002-4000-8000-000000090002";
const THIRD: &str = "00000009-0003-4000-8000-000000090003";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn application(id: &str) -> Token {
    Token::application().claim("appid", json!(id))
}

async fn act(harness: &Harness, app: &str, action: &str, body: Value) -> Reply {
    let path = format!("/serviceApps/{app}/{action}");
    harness.by(&Token::delegated(), Method::POST, &path, &body).await
}

async fn activate(harness: &Harness, app: &str, ahead: Duration) -> Reply {
    let at = harness.clock.now().plus(ahead).to_string();
    act(harness, app, "activate", json!({ "effectiveDateTime": at })).await
}

async fn register(harness: &Harness, app: &str) -> Value {
    harness.by(&application(app), Method::POST, "/serviceApps", &json!({})).await.ok()
}

async fn remove(harness: &Harness, app: &str) -> Reply {
    harness.delete(&format!("/serviceApps/{app}")).await
}

async fn status(harness: &Harness, app: &str) -> String {
    let app = harness.get(&format!("/serviceApps/{app}")).await.ok();
    app["status"].as_str().expect("a status").to_owned()
}

/// The first two applications' statuses.
async fn statuses(harness: &Harness) -> [String; 2] {
    [status(harness, APP).await, status(harness, SECOND).await]
}

/// An attempt to change protection.
async fn change(harness: &Harness, app: &str) -> Reply {
    let body = json!({ "displayName": "P" });
    harness.by(&application(app), Method::POST, "/exchangeProtectionPolicies", &body).await
}

async fn service(harness: &Harness) -> Value {
    harness.get("").await.ok()["serviceStatus"].clone()
}

/// The second application is to take over from the first in `days`.
async fn handing_over(days: u32) -> Harness {
    let harness = Harness::new().await;
    register(&harness, SECOND).await;
    activate(&harness, SECOND, DAY * days).await.ok();
    harness
}

#[tokio::test]
async fn registering_is_for_oneself_and_once() {
    let harness = Harness::new().await;
    let made = register(&harness, SECOND).await;
    assert_eq!((&made["id"], &made["status"]), (&json!(SECOND), &json!("inactive")));
    assert!(made.get("effectiveDateTime").is_none());
    harness.clock.advance(DAY);
    let again = register(&harness, SECOND).await;
    assert_eq!(again["registrationDateTime"], made["registrationDateTime"]);
    assert_eq!(harness.get("/serviceApps/$count").await.text, "2");
    let body = json!({ "colour": 1 });
    let reply = harness.by(&application(THIRD), Method::POST, "/serviceApps", &body).await;
    assert!(reply.refused(400, "BadRequest").contains("colour"));
    harness.get(&format!("/serviceApps/{THIRD}")).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn the_first_controller_is_active_at_once_and_enables() {
    let harness = Harness::bare();
    register(&harness, SECOND).await;
    // Whether a controller exists or not, the time is asked for.
    act(&harness, SECOND, "activate", json!({})).await.refused(400, "BadRequest");
    let at = json!({ "effectiveDateTime": "tomorrow" });
    act(&harness, SECOND, "activate", at).await.refused(400, "BadRequest");
    let reply = activate(&harness, SECOND, DAY).await;
    assert_eq!(reply.status.as_u16(), 202);
    assert!(reply.header("content-location").ends_with(SECOND));
    assert_eq!(reply.json["status"], "active");
    change(&harness, SECOND).await.refused(403, "OperationNotAllowed");
    let enable = json!({ "appOwnerTenantId": TENANT });
    let by_others = harness.post("/enable", enable.clone()).await;
    by_others.refused(403, "Forbidden");
    harness.by(&application(SECOND), Method::POST, "/enable", &enable).await.ok();
    change(&harness, SECOND).await.ok();
    // A user must do it, not the application.
    let path = format!("/serviceApps/{SECOND}/deactivate");
    harness.post(&path, Value::Null).await.refused(403, "Forbidden");
}

#[tokio::test]
async fn a_second_controller_waits_seven_to_thirty_days() {
    let harness = Harness::new().await;
    register(&harness, SECOND).await;
    let second = Duration::from_secs(1);
    for ahead in [Duration::ZERO, DAY * 7 - second, DAY * 30 + second] {
        let message = activate(&harness, SECOND, ahead).await.refused(400, "BadRequest");
        assert!(message.contains("7 to 30"), "{message}");
    }
    assert_eq!(statuses(&harness).await, ["active", "inactive"]);
    for days in [7, 30] {
        let harness = handing_over(days).await;
        assert_eq!(statuses(&harness).await, ["pendingInactive", "pendingActive"]);
        let at = json!(harness.clock.now().plus(DAY * days).to_string());
        for app in [APP, SECOND] {
            let app = harness.get(&format!("/serviceApps/{app}")).await.ok();
            assert_eq!(app["effectiveDateTime"], at);
        }
    }
}

#[tokio::test]
async fn control_passes_at_the_time_and_not_before() {
    let harness = handing_over(7).await;
    register(&harness, THIRD).await;
    for app in [APP, SECOND, THIRD] {
        activate(&harness, app, DAY * 8).await.refused(403, "OperationNotAllowed");
    }
    // The one to come may read, and the one to go has full control.
    let coming = application(SECOND);
    harness.by(&coming, Method::GET, "/protectionPolicies", &Value::Null).await.ok();
    for wait in [Duration::ZERO, DAY * 7 - Duration::from_secs(1)] {
        harness.clock.advance(wait);
        assert!(change(&harness, SECOND).await.refused(403, "Forbidden").contains("only read"));
        change(&harness, APP).await.ok();
    }
    assert_eq!(statuses(&harness).await, ["pendingInactive", "pendingActive"]);
    harness.clock.advance(Duration::from_secs(1));
    assert_eq!(statuses(&harness).await, ["inactive", "active"]);
    change(&harness, SECOND).await.ok();
    change(&harness, APP).await.refused(403, "Forbidden");
    // What the first one made is the tenant's, not its own.
    assert_eq!(harness.get("/protectionPolicies/$count").await.text, "3");
    // And back again.
    activate(&harness, APP, DAY * 7).await.ok();
    assert_eq!(statuses(&harness).await, ["pendingActive", "pendingInactive"]);
    harness.clock.advance(DAY * 7);
    assert_eq!(statuses(&harness).await, ["active", "inactive"]);
}

#[tokio::test]
async fn deactivation_in_every_state() {
    let harness = handing_over(10).await;
    register(&harness, THIRD).await;
    let off = async |app: &str| act(&harness, app, "deactivate", Value::Null).await;
    // Inactive, pendingInactive: no effect.
    assert_eq!(off(THIRD).await.ok()["status"], "inactive");
    assert_eq!(off(APP).await.ok()["status"], "pendingInactive");
    assert_eq!(statuses(&harness).await, ["pendingInactive", "pendingActive"]);
    // pendingActive: the change is taken back.
    let reply = off(SECOND).await;
    assert_eq!((reply.status.as_u16(), &reply.json["status"]), (202, &json!("inactive")));
    assert_eq!(statuses(&harness).await, ["active", "inactive"]);
    harness.clock.advance(DAY * 11);
    assert_eq!(statuses(&harness).await, ["active", "inactive"]);
    off(APP).await.refused(403, "OperationNotAllowed");
    off("00000009-0004-4000-8000-000000090004").await.refused(404, "ResourceNotFound");
    act(&harness, SECOND, "deactivate", json!({ "colour": 1 })).await.refused(400, "BadRequest");
}

#[tokio::test]
async fn deletion_in_every_state() {
    let harness = handing_over(10).await;
    register(&harness, THIRD).await;
    assert_eq!(remove(&harness, THIRD).await.status.as_u16(), 204);
    remove(&harness, APP).await.refused(403, "OperationNotAllowed");
    // pendingActive: the change is taken back.
    remove(&harness, SECOND).await.ok();
    assert_eq!(status(&harness, APP).await, "active");
    assert_eq!(harness.get("/serviceApps/$count").await.text, "1");
    remove(&harness, SECOND).await.refused(404, "ResourceNotFound");
    harness.clock.advance(DAY * 11);
    assert_eq!(service(&harness).await["status"], "enabled");
    change(&harness, APP).await.ok();
}

#[tokio::test]
async fn without_a_controller_protection_locks_and_then_restores() {
    let harness = Harness::new().await;
    remove(&harness, APP).await.ok();
    let second = Duration::from_secs(1);
    harness.clock.advance(DAY * 7 - second);
    assert_eq!(service(&harness).await["status"], "enabled");
    harness.clock.advance(second);
    let locked = service(&harness).await;
    assert_eq!(locked["status"], "protectionChangeLocked");
    assert_eq!(locked["restoreAllowedTillDateTime"], "2026-04-10T10:15:30Z");
    let beta = "/beta/solutions/backupRestore";
    let full = harness.get_with(beta, "prefer", "include-unknown-enum-members").await.ok();
    assert_eq!(full["serviceStatus"]["disableReason"], "controllerServiceAppDeleted");
    change(&harness, APP).await.refused(403, "OperationNotAllowed");
    harness.post("/sharePointRestoreSessions", json!({})).await.ok();
    harness.clock.advance(DAY * 30 - second);
    harness.post("/sharePointRestoreSessions", json!({})).await.ok();
    harness.clock.advance(second);
    assert_eq!(service(&harness).await["status"], "restoreLocked");
    harness.post("/sharePointRestoreSessions", json!({})).await.refused(403, "OperationNotAllowed");
    harness.get("/restoreSessions").await.ok();
    // Back: a controller, then `enable`.
    let enable = json!({ "appOwnerTenantId": TENANT });
    harness.post("/enable", enable.clone()).await.refused(403, "Forbidden");
    register(&harness, APP).await;
    activate(&harness, APP, Duration::ZERO).await.ok();
    change(&harness, APP).await.refused(403, "OperationNotAllowed");
    assert_eq!(harness.post("/enable", enable).await.ok()["status"], "enabled");
    change(&harness, APP).await.ok();
}

#[tokio::test]
async fn filters_see_pending_changes_take_effect() {
    let harness = Harness::new().await;
    register(&harness, SECOND).await;
    activate(&harness, SECOND, DAY * 7).await.ok();
    for (days, status, expected) in [
        (0, "active", None),
        (0, "pendingActive", Some(SECOND)),
        (7, "active", Some(SECOND)),
        (0, "inactive", Some(APP)),
    ] {
        harness.clock.advance(DAY * days);
        let found = harness.get(&format!("/serviceApps?$filter=status eq '{status}'")).await.ok();
        assert_eq!(found["value"][0]["id"].as_str(), expected, "{status}");
    }
}

#[tokio::test]
async fn applications_that_are_not_registered_change_protection_unless_that_is_strict() {
    let harness = Harness::new().await;
    change(&harness, SECOND).await.ok();
    let harness = Harness::with(|options| options.strict = true).await;
    change(&harness, APP).await.ok();
    change(&harness, SECOND).await.refused(403, "Forbidden");
    harness.by(&application(SECOND), Method::GET, "/protectionPolicies", &Value::Null).await.ok();
    register(&harness, SECOND).await;
    change(&harness, SECOND).await.refused(403, "Forbidden");
    harness
        .by(&application(SECOND), Method::POST, "/sharePointRestoreSessions", &json!({}))
        .await
        .ok();
}

#[tokio::test]
async fn taken_over_in_time_nothing_locks() {
    let harness = Harness::new().await;
    register(&harness, SECOND).await;
    remove(&harness, APP).await.ok();
    harness.clock.advance(DAY * 6);
    let taken = activate(&harness, SECOND, Duration::ZERO).await.ok();
    assert_eq!(taken["status"], "active");
    harness.clock.advance(DAY * 60);
    assert_eq!(service(&harness).await["status"], "enabled");
    change(&harness, SECOND).await.ok();
}
