//! Documents that describe the API, for everyone and without a token: the service document, `$metadata` and `/openapi.json`.

use axum::body::Body;
use axum::http::{Method, Request};
use holdfast_graph_model::metadata_document;
use serde_json::{Map, json};

use crate::address::{Special, origin};
use crate::answer::Answer;
use crate::openapi;
use crate::problem::Problem;

pub(crate) fn answer_document(
    document: Special,
    request: &Request<Body>,
) -> Result<Answer, Problem> {
    if *request.method() != Method::GET {
        return Err(Problem::MethodNotAllowed {
            message: "This document can only be read.".to_owned(),
            allow: "GET".to_owned(),
        });
    }
    Ok(match document {
        Special::Metadata(version) => {
            Answer::document("application/xml", metadata_document(version))
        }
        Special::Service(version) => {
            let address =
                format!("{}/{}", origin(request.uri(), request.headers()), version.name());
            // The one member of the entity container of `spec/*.csdl`.
            let solutions = json!({ "name": "solutions", "kind": "Singleton", "url": "solutions" });
            let mut body = Map::new();
            body.insert("@odata.context".to_owned(), json!(format!("{address}/$metadata")));
            body.insert("value".to_owned(), json!([solutions]));
            Answer::ok(body)
        }
        Special::OpenApi => Answer::document("application/json", openapi::document()),
        Special::Batch(_) => unreachable!("batches are answered elsewhere"),
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Method;

    use crate::harness::Harness;

    /// Checks that elements are closed in the order of their opening, as far as our own documents need it.
    fn check_xml(text: &str) -> usize {
        let (mut open, mut elements) = (Vec::new(), 0);
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            rest = &rest[start + 1..];
            if let Some(comment) = rest.strip_prefix("!--") {
                rest = comment.split_once("-->").expect("the comment ends").1;
                continue;
            }
            let (tag, after) = rest.split_once('>').expect("the tag ends");
            rest = after;
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.trim_start_matches('/').split_whitespace().next().expect("a name");
            if tag.starts_with('?') {
                assert!(tag.ends_with('?'), "{tag}");
            } else if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "{tag}");
            } else {
                elements += 1;
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
        }
        assert_eq!(open, Vec::<&str>::new());
        elements
    }

    #[tokio::test]
    async fn the_service_document_names_the_container() {
        let harness = Harness::new().await;
        for (path, version) in [("/v1.0", "v1.0"), ("/V1.0/", "v1.0"), ("/beta/", "beta")] {
            let reply = harness.send(Method::GET, path, &[], Body::empty()).await;
            assert_eq!(reply.header("content-type"), "application/json;odata.metadata=minimal");
            let body = reply.ok();
            assert_eq!(
                body["@odata.context"],
                format!("https://localhost:8443/{version}/$metadata")
            );
            let [only] = &body["value"].as_array().expect("a list")[..] else { panic!("one") };
            assert_eq!((&only["name"], &only["kind"]), (&"solutions".into(), &"Singleton".into()));
            let metadata = format!("/{version}/$metadata");
            let metadata = harness.send(Method::GET, &metadata, &[], Body::empty()).await;
            assert!(metadata.text.contains("<Singleton Name=\"solutions\""));
        }
        harness
            .send(Method::DELETE, "/v1.0/", &[], Body::empty())
            .await
            .refused(405, "MethodNotAllowed");
    }

    #[tokio::test]
    async fn metadata_is_xml_and_needs_no_token() {
        let harness = Harness::new().await;
        for (path, type_name) in [
            ("/v1.0/$metadata", "siteProtectionUnit"),
            ("/V1.0/%24Metadata", "restoreSessionBase"),
            ("/beta/$metadata", "activityLogBase"),
        ] {
            let reply = harness.send(Method::GET, path, &[], Body::empty()).await;
            assert_eq!(
                (reply.status.as_u16(), reply.header("content-type")),
                (200, "application/xml")
            );
            assert!(check_xml(&reply.text) > 500, "{path}");
            assert!(reply.text.contains(&format!("Name=\"{type_name}\"")), "{path}");
        }
        let reply = harness.send(Method::POST, "/v1.0/$metadata", &[], Body::empty()).await;
        reply.refused(405, "MethodNotAllowed");
    }
}
