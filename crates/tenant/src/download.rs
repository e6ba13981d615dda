//! Pre-authenticated downloads, with ranges.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::call::{Reply, names_tag};
use crate::items::{self, State};
use crate::names;
use crate::problem::{Answer, Problem};
use crate::query::encode;
use crate::tenant::Inner;
use crate::versions;

/// `GET` and `HEAD` on `/_tenant/download/{token}`
pub(crate) fn serve(
    inner: &Inner,
    method: &Method,
    token: &str,
    headers: &HeaderMap,
) -> Answer<Reply> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "methodNotAllowed",
            "Only GET and HEAD are allowed here.",
        ));
    }
    let grant = inner.download_grant(token).ok_or_else(|| {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "The download URL has expired or is malformed; get the item again.",
        )
    })?;
    let (item, content) = inner.database.read(|connection| {
        let item = items::by_guid(connection, grant.drive, grant.item)?
            .filter(|item| item.state == State::Live)
            .ok_or_else(Problem::item_not_found)?;
        let content = match grant.version {
            None => item.content().ok_or_else(Problem::item_not_found)?,
            Some(number) => versions::content_of(connection, &item, number)?,
        };
        Ok::<_, Problem>((item, content))
    })?;
    let tag = item.e_tag();
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, names::media_type(&item.name))
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, &tag)
        .header(
            header::CONTENT_DISPOSITION,
            format!("attachment; filename*=UTF-8''{}", encode(&item.name).replace('\'', "%27")),
        );
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text(header::IF_NONE_MATCH).is_some_and(|known| names_tag(known, &[&tag, &item.c_tag()])) {
        return finish(response.status(StatusCode::NOT_MODIFIED), Body::empty());
    }
    // `If-Range` with another tag asks for the whole.
    let range = text(header::RANGE)
        .filter(|_| text(header::IF_RANGE).is_none_or(|known| names_tag(known, &[&tag])));
    let (start, length) = match range.map(|range| parse_range(range, content.size)) {
        None | Some(Range::Whole) => (0, content.size),
        Some(Range::Part { start, length }) => {
            response = response.status(StatusCode::PARTIAL_CONTENT).header(
                header::CONTENT_RANGE,
                format!("bytes {start}-{}/{}", start + length - 1, content.size),
            );
            (start, length)
        }
        Some(Range::Outside) => {
            let whole = format!("bytes */{}", content.size);
            let refused = Response::builder()
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(header::CONTENT_RANGE, whole);
            return finish(refused, Body::empty());
        }
    };
    response = response.header(header::CONTENT_LENGTH, length);
    let body = if *method == Method::HEAD {
        Body::empty()
    } else {
        inner.content.stream(&content.sha256, start, length)?
    };
    finish(response, body)
}

fn finish(builder: http::response::Builder, body: Body) -> Answer<Reply> {
    builder.body(body).map_err(|error| Problem::internal(&error))
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// No range that we understand; RFC 9110 lets us ignore it.
    Whole,
    Part {
        start: u64,
        length: u64,
    },
    Outside,
}

fn parse_range(text: &str, size: u64) -> Range {
    let Some((from, to)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Range::Whole;
    };
    let (from, to) = (from.trim(), to.trim());
    let (start, end) = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(start), Ok(end)) if start <= end => (start, end.saturating_add(1).min(size)),
        (Ok(start), Err(_)) if to.is_empty() => (start, size),
        (Err(_), Ok(last)) if from.is_empty() => (size.saturating_sub(last), size),
        _ => return Range::Whole,
    };
    if start >= end { Range::Outside } else { Range::Part { start, length: end - start } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(parse_range("bytes=1000-1999", 5000), Range::Part { start: 1000, length: 1000 });
        assert_eq!(parse_range("bytes=10-", 15), Range::Part { start: 10, length: 5 });
        assert_eq!(parse_range("bytes=-5", 15), Range::Part { start: 10, length: 5 });
        assert_eq!(parse_range("bytes=-50", 15), Range::Part { start: 0, length: 15 });
        assert_eq!(parse_range("bytes=10-99", 15), Range::Part { start: 10, length: 5 });
        assert_eq!(parse_range("bytes=15-", 15), Range::Outside);
        assert_eq!(parse_range("bytes=0-", 0), Range::Outside);
        assert_eq!(parse_range("bytes=5-3", 15), Range::Whole);
        assert_eq!(parse_range("bytes=0-1,3-4", 15), Range::Whole);
        assert_eq!(parse_range("lines=1-2", 15), Range::Whole);
    }
}
