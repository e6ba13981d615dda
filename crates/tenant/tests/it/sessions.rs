//! Upload sessions, with the traps that real clients set.

use axum::body::Body;
use serde_json::{Value, json};

use crate::common::{Answer, Harness, id};

struct Session<'h> {
    h: &'h Harness,
    url: String,
}

impl<'h> Session<'h> {
    async fn create(h: &'h Harness, path: &str, body: Value) -> (Session<'h>, Value) {
        let url = format!("{}/root:/{path}:/createUploadSession", h.drive());
        let answer = h.json("POST", &url, body).await.body(200);
        (Session { h, url: answer["uploadUrl"].as_str().unwrap().to_owned() }, answer)
    }

    async fn put(&self, bytes: &[u8], start: usize, total: usize) -> Answer {
        let range = format!("bytes {start}-{}/{total}", start + bytes.len() - 1);
        let length = bytes.len().to_string();
        let headers = [
            ("content-range", range.as_str()),
            ("content-length", length.as_str()),
            ("no-token", ""),
            ("authorization", "Bearer forwarded"),
        ];
        self.h.send("PUT", &self.url, &headers, bytes.to_vec()).await
    }

    async fn status(&self) -> Answer {
        self.h.send("GET", &self.url, &[("no-token", "")], Body::empty()).await
    }
}

fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((7 * i + 3) % 251).unwrap()).collect()
}

#[tokio::test]
async fn a_file_in_odd_fragments_with_its_times() {
    let h = Harness::new();
    let bytes = sample(1_048_577);
    let times = json!({"createdDateTime": "2021-03-04T05:06:07Z", "lastModifiedDateTime": "2021-03-04T05:06:07+00:00"});
    let body = json!({"item": {"@odata.type": "x", "@microsoft.graph.conflictBehavior": "replace", "fileSystemInfo": times}});
    let (session, made) = Session::create(&h, "up/loaded/large.bin", body).await;
    assert_eq!(made["nextExpectedRanges"], json!(["0-"]));
    assert!(made["expirationDateTime"].as_str().unwrap().ends_with('Z'));
    assert!(session.url.starts_with("http://tenant.internal/"));
    let answer = session.put(&bytes[..400_001], 0, bytes.len()).await.body(202);
    assert_eq!(answer["nextExpectedRanges"], json!(["400001-1048576"]));
    assert_eq!(
        session.status().await.body(200)["nextExpectedRanges"],
        answer["nextExpectedRanges"]
    );
    session.put(&bytes[..400_001], 0, bytes.len()).await.refused(
        416,
        "invalidRange",
        Some("fragmentOverlap"),
    );
    session.put(&bytes[500_000..500_010], 500_000, bytes.len()).await.refused(
        416,
        "invalidRange",
        Some("fragmentOutOfOrder"),
    );
    session.put(&bytes[400_001..400_011], 400_001, 999_999).await.refused(
        400,
        "invalidRequest",
        Some("fragmentLengthMismatch"),
    );
    h.get(&format!("{}/root:/up/loaded/large.bin", h.drive())).await.refused(
        404,
        "itemNotFound",
        None,
    );
    let item = session.put(&bytes[400_001..], 400_001, bytes.len()).await.body(201);
    assert_eq!(item["file"]["hashes"]["quickXorHash"], "ET8OMz1ZOmVdfjL+3xwH4BX9wmw=");
    assert_eq!(
        item["fileSystemInfo"],
        json!({"createdDateTime": "2021-03-04T05:06:07Z", "lastModifiedDateTime": "2021-03-04T05:06:07Z"})
    );
    assert_eq!(
        item["parentReference"]["path"],
        format!("/drives/{}/root:/up/loaded", h.facts.drive_id)
    );
    let repeated = session.put(&bytes[400_001..], 400_001, bytes.len()).await.body(200);
    assert_eq!(repeated["id"], item["id"]);
    session.put(&bytes[..10], 0, bytes.len()).await.refused(
        404,
        "itemNotFound",
        Some("uploadSessionNotFound"),
    );
    session.status().await.refused(404, "itemNotFound", Some("uploadSessionNotFound"));
    assert_eq!(h.download(&format!("{}/items/{}/content", h.drive(), id(&item))).await, bytes);
    h.clock.advance_seconds(601);
    session.put(&bytes[400_001..], 400_001, bytes.len()).await.refused(
        404,
        "itemNotFound",
        Some("uploadSessionNotFound"),
    );
}

#[tokio::test]
async fn a_broken_fragment_is_discarded() {
    let h = Harness::new();
    let bytes = sample(1000);
    let (session, _) = Session::create(&h, "broken.bin", json!({})).await;
    session.put(&bytes[..300], 0, 1000).await.expect(202);
    let headers = [("content-range", "bytes 300-699/1000"), ("no-token", "")];
    let cut = h.send("PUT", &session.url, &headers, bytes[300..500].to_vec()).await;
    cut.refused(400, "invalidRequest", Some("fragmentLengthMismatch"));
    assert_eq!(session.status().await.body(200)["nextExpectedRanges"], json!(["300-999"]));
    let broken =
        futures::stream::iter([Ok(bytes[300..400].to_vec()), Err(std::io::Error::other("gone"))]);
    let cut = h.send("PUT", &session.url, &headers, Body::from_stream(broken)).await;
    cut.refused(400, "invalidRequest", Some("fragmentLengthMismatch"));
    let item = session.put(&bytes[300..], 300, 1000).await.body(201);
    assert_eq!(h.download(&format!("{}/items/{}/content", h.drive(), id(&item))).await, bytes);
}

#[tokio::test]
async fn conflicts() {
    let h = Harness::new();
    let root = format!("{}/root", h.drive());
    let old = h.put(&format!("{root}:/c.bin:/content"), b"old").await.body(201);
    // rclone and onedrive: the annotation missing or in its older spelling; both mean replace.
    for body in [json!({}), Value::Null, json!({"item": {"@name.conflictBehavior": "replace"}})] {
        let (session, _) = Session::create(&h, "c.bin", body).await;
        assert_eq!(session.put(b"new", 0, 3).await.body(200)["id"], old["id"]);
    }
    let fail = json!({"Item": {"@microsoft.graph.conflictBehavior": "fail"}});
    h.json("POST", &format!("{root}:/c.bin:/createUploadSession"), fail.clone()).await.refused(
        409,
        "nameAlreadyExists",
        None,
    );
    let (session, _) = Session::create(
        &h,
        "c.bin",
        json!({"item": {"@microsoft.graph.conflictBehavior": "rename"}}),
    )
    .await;
    assert_eq!(session.put(b"new", 0, 3).await.body(201)["name"], "c 1.bin");

    let (session, _) = Session::create(&h, "late.bin", fail).await;
    h.put(&format!("{root}:/late.bin:/content"), b"first").await.expect(201);
    session.put(b"second", 0, 6).await.refused(409, "nameAlreadyExists", None);
    let body = json!({"name": "late.bin", "@microsoft.graph.conflictBehavior": "rename", "@microsoft.graph.sourceUrl": session.url});
    assert_eq!(h.json("PUT", &root, body).await.body(201)["name"], "late 1.bin");
    assert_eq!(h.download(&format!("{root}:/late%201.bin:/content")).await, b"second");

    let by_id = format!("{}/items/{}/createUploadSession", h.drive(), id(&old));
    let answer = h.send("POST", &by_id, &[("if-match", "\"x\"")], "{}").await;
    answer.refused(412, "resourceModified", Some("entityTagDoesNotMatch"));
    h.json("POST", &by_id, json!({})).await.expect(200);
    h.json("POST", &format!("{root}:/Reports:/createUploadSession"), json!({})).await.refused(
        409,
        "nameAlreadyExists",
        None,
    );
    h.json("POST", &format!("{root}:/a%7Cb:/createUploadSession"), json!({})).await.refused(
        400,
        "invalidRequest",
        Some("invalidPath"),
    );
    h.json(
        "POST",
        &format!("{root}:/n.bin:/createUploadSession"),
        json!({"item": {"name": "m.bin"}}),
    )
    .await
    .refused(400, "invalidRequest", None);
    h.json(
        "POST",
        &format!("{root}:/n.bin:/createUploadSession"),
        json!({"item": {"fileSize": 1_i64 << 50}}),
    )
    .await
    .refused(507, "quotaLimitReached", None);
}

#[tokio::test]
async fn deferred_cancelled_expired_and_malformed() {
    let h = Harness::new();
    let (session, _) = Session::create(&h, "later.bin", json!({"deferCommit": true})).await;
    h.send("POST", &session.url, &[("no-token", "")], Body::empty()).await.refused(
        400,
        "invalidRequest",
        Some("uploadSessionIncomplete"),
    );
    assert_eq!(session.put(b"12345", 0, 5).await.body(202)["nextExpectedRanges"], json!([]));
    h.get(&format!("{}/root:/later.bin", h.drive())).await.expect(404);
    h.send("POST", &session.url, &[("no-token", "")], Body::empty()).await.expect(201);

    let (session, _) = Session::create(&h, "never.bin", json!({})).await;
    session.put(b"12345", 0, 10).await.expect(202);
    h.send("DELETE", &session.url, &[("no-token", "")], Body::empty()).await.expect(204);
    session.status().await.refused(404, "itemNotFound", Some("uploadSessionNotFound"));
    session.put(b"67890", 5, 10).await.refused(404, "itemNotFound", Some("uploadSessionNotFound"));

    let (session, _) = Session::create(&h, "old.bin", json!({})).await;
    for range in ["bytes 0-4/*", "0-4/5", "bytes 4-0/5", "bytes 0-5/5", "bytes -1-4/5", ""] {
        let headers = [("content-range", range), ("no-token", "")];
        h.send("PUT", &session.url, &headers, "12345").await.refused(400, "invalidRequest", None);
    }
    let huge = format!("bytes 0-{}/{}", 60 * 1024 * 1024 - 1, 1 << 30);
    h.send("PUT", &session.url, &[("content-range", &huge), ("no-token", "")], "x").await.refused(
        413,
        "invalidRequest",
        Some("maxFragmentLengthExceeded"),
    );
    h.clock.advance_seconds(7 * 24 * 3600 + 1);
    session.status().await.refused(404, "itemNotFound", Some("uploadSessionNotFound"));
}
