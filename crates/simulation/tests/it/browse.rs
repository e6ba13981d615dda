//! Browsing a restore point: everything in it, in order, page by page, with addresses and keys that say where it is.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_domain::{Clock, RestorePoint, Workload};
use holdfast_simulation::{Objects, Protected, World, WorldOptions};
use http::Method;
use serde_json::{Value, json};

use crate::common::{folder, id, plain, put, true_point};

/// Everything below a place, by `library/path`.
async fn walk(world: &World, session: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![(world.key_of(session, "").await.unwrap(), String::new())];
    while let Some((key, path)) = next.pop() {
        let question = json!({"browseLocationItemKey": key});
        for row in world.look(session, &question).await.unwrap() {
            let name = row["name"].as_str().unwrap();
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            if row["type"] != "file" {
                next.push((row["itemKey"].as_str().unwrap().to_owned(), path.clone()));
            }
            assert!(found.insert(path.clone()), "{path} twice");
        }
    }
    found
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["name"].as_str().unwrap()).collect()
}

/// A site with folders, odd names and a number of files.
async fn filled(seed: u64) -> (World, Protected, RestorePoint) {
    let (mut world, site) = plain(seed).await;
    let outer = folder(&world, &site, &site.root, "Outer #1").await;
    let inner = folder(&world, &site, &outer, "inner").await;
    folder(&world, &site, &site.root, "empty").await;
    for name in ["B.txt", "a.txt", "Ärger & 100%.txt"] {
        put(&world, &site, &inner, name, name.as_bytes()).await;
    }
    put(&world, &site, &site.root, "Bericht über B.txt", &[7; 700]).await;
    let (point, _) = true_point(&mut world, &site).await;
    (world, site, point)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_finds_what_the_point_has() {
    let (world, site, point) = filled(701).await;
    let session = world.browse(&point).await.unwrap();
    let stored = world.read_point(&point).await.unwrap();
    let mut wanted: BTreeSet<String> = stored.entries.keys().cloned().collect();
    wanted.extend(stored.libraries.clone());
    assert_eq!(walk(&world, &session).await, wanted);

    let top = world.look(&session, &json!({"browseResourceType": "site"})).await.unwrap();
    assert_eq!(top.len(), 1);
    assert_eq!(top[0]["type"], "site");
    assert_eq!(top[0]["webUrl"], "https://contoso.sharepoint.com/sites/case");
    let site_key = top[0]["itemKey"].as_str().unwrap();
    assert!(site.site.ends_with(site_key), "{site_key} of {}", site.site);
    let libraries =
        world.look(&session, &json!({"browseLocationItemKey": site_key})).await.unwrap();
    assert_eq!(libraries[0]["type"], "documentLibrary");
    assert_eq!(libraries[0]["itemsCount"], 3);
    assert_eq!(libraries[0]["sizeInBytes"], point.size_bytes.to_string());
    // As the tenant says it.
    let drive = world
        .node
        .graph
        .call(Method::GET, &format!("/v1.0/drives/{}", site.drive), &Value::Null)
        .await
        .unwrap()
        .ok()
        .unwrap();
    assert_eq!(libraries[0]["webUrl"], drive["webUrl"]);
    let key = world.key_of(&session, "Documents/Outer #1/inner").await.unwrap();
    assert!(key.starts_with(libraries[0]["itemKey"].as_str().unwrap()));
    let rows = world.look(&session, &json!({"browseLocationItemKey": key})).await.unwrap();
    let file = rows.iter().find(|row| row["name"] == "a.txt").unwrap();
    let live = world
        .node
        .graph
        .list(&format!("/v1.0/drives/{}/root:/Outer%20%231/inner:/children", site.drive))
        .await
        .unwrap();
    let live = live.iter().find(|item| item["name"] == "a.txt").unwrap();
    assert_eq!(file["webUrl"], live["webUrl"]);
    assert_eq!(file["sizeInBytes"], "5");
    assert!(file.get("createdDateTime").is_none(), "that is beta's: {file}");
    // The same item has the same key in another session.
    let other = world.browse(&point).await.unwrap();
    assert_ne!(session, other);
    assert_eq!(world.key_of(&other, "Documents/Outer #1/inner").await.unwrap(), key);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_filters_and_the_short_way() {
    let (world, _, point) = filled(702).await;
    let session = world.browse(&point).await.unwrap();
    let library = world.key_of(&session, "Documents").await.unwrap();
    let look = async |question: Value| world.look(&session, &question).await.unwrap();
    let root = look(json!({"browseLocationItemKey": library})).await;
    assert_eq!(names(&root), ["Bericht über B.txt", "empty", "Outer #1"]);
    let down = look(json!({"browseLocationItemKey": library, "orderBy": "nameDsc"})).await;
    assert_eq!(names(&down), ["Outer #1", "empty", "Bericht über B.txt"]);
    // Searches go below, in any letter case.
    let filter = "(name -contains 'b.TXT')";
    for place in [json!({}), json!({"browseLocationItemKey": library})] {
        let mut question = place.clone();
        question["filter"] = json!(filter);
        assert_eq!(names(&look(question.clone()).await), ["Bericht über B.txt", "B.txt"]);
        question["orderBy"] = json!("nameAsc");
        assert_eq!(names(&look(question.clone()).await), ["B.txt", "Bericht über B.txt"]);
        question["orderBy"] = json!("nameDsc");
        assert_eq!(names(&look(question.clone()).await), ["Bericht über B.txt", "B.txt"]);
        question["orderBy"] = json!("pathDsc");
        assert_eq!(names(&look(question).await), ["B.txt", "Bericht über B.txt"]);
    }
    let inner = world.key_of(&session, "Documents/Outer #1/inner").await.unwrap();
    let below = json!({"browseLocationItemKey": inner, "filter": filter});
    assert_eq!(names(&look(below).await), ["B.txt"]);
    let short = world
        .node
        .graph
        .beta(
            Method::POST,
            &format!("/sharePointBrowseSessions/{session}/browse"),
            &json!({"optimizedBrowse": true}),
        )
        .await
        .unwrap();
    assert_eq!(names(short["value"].as_array().unwrap()), names(&root));
    assert!(short["value"][0]["createdDateTime"].is_string(), "{short}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_join_up_in_every_order() {
    let (mut world, site) = plain(703).await;
    for number in 0..230 {
        put(&world, &site, &site.root, &format!("file {number:03}"), b"x").await;
    }
    let (point, _) = true_point(&mut world, &site).await;
    let session = world.browse(&point).await.unwrap();
    let library = world.key_of(&session, "Documents").await.unwrap();
    for (order, down) in
        [("pathAsc", false), ("pathDsc", true), ("nameAsc", false), ("nameDsc", true)]
    {
        for filter in [None, Some("(name -contains 'FILE')")] {
            let mut question = json!({"browseLocationItemKey": library, "orderBy": order});
            if let Some(filter) = filter {
                question["filter"] = json!(filter);
            }
            let rows = world.look(&session, &question).await.unwrap();
            let mut found: Vec<String> =
                rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
            if down {
                found.reverse();
            }
            let wanted: Vec<String> = (0..230).map(|number| format!("file {number:03}")).collect();
            assert_eq!(found, wanted, "{order} {filter:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_drive_can_be_browsed() {
    let world = World::new(WorldOptions::new(704)).await.unwrap();
    let user = id(&world.node.graph.list("/v1.0/users").await.unwrap()[0]);
    let drive = world.protect_user(Workload::OneDrive, &user).await.unwrap();
    world.settle().await.unwrap();
    let point = world.latest(drive.unit).await.unwrap().unwrap();
    let session = world.browse(&point).await.unwrap();
    let found = walk(&world, &session).await;
    assert!(found.contains("OneDrive/Notes/Welcome.txt"), "{found:?}");
    let path = format!("/oneDriveForBusinessBrowseSessions/{session}");
    let shown = world.node.graph.backup(Method::GET, &path, &Value::Null).await.unwrap();
    assert_eq!(shown["directoryObjectId"], user);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_made_says_why_and_a_session_ends() {
    let mut options = WorldOptions::new(705);
    options.objects = Objects::Folder;
    let mut world = World::new(options).await.unwrap();
    let site = world.protected("damaged").await.unwrap();
    put(&world, &site, &site.root, "file", b"content").await;
    let (point, _) = true_point(&mut world, &site).await;
    let good = world.browse(&point).await.unwrap();

    // Its rows go when it is over, also those of a session that nobody asks for.
    world.clock.advance(Duration::from_secs(72 * 3600 - 1));
    world.node.engine.run_until_idle().await.unwrap();
    assert!(world.look(&good, &json!({})).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    let path = format!("/browseSessions/{good}");
    let gone = world.node.graph.backup(Method::GET, &path, &Value::Null).await.unwrap_err();
    assert!(gone.to_string().contains("404"), "{gone}");
    assert!(world.look(&good, &json!({})).await.unwrap_err().to_string().contains("404"));
    world.node.engine.run_until_idle().await.unwrap();
    let mut tx = world.node.store.read().await.unwrap();
    assert_eq!(tx.browse_item(good.parse().unwrap(), 0).await.unwrap(), None);
    let left = tx.expired_browse_sessions(world.clock.now(), 9).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    drop(tx);

    // Whatever stored the trees is gone.
    let data = world.repository_folder(site.unit).join("data");
    std::fs::remove_dir_all(&data).unwrap();
    world.restart_node().unwrap();
    let failed = world.browse(&point).await.unwrap_err().to_string();
    assert!(failed.contains("\"status\":\"failed\""), "{failed}");
    assert!(failed.contains("damaged"), "{failed}");
}
