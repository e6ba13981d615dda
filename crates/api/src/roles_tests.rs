//! A signed-in user sees and touches only what the user's directory roles administer (`spec/behaviour.md` section 11).

use axum::http::Method;
use holdfast_domain::{RestorePointId, UnitId};
use serde_json::{Value, json};

use crate::harness::{Harness, Token, artifact};

const EXCHANGE_ADMINISTRATOR: &str = "29232cdf-9323-42fd-ade2-1d097af3e4de";
const SHAREPOINT_ADMINISTRATOR: &str = "f28a1f50-f6e7-4571-818b-6a12f2af6b6c";

fn with_role(id: &str) -> Token {
    Token::delegated().claim("wids", json!([id]))
}

/// A protected site and a protected mailbox, each with a point, an exclusion's policy and a restore session.
struct Scene {
    harness: Harness,
    site: Side,
    mailbox: Side,
}

struct Side {
    policy: String,
    unit: UnitId,
    point: RestorePointId,
    session: String,
    artifact: String,
}

async fn scene() -> Scene {
    let harness = Harness::new().await;
    let (unit, point) = harness.protected(&[1]).await[0];
    let session = harness.draft(&[point]).await;
    let policy = Harness::id(&harness.get("/sharePointProtectionPolicies").await.ok()["value"][0]);
    let artifact_id = harness.artifact_ids(&session).await.remove(0);
    let site = Side { policy, unit, point, session, artifact: artifact_id };

    let body = json!({
        "displayName": "Mail",
        "mailboxProtectionUnits": [{ "directoryObjectId": "0000000a-0002-4000-8000-0000000a0002" }],
    });
    let policy = Harness::id(&harness.post("/exchangeProtectionPolicies", body).await.ok());
    harness.post(&format!("/protectionPolicies/{policy}/activate"), Value::Null).await.ok();
    harness.work().await;
    let only = async |path: &str| Harness::id(&harness.get(path).await.ok()["value"][0]);
    let unit: UnitId = only("/mailboxProtectionUnits").await.parse().expect("a GUID");
    let point: RestorePointId =
        only(&format!("/restorePoints?$filter=protectionUnit/id eq '{unit}'"))
            .await
            .parse()
            .expect("a point's id");
    let body = json!({ "mailboxRestoreArtifacts": [artifact(point, "new")] });
    let session = Harness::id(&harness.post("/exchangeRestoreSessions", body).await.ok());
    let artifact_id =
        only(&format!("/exchangeRestoreSessions/{session}/mailboxRestoreArtifacts")).await;
    let mailbox = Side { policy, unit, point, session, artifact: artifact_id };
    Scene { harness, site, mailbox }
}

#[tokio::test]
async fn lists_and_counts_show_what_the_roles_cover() {
    let Scene { harness, site, mailbox } = scene().await;
    let nobody = Token::application();
    for (token, shown) in [
        (with_role(EXCHANGE_ADMINISTRATOR), vec![&mailbox]),
        (with_role(SHAREPOINT_ADMINISTRATOR), vec![&site]),
        (Token::delegated(), vec![&site, &mailbox]),
        (nobody, vec![&site, &mailbox]),
    ] {
        let ids = |of: fn(&Side) -> String| {
            let mut ids: Vec<String> = shown.iter().map(|side| of(side)).collect();
            ids.sort();
            ids
        };
        for (list, expected) in [
            ("/protectionPolicies", ids(|side| side.policy.clone())),
            ("/protectionUnits", ids(|side| side.unit.to_string())),
            ("/restorePoints", ids(|side| side.point.to_string())),
            ("/restorePoints?$expand=protectionUnit", ids(|side| side.point.to_string())),
            (
                "/restorePoints?$filter=protectionUnit/id ne null",
                ids(|side| side.point.to_string()),
            ),
            ("/protectionUnits?$filter=not (id eq 'x')", ids(|side| side.unit.to_string())),
            ("/restoreSessions", ids(|side| side.session.clone())),
        ] {
            let body = harness.by(&token, Method::GET, list, &Value::Null).await.ok();
            let rows = body["value"].as_array().expect("a list");
            let mut found: Vec<String> = rows.iter().map(Harness::id).collect();
            found.sort();
            assert_eq!(found, expected, "{list}");
            let (path, query) = list.split_once('?').unwrap_or((list, ""));
            if !query.starts_with("$expand") {
                let count = format!("{path}/$count?{query}");
                let count = harness.by(&token, Method::GET, &count, &Value::Null).await;
                assert_eq!(count.text, expected.len().to_string(), "{list}");
            }
            let separator = if query.is_empty() { "?" } else { "&" };
            let counted = format!("{list}{separator}$count=true&$top=1");
            let body = harness.by(&token, Method::GET, &counted, &Value::Null).await.ok();
            assert_eq!(body["@odata.count"], expected.len(), "{list}");
        }
        let log = "/beta/solutions/backupRestore/activityLogs";
        let body = harness.by(&token, Method::GET, log, &Value::Null).await.ok();
        let rows = body["value"].as_array().expect("a list");
        let mut services: Vec<&str> =
            rows.iter().map(|row| row["serviceType"].as_str().expect("text")).collect();
        services.sort_unstable();
        services.dedup();
        assert_eq!(services.len(), shown.len(), "{services:?}");
    }
}

#[tokio::test]
async fn what_no_role_covers_is_refused_by_id() {
    let Scene { harness, site, mailbox } = scene().await;
    let log = "/beta/solutions/backupRestore/activityLogs";
    let entries = harness.get(log).await.ok();
    let entry = |service: &str| {
        let rows = entries["value"].as_array().expect("a list").iter();
        rows.filter(|row| row["serviceType"] == service).map(Harness::id).next().expect("one")
    };
    let (of_site, of_mailbox) = (entry("sharePoint"), entry("exchange"));
    let exchange = with_role(EXCHANGE_ADMINISTRATOR);
    let sharepoint = with_role(SHAREPOINT_ADMINISTRATOR);
    let reports = "/beta/solutions/backupRestore/reports";
    for (own, other, side, entry, workload) in [
        (&sharepoint, &exchange, &site, &of_site, "sharePoint"),
        (&exchange, &sharepoint, &mailbox, &of_mailbox, "exchange"),
    ] {
        for path in [
            format!("/protectionPolicies/{}", side.policy),
            format!("/protectionUnits/{}", side.unit),
            format!("/restorePoints/{}", side.point),
            format!("/restorePoints/{}/protectionUnit", side.point),
            format!("/restoreSessions/{}", side.session),
            format!("{log}/{entry}"),
            format!("{reports}/getStatisticsByPolicy(policyId='{}')", side.policy),
            format!("{reports}/getStatisticsByWorkload(workloadId='{workload}')"),
            format!("/holdfast/v1/restorePoints/{}/gaps", side.point),
            format!("/holdfast/v1/restoreArtifacts/{}/failures", side.artifact),
        ] {
            harness.by(own, Method::GET, &path, &Value::Null).await.ok();
            harness.by(&Token::delegated(), Method::GET, &path, &Value::Null).await.ok();
            let reply = harness.by(other, Method::GET, &path, &Value::Null).await;
            let message = reply.refused(403, "Forbidden");
            assert!(message.contains("directory role"), "{path}: {message}");
        }
        let search = json!({
            "protectionUnitIds": [side.unit.to_string()],
            "protectionTimePeriod": { "startDateTime": "2020-01-01T00:00:00Z" },
        });
        let path = "/restorePoints/search";
        let found = harness.by(own, Method::POST, path, &search).await.ok();
        assert_eq!(found["searchResults"].as_array().map(Vec::len), Some(1));
        harness.by(other, Method::POST, path, &search).await.refused(403, "Forbidden");
        let path = format!("/restoreSessions/{}", side.session);
        harness.by(other, Method::DELETE, &path, &Value::Null).await.refused(403, "Forbidden");
    }
}
