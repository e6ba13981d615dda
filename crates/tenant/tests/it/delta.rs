//! Delta: rounds, tokens, deletions, sharing.

use axum::body::Body;
use serde_json::{Value, json};

use crate::common::{Harness, id};

fn ids(values: &[Value]) -> Vec<&str> {
    values.iter().map(id).collect()
}

fn find<'v>(values: &'v [Value], item: &Value) -> Option<&'v Value> {
    values.iter().find(|value| value["id"] == item["id"])
}

fn delta(h: &Harness) -> String {
    format!("{}/root/delta", h.drive())
}

#[tokio::test]
async fn enumeration_shows_parents_first_and_the_root() {
    let h = Harness::new();
    let (items, link, pages) = h.drain(&format!("{}?$top=4", delta(&h))).await;
    assert!(pages > 5 && !link.is_empty());
    assert!(items[0].get("root").is_some());
    let mut seen = std::collections::HashSet::new();
    for item in &items {
        let parent = item["parentReference"]["id"].as_str();
        assert!(parent.is_none_or(|parent| seen.contains(parent)), "{item}");
        assert!(seen.insert(id(item)), "listed twice");
        assert!(item.get("file").is_some() != item.get("folder").is_some());
        assert!(item.get("@microsoft.graph.downloadUrl").is_none());
        if parent.is_some() {
            assert!(item["parentReference"]["path"].as_str().unwrap().contains("/root:"));
        }
    }
    let (again, _, pages) = h.drain(&link).await;
    assert!(again.is_empty() && pages == 1);
    for url in [
        format!("{}/items/{}/delta()", h.drive(), id(&items[0])),
        format!("/sites/{}/drive/root/microsoft.graph.delta", h.facts.site_id),
        format!("{}/root/delta?token=", h.drive()),
    ] {
        assert_eq!(h.drain(&url).await.0.len(), items.len(), "{url}");
    }
    let (selected, _, _) =
        h.drain(&format!("{}?$select=id,name,content.downloadUrl", delta(&h))).await;
    let file = selected.iter().find(|item| item["name"] == "sample.bin").unwrap();
    assert!(file["@microsoft.graph.downloadUrl"].is_string());
    assert!(file.get("size").is_none());
    let folder = items.iter().find(|item| item["name"] == "Reports").unwrap();
    h.get(&format!("{}/items/{}/delta", h.drive(), id(folder))).await.refused(
        400,
        "invalidRequest",
        None,
    );
}

#[tokio::test]
async fn changes_bring_their_ancestors_unless_told_not_to() {
    let h = Harness::new();
    let d = h.drive();
    h.put(&format!("{d}/root:/a/b/c/f.txt:/content"), b"1").await.expect(201);
    let (_, link, _) = h.drain(&delta(&h)).await;
    let file = h.put(&format!("{d}/root:/a/b/c/f.txt:/content"), b"22").await.body(200);
    let (changed, _, _) = h.drain(&link).await;
    let names: Vec<&str> = changed.iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["root", "a", "b", "c", "f.txt"]);
    assert_eq!(changed[4]["eTag"], file["eTag"]);
    let alone =
        h.send("GET", &link, &[("deltaExcludeParent", "true")], Body::empty()).await.body(200);
    assert_eq!(ids(alone["value"].as_array().unwrap()), [id(&file)]);

    let (_, link, _) = h.drain(&delta(&h)).await;
    let a = h.get(&format!("{d}/root:/a")).await.body(200);
    h.json("PATCH", &format!("{d}/items/{}", id(&a)), json!({"name": "A2"})).await.expect(200);
    let moved =
        h.send("GET", &link, &[("deltaExcludeParent", "true")], Body::empty()).await.body(200);
    assert_eq!(
        ids(moved["value"].as_array().unwrap()),
        [id(&a)],
        "descendants of a renamed folder stay out"
    );
}

#[tokio::test]
async fn deletions_carry_their_facet_and_come_with_descendants() {
    let h = Harness::new();
    let d = h.drive();
    let file = h.put(&format!("{d}/root:/x/y/f.txt:/content"), b"1").await.body(201);
    let folder = h.get(&format!("{d}/root:/x")).await.body(200);
    let (_, link, _) = h.drain(&format!("{}?$select=id,name", delta(&h))).await;
    h.delete(&format!("{d}/items/{}", id(&folder))).await.expect(204);
    let (changed, next, _) = h.drain(&link).await;
    let gone = find(&changed, &folder).unwrap();
    assert_eq!(gone["deleted"]["state"], "deleted");
    let (full, _, _) = h.drain(&link.replace("$select=id,name&", "")).await;
    for (item, facet) in [(&folder, "folder"), (&file, "file")] {
        let gone = find(&full, item).unwrap();
        assert_eq!((&gone["deleted"]["state"], &gone[facet]), (&json!("deleted"), &json!({})));
        assert!(gone.get("name").is_none() && gone.get("cTag").is_none());
        assert!(gone["parentReference"]["id"].is_string());
    }
    h.json("POST", &format!("{d}/items/{}/restore", id(&folder)), json!({})).await.expect(200);
    let (back, next, _) = h.drain(&next).await;
    assert!(find(&back, &file).unwrap().get("deleted").is_none());
    h.send("POST", &format!("{d}/items/{}/permanentDelete", id(&folder)), &[], Body::empty())
        .await
        .expect(204);
    let (purged, _, _) = h.drain(&next).await;
    assert!(find(&purged, &file).unwrap()["deleted"].is_object());
    let (fresh, _, _) = h.drain(&delta(&h)).await;
    assert!(find(&fresh, &file).is_none());
}

#[tokio::test]
async fn tokens_latest_time_and_wrong() {
    let h = Harness::new();
    let d = h.drive();
    for url in [
        format!("{}?token=latest", delta(&h)),
        format!("{}/root/delta(token='latest')", d),
        format!("{}/items/root/delta(token=%27latest%27)", d),
    ] {
        let (items, link, _) = h.drain(&url).await;
        assert!(items.is_empty() && h.drain(&link).await.0.is_empty(), "{url}");
    }
    h.clock.advance_seconds(100);
    let file = h.put(&format!("{d}/root:/t.txt:/content"), b"t").await.body(201);
    let (since, _, _) = h.drain(&format!("{}?token=2027-01-15T08:00:50Z", delta(&h))).await;
    assert!(find(&since, &file).is_some() && since.len() == 2, "{since:?}");
    let (since, _, _) = h.drain(&format!("{}?token=2027-01-15T07%3A00%3A00Z", delta(&h))).await;
    assert!(since.len() > 20);

    h.get(&format!("{}?token=nonsense", delta(&h))).await.refused(400, "invalidRequest", None);
    let (_, link, _) = h.drain(&delta(&h)).await;
    let token = link.rsplit_once("token=").unwrap().1;
    let other = h.get(&format!("/users/{}/drive", h.facts.user_id)).await.body(200);
    let url = format!("/drives/{}/root/delta?token={token}", id(&other));
    h.get(&url).await.refused(410, "resyncRequired", None);
    let mut forged = token.to_owned();
    forged.replace_range(10..11, if &forged[10..11] == "A" { "B" } else { "A" });
    h.get(&format!("{}?token={forged}", delta(&h))).await.refused(400, "invalidRequest", None);
}

#[tokio::test]
async fn expired_tokens_ask_for_a_resync() {
    let h = Harness::new();
    let (all, link, _) = h.drain(&delta(&h)).await;
    let first = h.get(&format!("{}?$top=3", delta(&h))).await.body(200);
    h.tenant.expire_delta_tokens(&h.facts.drive_id).unwrap();
    for old in [link.as_str(), first["@odata.nextLink"].as_str().unwrap()] {
        let gone = h.get(old).await;
        let start = gone.header("location").to_owned();
        gone.refused(410, "resyncRequired", None);
        let (again, link, _) = h.drain(&start).await;
        assert_eq!(ids(&again).len(), all.len());
        assert!(h.drain(&link).await.0.is_empty(), "the new token is good");
    }
}

#[tokio::test]
async fn what_changes_during_a_round_is_in_it_or_in_the_next() {
    let h = Harness::new();
    let d = h.drive();
    let folder = h.folder(&format!("{d}/root"), "round").await;
    let mut files = Vec::new();
    for i in 0..20 {
        files.push(
            h.put(&format!("{d}/items/{}:/f{i:02}:/content", id(&folder)), b"1").await.body(201),
        );
    }
    let first = h.get(&format!("{}?$top=5", delta(&h))).await.body(200);
    let fresh = h.put(&format!("{d}/items/{}:/fresh:/content", id(&folder)), b"1").await.body(201);
    h.put(&format!("{d}/items/{}/content", id(&files[3])), b"22").await.expect(200);
    for gone in &files[5..19] {
        h.delete(&format!("{d}/items/{}", id(gone))).await.expect(204);
    }
    let (rest, link, _) = h.drain(first["@odata.nextLink"].as_str().unwrap()).await;
    assert!(find(&rest, &files[7]).is_none(), "deleted meanwhile");
    let (next, _, _) = h.drain(&link).await;
    for item in [&fresh, &files[3]] {
        assert!(find(&next, item).is_some());
    }
    assert!(find(&next, &files[7]).unwrap()["deleted"].is_object());
    assert!(find(&next, &files[19]).is_none());
}

#[tokio::test]
async fn sharing_is_a_change() {
    let h = Harness::new();
    let d = h.drive();
    let folder = h.folder(&format!("{d}/root"), "shared").await;
    let url = format!("{d}/items/{}", id(&folder));
    let file = h.put(&format!("{url}:/f:/content"), b"1").await.body(201);
    let (all, link, _) = h.drain(&delta(&h)).await;
    let seeded = all.iter().find(|item| item["name"] == "Shared with Grace").unwrap();
    assert!(seeded["shared"].is_object());
    let invite = json!({"recipients": [{"objectId": h.facts.user_id}], "roles": ["read"], "requireSignIn": true});
    let granted = h.json("POST", &format!("{url}/invite"), invite).await.body(200);
    let prefer = [(
        "prefer",
        "deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges, hierarchicalsharing",
    )];
    let changed = h.send("GET", &link, &prefer, Body::empty()).await;
    assert!(changed.header("preference-applied").contains("deltashowsharingchanges"));
    let changed = changed.body(200);
    let values = changed["value"].as_array().unwrap();
    let shared = find(values, &folder).unwrap();
    assert_eq!(
        (&shared["@microsoft.graph.sharedChanged"], shared["shared"]["scope"].as_str()),
        (&json!("True"), Some("users"))
    );
    assert!(find(values, &file).is_none());
    let plain = h.get(&link).await.body(200);
    assert!(
        find(plain["value"].as_array().unwrap(), &folder)
            .unwrap()
            .get("@microsoft.graph.sharedChanged")
            .is_none()
    );
    h.delete(&format!("{url}/permissions/{}", id(&granted["value"][0]))).await.expect(204);
    let removed = h.send("GET", &link, &prefer, Body::empty()).await.body(200);
    assert_eq!(find(removed["value"].as_array().unwrap(), &folder).unwrap()["shared"], json!({}));
}
