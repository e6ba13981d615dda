//! Restore sessions: create, list, activate, delete, and their artifacts. The update has tests of its own.

use holdfast_domain::{Clock, RestoreOutcome, RestorePointId, RestoreState, ServiceState};
use holdfast_store::{ItemFailure, Store};
use serde_json::{Value, json};

use crate::harness::{Harness, TENANT, artifact};

const UNKNOWN: &str = "00000000-0000-4000-8000-0000000000ff";

async fn with_points(sites: &[u32]) -> (Harness, Vec<RestorePointId>) {
    let harness = Harness::new().await;
    let points = harness.protected(sites).await.into_iter().map(|(_, point)| point).collect();
    (harness, points)
}

#[tokio::test]
async fn create_with_every_form_of_reference() {
    let (harness, points) = with_points(&[1]).await;
    let point = points[0].to_string();
    let typed = "#microsoft.graph.siteRestoreArtifact";
    for item in [
        json!({ "restorePoint": { "id": point }, "destinationType": "new" }),
        json!({ "restorePoint": { "@odata.id": point }, "destinationType": "new", "@odata.type": typed }),
        json!({ "@odata.type": typed.trim_start_matches('#'), "restorePoint": { "@odata.id": format!("https://h/v1.0/solutions/backupRestore/restorePoints/{point}") }, "destinationType": "inPlace", "status": "added" }),
        json!({ "restorePoint@odata.bind": format!("restorePoints('{point}')"), "destinationType": "new" }),
    ] {
        let made = harness
            .post("/sharePointRestoreSessions", json!({ "siteRestoreArtifacts": [item] }))
            .await;
        assert_eq!(made.status, 201, "{item}: {}", made.text);
        assert_eq!(made.json["restoreSessionArtifactCount"]["total"], 1);
        assert_eq!(made.json["restoreJobType"], "standard");
        assert!(made.header("location").ends_with(&Harness::id(&made.json)));
    }
    let body = json!({ "@odata.type": "#microsoft.graph.sharepointRestoreSession", "siteRestoreArtifacts": [artifact(points[0], "new")] });
    harness.post("/restoreSessions", body).await.ok();
    harness.post("/sharePointRestoreSessions", Value::Null).await.ok();
    assert_eq!(harness.get("/restoreSessions/$count").await.text, "6");
}

#[tokio::test]
async fn create_refuses_what_the_contract_refuses() {
    let (harness, points) = with_points(&[1, 2]).await;
    let with = |items: Value| json!({ "siteRestoreArtifacts": items });
    let granular = json!([{ "browseSessionId": "b", "id": "k" }]);
    for (body, status, code, word) in [
        (with(json!([])), 400, "InvalidArtifactRequest", "siteRestoreArtifacts"),
        (with(json!(null)), 400, "InvalidArtifactRequest", "siteRestoreArtifacts"),
        (with(json!([5])), 400, "InvalidArtifactRequest", "siteRestoreArtifacts/0"),
        (
            with(json!(vec![artifact(points[0], "new"); 51])),
            413,
            "RestoreArtifactsLimitBreached",
            "50",
        ),
        (
            with(json!([artifact(points[0], "new"), artifact(points[1], "inPlace")])),
            400,
            "DifferentRestoreDestinationType",
            "destinationType",
        ),
        (
            with(json!([{ "restorePoint": { "id": points[0].to_string() } }])),
            400,
            "InvalidPathType",
            "destinationType",
        ),
        (with(json!([artifact(points[0], "up")])), 400, "InvalidPathType", "destinationType"),
        (with(json!([{ "destinationType": "new" }])), 400, "InvalidRestorePoint", "restorePoint"),
        (
            with(
                json!([{ "destinationType": "new", "restorePoint": { "id": format!("{UNKNOWN}_1") } }]),
            ),
            400,
            "InvalidRestorePoint",
            "restorePoint",
        ),
        (
            with(json!([artifact(points[0], "new"), artifact(points[0], "new")])),
            400,
            "DuplicateArtifactInList",
            "twice",
        ),
        (
            json!({ "granularSiteRestoreArtifacts": granular }),
            400,
            "InvalidArtifactRequest",
            "browse session",
        ),
        (
            json!({ "granularSiteRestoreArtifacts": granular, "siteRestoreArtifacts": [artifact(points[0], "new")] }),
            400,
            "BadRequest",
            "together",
        ),
        (
            json!({ "siteRestoreArtifactsBulkAdditionRequests": [] }),
            400,
            "BadRequest",
            "BulkAdditionRequests",
        ),
        (
            json!({ "@microsoft.graph.conflictBehavior": "fail" }),
            400,
            "BadRequest",
            "conflictBehavior",
        ),
        (json!({ "colour": 1 }), 400, "BadRequest", "colour"),
        (
            json!({ "@odata.type": "#microsoft.graph.exchangeRestoreSession" }),
            400,
            "BadRequest",
            "@odata.type",
        ),
    ] {
        let message =
            harness.post("/sharePointRestoreSessions", body.clone()).await.refused(status, code);
        assert!(message.contains(word), "{body}: {message}");
    }
    let reply = harness.post("/restoreSessions", json!({})).await;
    assert!(reply.refused(400, "BadRequest").contains("@odata.type"));
    let body = json!({ "@odata.type": "#microsoft.graph.exchangeRestoreSession" });
    harness.post("/restoreSessions", body).await.ok();
    harness.post("/exchangeRestoreSessions", json!({})).await.ok();
    assert_eq!(harness.get("/restoreSessions/$count").await.text, "2");
    harness.put_service(TENANT, ServiceState::Disabled).await;
    harness.post("/sharePointRestoreSessions", json!({})).await.refused(403, "OperationNotAllowed");
    // Restores go on while only protection is locked.
    harness
        .put_service(TENANT, ServiceState::ProtectionChangeLocked { since: harness.clock.now() })
        .await;
    harness.post("/sharePointRestoreSessions", json!({})).await.ok();
}

#[tokio::test]
async fn activation_has_its_conditions() {
    let (harness, points) = with_points(&[1]).await;
    let activate = |session: &str| format!("/restoreSessions/{session}/activate");
    let empty = harness.draft(&[]).await;
    harness.post(&activate(&empty), Value::Null).await.refused(400, "InvalidArtifactRequest");
    harness.post(&activate(UNKNOWN), Value::Null).await.refused(404, "RestoreSessionNotFound");
    harness.post(&activate("x"), Value::Null).await.refused(400, "InvalidRestoreSessionId");
    for _ in 0..25 {
        let session = harness.draft(&points).await;
        harness.post(&activate(&session), Value::Null).await.ok();
    }
    let session = harness.draft(&points).await;
    harness
        .post(&activate(&session), Value::Null)
        .await
        .refused(500, "TooManyActiveRestoreSessions");
    let path = format!("/sharePointRestoreSessions/{session}");
    let body = json!({ "status": "active" });
    harness.patch(&path, body).await.refused(500, "TooManyActiveRestoreSessions");
    assert_eq!(harness.get(&path).await.ok()["status"], "draft");
    harness.work().await;
    let activated = harness.post(&activate(&session), json!({})).await.ok();
    assert_eq!(activated["restoreSessionArtifactCount"]["inProgress"], 1);
    for path in [activate(&session), activate(&session)] {
        harness.post(&path, Value::Null).await.refused(403, "RestoreSessionActionNotAllowed");
    }
    harness.delete(&path).await.refused(403, "RestoreSessionActionNotAllowed");
}

#[tokio::test]
async fn drafts_can_be_deleted() {
    let (harness, points) = with_points(&[1]).await;
    for collection in ["restoreSessions", "sharePointRestoreSessions"] {
        let session = harness.draft(&points).await;
        let path = format!("/{collection}/{session}");
        assert_eq!(harness.delete(&path).await.status, 204);
        harness.delete(&path).await.refused(404, "RestoreSessionNotFound");
        let artifacts = format!("/sharePointRestoreSessions/{session}/siteRestoreArtifacts");
        harness.get(&artifacts).await.refused(404, "RestoreSessionNotFound");
    }
}

/// Case I02: members after the sentinel are shown to those who ask, and to nobody else.
#[tokio::test]
async fn failed_is_shown_to_those_who_ask() {
    let (harness, points) = with_points(&[1]).await;
    let session = harness.draft(&points).await;
    let ended_at = harness.clock.now();
    harness
        .put_state(&session, RestoreState::Ended { ended_at, outcome: RestoreOutcome::Failed })
        .await;
    let path = format!("/restoreSessions/{session}");
    let prefer = ("prefer", "include-unknown-enum-members");
    assert_eq!(harness.get(&path).await.ok()["status"], "unknownFutureValue");
    let reply = harness.get_with(&path, prefer.0, prefer.1).await;
    assert_eq!(reply.json["status"], "failed");
    assert_eq!(reply.header("preference-applied"), "include-unknown-enum-members");
    assert_eq!(reply.json["completedDateTime"], ended_at.to_string());
    // Filters use true names, whoever asks.
    let list = harness.get("/restoreSessions?$filter=status eq 'failed'").await.ok();
    assert_eq!(list["value"][0]["status"], "unknownFutureValue");
    harness
        .get("/restoreSessions?$filter=status eq 'unknownFutureValue'")
        .await
        .refused(400, "BadRequest");
}

#[tokio::test]
async fn artifacts_are_listed_counted_and_read() {
    let (harness, points) = with_points(&[1, 2]).await;
    let session = harness.draft(&points).await;
    let base = format!("/sharePointRestoreSessions/{session}/siteRestoreArtifacts");
    let list = harness
        .get(&format!(
            "{base}?$filter=status eq 'added' and destinationType eq 'new'&$count=true&$top=1"
        ))
        .await
        .ok();
    assert_eq!(
        (&list["@odata.count"], list["value"].as_array().map(Vec::len)),
        (&json!(2), Some(1))
    );
    assert!(
        list["@odata.context"]
            .as_str()
            .is_some_and(|url| url.contains(&format!("sharePointRestoreSessions('{session}')")))
    );
    assert!(list["@odata.nextLink"].is_string());
    assert_eq!(harness.get(&format!("{base}/$count")).await.text, "2");
    let id = harness.artifact_ids(&session).await.remove(0);
    let one = harness.get(&format!("{base}/{id}?$expand=restorePoint")).await.ok();
    assert_eq!(one["restorePoint"]["id"], points[0].to_string());
    assert!(one["restorePoint"]["protectionDateTime"].is_string());
    let point = harness.get(&format!("{base}/{id}/restorePoint")).await.ok();
    assert_eq!(point["id"], points[0].to_string());
    for id in [UNKNOWN, "x"] {
        harness.get(&format!("{base}/{id}")).await.refused(404, "ResourceNotFound");
    }
    let hint = harness.post(&base, artifact(points[0], "new")).await;
    assert!(hint.refused(405, "MethodNotAllowed").contains("@delta"));
    harness.delete(&format!("{base}/{id}")).await.refused(405, "MethodNotAllowed");

    let mut tx = harness.store.begin().await.expect("works");
    let failure =
        ItemFailure { path: "/a".to_owned(), code: "locked".to_owned(), message: "m".to_owned() };
    let tenant = TENANT.parse().expect("a GUID");
    tx.put_failures(tenant, id.parse().expect("a GUID"), &[failure]).await.expect("works");
    tx.commit().await.expect("works");
    let path = format!("/holdfast/v1/restoreArtifacts/{id}/failures");
    let failures = harness.get(&path).await.ok();
    assert_eq!(failures["value"], json!([{ "path": "/a", "code": "locked", "message": "m" }]));
    let path = format!("/holdfast/v1/restoreArtifacts/{UNKNOWN}/failures");
    harness.get(&path).await.refused(404, "ResourceNotFound");
}

/// Other workloads have no sessions yet: their lists say so truthfully.
#[tokio::test]
async fn other_workloads_are_empty() {
    let (harness, points) = with_points(&[1]).await;
    let session = harness.draft(&points).await;
    for name in ["exchangeRestoreSessions", "oneDriveForBusinessRestoreSessions"] {
        assert_eq!(harness.get(&format!("/{name}")).await.ok()["value"], json!([]));
        assert_eq!(harness.get(&format!("/{name}/$count")).await.text, "0");
        harness.get(&format!("/{name}/{session}")).await.refused(404, "RestoreSessionNotFound");
    }
}

#[tokio::test]
async fn bulk_jobs_and_requests_need_no_name() {
    let harness = Harness::new().await;
    let policy = harness.policy(&[1]).await;
    let session = Harness::id(&harness.post("/sharePointRestoreSessions", json!({})).await.ok());
    let urls = ["https://contoso.sharepoint.com/sites/a"];
    let jobs =
        format!("/sharePointProtectionPolicies/{policy}/siteProtectionUnitsBulkAdditionJobs");
    let requests =
        format!("/sharePointRestoreSessions/{session}/siteRestoreArtifactsBulkAdditionRequests");
    let request =
        json!({ "siteWebUrls": urls, "destinationType": "new", "protectionTimePeriod": {} });
    for (path, mut body) in [(jobs, json!({ "siteWebUrls": urls })), (requests, request)] {
        body["displayName"] = json!("x".repeat(1025));
        let refused = harness.post(&path, body.clone()).await;
        assert_eq!(refused.status.as_u16(), 400, "{}", refused.text);
        body.as_object_mut().expect("an object").remove("displayName");
        let made = harness.post(&path, body).await.ok();
        assert_eq!(made["displayName"], Value::Null, "{path}");
        let read = harness.get(&format!("{path}/{}", Harness::id(&made))).await.ok();
        assert_eq!(read["displayName"], Value::Null, "{path}");
    }
}
