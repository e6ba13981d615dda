//! Items: create, upload, download, update, move, copy, delete, versions, permissions.

use crate::common::{Harness, id};
use axum::body::Body;
use serde_json::{Value, json};

#[tokio::test]
async fn folders_and_conflicts() {
    let h = Harness::new();
    let root = format!("{}/root", h.drive());
    let folder = h.folder(&root, "New").await;
    assert_eq!(
        (folder["name"].as_str(), folder["folder"]["childCount"].as_i64()),
        (Some("New"), Some(0))
    );
    assert!(folder.get("cTag").is_none());
    let again = |behavior: &str| json!({"name": "NEW", "folder": {}, "@microsoft.graph.conflictBehavior": behavior});
    let children = format!("{root}/children");
    h.json("POST", &children, again("fail")).await.refused(409, "nameAlreadyExists", None);
    h.json("POST", &children, json!({"name": "new", "folder": {}})).await.refused(
        409,
        "nameAlreadyExists",
        None,
    );
    assert_eq!(h.json("POST", &children, again("rename")).await.body(201)["name"], "NEW 1");
    assert_eq!(id(&h.json("POST", &children, again("replace")).await.body(201)), id(&folder));
    h.json("POST", &children, again("nonsense")).await.refused(400, "invalidRequest", None);
    h.json("POST", &children, json!({"folder": {}})).await.refused(400, "invalidRequest", None);
    h.json("POST", &children, json!({"name": "x"})).await.refused(400, "invalidRequest", None);
    h.json("POST", &children, json!({"name": "a:b", "folder": {}})).await.refused(
        400,
        "invalidRequest",
        Some("invalidPath"),
    );
    h.json("POST", &children, json!({"name": "Forms", "folder": {}})).await.refused(
        400,
        "invalidRequest",
        Some("invalidPath"),
    );
    h.json("POST", &children, json!({"name": "x".repeat(256), "folder": {}})).await.refused(
        400,
        "invalidRequest",
        Some("pathIsTooLong"),
    );
    let deep = h.folder(&root, &"d".repeat(200)).await;
    let deep_url = format!("{}/items/{}", h.drive(), id(&deep));
    h.json("POST", &format!("{deep_url}/children"), json!({"name": "e".repeat(200), "folder": {}}))
        .await
        .refused(400, "invalidRequest", Some("pathIsTooLong"));
    h.folder(&deep_url, &"e".repeat(199)).await;

    let times = json!({"createdDateTime": "2019-05-06T07:08:09.123456+02:00", "lastModifiedDateTime": "2020-01-02T03:04:05Z"});
    let dated = h.json("POST", &children, json!({"name": "dated", "folder": {}, "fileSystemInfo": times, "@odata.type": "#microsoft.graph.driveItem"})).await.body(201);
    assert_eq!(
        dated["fileSystemInfo"],
        json!({"createdDateTime": "2019-05-06T05:08:09.123456Z", "lastModifiedDateTime": "2020-01-02T03:04:05Z"})
    );
    let empty = h
        .json("POST", &children, json!({"name": "empty.txt", "file": {}, "fileSystemInfo": times}))
        .await
        .body(201);
    assert_eq!(
        (empty["size"].as_i64(), empty["file"]["hashes"]["quickXorHash"].as_str()),
        (Some(0), Some("AAAAAAAAAAAAAAAAAAAAAAAAAAA="))
    );
    assert_eq!(empty["fileSystemInfo"]["lastModifiedDateTime"], "2020-01-02T03:04:05Z");
    h.json(
        "POST",
        &children,
        json!({"name": "y", "folder": {}, "fileSystemInfo": {"createdDateTime": "yesterday"}}),
    )
    .await
    .refused(400, "invalidRequest", None);
}

#[tokio::test]
async fn path_addressing_in_every_spelling() {
    let h = Harness::new();
    let d = h.drive();
    let odd = "résumé (1) + a&b = 100% #1's.txt";
    let encoded = "r%C3%A9sum%C3%A9%20(1)%20%2B%20a%26b%20%3D%20100%25%20%231%27s.txt";
    let url = format!("{}/items/root%3A%2Fdir%2Fsub%2F{encoded}%3A/content", d.replace('!', "%21"));
    let item = h.put(&url, b"odd").await.body(201);
    assert_eq!(item["name"], odd);
    let dir = h.get(&format!("{d}/root:/dir")).await.body(200);
    for url in [
        format!("{d}/root:/dir/sub/{encoded}"),
        format!("{d}/root:/DIR/SUB/{}:", encoded.to_uppercase().replace("%C3%A9", "%C3%89")),
        format!("{d}/items/root:/dir/sub/{encoded}:/"),
        format!("{d}/items/{}:/sub/{encoded}:", id(&dir)),
        format!("{d}//root:/.%2Fdir//sub/{encoded}"),
        format!("{d}/items/{}", id(&item)),
        format!("{d}/items/{}:/", id(&item)),
        format!("/sites/{}/drive/items/{}", h.facts.site_id, id(&item)),
    ] {
        let found = h.get(&url).await.body(200);
        assert_eq!(id(&found), id(&item), "{url}");
        assert_eq!(found["name"], odd);
    }
    for url in [
        format!("{d}/root:/dir://children"),
        format!("{d}/root:/dir:/children"),
        format!("{d}/items/{}:/:/children", id(&dir)),
    ] {
        assert_eq!(h.get(&url).await.body(200)["value"][0]["name"], "sub", "{url}");
    }
    assert_eq!(
        item["parentReference"]["path"],
        format!("/drives/{}/root:/dir/sub", h.facts.drive_id)
    );
    h.get(&format!("{d}/items/{}", id(&item).to_lowercase())).await.refused(
        404,
        "itemNotFound",
        None,
    );
    h.get(&format!("{d}/root:/dir/none.txt")).await.refused(404, "itemNotFound", None);
    h.get(&format!("{d}/root:/dir/sub/{encoded}/below")).await.refused(404, "itemNotFound", None);
    for name in ["\u{ff1a}\u{ff02} full width", "e\u{301} decomposed", "日本"] {
        let url = format!(
            "{d}/root:/{}:/content",
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
        );
        assert_eq!(h.put(&url, b"").await.body(201)["name"], name);
    }
}

#[tokio::test]
async fn put_content_replaces_and_downloads() {
    let h = Harness::new();
    let url = format!("{}/root:/made/on/the/way/a.txt:", h.drive());
    let first = h.put(&format!("{url}/content"), b"one").await.body(201);
    h.clock.advance_seconds(10);
    let second = h.put(&format!("{url}/content"), b"twice").await.body(200);
    assert_eq!((id(&first), second["size"].as_i64()), (id(&second), Some(5)));
    assert_ne!(first["cTag"], second["cTag"]);
    assert_ne!(first["eTag"], second["eTag"]);
    let by_id = format!("{}/items/{}", h.drive(), id(&first));
    assert_eq!(h.download(&format!("{by_id}/content")).await, b"twice");
    let fails = "@microsoft.graph.conflictBehavior=fail";
    h.put(&format!("{url}/content?{fails}"), b"x").await.refused(409, "nameAlreadyExists", None);
    let renamed =
        h.put(&format!("{url}/content?@name.conflictBehavior=rename"), b"x").await.body(201);
    assert_eq!(renamed["name"], "a 1.txt");
    h.put(&format!("{}/root:/made/on:/content", h.drive()), b"x").await.refused(
        409,
        "nameAlreadyExists",
        None,
    );
    h.put(&format!("{}/root:/made/a%3Fb:/content", h.drive()), b"x").await.refused(
        400,
        "invalidRequest",
        Some("invalidPath"),
    );
    let etag = second["eTag"].as_str().unwrap();
    let with = async |tag: &str, bytes: &'static str| {
        h.send("PUT", &format!("{by_id}/content"), &[("if-match", tag)], bytes).await
    };
    with("\"{00000000-0000-0000-0000-000000000000},1\"", "no").await.refused(
        412,
        "resourceModified",
        Some("entityTagDoesNotMatch"),
    );
    let third = with(etag.trim_matches('"'), "three").await.body(200);
    with("*", "four!").await.expect(200);
    let none = h.send("PUT", &format!("{by_id}/content"), &[("if-none-match", "*")], "x").await;
    none.refused(412, "resourceModified", Some("entityTagDoesNotMatch"));
    assert_eq!(third["size"], 5);
    h.get(&format!("{}/root:/made:/content", h.drive())).await.refused(400, "invalidRequest", None);
    let now = h.get(&by_id).await.body(200);
    let unchanged = h
        .send(
            "GET",
            &format!("{by_id}/content"),
            &[("if-none-match", now["cTag"].as_str().unwrap())],
            Body::empty(),
        )
        .await;
    unchanged.expect(304);
}

#[tokio::test]
async fn download_urls_need_no_token_and_serve_ranges() {
    let h = Harness::new();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
    let item = h.put(&format!("{}/root:/big.bin:/content", h.drive()), &bytes).await.body(201);
    let url = item["@microsoft.graph.downloadUrl"].as_str().unwrap();
    assert!(url.starts_with("http://tenant.internal/"), "{url}");
    for headers in
        [vec![("no-token", "")], vec![("no-token", ""), ("authorization", "Bearer nonsense")]]
    {
        let answer = h.send("GET", url, &headers, Body::empty()).await.expect(200);
        assert_eq!(answer.bytes, bytes);
        assert_eq!(answer.header("content-length"), "3000000");
        assert_eq!(answer.header("accept-ranges"), "bytes");
    }
    let range = async |range: &str| {
        h.send("GET", url, &[("no-token", ""), ("range", range)], Body::empty()).await
    };
    let part = range("bytes=1000-1999").await.expect(206);
    assert_eq!(
        (&part.bytes[..], part.header("content-range")),
        (&bytes[1000..2000], "bytes 1000-1999/3000000")
    );
    assert_eq!(range("bytes=-5").await.expect(206).bytes, &bytes[2_999_995..]);
    assert_eq!(range("bytes=100000-").await.expect(206).bytes, &bytes[100_000..]);
    let outside = range("bytes=3000000-").await.expect(416);
    assert_eq!(outside.header("content-range"), "bytes */3000000");
    let head = h.send("HEAD", url, &[("no-token", "")], Body::empty()).await.expect(200);
    assert_eq!((head.header("content-length"), head.bytes.len()), ("3000000", 0));
    let forged = format!("{}AAAA", &url[..url.len() - 4]);
    h.send("GET", &forged, &[("no-token", "")], Body::empty()).await.refused(
        401,
        "unauthenticated",
        None,
    );
    h.clock.advance_seconds(3601);
    h.send("GET", url, &[("no-token", "")], Body::empty()).await.refused(
        401,
        "unauthenticated",
        None,
    );
    let fresh = h
        .send("GET", &format!("{}/root:/big.bin", h.drive()), &[("no-token", "")], Body::empty())
        .await;
    fresh.refused(401, "InvalidAuthenticationToken", None);
}

#[tokio::test]
async fn selected_download_url_and_properties() {
    let h = Harness::new();
    let root = format!("{}/root", h.drive());
    for name in
        ["content.downloadUrl", "@microsoft.graph.downloadUrl", "%40microsoft.graph.downloadUrl"]
    {
        let item = h.get(&format!("{root}:/Read%20me.txt?select=name,{name}")).await.body(200);
        let mut names: Vec<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
        names.retain(|name| *name != "@odata.context");
        names.sort_unstable();
        assert_eq!(names, ["@microsoft.graph.downloadUrl", "id", "name"]);
    }
    assert!(
        h.get(&format!("{root}:/Read%20me.txt?$select=id"))
            .await
            .body(200)
            .get("@microsoft.graph.downloadUrl")
            .is_none()
    );
    h.get(&format!("{root}?$select=nonsense")).await.refused(400, "BadRequest", None);
    let expanded = h.get(&format!("{root}?$expand=children($select=name)")).await.body(200);
    assert!(expanded["children"].as_array().unwrap().len() >= 5);
    h.get(&format!("{root}?$expand=nonsense")).await.refused(501, "notSupported", None);
    h.get(&format!("{root}?unknown=1&$unknown=2")).await.expect(200);
}

#[tokio::test]
async fn children_page_by_name() {
    let h = Harness::new();
    let root = format!("{}/root", h.drive());
    let folder = h.folder(&root, "many").await;
    let url = format!("{}/items/{}", h.drive(), id(&folder));
    for i in 0..25 {
        h.put(&format!("{url}:/f{i:02}.txt:/content"), "x".repeat(30 - i).as_bytes())
            .await
            .expect(201);
    }
    let names = |values: &[Value]| {
        values.iter().map(|v| v["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (all, _, pages) = h.drain(&format!("{url}/children?$top=7&$select=name")).await;
    assert_eq!(pages, 4);
    assert_eq!(names(&all), (0..25).map(|i| format!("f{i:02}.txt")).collect::<Vec<_>>());
    let first =
        h.get(&format!("{url}/children?$top=7&$count=true&$select=name,size")).await.body(200);
    assert_eq!(first["@odata.count"], 25);
    let count = h.get(&format!("{url}/children/$count")).await.expect(200);
    assert_eq!((count.header("content-type"), &count.bytes[..]), ("text/plain", &b"25"[..]));
    let next = first["@odata.nextLink"].as_str().unwrap();
    assert!(next.starts_with("http://tenant.internal/v1.0/drives/"), "{next}");
    assert!(
        next.contains("$top=7")
            && next.contains("$select=name,size")
            && next.contains("$count=true")
    );
    let (by_size, _, pages) = h.drain(&format!("{url}/children?$top=10&$orderby=size%20asc")).await;
    assert_eq!((pages, names(&by_size)[0].as_str()), (3, "f24.txt"));
    let found = h.get(&format!("{url}/children?$filter=size%20gt%2028")).await.body(200);
    assert_eq!(names(found["value"].as_array().unwrap()), ["f00.txt", "f01.txt"]);
    h.get(&format!("{url}/children?$top=0")).await.refused(400, "BadRequest", None);
    h.get(&format!("{url}/children?$skiptoken=%25")).await.refused(400, "BadRequest", None);
    let with_host =
        h.send("GET", &format!("{url}/children?$top=7"), &[("host", "other")], Body::empty()).await;
    assert!(
        with_host.json()["@odata.nextLink"].as_str().unwrap().starts_with("http://tenant.internal")
    );
}

#[tokio::test]
async fn patch_renames_moves_and_sets_times() {
    let h = Harness::new();
    let d = h.drive();
    let a = h.folder(&format!("{d}/root"), "A").await;
    let b = h.folder(&format!("{d}/items/{}", id(&a)), "B").await;
    let file = h.put(&format!("{d}/items/{}:/f.txt:/content", id(&b)), b"12345").await.body(201);
    let url = |item: &Value| format!("{d}/items/{}", id(item));
    h.clock.advance_seconds(5);
    let renamed = h.json("PATCH", &url(&file), json!({"name": "F.TXT", "fileSystemInfo": {"lastModifiedDateTime": "2021-03-04T05:06:07.110731+00:00"}, "parentReference": {"path": "", "driveType": ""}})).await.body(200);
    assert_eq!(renamed["name"], "F.TXT", "a change of letter case is no clash");
    assert_eq!(renamed["fileSystemInfo"]["lastModifiedDateTime"], "2021-03-04T05:06:07.110731Z");
    assert_eq!(renamed["cTag"], file["cTag"]);
    assert_ne!(renamed["eTag"], file["eTag"]);
    let versions = h.get(&format!("{}/versions", url(&file))).await.body(200);
    assert_eq!(versions["value"].as_array().unwrap().len(), 2);
    let same = h.json("PATCH", &url(&file), json!({"name": "F.TXT", "fileSystemInfo": {"lastModifiedDateTime": "2021-03-04T05:06:07.110731Z"}})).await.body(200);
    assert_eq!(same["eTag"], renamed["eTag"], "nothing changed");

    let before = h.get(&url(&a)).await.body(200);
    let moved =
        h.json("PATCH", &url(&file), json!({"parentReference": {"id": id(&a)}})).await.body(200);
    assert_eq!(moved["parentReference"]["id"], a["id"]);
    let after = h.get(&url(&a)).await.body(200);
    assert_eq!(
        (after["size"].as_i64(), after["folder"]["childCount"].as_i64()),
        (Some(5), Some(2))
    );
    assert_eq!(before["eTag"], after["eTag"]);
    assert_ne!(
        a["lastModifiedDateTime"], after["lastModifiedDateTime"],
        "the server's time follows descendants"
    );
    assert_eq!(a["fileSystemInfo"], after["fileSystemInfo"], "the client's does not");
    assert_eq!(h.get(&url(&b)).await.body(200)["size"], 0);
    let back = format!("/drives/{}/root:/A/B", h.facts.drive_id);
    let moved =
        h.json("PATCH", &url(&file), json!({"parentReference": {"path": back}})).await.body(200);
    assert_eq!(moved["parentReference"]["id"], b["id"]);

    h.json("PATCH", &url(&a), json!({"parentReference": {"id": id(&b)}})).await.refused(
        400,
        "invalidRequest",
        None,
    );
    h.json("PATCH", &url(&a), json!({"parentReference": {"driveId": "b!other", "id": id(&b)}}))
        .await
        .refused(400, "invalidRequest", None);
    h.json("PATCH", &url(&a), json!({"name": "Reports"})).await.refused(
        409,
        "nameAlreadyExists",
        None,
    );
    h.json("PATCH", &url(&a), json!({"name": "a?"})).await.refused(
        400,
        "invalidRequest",
        Some("invalidPath"),
    );
    h.json("PATCH", &format!("{d}/root"), json!({"name": "x"})).await.refused(
        400,
        "invalidRequest",
        None,
    );
    let stale = h
        .send(
            "PATCH",
            &url(&file),
            &[("if-match", file["eTag"].as_str().unwrap())],
            json!({"name": "g"}).to_string(),
        )
        .await;
    stale.refused(412, "resourceModified", Some("entityTagDoesNotMatch"));
    let other = h.put(&format!("{d}/items/{}:/other.txt:/content", id(&b)), b"x").await.body(201);
    let replaced = h
        .json(
            "PATCH",
            &url(&other),
            json!({"name": "f.txt", "@microsoft.graph.conflictBehavior": "replace"}),
        )
        .await
        .body(200);
    assert_eq!((id(&replaced), replaced["name"].as_str()), (id(&other), Some("f.txt")));
    h.get(&url(&file)).await.refused(404, "itemNotFound", None);
    let times = json!({"fileSystemInfo": {"createdDateTime": "2001-01-01T00:00:00Z", "lastModifiedDateTime": "2002-01-01T00:00:00Z"}});
    assert_eq!(
        h.json("PATCH", &url(&a), times.clone()).await.body(200)["fileSystemInfo"],
        times["fileSystemInfo"]
    );
}

#[tokio::test]
async fn delete_recycle_restore_and_purge() {
    let h = Harness::new();
    let d = h.drive();
    let file = h.put(&format!("{d}/root:/x/y/z.txt:/content"), b"zz").await.body(201);
    let folder = h.get(&format!("{d}/root:/x")).await.body(200);
    let root_before = h.get(&format!("{d}/root")).await.body(200);
    let url = format!("{d}/items/{}", id(&folder));
    h.send("DELETE", &url, &[("if-match", "\"x\"")], Body::empty()).await.refused(
        412,
        "resourceModified",
        Some("entityTagDoesNotMatch"),
    );
    h.delete(&url).await.expect(204);
    h.delete(&url).await.refused(404, "itemNotFound", None);
    h.get(&format!("{d}/items/{}", id(&file))).await.refused(404, "itemNotFound", None);
    let root = h.get(&format!("{d}/root")).await.body(200);
    assert_eq!(root["size"].as_i64().unwrap() + 2, root_before["size"].as_i64().unwrap());
    let restored = h.json("POST", &format!("{url}/restore"), json!({})).await.body(200);
    assert_eq!(id(&restored), id(&folder));
    assert_eq!(h.get(&format!("{d}/root:/x/y/z.txt")).await.body(200)["id"], file["id"]);
    assert_eq!(h.get(&format!("{d}/root")).await.body(200)["size"], root_before["size"]);
    h.delete(&url).await.expect(204);
    h.send(
        "POST",
        &format!("{url}/permanentDelete"),
        &[("content-type", "application/json")],
        Body::empty(),
    )
    .await
    .expect(204);
    h.json("POST", &format!("{url}/restore"), json!({})).await.refused(404, "itemNotFound", None);
    h.delete(&format!("{d}/root")).await.refused(400, "invalidRequest", None);
}

#[tokio::test]
async fn versions() {
    let h = Harness::new();
    let item = h.put(&format!("{}/root:/v.txt:/content", h.drive()), b"one").await.body(201);
    let url = format!("{}/items/{}", h.drive(), id(&item));
    for bytes in ["two", "three"] {
        h.put(&format!("{url}/content"), bytes.as_bytes()).await.expect(200);
    }
    let ids = async || {
        let list = h.get(&format!("{url}/versions")).await.body(200);
        list["value"].as_array().unwrap().iter().map(|v| id(v).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, ["3.0", "2.0", "1.0"]);
    assert_eq!(h.download(&format!("{url}/versions/1.0/content")).await, b"one");
    h.get(&format!("{url}/versions/3.0/content")).await.refused(400, "invalidRequest", None);
    h.get(&format!("{url}/versions/9.0")).await.refused(404, "itemNotFound", None);
    assert_eq!(h.get(&format!("{url}/versions/2.0")).await.body(200)["size"], 3);
    h.send("POST", &format!("{url}/versions/1.0/restoreVersion"), &[], Body::empty())
        .await
        .expect(204);
    assert_eq!(ids().await, ["4.0", "3.0", "2.0", "1.0"]);
    assert_eq!(h.download(&format!("{url}/content")).await, b"one");
    h.delete(&format!("{url}/versions/4.0")).await.refused(400, "invalidRequest", None);
    h.delete(&format!("{url}/versions/2.0")).await.expect(204);
    assert_eq!(ids().await, ["4.0", "3.0", "1.0"]);
}

#[tokio::test]
async fn permissions() {
    let h = Harness::new();
    let d = h.drive();
    let file = h.put(&format!("{d}/root:/p/q/f.txt:/content"), b"f").await.body(201);
    let folder = h.get(&format!("{d}/root:/p")).await.body(200);
    let url = |item: &Value| format!("{d}/items/{}", id(item));
    let list = async |item: &Value| {
        h.get(&format!("{}/permissions", url(item))).await.body(200)["value"]
            .as_array()
            .unwrap()
            .clone()
    };
    assert!(list(&file).await.iter().all(
        |p| p["inheritedFrom"]["id"].is_string() && !p["roles"].as_array().unwrap().is_empty()
    ));
    assert_eq!(list(&file).await.len(), 3);
    let users = h.get("/users").await.body(200);
    let (one, two) = (&users["value"][1], &users["value"][2]);
    let invite = |recipients: Value, role: &str, retain: bool| json!({"recipients": recipients, "roles": [role], "requireSignIn": true, "sendInvitation": false, "retainInheritedPermissions": retain});
    let granted = h
        .json(
            "POST",
            &format!("{}/invite", url(&folder)),
            invite(json!([{"objectId": id(one)}, {"email": two["mail"]}]), "write", true),
        )
        .await
        .body(200);
    assert_eq!(granted["value"].as_array().unwrap().len(), 2);
    let folder_now = h.get(&url(&folder)).await.body(200);
    assert_eq!(folder_now["shared"], json!({"scope": "users"}));
    assert!(h.get(&url(&file)).await.body(200).get("shared").is_none(), "inherited is not shared");
    let all = list(&file).await;
    assert_eq!(all.len(), 5);
    assert_eq!(all[0]["inheritedFrom"]["id"], folder["id"]);
    let pid = all[0]["id"].as_str().unwrap();
    h.delete(&format!("{}/permissions/{pid}", url(&file))).await.refused(403, "accessDenied", None);
    let patched = h
        .json("PATCH", &format!("{}/permissions/{pid}", url(&folder)), json!({"roles": ["read"]}))
        .await
        .body(200);
    assert_eq!(patched["roles"], json!(["read"]));
    h.json(
        "POST",
        &format!("{}/invite", url(&file)),
        invite(json!([{"objectId": id(one)}]), "read", false),
    )
    .await
    .expect(200);
    assert_eq!(list(&file).await.len(), 1);
    let link = json!({"type": "view", "scope": "anonymous"});
    let made = h.json("POST", &format!("{}/createLink", url(&file)), link.clone()).await.body(201);
    assert_eq!(made["link"]["type"], "view");
    assert_eq!(
        id(&h.json("POST", &format!("{}/createLink", url(&file)), link).await.body(200)),
        id(&made)
    );
    assert_eq!(h.get(&url(&file)).await.body(200)["shared"]["scope"], "anonymous");
    for permission in list(&folder).await.iter().filter(|p| p.get("inheritedFrom").is_none()) {
        h.delete(&format!("{}/permissions/{}", url(&folder), id(permission))).await.expect(204);
    }
    assert!(h.get(&url(&folder)).await.body(200).get("shared").is_none());
    h.json(
        "POST",
        &format!("{}/invite", url(&file)),
        invite(json!([{"email": "nobody@elsewhere.com"}]), "read", true),
    )
    .await
    .refused(400, "noResolvedUsers", None);
    h.json(
        "POST",
        &format!("{}/invite", url(&file)),
        invite(json!([{"objectId": id(one)}]), "king", true),
    )
    .await
    .refused(400, "invalidRequest", None);
}

#[tokio::test]
async fn copies_have_a_monitor() {
    let h = Harness::new();
    let d = h.drive();
    h.put(&format!("{d}/root:/src/in/f.txt:/content"), b"copied").await.expect(201);
    let source = h.get(&format!("{d}/root:/src")).await.body(200);
    let root = h.get(&format!("{d}/root")).await.body(200);
    let url = format!("{d}/items/{}/copy", id(&source));
    let body = json!({"parentReference": {"driveId": h.facts.drive_id.as_str(), "id": id(&root)}, "name": "dst"});
    let accepted = h.json("POST", &url, body.clone()).await.expect(202);
    let monitor = accepted.header("location").to_owned();
    assert!(accepted.bytes.is_empty());
    let status = h.send("GET", &monitor, &[("no-token", "")], Body::empty()).await.body(200);
    assert_eq!(status["status"], "completed");
    let copy = h.get(&format!("{d}/root:/dst")).await.body(200);
    assert_eq!(status["resourceId"], copy["id"]);
    assert_eq!(copy["size"], 6);
    assert_eq!(h.download(&format!("{d}/root:/dst/in/f.txt:/content")).await, b"copied");
    h.json("POST", &url, body.clone()).await.refused(409, "nameAlreadyExists", None);
    h.json("POST", &format!("{url}?@microsoft.graph.conflictBehavior=rename"), body)
        .await
        .expect(202);
    assert_eq!(h.get(&format!("{d}/root:/dst%201")).await.body(200)["folder"]["childCount"], 1);
    let onedrive = h.get(&format!("/users/{}/drive", h.facts.user_id)).await.body(200);
    let file = h.get(&format!("{d}/root:/src/in/f.txt")).await.body(200);
    let there = json!({"parentReference": {"driveId": id(&onedrive), "id": "root"}});
    h.json("POST", &format!("{d}/items/{}/copy", id(&file)), there).await.expect(202);
    h.get(&format!("/drives/{}/root:/f.txt", id(&onedrive))).await.expect(200);
}
