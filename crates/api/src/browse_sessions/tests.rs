//! Browse sessions over the whole router.

use std::time::Duration;

use axum::http::Method;
use holdfast_domain::limits::PAGE;
use holdfast_domain::{Clock, ServiceState, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Harness, MANY, TENANT, Token, item_key};

/// Two sites, the first with two libraries; the points of both.
async fn sites() -> (Harness, Vec<String>) {
    let harness = Harness::new().await;
    let found = harness.protected(&[1, 2]).await;
    (harness, found.into_iter().map(|(_, point)| point.to_string()).collect())
}

async fn created(harness: &Harness, point: &str) -> String {
    let body = json!({"restorePointId": point});
    let id = Harness::id(&harness.post("/sharePointBrowseSessions", body).await.ok());
    assert_eq!(harness.work().await, ["prepareBrowseSession"]);
    id
}

fn names(answer: &Value) -> Vec<&str> {
    let rows = answer["value"].as_array().expect("a list").iter();
    rows.map(|row| row["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn a_session_is_made_listed_and_ends() {
    let (harness, points) = sites().await;
    let before = harness.clock.now();
    let body = json!({"restorePointId": points[0], "siteId": "ignored"});
    let reply = harness.post("/sharePointBrowseSessions", body).await;
    assert_eq!(reply.status, 201);
    let made = reply.ok();
    let id = Harness::id(&made);
    assert_eq!(made["@odata.type"], "#microsoft.graph.sharePointBrowseSession");
    assert_eq!(made["status"], "creating");
    assert_eq!(made["siteId"], "0000000e-0001-4000-8000-0000000e0001");
    assert!(made.get("restorePointId").is_none(), "it is not echoed");
    assert!(made["backupSizeInBytes"].is_string() && made.get("error").is_none(), "{made}");
    let expires: Timestamp =
        made["expirationDateTime"].as_str().expect("text").parse().expect("a time");
    assert_eq!(expires.since(before), Duration::from_secs(72 * 3600));
    let not_ready = harness.post(&format!("/browseSessions/{id}/browse"), json!({})).await;
    not_ready.refused(409, "BrowseSessionNotReady");
    harness.work().await;
    for path in [format!("/browseSessions/{id}"), format!("/sharePointBrowseSessions('{id}')")] {
        assert_eq!(harness.get(&path).await.ok()["status"], "created");
    }
    for (path, count) in [
        ("/browseSessions", 1),
        ("/sharePointBrowseSessions", 1),
        ("/oneDriveForBusinessBrowseSessions", 0),
    ] {
        let list =
            harness.get(&format!("{path}?$filter=status eq 'created'&$count=true")).await.ok();
        assert_eq!(list["@odata.count"], count, "{path}");
        assert_eq!(harness.get(&format!("{path}/$count")).await.text, count.to_string());
    }
    harness
        .get(&format!("/oneDriveForBusinessBrowseSessions/{id}"))
        .await
        .refused(404, "ResourceNotFound");
    harness
        .delete(&format!("/sharePointBrowseSessions/{id}"))
        .await
        .refused(405, "MethodNotAllowed");
    harness.clock.advance(Duration::from_secs(72 * 3600));
    harness.get(&format!("/browseSessions/{id}")).await.refused(404, "ResourceNotFound");
    let path = format!("/browseSessions/{id}/browse");
    harness.post(&path, json!({})).await.refused(404, "ResourceNotFound");
    assert_eq!(harness.get("/browseSessions/$count").await.text, "0");
}

#[tokio::test]
async fn what_cannot_be_browsed_is_refused() {
    let (harness, points) = sites().await;
    let typed = "/sharePointBrowseSessions";
    for point in [json!(null), json!(""), json!("x"), json!(points[0].replace('_', "_9"))] {
        let reply = harness.post(typed, json!({"restorePointId": point})).await;
        reply.refused(400, "InvalidRestorePoint");
    }
    harness.post(typed, json!({})).await.refused(400, "InvalidRestorePoint");
    let body = json!({"restorePointId": points[0]});
    let other = "/oneDriveForBusinessBrowseSessions";
    harness.post(other, body.clone()).await.refused(400, "InvalidRestorePoint");
    harness.post("/browseSessions", body.clone()).await.refused(400, "BadRequest");
    let mut odd = body.clone();
    odd["colour"] = json!("x");
    harness.post(typed, odd).await.refused(400, "BadRequest");
    let mut named = body.clone();
    named["@odata.type"] = json!("#microsoft.graph.sharePointBrowseSession");
    assert_eq!(harness.post("/browseSessions", named.clone()).await.status, 201);
    named["@odata.type"] = json!("#microsoft.graph.exchangeBrowseSession");
    harness.post("/browseSessions", named).await.refused(400, "BadRequest");
    harness.put_service(TENANT, ServiceState::Disabled).await;
    harness.post(typed, body).await.refused(403, "OperationNotAllowed");
}

#[tokio::test]
async fn browsing_goes_down_and_page_by_page() {
    let (harness, points) = sites().await;
    let id = created(&harness, &points[1]).await;
    let path = format!("/sharePointBrowseSessions/{id}/browse");
    for body in [Value::Null, json!({}), json!({"browseResourceType": "site"})] {
        let top = harness.post(&path, body).await.ok();
        let context = top["@odata.context"].as_str().expect("text");
        assert!(context.ends_with("$metadata#Collection(microsoft.graph.browseQueryResponseItem)"));
        assert_eq!(top["@odata.count"], 1);
        let site = json!([{
            "itemKey": item_key(&[]), "name": "Contoso Site 1",
            "webUrl": "https://contoso.sharepoint.com", "type": "site",
        }]);
        assert_eq!(top["value"], site);
    }
    let ask = |key: String| json!({"browseLocationItemKey": key, "orderBy": "nameAsc"});
    let libraries = harness.post(&path, ask(item_key(&[]))).await.ok();
    assert_eq!(libraries["value"][0]["type"], "documentLibrary");
    assert_eq!(libraries["value"][0]["itemKey"], item_key(&[3]));
    let root = harness.post(&path, ask(item_key(&[3]))).await.ok();
    assert_eq!(names(&root), ["Many", "Report.docx"]);
    let report = &root["value"][1];
    assert_eq!(report["webUrl"], "https://contoso.sharepoint.com/Shared%20Documents/Report.docx");
    assert_eq!((&report["sizeInBytes"], &report["itemsCount"]), (&json!("2594"), &json!(0)));
    assert!(report.get("createdDateTime").is_none());
    let beta = format!("/beta/solutions/backupRestore{path}");
    let root = harness.post(&beta, ask(item_key(&[3]))).await.ok();
    assert_eq!(root["value"][1]["lastModifiedDateTime"], "2026-01-02T03:04:05Z");

    // Both spellings of the next page.
    let mut page = harness.post(&path, ask(item_key(&[3, 4]))).await.ok();
    let mut found: Vec<String> = Vec::new();
    let mut pages = 0;
    loop {
        assert_eq!(page["@odata.count"], MANY);
        found.extend(names(&page).into_iter().map(str::to_owned));
        pages += 1;
        let Some(next) = page["@odata.nextLink"].as_str() else { break };
        let next = next.strip_prefix("https://localhost:8443").expect("our own address");
        let token = next.rsplit("=").next().expect("a token");
        page = match pages % 2 {
            0 => harness.get(next).await.ok(),
            _ => harness.get(&format!("{path}(nextFetchToken='{token}')")).await.ok(),
        };
    }
    assert_eq!(pages, MANY.div_ceil(u64::from(PAGE)));
    let wanted: Vec<String> = (0..MANY).map(|number| format!("file {number:03}.txt")).collect();
    assert_eq!(found, wanted);
    for path in [
        format!("{path}?$skiptoken=x"),
        path.clone(),
        format!("{path}(nextFetchToken='unknown token')"),
        format!("/browseSessions/{id}/browse(nextFetchToken='')"),
    ] {
        harness.get(&path).await.refused(400, "BadRequest");
    }
}

#[tokio::test]
async fn questions_are_checked() {
    let (harness, points) = sites().await;
    let (two, one) = (created(&harness, &points[0]).await, created(&harness, &points[1]).await);
    let path =
        |id: &str| format!("/beta/solutions/backupRestore/sharePointBrowseSessions/{id}/browse");
    for (body, status, code) in [
        (json!({"browseLocationItemKey": "x"}), 404, "ResourceNotFound"),
        (json!({"browseLocationItemKey": item_key(&[3, 9999])}), 404, "ResourceNotFound"),
        // Of another library than the item is in.
        (json!({"browseLocationItemKey": item_key(&[7, 4])}), 404, "ResourceNotFound"),
        (json!({"browseLocationItemKey": item_key(&[3, 5])}), 400, "BadRequest"),
        (json!({"browseResourceType": "file"}), 400, "BadRequest"),
        (json!({"orderBy": "size"}), 400, "BadRequest"),
        (json!({"filter": "name eq 'x'"}), 400, "BadRequest"),
        (json!({"optimizedBrowse": "yes"}), 400, "BadRequest"),
        (json!({"colour": "x"}), 400, "BadRequest"),
    ] {
        harness.post(&path(&one), body).await.refused(status, code);
    }
    let search = json!({"filter": "(name -contains 'FILE 24')"});
    let found = harness.post(&path(&one), search).await.ok();
    assert_eq!((names(&found).len(), &found["@odata.count"]), (10, &json!(10)));
    let short = harness.post(&path(&one), json!({"optimizedBrowse": true})).await.ok();
    assert_eq!(names(&short), ["Many", "Report.docx"]);
    let refused = harness.post(&path(&two), json!({"optimizedBrowse": true})).await;
    assert!(refused.refused(409, "Conflict").contains("exactly one"));
    let in_v1 = format!("/sharePointBrowseSessions/{one}/browse");
    harness.post(&in_v1, json!({"optimizedBrowse": true})).await.refused(400, "BadRequest");
}

#[tokio::test]
async fn users_need_the_directory_role() {
    let (harness, points) = sites().await;
    let id = created(&harness, &points[1]).await;
    let path = format!("/browseSessions/{id}/browse");
    let without = Token::delegated();
    harness.by(&without, Method::POST, &path, &json!({})).await.refused(403, "Forbidden");
    let role = json!(["9d3e04ba-3ee4-4d1b-a3a7-9aef423a09be"]);
    let with = Token::delegated().claim("wids", role);
    harness.by(&with, Method::POST, &path, &json!({})).await.ok();
    // Nobody of another tenant finds it.
    let stranger = Token::application().claim("tid", json!(crate::harness::OTHER_TENANT));
    let reply =
        harness.by(&stranger, Method::GET, &format!("/browseSessions/{id}"), &Value::Null).await;
    assert!(reply.status.is_client_error(), "{}", reply.text);
}
