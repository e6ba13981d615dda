//! Hostile expressions and bodies, from `fuzz/corpus`: see [`holdfast_testkit::fuzz`].

use axum::http::{Method, header};
use holdfast_domain::{ArtifactQuery, Clock, GroupExpression, SiteExpression};
use holdfast_testkit::fuzz::{replay_and_mutate, replay_and_mutate_few};

use crate::harness::{Harness, Token};

#[test]
fn rule() {
    replay_and_mutate("rule", &|text| {
        drop(SiteExpression::parse(text));
        drop(GroupExpression::parse(text));
    });
}

#[test]
fn query_expression() {
    replay_and_mutate("query_expression", &|text| drop(ArtifactQuery::parse(text)));
}

/// Filters become SQL: whatever is understood runs, and all else is refused.
#[test]
fn filters_over_collections() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let harness = runtime.block_on(async {
        let harness = Harness::new().await;
        harness.protected(&[1, 2]).await;
        harness
    });
    let bearer = Token::delegated().bearer(harness.clock.now());
    let headers = [(header::AUTHORIZATION.as_str(), bearer.as_str())];
    replay_and_mutate_few("filter", &|text| {
        let filter =
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        for collection in ["protectionPolicies", "protectionUnits", "restorePoints"] {
            let path = format!("/{collection}?$filter={filter}");
            let reply = runtime.block_on(harness.send(Method::GET, &path, &headers, ""));
            assert!(matches!(reply.status.as_u16(), 200 | 400), "{path}: {}", reply.text);
        }
    });
}

/// `@delta` bodies are read by operations: they must refuse what they cannot do, and never fail.
#[test]
fn delta() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (harness, paths) = runtime.block_on(async {
        let harness = Harness::new().await;
        let policy = harness.policy(&[1]).await;
        let session = harness.draft(&[]).await;
        let paths = [
            format!("/sharePointProtectionPolicies/{policy}"),
            format!("/sharePointRestoreSessions/{session}"),
        ];
        (harness, paths)
    });
    let bearer = Token::application().bearer(harness.clock.now());
    let headers = [
        (header::AUTHORIZATION.as_str(), bearer.as_str()),
        (header::CONTENT_TYPE.as_str(), "application/json"),
    ];
    replay_and_mutate_few("delta", &|text| {
        for path in &paths {
            let reply = harness.send(Method::PATCH, path, &headers, text.to_owned());
            let reply = runtime.block_on(reply);
            assert!(!reply.status.is_server_error(), "{path}: {} {}", reply.status, reply.text);
        }
    });
}
