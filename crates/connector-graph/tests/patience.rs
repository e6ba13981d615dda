//! What the connector does when a service throttles, refuses its token, or answers nonsense.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use futures::TryStreamExt;
use holdfast_connector::{Connector, ConnectorError, DriveItem, FileFacts, ItemFacts, Times};
use holdfast_connector_graph::{Credentials, GraphConnector, Transport};
use holdfast_domain::{Clock, DriveId, ItemId, SeededEntropy, Timestamp};
use holdfast_testkit::{AutoClock, ManualClock};
use http::{Request, Response};
use serde_json::json;

/// A service that gives prepared answers, in order, and notes when and how it was asked.
struct Script {
    clock: Arc<ManualClock>,
    answers: Mutex<VecDeque<Response<Body>>>,
    asked: Mutex<Vec<Asked>>,
    tokens: Mutex<u32>,
}

#[derive(Debug, Clone)]
struct Asked {
    at: Timestamp,
    url: String,
    token: Option<String>,
    range: Option<String>,
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, String> {
        if request.uri().path().ends_with("/oauth2/v2.0/token") {
            let mut tokens = self.tokens.lock().expect("no panic while held");
            *tokens += 1;
            return Ok(answer(
                200,
                json!({"access_token": format!("token {tokens}"), "expires_in": 3600}),
            ));
        }
        let header = |name: &str| {
            request.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
        };
        self.asked.lock().expect("no panic while held").push(Asked {
            at: self.clock.now(),
            url: request.uri().to_string(),
            token: header("authorization"),
            range: header("range"),
        });
        self.answers
            .lock()
            .expect("no panic while held")
            .pop_front()
            .ok_or_else(|| "no connection".to_owned())
    }
}

fn answer(status: u16, body: serde_json::Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .expect("a response")
}

fn plain(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body)).expect("a response")
}

fn site() -> Response<Body> {
    answer(
        200,
        json!({"id": "host,1,2", "name": "a", "displayName": "A", "webUrl": "https://host/sites/a"}),
    )
}

struct World {
    script: Arc<Script>,
    connector: GraphConnector,
    start: Timestamp,
}

fn world(answers: impl IntoIterator<Item = Response<Body>>) -> World {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let clock = Arc::new(ManualClock::new(start));
    let script = Arc::new(Script {
        clock: clock.clone(),
        answers: Mutex::new(answers.into_iter().collect()),
        asked: Mutex::default(),
        tokens: Mutex::default(),
    });
    let credentials = Credentials {
        authority: "https://login.test".to_owned(),
        tenant: "t".to_owned(),
        client_id: "app".to_owned(),
        client_secret: "secret".to_owned(),
    };
    let connector = GraphConnector::new(
        script.clone(),
        Arc::new(AutoClock::new(clock)),
        Arc::new(SeededEntropy::new(1)),
        "https://graph.test".to_owned(),
        credentials,
    );
    World { script, connector, start }
}

impl World {
    fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().expect("no panic while held").clone()
    }

    /// Seconds from the start to the last request.
    fn waited(&self) -> u64 {
        self.asked().last().expect("something was asked").at.since(self.start).as_secs()
    }
}

#[tokio::test]
async fn e01_both_forms_of_retry_after_are_waited_for() {
    let world = world([
        plain(429, &[("retry-after", "17")], ""),
        plain(503, &[("retry-after", "Thu, 01 Jan 2026 00:01:00 GMT")], "<html>busy</html>"),
        site(),
    ]);
    assert!(world.connector.site("host,1,2").await.expect("answers").is_some());
    let asked = world.asked();
    assert_eq!(asked[1].at, world.start.plus(Duration::from_secs(17)));
    assert_eq!(asked[2].at, world.start.plus(Duration::from_secs(60)));
}

#[tokio::test]
async fn one_retry_after_holds_for_every_request() {
    let world = world([plain(429, &[("retry-after", "30")], ""), site(), site()]);
    let (one, two) = tokio::join!(world.connector.site("a"), world.connector.site("b"));
    assert!(one.is_ok() && two.is_ok());
    assert!(world.waited() >= 30);
}

#[tokio::test]
async fn a_service_that_stays_down_is_unavailable_in_the_end() {
    let world = world((0..10).map(|_| plain(503, &[], "")));
    let error = world.connector.site("a").await.expect_err("down");
    assert!(matches!(error, ConnectorError::Unavailable { .. }), "{error:?}");
    assert_eq!(world.asked().len(), 6);
    assert!(world.waited() >= 15, "pauses grow: {}", world.waited());
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let refused = || answer(401, json!({"error": {"code": "InvalidAuthenticationToken"}}));
    let world = world([refused(), site(), refused(), refused()]);
    assert!(world.connector.site("a").await.expect("answers").is_some());
    let tokens: Vec<_> =
        world.asked().into_iter().map(|asked| asked.token.expect("a token")).collect();
    assert_eq!(tokens, ["Bearer token 1", "Bearer token 2"]);
    assert_eq!(world.connector.site("a").await, Err(ConnectorError::AccessDenied), "not for ever");
}

#[tokio::test]
async fn e12_error_bodies_need_not_be_json() {
    for (status, body, expected) in [
        (400, "", ConnectorError::Refused(String::new())),
        (400, "[1]", ConnectorError::Refused(String::new())),
        (404, "<html>", ConnectorError::NotFound),
        (418, "teapot", ConnectorError::Protocol("status 418 ".to_owned())),
    ] {
        let world = world([plain(status, &[("content-type", "application/json")], body)]);
        let drive = DriveId::new("d");
        let error = world
            .connector
            .direct_permissions(&drive, &ItemId::new("i"))
            .await
            .expect_err("refused");
        assert_eq!(error, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn every_way_of_asking_for_a_resync_is_understood() {
    for (status, code) in [
        (410, "resyncRequired"),
        (410, "resyncChangesApplyDifferences"),
        (410, ""),
        (400, "syncStateInvalid"),
        (404, "SyncStateNotFound"),
    ] {
        let world = world([answer(status, json!({"error": {"code": code, "message": ""}}))]);
        let changes =
            world.connector.changes(&DriveId::new("d"), Some("https://graph.test/link")).await;
        assert_eq!(changes, Err(ConnectorError::ResyncRequired), "{status} {code}");
    }
}

fn file(size: u64, url: Option<&str>) -> DriveItem {
    let times = Times {
        created: "2026-01-01T00:00:00Z".parse().expect("a time"),
        modified: "2026-01-01T00:00:00Z".parse().expect("a time"),
    };
    DriveItem {
        drive: DriveId::new("d"),
        id: ItemId::new("i"),
        parent: Some(ItemId::new("p")),
        name: "f".to_owned(),
        etag: "\"1\"".to_owned(),
        times,
        // The hash of the seven bytes "abcdefg".
        facts: ItemFacts::File(FileFacts {
            size,
            quick_xor_hash: Some(hash_of(b"abcdefg")),
            malware: false,
            download_url: url.map(str::to_owned),
        }),
        shared: false,
    }
}

fn hash_of(bytes: &[u8]) -> String {
    use base64::Engine;
    let mut hasher = holdfast_domain::QuickXorHasher::new();
    hasher.update(bytes);
    base64::engine::general_purpose::STANDARD.encode(hasher.finish())
}

fn item_answer(url: &str) -> Response<Body> {
    answer(
        200,
        json!({"id": "i", "name": "f", "eTag": "\"1\"", "size": 7, "parentReference": {"id": "p"}, "@microsoft.graph.downloadUrl": url,
            "file": {"hashes": {"quickXorHash": hash_of(b"abcdefg")}},
            "fileSystemInfo": {"createdDateTime": "2026-01-01T00:00:00Z", "lastModifiedDateTime": "2026-01-01T00:00:00Z"}}),
    )
}

async fn read(world: &World, item: &DriveItem) -> Result<Vec<u8>, ConnectorError> {
    let pieces: Vec<bytes::Bytes> = world.connector.read(item).await?.try_collect().await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn e03_an_expired_address_is_asked_for_again() {
    let world = world([
        plain(401, &[], "expired"),
        item_answer("https://new.test/x"),
        plain(200, &[], "abcdefg"),
    ]);
    assert_eq!(
        read(&world, &file(7, Some("https://old.test/x"))).await.expect("reads"),
        b"abcdefg"
    );
    let asked = world.asked();
    assert_eq!(
        (asked[0].token.as_deref(), asked[2].token.as_deref()),
        (None, None),
        "such addresses get no token"
    );
    assert_eq!(asked[2].url, "https://new.test/x");
}

#[tokio::test]
async fn a_transfer_that_breaks_goes_on_where_it_broke() {
    let world =
        world([plain(200, &[], "abc"), item_answer("https://new.test/x"), plain(206, &[], "defg")]);
    assert_eq!(
        read(&world, &file(7, Some("https://old.test/x"))).await.expect("reads"),
        b"abcdefg"
    );
    assert_eq!(world.asked()[2].range.as_deref(), Some("bytes=3-"));
}

#[tokio::test]
async fn other_bytes_than_announced_are_no_content() {
    for body in ["abcdefX", "abcdefgh"] {
        let world = world([plain(200, &[], body)]);
        let error = read(&world, &file(7, Some("https://old.test/x"))).await.expect_err("differs");
        assert!(matches!(error, ConnectorError::ContentMismatch(_)), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn a_listing_without_an_end_is_given_up() {
    let page = || answer(200, json!({"value": [], "@odata.nextLink": "https://graph.test/same"}));
    let world = world((0..20_000).map(|_| page()));
    let error = world
        .connector
        .direct_permissions(&DriveId::new("d"), &ItemId::new("i"))
        .await
        .expect_err("no end");
    assert_eq!(error, ConnectorError::Protocol("a listing has no end".to_owned()));
}

#[tokio::test]
async fn secrets_stay_out_of_errors() {
    let world = world([]);
    let error = world.connector.site("a").await.expect_err("no connection");
    assert!(!format!("{error:?} {error}").contains("secret"));
}
