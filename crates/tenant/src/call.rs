//! One Graph request, read and authenticated, and the answers to it.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use crate::caller::{Caller, Right};
use crate::problem::{Answer, Problem};
use crate::query::Query;
use crate::tenant::Inner;

/// What every handler answers.
pub(crate) type Reply = Response;

const JSON: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// A request whose caller is known.
pub(crate) struct Call {
    pub(crate) tenant: Arc<Inner>,
    pub(crate) method: Method,
    /// `/v1.0`, `/beta` or `/_api/v2.0`
    pub(crate) prefix: &'static str,
    /// Scheme and authority that the client used.
    pub(crate) origin: String,
    /// As received, still encoded, without the query.
    pub(crate) raw_path: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) caller: Caller,
    /// `Null` when there was no body.
    pub(crate) body: Value,
    /// Microseconds since 1970, one moment for the whole request.
    pub(crate) now: i64,
}

impl Call {
    pub(crate) fn require(&self, right: Right) -> Answer<()> {
        self.caller.require(right)
    }

    pub(crate) fn is_beta(&self) -> bool {
        self.prefix == "/beta"
    }

    pub(crate) fn context(&self, what: &str) -> String {
        format!("{}{}/$metadata#{what}", self.origin, self.prefix)
    }

    /// This request again, with option `name` set to `value`.
    pub(crate) fn link(&self, name: &str, value: &str, dropped: &[&str]) -> String {
        format!("{}{}?{}", self.origin, self.raw_path, self.query.link_with(name, value, dropped))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether a `Prefer` header names `preference`.
    pub(crate) fn prefers(&self, preference: &str) -> bool {
        self.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').any(|known| known.trim().eq_ignore_ascii_case(preference))
        })
    }

    /// 412 unless `If-Match`, where sent, names the entity by one of `tags`.
    pub(crate) fn check_if_match(&self, tags: &[&str]) -> Answer<()> {
        match self.header("if-match") {
            Some(expected) if !names_tag(expected, tags) => Err(Problem::etag_mismatch()),
            _ => Ok(()),
        }
    }

    /// A member of the body without regard to case, as actions take their parameters.
    pub(crate) fn parameter(&self, name: &str) -> Option<&Value> {
        let members = self.body.as_object()?;
        members
            .iter()
            .find(|(member, _)| member.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }
}

/// Whether a header such as `If-Match` names one of `tags`, quoted or not.
pub(crate) fn names_tag(header: &str, tags: &[&str]) -> bool {
    let plain = |tag: &str| {
        let tag = tag.trim();
        tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').to_owned()
    };
    let expected = plain(header);
    // An eTag has a comma inside, so the header is compared whole before it is taken as a list.
    expected == "*" || tags.iter().any(|tag| plain(tag) == expected)
}

/// How a clash of names is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    Fail,
    Replace,
    Rename,
}

impl Conflict {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Replace => "replace",
            Self::Rename => "rename",
        }
    }

    pub(crate) fn parse(text: &str) -> Answer<Self> {
        match text.to_ascii_lowercase().as_str() {
            "fail" => Ok(Self::Fail),
            "replace" => Ok(Self::Replace),
            "rename" => Ok(Self::Rename),
            _ => Err(Problem::invalid(
                "@microsoft.graph.conflictBehavior must be fail, replace or rename.",
            )),
        }
    }

    /// From the annotation in `body` or the query, in either spelling; `default` where there is none.
    pub(crate) fn of(body: &Value, query: &Query, default: Self) -> Answer<Self> {
        for name in ["@microsoft.graph.conflictBehavior", "@name.conflictBehavior"] {
            let in_body = body.get(name).and_then(Value::as_str);
            if let Some(text) = in_body.or_else(|| query.get(name)) {
                return Self::parse(text);
            }
        }
        Ok(default)
    }
}

pub(crate) fn json_reply(status: StatusCode, body: &Value) -> Reply {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

pub(crate) fn empty_reply(status: StatusCode) -> Reply {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An empty answer with a `Location`.
pub(crate) fn located_reply(status: StatusCode, location: &str) -> Reply {
    let mut response = empty_reply(status);
    let location = HeaderValue::from_str(location).expect("our own URLs are ASCII");
    response.headers_mut().insert(header::LOCATION, location);
    response
}
