//! One error type of the handlers, and Graph's envelope for it (`spec/graph-content-api.md` 11).

use std::borrow::Cow;

use http::StatusCode;

/// What a request is refused with. Messages name the place and never hold content or secrets.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    /// `innerError.code`, where the service gives a finer one.
    pub(crate) inner: Option<&'static str>,
    pub(crate) message: Cow<'static, str>,
    /// Where to go on: only `410 resyncRequired` has it.
    pub(crate) location: Option<String>,
}

pub(crate) type Answer<T> = Result<T, Problem>;

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, inner: None, message: message.into(), location: None }
    }

    pub(crate) fn with_inner(mut self, inner: &'static str) -> Self {
        self.inner = Some(inner);
        self
    }

    /// 400 of the drive family.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalidRequest", message)
    }

    /// 400 of the OData layer: a query option or property that does not exist or parse.
    pub(crate) fn bad_query(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn item_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "itemNotFound", "The resource could not be found.")
    }

    pub(crate) fn site_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "itemNotFound", "Requested site could not be found")
    }

    pub(crate) fn directory_not_found(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!(
                "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    pub(crate) fn name_exists() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "nameAlreadyExists",
            "An item with the same name already exists under the parent.",
        )
    }

    pub(crate) fn etag_mismatch() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "resourceModified",
            "ETag does not match current item's value.",
        )
        .with_inner("entityTagDoesNotMatch")
    }

    pub(crate) fn site_locked() -> Self {
        Self::new(StatusCode::LOCKED, "resourceLocked", "The site is locked read-only.")
            .with_inner("serviceReadOnly")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "accessDenied",
            "The token has none of the permissions that this request needs.",
        )
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "ResourceNotFound",
            "Resource not found for the segments of the URL.",
        )
    }

    pub(crate) fn not_supported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "notSupported", message)
    }

    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed inside");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "generalException",
            "An unspecified error has occurred.",
        )
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(cause: rusqlite::Error) -> Self {
        Self::internal(&cause)
    }
}

impl From<std::io::Error> for Problem {
    fn from(cause: std::io::Error) -> Self {
        Self::internal(&cause)
    }
}
