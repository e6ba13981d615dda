//! Bulk import.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use holdfast_tenant::NewSite;
use serde_json::json;

use crate::common::{Harness, id};

fn site() -> NewSite {
    NewSite { name: "Imported".to_owned(), path: "/sites/Imported".to_owned() }
}

fn write(base: &Path, path: &str, bytes: &[u8]) {
    let path = base.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    let modified = UNIX_EPOCH + Duration::new(1_500_000_000, 123_456_000);
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
}

#[tokio::test]
async fn keeps_bytes_times_and_names_and_reports_the_rest() {
    let h = Harness::new();
    let source = tempfile::tempdir().unwrap();
    let base = source.path();
    let large: Vec<u8> = (0..2_500_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    write(base, "a/b/plain.txt", b"plain");
    write(base, "a/b/large.bin", &large);
    write(base, "a/it's #1 & 100% (日本).txt", b"odd");
    write(base, "a/empty.bin", b"");
    fs::create_dir_all(base.join("a/empty folder")).unwrap();
    write(base, "case.txt", b"1");
    write(base, "CASE.TXT", b"2");
    write(base, "con.txt", b"x");
    write(base, "forms/inside.txt", b"x");
    write(base, "what?.txt", b"x");
    std::os::unix::fs::symlink("plain.txt", base.join("a/b/link")).unwrap();
    std::os::unix::net::UnixListener::bind(base.join("a/socket")).unwrap();

    let report = h.tenant.import_folder(site(), base).unwrap();
    assert_eq!((report.files, report.folders), (5, 3));
    assert_eq!(report.bytes, 2_500_000 + 5 + 3 + 1);
    let mut refused: Vec<String> =
        report.refused.iter().map(|r| r.path.display().to_string()).collect();
    refused.sort();
    assert_eq!(refused, ["a/b/link", "a/socket", "case.txt", "con.txt", "forms", "what?.txt"]);
    assert!(report.refused.iter().all(|refusal| !refusal.reason.is_empty()));

    let drive = format!("/drives/{}", report.drive_id);
    let root = h.get(&format!("{drive}/root")).await.body(200);
    assert_eq!(
        (root["size"].as_u64(), root["folder"]["childCount"].as_u64()),
        (Some(report.bytes), Some(2))
    );
    let folder = h.get(&format!("{drive}/root:/a")).await.body(200);
    assert_eq!(
        (folder["size"].as_i64(), folder["folder"]["childCount"].as_i64()),
        (Some(2_500_008), Some(4))
    );
    let item = h.get(&format!("{drive}/root:/a/b/large.bin")).await.body(200);
    assert_eq!(item["fileSystemInfo"]["lastModifiedDateTime"], "2017-07-14T02:40:00.123456Z");
    assert_eq!(h.download(&format!("{drive}/items/{}/content", id(&item))).await, large);
    h.get(&format!("{drive}/root:/a/it%27s%20%231%20%26%20100%25%20(%E6%97%A5%E6%9C%AC).txt"))
        .await
        .expect(200);
    let empty = h.get(&format!("{drive}/root:/a/empty%20folder")).await.body(200);
    assert_eq!(empty["folder"]["childCount"], 0);
    let (all, _, _) = h.drain(&format!("{drive}/root/delta?$top=2")).await;
    assert_eq!(all.len(), 9);
    assert_eq!(
        h.get("/sites/contoso.sharepoint.com:/sites/imported").await.body(200)["id"],
        report.site_id
    );
}

#[tokio::test]
async fn a_second_import_adds_to_the_first() {
    let h = Harness::new();
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "dir/one.txt", b"1");
    let first = h.tenant.import_folder(site(), source.path()).unwrap();
    write(source.path(), "dir/sub/two.txt", b"22");
    let second = h.tenant.import_folder(site(), source.path()).unwrap();
    assert_eq!((second.files, second.drive_id == first.drive_id), (1, true));
    assert_eq!(second.refused.len(), 1);
    let drive = format!("/drives/{}", second.drive_id);
    let dir = h.get(&format!("{drive}/root:/dir")).await.body(200);
    assert_eq!((dir["size"].as_i64(), dir["folder"]["childCount"].as_i64()), (Some(3), Some(2)));
    let sub = h.get(&format!("{drive}/root:/dir/sub")).await.body(200);
    assert_eq!((sub["size"].as_i64(), sub["folder"]["childCount"].as_i64()), (Some(2), Some(1)));
    let root = h.get(&format!("{drive}/root")).await.body(200);
    assert_eq!((root["size"].as_i64(), root["folder"]["childCount"].as_i64()), (Some(3), Some(1)));
}

#[tokio::test]
async fn refuses_what_has_no_place() {
    let h = Harness::new();
    let source = tempfile::tempdir().unwrap();
    for path in ["/Imported", "/sites/", "/sites/a?b", "https://elsewhere/sites/x"] {
        assert!(
            h.tenant
                .import_folder(
                    NewSite { name: "x".to_owned(), path: path.to_owned() },
                    source.path()
                )
                .is_err(),
            "{path}"
        );
    }
    assert!(h.tenant.import_folder(site(), &source.path().join("missing")).is_err());
    let first = h.tenant.import_folder(site(), source.path()).unwrap();
    h.json("PATCH", &format!("/beta/sites/{}", first.site_id), json!({"lockState": "readOnly"}))
        .await
        .expect(200);
    assert!(h.tenant.import_folder(site(), source.path()).is_err(), "locked");
}
