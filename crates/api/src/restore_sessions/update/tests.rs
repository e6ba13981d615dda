//! The update operation: every state with every kind of body (`states.golden.txt`), then what a table cannot show.

use std::fmt::Write as _;

use axum::http::Method;
use holdfast_domain::{Clock, RestoreOutcome, RestorePointId, RestoreState, ServiceState};
use serde_json::{Value, json};

use crate::harness::{Harness, Reply, TENANT, Token, artifact};

const UNKNOWN: &str = "00000000-0000-4000-8000-0000000000ff";
const GOLDEN: &str = include_str!("states.golden.txt");

fn path(session: &str) -> String {
    format!("/sharePointRestoreSessions/{session}")
}

async fn patch(harness: &Harness, session: &str, body: Value) -> Reply {
    harness.patch(&path(session), body).await
}

/// What a session and its artifacts look like, for comparing before and after.
async fn picture(harness: &Harness, session: &str) -> (Value, Value) {
    let read = harness.get(&path(session)).await.ok();
    let artifacts = harness.get(&format!("{}/siteRestoreArtifacts", path(session))).await.ok();
    (read, artifacts["value"].clone())
}

/// The request is refused with this answer and changes nothing; gives the message.
async fn check_refused(
    harness: &Harness,
    session: &str,
    body: Value,
    status: u16,
    code: &str,
) -> String {
    let before = picture(harness, session).await;
    harness.clock.advance(std::time::Duration::from_secs(1));
    let message = patch(harness, session, body.clone()).await.refused(status, code);
    assert_eq!(picture(harness, session).await, before, "{body}");
    assert!(harness.work().await.is_empty(), "{body} left work behind");
    message
}

#[tokio::test]
async fn every_state_with_every_body() {
    let harness = Harness::new().await;
    let points: Vec<RestorePointId> =
        harness.protected(&[1, 2]).await.into_iter().map(|(_, point)| point).collect();
    let now = harness.clock.now();
    let ended = |outcome| RestoreState::Ended { ended_at: now, outcome };
    let states = [
        ("draft", RestoreState::Draft, false),
        ("activating", RestoreState::Activating { requested_at: now }, false),
        ("active", RestoreState::Active { started_at: now }, false),
        ("completed", ended(RestoreOutcome::Completed), false),
        ("completedWithError", ended(RestoreOutcome::CompletedWithError), false),
        ("failed", ended(RestoreOutcome::Failed), false),
        ("failed, preferring", ended(RestoreOutcome::Failed), true),
    ];
    let mut table = String::new();
    for (state_name, state, prefers) in states {
        for (body_name, body) in bodies(&points) {
            let session = harness.draft(&points[..1]).await;
            let first = harness.artifact_ids(&session).await.remove(0);
            harness.put_state(&session, state).await;
            let before = harness.get(&path(&session)).await.ok();
            harness.clock.advance(std::time::Duration::from_secs(1));
            let body: Value =
                serde_json::from_str(&body.to_string().replace("FIRST", &first)).expect("JSON");
            let bearer = Token::application().bearer(harness.clock.now());
            let mut headers =
                vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
            if prefers {
                headers.push(("prefer", "include-unknown-enum-members"));
            }
            let reply =
                harness.send(Method::PATCH, &path(&session), &headers, body.to_string()).await;
            let answer = match reply.json["error"]["code"].as_str() {
                Some(code) => code.to_owned(),
                None if reply.json.get("id").is_some() => {
                    format!("session {}", reply.json["status"].as_str().unwrap_or("?"))
                }
                None => "changes".to_owned(),
            };
            let after = harness.get(&path(&session)).await.ok();
            let touched = before["lastModifiedDateTime"] != after["lastModifiedDateTime"];
            let effect = match (touched, before["status"] == after["status"]) {
                (true, true) => "changed".to_owned(),
                (true, false) => format!("now {}", after["status"].as_str().unwrap_or("?")),
                (false, _) => {
                    assert_eq!(before, after);
                    "unchanged".to_owned()
                }
            };
            let status = reply.status.as_u16();
            writeln!(table, "{state_name} | {body_name} | {status} {answer} | {effect}")
                .expect("memory");
            // Sessions that run count against a limit that is tested elsewhere.
            harness.put_state(&session, ended(RestoreOutcome::Completed)).await;
        }
    }
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        let file =
            format!("{}/src/restore_sessions/update/states.golden.txt", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(file, &table).expect("the golden file can be written");
        return;
    }
    assert_eq!(table, GOLDEN, "HOLDFAST_BLESS=1 writes the file anew");
}

/// `FIRST` stands for the session's artifact.
fn bodies(points: &[RestorePointId]) -> Vec<(&'static str, Value)> {
    let add = artifact(points[1], "new");
    let server_set = json!({
        "completedDateTime": "2024-03-01T09:00:00Z", "createdDateTime": "2024-03-01T09:00:00Z",
        "createdBy": { "@odata.type": "microsoft.graph.identitySet" }, "lastModifiedBy": {},
        "error": { "@odata.type": "microsoft.graph.publicError" },
        "lastModifiedDateTime": "2024-03-01T09:00:00Z",
    });
    vec![
        ("add", json!({ "siteRestoreArtifacts@delta": [add] })),
        (
            "change",
            json!({ "siteRestoreArtifacts@delta": [{ "id": "FIRST", "destinationType": "inPlace" }] }),
        ),
        (
            "remove",
            json!({ "siteRestoreArtifacts@delta": [{ "id": "FIRST", "@removed": { "reason": "changed" } }] }),
        ),
        (
            "remove unknown",
            json!({ "siteRestoreArtifacts@delta": [{ "id": UNKNOWN, "@removed": { "reason": "changed" } }] }),
        ),
        ("server-set properties", server_set),
        ("status draft", json!({ "status": "draft" })),
        ("status activating", json!({ "status": "activating" })),
        ("status active", json!({ "status": "active" })),
        ("status completed", json!({ "status": "completed" })),
        ("status completedWithError", json!({ "status": "completedWithError" })),
        ("status failed", json!({ "status": "failed" })),
        ("status unknownFutureValue", json!({ "status": "unknownFutureValue" })),
        ("status nonsense", json!({ "status": "done" })),
        ("status null", json!({ "status": null })),
        ("add, status draft", json!({ "status": "draft", "siteRestoreArtifacts@delta": [add] })),
        (
            "add, status activating",
            json!({ "status": "activating", "siteRestoreArtifacts@delta": [add] }),
        ),
        (
            "add, status completed",
            json!({ "status": "completed", "siteRestoreArtifacts@delta": [add] }),
        ),
        (
            "remove, status active",
            json!({ "status": "active",
            "siteRestoreArtifacts@delta": [{ "id": "FIRST", "@removed": { "reason": "changed" } }] }),
        ),
        ("bad time", json!({ "completedDateTime": "2015-06-19T12-01-03.45Z" })),
        ("unknown property", json!({ "colour": "red" })),
        ("nothing", json!({})),
    ]
}

async fn draft_of_one() -> (Harness, String, Vec<RestorePointId>) {
    let harness = Harness::new().await;
    let points: Vec<RestorePointId> =
        harness.protected(&[1, 2, 3]).await.into_iter().map(|(_, point)| point).collect();
    let session = harness.draft(&points[..1]).await;
    (harness, session, points)
}

#[tokio::test]
async fn malformed_bodies_change_nothing_and_name_the_place() {
    let (harness, session, points) = draft_of_one().await;
    let (point, other) = (points[1].to_string(), points[2].to_string());
    let first = harness.artifact_ids(&session).await.remove(0);
    let delta = |item: Value| json!({ "siteRestoreArtifacts@delta": [item] });
    let invalid = "InvalidPatchRequest";
    let cases = [
        (json!({ "colour": 1 }), invalid, "colour"),
        (json!({ "id": UNKNOWN }), invalid, "id"),
        (json!({ "id": 5 }), invalid, "id"),
        (
            json!({ "@odata.type": "#microsoft.graph.exchangeRestoreSession", "status": "draft" }),
            invalid,
            "@odata.type",
        ),
        (json!({ "@odata.type": 5, "status": "draft" }), invalid, "@odata.type"),
        (json!({ "status": 5 }), invalid, "status"),
        (json!({ "status": "Draft" }), invalid, "status"),
        (json!({ "status": "unknownFutureValue" }), invalid, "status"),
        (json!({ "completedDateTime": "yesterday" }), invalid, "completedDateTime"),
        (json!({ "createdDateTime": "2026-13-01T00:00:00Z" }), invalid, "createdDateTime"),
        (json!({ "lastModifiedDateTime": 5 }), invalid, "lastModifiedDateTime"),
        (json!({ "createdBy": "me" }), invalid, "createdBy"),
        (json!({ "createdBy": { "user": "me" } }), invalid, "createdBy/user"),
        (json!({ "lastModifiedBy": [] }), invalid, "lastModifiedBy"),
        (json!({ "error": "bad" }), invalid, "error"),
        (json!({ "error": { "code": 5 } }), invalid, "error/code"),
        (json!({ "error": { "details": 5 } }), invalid, "error/details"),
        (json!({ "error": { "colour": 5 } }), invalid, "error/colour"),
        (json!({ "restoreJobType": "odd" }), invalid, "restoreJobType"),
        (json!({ "restoreSessionArtifactCount": 5 }), invalid, "restoreSessionArtifactCount"),
        (json!({ "siteRestoreArtifacts": [] }), invalid, "siteRestoreArtifacts"),
        (
            json!({ "siteRestoreArtifactsBulkAdditionRequests": [] }),
            invalid,
            "BulkAdditionRequests",
        ),
        (json!({ "policyId": UNKNOWN }), invalid, "policyId"),
        (json!({ "@microsoft.graph.conflictBehavior": "fail" }), invalid, "conflictBehavior"),
        (json!({ "granularSiteRestoreArtifacts@delta": [] }), "InvalidArtifactRequest", "@delta"),
        (json!({ "siteRestoreArtifacts@delta": [] }), "InvalidArtifactRequest", "@delta"),
        (json!({ "siteRestoreArtifacts@delta": null }), "InvalidArtifactRequest", "@delta"),
        (json!({ "siteRestoreArtifacts@delta": {} }), "InvalidArtifactRequest", "@delta"),
        (delta(json!(5)), invalid, "@delta/0"),
        (delta(json!({})), "InvalidRestorePoint", "@delta/0/restorePoint"),
        (
            delta(json!({ "restorePoint": { "id": point } })),
            "InvalidPathType",
            "@delta/0/destinationType",
        ),
        (
            delta(json!({ "restorePoint": { "id": point }, "destinationType": "up" })),
            "InvalidPathType",
            "destinationType",
        ),
        (
            delta(
                json!({ "restorePoint": { "id": point }, "destinationType": "unknownFutureValue" }),
            ),
            "InvalidPathType",
            "destinationType",
        ),
        (
            delta(json!({ "restorePoint": point, "destinationType": "new" })),
            "InvalidRestorePoint",
            "restorePoint",
        ),
        (
            delta(json!({ "restorePoint": { "id": "x" }, "destinationType": "new" })),
            "InvalidRestorePoint",
            "restorePoint",
        ),
        (
            delta(
                json!({ "restorePoint": { "id": format!("{UNKNOWN}_1") }, "destinationType": "new" }),
            ),
            "InvalidRestorePoint",
            "restorePoint",
        ),
        (
            delta(
                json!({ "restorePoint": { "id": point }, "destinationType": "new", "colour": 1 }),
            ),
            invalid,
            "@delta/0/colour",
        ),
        (
            delta(
                json!({ "@odata.type": "#microsoft.graph.driveRestoreArtifact", "restorePoint": { "id": point }, "destinationType": "new" }),
            ),
            invalid,
            "@odata.type",
        ),
        (delta(json!({ "id": 5 })), invalid, "@delta/0/id"),
        (delta(json!({ "@removed": true, "id": first })), invalid, "@removed"),
        (delta(json!({ "@removed": { "reason": "bored" }, "id": first })), invalid, "@removed"),
        (delta(json!({ "@removed": { "reason": "changed" } })), invalid, "@delta/0/id"),
        (
            delta(json!({ "id": first, "destinationType": "up" })),
            "InvalidPathType",
            "destinationType",
        ),
        (
            delta(json!({ "id": first, "restorePoint": { "id": "x" } })),
            "InvalidRestorePoint",
            "restorePoint",
        ),
        (
            json!({ "siteRestoreArtifacts@delta": [artifact(points[1], "new"), artifact(points[1], "new")] }),
            "DuplicateArtifactInList",
            "twice",
        ),
        (
            json!({ "siteRestoreArtifacts@delta": [{ "id": first, "destinationType": "new" }, { "id": first.to_uppercase(), "@removed": {} }] }),
            "DuplicateArtifactInList",
            "twice",
        ),
        (
            json!({ "siteRestoreArtifacts@delta": [artifact(points[1], "inPlace")] }),
            "DifferentRestoreDestinationType",
            "destinationType",
        ),
        // The second entry is bad: the first one must not stay.
        (
            json!({ "siteRestoreArtifacts@delta": [artifact(points[1], "new"), { "restorePoint": { "id": format!("{UNKNOWN}_1") }, "destinationType": "new" }] }),
            "InvalidRestorePoint",
            "@delta/1",
        ),
        // A good change does not survive a bad companion of the other form.
        (
            json!({ "siteRestoreArtifacts@delta": [artifact(points[1], "new")], "createdDateTime": "x" }),
            invalid,
            "createdDateTime",
        ),
        (
            json!({ "status": "active", "siteRestoreArtifacts@delta": [{ "restorePoint": { "@odata.id": other.replace('_', "-") }, "destinationType": "new" }] }),
            "InvalidRestorePoint",
            "restorePoint",
        ),
    ];
    for (body, code, word) in cases {
        let message = check_refused(&harness, &session, body.clone(), 400, code).await;
        assert!(message.contains(word), "{body}: {message}");
    }
}

#[tokio::test]
async fn limits_states_and_addresses() {
    let (harness, session, points) = draft_of_one().await;
    let many = |count: usize| json!({ "siteRestoreArtifacts@delta": vec![artifact(points[1], "new"); count] });
    check_refused(&harness, &session, many(51), 400, "RestoreArtifactsLimitBreached").await;
    check_refused(&harness, &session, many(50), 400, "DuplicateArtifactInList").await;
    // Both a state and a list that forbid it: nothing changes.
    let body = json!({ "status": "completed", "siteRestoreArtifacts@delta": [artifact(points[1], "new")] });
    check_refused(&harness, &session, body, 403, "RestoreSessionActionNotAllowed").await;
    let first = harness.artifact_ids(&session).await.remove(0);
    let body = json!({ "status": "active", "siteRestoreArtifacts@delta": [{ "id": first, "@removed": {} }] });
    check_refused(&harness, &session, body, 400, "InvalidArtifactRequest").await;

    let body = json!({ "status": "draft" });
    let reply = harness.patch(&path(UNKNOWN), body.clone()).await;
    reply.refused(404, "RestoreSessionNotFound");
    harness.patch(&path("x"), body.clone()).await.refused(400, "InvalidRestoreSessionId");
    let base = harness.patch(&format!("/restoreSessions/{session}"), body.clone()).await;
    assert!(base.refused(405, "MethodNotAllowed").contains("sharePointRestoreSessions"));
    let own = format!("{}/siteRestoreArtifacts/{first}", path(&session));
    let hint = harness.patch(&own, json!({})).await.refused(405, "MethodNotAllowed");
    assert!(hint.contains("@delta"));
    let query = format!("{}?$select=id", path(&session));
    harness.patch(&query, body.clone()).await.refused(400, "BadRequest");
    // A locked service: no-ops are answered, changes are refused.
    harness.put_service(TENANT, ServiceState::RestoreLocked { since: harness.clock.now() }).await;
    patch(&harness, &session, body).await.ok();
    for body in [
        json!({ "status": "active" }),
        json!({ "siteRestoreArtifacts@delta": [artifact(points[1], "new")] }),
    ] {
        check_refused(&harness, &session, body, 403, "OperationNotAllowed").await;
    }
}

#[tokio::test]
async fn changes_are_applied_and_failures_named() {
    let (harness, session, points) = draft_of_one().await;
    let first = harness.artifact_ids(&session).await.remove(0);
    let wakes = harness.wakes.load(std::sync::atomic::Ordering::Relaxed);
    let body = json!({
        "@odata.type": "microsoft.graph.SHAREPOINTRestoreSession",
        "siteRestoreArtifacts@delta": [
            artifact(points[1], "new"),
            artifact(points[0], "new"),
            { "id": UNKNOWN, "destinationType": "new" },
            { "id": "no guid", "@removed": { "reason": "deleted" } },
            { "destinationType": "new", "restorePoint": { "@odata.id": format!("https://graph.microsoft.com/v1.0/solutions/backupRestore/restorePoints('{}')", points[2]) }, "@odata.type": "#microsoft.graph.siteRestoreArtifact" },
        ],
    });
    let answer = patch(&harness, &session, body).await.ok();
    assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1), "only the changes: {answer}");
    let results = answer["siteRestoreArtifacts@delta"].as_array().expect("a list");
    let shown: Vec<Value> = results
        .iter()
        .map(|result| match result.get("@Core.DataModificationException") {
            None => json!([result["status"], result["restorePoint"]["id"]]),
            Some(exception) => {
                assert!(result["@contentId"].is_string());
                assert_eq!(exception["responseCode"], 409);
                assert_eq!(exception["info"]["code"], "Invalid");
                json!([exception["failedOperation"], result["id"]])
            }
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["added", points[1].to_string()]),
            json!(["add", null]),
            json!(["update", UNKNOWN]),
            json!(["remove", "no guid"]),
            json!(["added", points[2].to_string()]),
        ]
    );
    // An artifact can make room for another of the same point in one request; the removal is not shown.
    let body = json!({ "siteRestoreArtifacts@delta": [artifact(points[0], "new"), { "id": first, "@removed": { "reason": "changed" } }] });
    let answer = patch(&harness, &session, body).await.ok();
    assert_eq!(answer["siteRestoreArtifacts@delta"].as_array().map(Vec::len), Some(1));
    let ids = harness.artifact_ids(&session).await;
    assert_eq!(ids.len(), 3);
    assert!(!ids.contains(&first));
    // All to another destination and another point at once.
    let entries: Vec<Value> =
        ids.iter().map(|id| json!({ "id": id, "destinationType": "inPlace" })).collect();
    patch(&harness, &session, json!({ "siteRestoreArtifacts@delta": entries })).await.ok();
    let (read, artifacts) = picture(&harness, &session).await;
    assert!(
        artifacts.as_array().expect("a list").iter().all(|one| one["destinationType"] == "inPlace")
    );
    assert_eq!(read["restoreSessionArtifactCount"]["total"], 3);
    // In place, a unit is restored once: the entry fails, the request does not.
    let taken = artifacts[0]["restorePoint"]["id"].clone();
    let other = artifacts[1]["id"].clone();
    let body =
        json!({ "siteRestoreArtifacts@delta": [{ "id": other, "restorePoint": { "id": taken } }] });
    let answer = patch(&harness, &session, body).await.ok();
    let failed = &answer["siteRestoreArtifacts@delta"][0]["@Core.DataModificationException"];
    assert_eq!(failed["failedOperation"], "update");
    assert_eq!(
        harness.wakes.load(std::sync::atomic::Ordering::Relaxed),
        wakes,
        "a draft is no work"
    );
}

#[tokio::test]
async fn both_bodies_together_change_and_activate() {
    let (harness, session, points) = draft_of_one().await;
    let before = harness.wakes.load(std::sync::atomic::Ordering::Relaxed);
    let body = json!({
        "@odata.context": "x", "id": session, "status": "active", "completedDateTime": null,
        "createdBy": { "application": { "id": "x" }, "user": null },
        "siteRestoreArtifacts@delta": [artifact(points[1], "new")],
    });
    let answer = patch(&harness, &session, body).await.ok();
    assert_eq!(answer["id"], session);
    assert_eq!(answer["status"], "activating");
    assert_eq!(answer["restoreSessionArtifactCount"]["total"], 2);
    assert_eq!(
        answer["siteRestoreArtifacts@delta"][0]["restorePoint"]["id"],
        points[1].to_string()
    );
    assert!(answer.get("completedDateTime").is_none());
    assert_eq!(answer["createdBy"]["application"]["displayName"], "Contoso Backup");
    assert_eq!(harness.wakes.load(std::sync::atomic::Ordering::Relaxed), before + 1);
    let done = harness.work().await;
    assert_eq!(done, ["activateRestoreSession", "restoreArtifact", "restoreArtifact"]);
    assert_eq!(harness.get(&path(&session)).await.ok()["status"], "completed");
    assert_eq!(
        harness.get(&path(&session)).await.ok()["restoreSessionArtifactCount"]["completed"],
        2
    );
}

#[tokio::test]
async fn a_read_session_can_be_sent_back() {
    let (harness, session, _) = draft_of_one().await;
    for state in [
        RestoreState::Draft,
        RestoreState::Ended { ended_at: harness.clock.now(), outcome: RestoreOutcome::Failed },
    ] {
        harness.put_state(&session, state).await;
        let read = harness.get(&path(&session)).await.ok();
        let mut answer = patch(&harness, &session, read.clone()).await.ok();
        answer["@odata.context"] = read["@odata.context"].clone();
        assert_eq!(answer, read);
    }
}

#[tokio::test]
async fn expired_points_cannot_be_added() {
    let (harness, session, points) = draft_of_one().await;
    harness.clock.advance(holdfast_domain::RetentionDays::DEFAULT.duration());
    let body = json!({ "siteRestoreArtifacts@delta": [artifact(points[1], "new")] });
    check_refused(&harness, &session, body, 400, "InvalidRestorePoint").await;
}

#[tokio::test]
async fn needs_the_write_permission() {
    let (harness, session, _) = draft_of_one().await;
    let body = json!({ "status": "draft" });
    for (permission, status) in
        [("BackupRestore-Restore.Read.All", 403), ("BackupRestore-Restore.ReadWrite.All", 200)]
    {
        for token in [Token::application_with(&[permission]), Token::delegated_with(&[permission])]
        {
            let reply = harness.by(&token, Method::PATCH, &path(&session), &body).await;
            assert_eq!(reply.status.as_u16(), status, "{permission}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn a_policy_is_that_of_every_unit_in_the_session() {
    let (harness, session, points) = draft_of_one().await;
    let policies = harness.get("/protectionPolicies").await.ok();
    let own = Harness::id(&policies["value"][0]);
    let other = harness.policy(&[9]).await;
    let beta = async |body: Value| {
        let path = format!("/beta/solutions/backupRestore{}", path(&session));
        harness.by(&Token::application(), Method::PATCH, &path, &body).await
    };
    let before = picture(&harness, &session).await;
    let refused = beta(json!({ "policyId": other })).await.refused(400, "InvalidPatchRequest");
    assert!(refused.contains("policyId") && refused.contains("another policy"), "{refused}");
    assert_eq!(picture(&harness, &session).await, before);
    assert_eq!(beta(json!({ "policyId": own })).await.ok()["policyId"], json!(own));
    // What comes later belongs to it, too.
    let add = json!({ "siteRestoreArtifacts@delta": [artifact(points[1], "new")] });
    beta(add).await.ok();
}
