//! Tokens: what is accepted, and everything that is not.

use axum::body::Body;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_domain::Clock;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::harness::{AUDIENCE, Harness, OTHER_TENANT, Reply, Token, jwks, public_key_as_secret};

async fn with_authorization(harness: &Harness, value: &str) -> Reply {
    harness.send(Method::GET, "", &[("authorization", value)], Body::empty()).await
}

async fn with(harness: &Harness, token: &Token) -> Reply {
    harness.by(token, Method::GET, "", &Value::Null).await
}

#[track_caller]
fn is_unauthenticated(reply: &Reply) {
    reply.refused(401, "InvalidAuthenticationToken");
    assert!(reply.header("www-authenticate").starts_with("Bearer"));
}

#[tokio::test]
async fn missing_and_garbled_tokens_are_refused() {
    let harness = Harness::new().await;
    is_unauthenticated(&harness.send(Method::GET, "", &[], Body::empty()).await);
    let good = Token::application().signed(harness.clock.now());
    let (unsigned, signature) = good.rsplit_once('.').expect("three parts");
    let turned: String = signature.chars().rev().collect();
    let huge = "x".repeat(20_000);
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Basic abc",
        &good,
        &format!("Bearer {unsigned}"),
        &format!("Bearer {unsigned}."),
        &format!("Bearer {unsigned}.{turned}"),
        &format!("Bearer {huge}"),
    ] {
        is_unauthenticated(&with_authorization(&harness, value).await);
    }
    assert_eq!(with_authorization(&harness, &format!("bearer {good}")).await.status, 200);
}

#[tokio::test]
async fn every_claim_is_checked() {
    let harness = Harness::new().await;
    assert_eq!(with(&harness, &Token::application()).await.status, 200);
    let refused = [
        Token::application().claim("iss", json!("https://elsewhere")),
        Token::application().claim("aud", json!("https://elsewhere")),
        Token::application().claim("aud", json!(["https://elsewhere"])),
        Token::application().without("aud"),
        Token::application().without("tid"),
        Token::application().claim("tid", json!("contoso")),
        // Well signed, of a tenant that the issuer does not speak for.
        Token::application().claim("tid", json!("00000000-0000-4000-8000-00000000000c")),
        Token::application().without("appid"),
        Token::application().claim("appid", json!("x")),
        Token::delegated().without("oid").without("sub"),
        // Five minutes of tolerance, not more.
        Token::application().expires_in(-300),
        Token::application().claim("nbf", json!(harness.clock.now().unix_seconds() + 301)),
    ];
    for token in refused {
        is_unauthenticated(&with(&harness, &token).await);
    }
    let accepted = [
        Token::application().claim("aud", json!(["https://elsewhere", AUDIENCE])),
        Token::application().without("appid").claim("azp", json!(crate::harness::APP)),
        Token::application().expires_in(-299),
        Token::application().claim("nbf", json!(harness.clock.now().unix_seconds() + 299)),
    ];
    for token in accepted {
        assert_eq!(with(&harness, &token).await.status, 200);
    }
}

#[tokio::test]
async fn only_rs256_by_the_issuers_key_counts() {
    let harness = Harness::new().await;
    let good = Token::application();
    // The wrong key under the right name.
    is_unauthenticated(&with(&harness, &good.clone().signed_with_second_key("first")).await);
    // A key that the issuer does not list.
    is_unauthenticated(&with(&harness, &good.clone().signed_with_second_key("second")).await);
    let mut nameless = good.clone();
    nameless.header.kid = None;
    is_unauthenticated(&with(&harness, &nameless).await);
    let mut other = good.clone();
    other.header.alg = Algorithm::RS384;
    is_unauthenticated(&with(&harness, &other).await);

    let signed = good.signed(harness.clock.now());
    let claims = signed.split('.').nth(1).expect("three parts");
    for none in ["none", "None", "NONE"] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": none, "kid": "first" }).to_string());
        for signature in ["", "x"] {
            let token = format!("Bearer {header}.{claims}.{signature}");
            is_unauthenticated(&with_authorization(&harness, &token).await);
        }
    }
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("first".to_owned());
    let mut claims = good.claims.clone();
    claims["exp"] = json!(harness.clock.now().unix_seconds() + 3600);
    let secret = EncodingKey::from_secret(&public_key_as_secret());
    let token = jsonwebtoken::encode(&header, &claims, &secret).expect("it signs");
    is_unauthenticated(&with_authorization(&harness, &format!("Bearer {token}")).await);
}

#[tokio::test]
async fn keys_are_asked_for_again_when_the_issuer_changes_them() {
    let harness = Harness::new().await;
    let (first, second) =
        (Token::application(), Token::application().signed_with_second_key("second"));
    assert_eq!(with(&harness, &first).await.status, 200);
    *harness.jwks.lock().expect("no panic") = jwks(&["second"]);
    // Not at once: unknown names must not make the server ask all the time.
    is_unauthenticated(&with(&harness, &second).await);
    harness.clock.advance(std::time::Duration::from_secs(5));
    assert_eq!(with(&harness, &second).await.status, 200);
    // The withdrawn key is forgotten.
    is_unauthenticated(&with(&harness, &first).await);
}

#[tokio::test]
async fn a_withdrawn_key_counts_for_a_day_at_most() {
    let harness = Harness::new().await;
    let first = Token::application();
    assert_eq!(with(&harness, &first).await.status, 200);
    *harness.jwks.lock().expect("no panic") = jwks(&["second"]);
    harness.clock.advance(std::time::Duration::from_secs(24 * 3600 - 1));
    assert_eq!(with(&harness, &first).await.status, 200, "nothing asked for the keys");
    harness.clock.advance(std::time::Duration::from_secs(1));
    is_unauthenticated(&with(&harness, &first).await);
}

#[tokio::test]
async fn a_user_needs_a_role_that_covers_the_workload() {
    let harness = Harness::new().await;
    harness.protected(&[1]).await;
    let policies = harness.get("/protectionPolicies").await.ok();
    let policy = Harness::id(&policies["value"][0]);
    let with_role = |id: &str| Token::delegated().claim("wids", json!([id]));
    let exchange = with_role("29232cdf-9323-42fd-ade2-1d097af3e4de");
    let sharepoint = with_role("f28a1f50-f6e7-4571-818b-6a12f2af6b6c");
    let read = async |token: &Token, path: &str| {
        harness.by(token, Method::GET, path, &Value::Null).await.status.as_u16()
    };
    for (token, sites, mailboxes, all) in [
        (&exchange, 403, 200, 200),
        (&sharepoint, 200, 403, 200),
        (&with_role("fe930be7-5e62-47db-91af-98c3a49a38b1"), 403, 403, 403),
        (&Token::delegated().without("wids"), 403, 403, 403),
        (&Token::application(), 200, 200, 200),
    ] {
        assert_eq!(read(token, "/sharePointProtectionPolicies").await, sites);
        assert_eq!(read(token, "/exchangeProtectionPolicies").await, mailboxes);
        assert_eq!(read(token, "/protectionPolicies").await, all);
    }
    // The path does not say what the policy protects.
    let path = format!("/protectionPolicies/{policy}/deactivate");
    harness.by(&exchange, Method::POST, &path, &Value::Null).await.refused(403, "Forbidden");
    let reply = harness.by(&sharepoint, Method::POST, &path, &Value::Null).await;
    assert!(reply.status.is_success(), "{}", reply.text);
    // Nor does it when the body names the type.
    for (collection, noun) in
        [("protectionPolicies", "ProtectionPolicy"), ("restoreSessions", "RestoreSession")]
    {
        let body = json!({ "@odata.type": format!("#microsoft.graph.sharePoint{noun}") });
        let path = format!("/{collection}");
        let reply = harness.by(&exchange, Method::POST, &path, &body).await;
        assert!(reply.refused(403, "Forbidden").contains("SharePoint"));
    }
}

#[tokio::test]
async fn another_tenants_objects_are_not_found() {
    let harness = Harness::new().await;
    harness.put_service(OTHER_TENANT, holdfast_domain::ServiceState::Enabled).await;
    let (unit, point) = harness.protected(&[1]).await[0];
    let session = harness.draft(&[point]).await;
    let policies = harness.get("/protectionPolicies").await.ok();
    let policy = Harness::id(&policies["value"][0]);
    let artifact = harness.artifact_ids(&session).await.remove(0);
    let stranger = Token::application().claim("tid", json!(OTHER_TENANT));
    for (path, code) in [
        (format!("/protectionPolicies/{policy}"), "PolicyNotFound"),
        (format!("/sharePointProtectionPolicies/{policy}/siteProtectionUnits"), "PolicyNotFound"),
        (format!("/protectionUnits/{unit}"), "ProtectionUnitNotFound"),
        (format!("/restorePoints/{point}"), "ResourceNotFound"),
        (format!("/restoreSessions/{session}"), "RestoreSessionNotFound"),
        (
            format!("/sharePointRestoreSessions/{session}/siteRestoreArtifacts"),
            "RestoreSessionNotFound",
        ),
        (format!("/holdfast/v1/restorePoints/{point}/gaps"), "ResourceNotFound"),
        (format!("/holdfast/v1/restoreArtifacts/{artifact}/failures"), "ResourceNotFound"),
    ] {
        harness.by(&stranger, Method::GET, &path, &Value::Null).await.refused(404, code);
    }
    for list in ["/protectionPolicies", "/protectionUnits", "/restorePoints", "/restoreSessions"] {
        let listed = harness.by(&stranger, Method::GET, list, &Value::Null).await.ok();
        assert_eq!(listed["value"], json!([]), "{list}");
        let count = format!("{list}/$count");
        assert_eq!(harness.by(&stranger, Method::GET, &count, &Value::Null).await.text, "0");
    }
    let body = json!({ "siteRestoreArtifacts": [crate::harness::artifact(point, "new")] });
    let reply = harness.by(&stranger, Method::POST, "/sharePointRestoreSessions", &body).await;
    reply.refused(400, "InvalidRestorePoint");
    let body = json!({ "status": "active" });
    let path = format!("/sharePointRestoreSessions/{session}");
    harness.by(&stranger, Method::PATCH, &path, &body).await.refused(404, "RestoreSessionNotFound");
    let search = json!({
        "protectionUnitIds": [unit.to_string()],
        "protectionTimePeriod": { "startDateTime": "2020-01-01T00:00:00Z" },
    });
    let found = harness.by(&stranger, Method::POST, "/restorePoints/search", &search).await.ok();
    assert_eq!(found["searchResults"], json!([]));
    assert_eq!(found["noResultProtectionUnitIds"], json!([unit.to_string()]));
}
