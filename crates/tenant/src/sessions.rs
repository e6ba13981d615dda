//! Upload sessions (`spec/graph-content-api.md` 5.2).
//!
//! A session is a row and a file in `uploads/`. Bytes are appended to the file first, then the row counts them: a
//! fragment that breaks off is not counted and is overwritten by its repetition. The row holds only a hash of the
//! secret in the URL. When all bytes are there, the file moves into the content store, then one transaction names it.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use axum::body::Body;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

use crate::call::{Call, Conflict, Reply, empty_reply, json_reply};
use crate::caller::Caller;
use crate::children::{file_system_info, item_reply};
use crate::content::Content;
use crate::ids;
use crate::items::{self, Item, ItemRef, State};
use crate::names::{self, Place};
use crate::places::Drive;
use crate::problem::{Answer, Problem};
use crate::query::Query;
use crate::render::{quota_left, server_time};
use crate::tenant::Inner;
use crate::tree::{Change, refused_name};
use crate::upload::{Upload, check_conditions, store_file};

const FRAGMENT_LIMIT_BYTES: u64 = 60 * 1024 * 1024;
const FILE_LIMIT_BYTES: i64 = 250 * 1024 * 1024 * 1024;
const LIFETIME_MICROS: i64 = 7 * 24 * 3_600 * 1_000_000;
/// How long a finished session answers a client that repeats its last fragment.
const AFTERLIFE_MICROS: i64 = 10 * 60 * 1_000_000;

struct Session {
    key: [u8; 32],
    drive: i64,
    base: i64,
    path: Vec<String>,
    conflict: Conflict,
    info: Value,
    description: Option<String>,
    defer_commit: bool,
    identity: i64,
    total: Option<i64>,
    received: i64,
    last_start: i64,
    expires: i64,
    sha256: Option<[u8; 32]>,
    quickxor: Option<[u8; 20]>,
    finished: Option<i64>,
}

impl Session {
    /// 404 when there is none, or it has expired.
    fn find(connection: &Connection, key: [u8; 32], now: i64) -> Answer<Self> {
        let found = connection
            .prepare_cached(
                "SELECT drive, base_item, path, conflict, fs_info, description, defer_commit, \
                 identity, total, received, last_start, expires, sha256, quickxor, finished_item \
                 FROM upload_sessions WHERE secret_hash = ?1",
            )?
            .query_row([key], |row| {
                let json = |column: usize| row.get::<_, String>(column);
                Ok(Self {
                    key,
                    drive: row.get(0)?,
                    base: row.get(1)?,
                    path: serde_json::from_str(&json(2)?).unwrap_or_default(),
                    conflict: Conflict::parse(&json(3)?).unwrap_or(Conflict::Fail),
                    info: serde_json::from_str(&json(4)?).unwrap_or_default(),
                    description: row.get(5)?,
                    defer_commit: row.get(6)?,
                    identity: row.get(7)?,
                    total: row.get(8)?,
                    received: row.get(9)?,
                    last_start: row.get(10)?,
                    expires: row.get(11)?,
                    sha256: row.get(12)?,
                    quickxor: row.get(13)?,
                    finished: row.get(14)?,
                })
            })
            .optional()?;
        found.filter(|session| now < session.expires).ok_or_else(no_session)
    }

    fn status(&self) -> Value {
        let next = match self.total {
            None => "0-".to_owned(),
            Some(total) => format!("{}-{}", self.received, total - 1),
        };
        let ranges = if self.total == Some(self.received) { json!([]) } else { json!([next]) };
        json!({"expirationDateTime": server_time(self.expires), "nextExpectedRanges": ranges})
    }
}

fn no_session() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "itemNotFound",
        "The upload session was not found or has expired.",
    )
    .with_inner("uploadSessionNotFound")
}

fn session_file(inner: &Inner, key: &[u8; 32]) -> PathBuf {
    let name: String = key[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    inner.uploads.join(name)
}

/// `POST …/createUploadSession`
pub(crate) fn create_session(call: &Call, drive: &Drive, target: &ItemRef) -> Answer<Reply> {
    let empty = json!({});
    let item = call.parameter("item").unwrap_or(&empty);
    let conflict = Conflict::of(item, &call.query, Conflict::Replace)?;
    file_system_info(item)?;
    if let (Some(name), Some(last)) = (item.get("name").and_then(Value::as_str), target.path.last())
        && name != last
        && percent_encoding::percent_decode_str(name).decode_utf8_lossy() != *last
    {
        return Err(Problem::invalid("item.name is not the name in the URL."));
    }
    let secret = call.tenant.entropy.secret_hex();
    let expires = call.now.saturating_add(LIFETIME_MICROS);
    let session = call.tenant.database.write(|tx| {
        let drive = Drive::by_row(tx, drive.row)?;
        if drive.site.locked {
            return Err(Problem::site_locked());
        }
        let (found, missing) = target.walk(tx, &drive)?;
        check_conditions(call, missing.is_empty().then_some(&found))?;
        check_names(tx, &drive, &found, missing)?;
        if missing.is_empty() && (found.folder || conflict == Conflict::Fail) {
            return Err(Problem::name_exists());
        }
        if !found.folder && !missing.is_empty() {
            return Err(Problem::invalid("The parent is not a folder."));
        }
        let size = item.get("fileSize").and_then(Value::as_i64).unwrap_or(0);
        if size > quota_left(&items::root(tx, drive.row)?) {
            return Err(Problem::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "quotaLimitReached",
                "The file does not fit into the drive.",
            ));
        }
        if size > FILE_LIMIT_BYTES {
            return Err(too_large_file());
        }
        let base = match &target.id {
            None => items::root(tx, drive.row)?,
            Some(id) => items::by_id(tx, &drive, id)?.ok_or_else(Problem::item_not_found)?,
        };
        let key = ids::sha256(secret.as_bytes());
        let identity = crate::tree::identity_row(tx, &call.caller.identity)?;
        remove_expired(&call.tenant, tx, call.now)?;
        tx.execute(
            "INSERT INTO upload_sessions (secret_hash, drive, base_item, path, conflict, fs_info, \
             description, defer_commit, identity, received, expires) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10)",
            params![
                key,
                drive.row,
                base.row,
                json!(target.path).to_string(),
                conflict.as_str(),
                json!({"fileSystemInfo": item.get("fileSystemInfo")}).to_string(),
                item.get("description").and_then(Value::as_str),
                call.parameter("deferCommit").and_then(Value::as_bool).unwrap_or(false),
                identity,
                expires,
            ],
        )?;
        Session::find(tx, key, call.now)
    })?;
    let mut body = session.status();
    body["uploadUrl"] = json!(format!("{}/_tenant/upload/{secret}", call.origin));
    body["@odata.context"] = json!(call.context("microsoft.graph.uploadSession"));
    Ok(json_reply(StatusCode::OK, &body))
}

fn check_names(
    connection: &Connection,
    drive: &Drive,
    found: &Item,
    missing: &[String],
) -> Answer<()> {
    let above = items::path_names(connection, found)?;
    let mut length = above.iter().map(|name| name.chars().count() + 1).sum::<usize>();
    for (at, name) in missing.iter().enumerate() {
        let place = Place {
            folder: at + 1 < missing.len(),
            library_root: at == 0 && found.is_root() && !drive.site.personal,
        };
        names::check_name(name, place).map_err(refused_name)?;
        names::check_path_length(length.saturating_sub(1), name).map_err(refused_name)?;
        length += name.chars().count() + 1;
    }
    Ok(())
}

fn remove_expired(inner: &Inner, tx: &rusqlite::Transaction<'_>, now: i64) -> Answer<()> {
    let mut statement =
        tx.prepare_cached("DELETE FROM upload_sessions WHERE expires <= ?1 RETURNING secret_hash")?;
    let keys: Vec<[u8; 32]> =
        statement.query_map([now], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for key in keys {
        remove_file(inner, &key);
    }
    Ok(())
}

fn remove_file(inner: &Inner, key: &[u8; 32]) {
    // A session without a fragment has no file.
    let _ = fs::remove_file(session_file(inner, key));
}

/// One request at a time writes to a session.
struct Busy<'a> {
    inner: &'a Inner,
    key: [u8; 32],
}

impl<'a> Busy<'a> {
    fn claim(inner: &'a Inner, key: [u8; 32]) -> Answer<Self> {
        let mut busy = inner.busy_uploads.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.insert(key) {
            return Ok(Self { inner, key });
        }
        Err(Problem::new(
            StatusCode::CONFLICT,
            "conflict",
            "Another request is writing to this upload session.",
        ))
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut busy = self.inner.busy_uploads.lock().unwrap_or_else(PoisonError::into_inner);
        busy.remove(&self.key);
    }
}

/// Requests on an `uploadUrl`; a token, if sent, is ignored.
pub(crate) async fn serve(
    inner: &Arc<Inner>,
    parts: &http::request::Parts,
    origin: &str,
    secret: &str,
    body: Body,
) -> Answer<Reply> {
    let key = ids::sha256(secret.as_bytes());
    let _busy = Busy::claim(inner, key)?;
    let session = inner.database.read(|connection| Session::find(connection, key, inner.now()))?;
    match parts.method {
        Method::GET if session.finished.is_none() => {
            Ok(json_reply(StatusCode::OK, &session.status()))
        }
        Method::DELETE if session.finished.is_none() => {
            inner.database.write(|tx| {
                tx.execute("DELETE FROM upload_sessions WHERE secret_hash = ?1", [key])?;
                Ok::<_, Problem>(())
            })?;
            remove_file(inner, &key);
            Ok(empty_reply(StatusCode::NO_CONTENT))
        }
        Method::POST if session.finished.is_none() => {
            if session.total != Some(session.received) {
                return Err(Problem::invalid("Not all bytes have arrived.")
                    .with_inner("uploadSessionIncomplete"));
            }
            commit(inner, origin, session, None).await
        }
        Method::PUT => put_fragment(inner, &parts.headers, origin, session, body).await,
        Method::GET | Method::DELETE | Method::POST => Err(no_session()),
        _ => Err(crate::routes::method_not_allowed()),
    }
}

async fn put_fragment(
    inner: &Arc<Inner>,
    headers: &HeaderMap,
    origin: &str,
    mut session: Session,
    body: Body,
) -> Answer<Reply> {
    let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let Fragment { start, end, total } = range
        .and_then(Fragment::parse)
        .ok_or_else(|| Problem::invalid("Content-Range must be `bytes {first}-{last}/{total}`."))?;
    if let Some(row) = session.finished {
        let repeated = start == session.last_start && Some(total) == session.total && end == total;
        if !repeated {
            return Err(no_session());
        }
        return finished_reply(inner, origin, row, StatusCode::OK);
    }
    let complete = session.total == Some(session.received);
    if complete && start == session.last_start && Some(total) == session.total && end == total {
        // All bytes are here but the commit failed or was killed: the repetition tries it again.
        return commit(inner, origin, session, None).await;
    }
    let length = u64::try_from(end - start).unwrap_or(0);
    if length >= FRAGMENT_LIMIT_BYTES {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalidRequest",
            "A fragment must be shorter than 60 MiB.",
        )
        .with_inner("maxFragmentLengthExceeded"));
    }
    if total > FILE_LIMIT_BYTES {
        return Err(too_large_file());
    }
    let mismatch =
        |message: &'static str| Problem::invalid(message).with_inner("fragmentLengthMismatch");
    if session.total.is_some_and(|known| known != total) {
        return Err(mismatch("The total differs from that of the first fragment."));
    }
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared.is_some_and(|declared| declared.parse() != Ok(length)) {
        return Err(mismatch("Content-Length does not match Content-Range."));
    }
    if start != session.received {
        let inner_code =
            if start < session.received { "fragmentOverlap" } else { "fragmentOutOfOrder" };
        return Err(Problem::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "invalidRange",
            "The fragment does not begin where the session goes on.",
        )
        .with_inner(inner_code));
    }
    append(inner, &session, body, length).await?;
    session.total = Some(total);
    session.received = end;
    session.last_start = start;
    session.expires = inner.now().saturating_add(LIFETIME_MICROS);
    inner.database.write(|tx| {
        tx.execute(
            "UPDATE upload_sessions SET total = ?2, received = ?3, last_start = ?4, expires = ?5 \
             WHERE secret_hash = ?1",
            params![session.key, total, end, start, session.expires],
        )?;
        Ok::<_, Problem>(())
    })?;
    if end < total || session.defer_commit {
        return Ok(json_reply(StatusCode::ACCEPTED, &session.status()));
    }
    commit(inner, origin, session, None).await
}

async fn append(inner: &Inner, session: &Session, mut body: Body, length: u64) -> Answer<()> {
    let path = session_file(inner, &session.key);
    let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
    let at = u64::try_from(session.received).unwrap_or(0);
    // Drops what an earlier, broken try of this fragment left.
    file.set_len(at)?;
    file.seek(SeekFrom::Start(at))?;
    let mut written = 0;
    let wrong = || {
        Problem::invalid("The fragment has not the length that Content-Range says.")
            .with_inner("fragmentLengthMismatch")
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| wrong())?;
        let Ok(bytes) = frame.into_data() else { continue };
        written += bytes.len() as u64;
        if written > length {
            return Err(wrong());
        }
        file.write_all(&bytes)?;
    }
    if written == length { Ok(()) } else { Err(wrong()) }
}

/// Where a commit goes instead of where the session was made for.
struct Elsewhere {
    base: i64,
    path: Vec<String>,
    conflict: Conflict,
}

async fn commit(
    inner: &Arc<Inner>,
    origin: &str,
    session: Session,
    elsewhere: Option<Elsewhere>,
) -> Answer<Reply> {
    let worker = Arc::clone(inner);
    // Hashing a large file takes seconds.
    let (row, created) =
        tokio::task::spawn_blocking(move || commit_blocking(&worker, &session, elsewhere))
            .await
            .map_err(|error| Problem::internal(&error))??;
    finished_reply(inner, origin, row, if created { StatusCode::CREATED } else { StatusCode::OK })
}

fn commit_blocking(
    inner: &Inner,
    session: &Session,
    elsewhere: Option<Elsewhere>,
) -> Answer<(i64, bool)> {
    let content = match (session.sha256, session.quickxor) {
        (Some(sha256), Some(quickxor)) => {
            Content { sha256, quickxor, size: u64::try_from(session.received).unwrap_or(0) }
        }
        _ => {
            // A kill after the file moved and before the row knew it: the client starts over.
            let content = inner.content.adopt(&session_file(inner, &session.key));
            let content = content.map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => no_session(),
                _ => error.into(),
            })?;
            inner.database.write(|tx| {
                tx.execute(
                    "UPDATE upload_sessions SET sha256 = ?2, quickxor = ?3 WHERE secret_hash = ?1",
                    params![session.key, content.sha256, content.quickxor],
                )?;
                Ok::<_, Problem>(())
            })?;
            content
        }
    };
    let target = elsewhere.unwrap_or(Elsewhere {
        base: session.base,
        path: session.path.clone(),
        conflict: session.conflict,
    });
    let now = inner.now();
    inner.database.write(|tx| {
        let drive = Drive::by_row(tx, session.drive)?;
        let base = items::by_row(tx, target.base)?
            .filter(|item| item.state == State::Live)
            .ok_or_else(Problem::item_not_found)?;
        let (found, missing) = items::walk(tx, base, &target.path)?;
        let change = Change::begin_as(tx, &drive, now, session.identity)?;
        let upload = Upload {
            content: &content,
            times: file_system_info(&session.info)?,
            description: session.description.as_deref(),
        };
        let guid = || inner.random_guid();
        let (item, created) = store_file(&change, found, missing, &upload, target.conflict, &guid)?;
        tx.execute(
            "UPDATE upload_sessions SET finished_item = ?2, expires = ?3 WHERE secret_hash = ?1",
            params![session.key, item.row, now.saturating_add(AFTERLIFE_MICROS)],
        )?;
        Ok((item.row, created))
    })
}

fn finished_reply(inner: &Arc<Inner>, origin: &str, row: i64, status: StatusCode) -> Answer<Reply> {
    let (drive, item) = inner.database.read(|connection| {
        let item = items::by_row(connection, row)?
            .filter(|item| item.state == State::Live)
            .ok_or_else(no_session)?;
        Ok::<_, Problem>((Drive::by_row(connection, item.drive)?, item))
    })?;
    let call = Call {
        tenant: Arc::clone(inner),
        method: Method::PUT,
        prefix: "/v1.0",
        origin: origin.to_owned(),
        raw_path: String::new(),
        query: Query::default(),
        headers: HeaderMap::new(),
        caller: Caller::of_url(Value::Null),
        body: Value::Null,
        now: inner.now(),
    };
    item_reply(&call, &drive, &item, status)
}

/// `PUT` on a folder with `@microsoft.graph.sourceUrl`: commits a session whose own commit met a conflict.
pub(crate) fn commit_to_path(call: &Call, drive: &Drive, parent: &ItemRef) -> Answer<Reply> {
    let text = |name: &str| call.body.get(name).and_then(Value::as_str);
    let secret = text("@microsoft.graph.sourceUrl")
        .and_then(|url| url.rsplit('/').next())
        .ok_or_else(|| Problem::invalid("@microsoft.graph.sourceUrl is missing."))?;
    let name = text("name").ok_or_else(|| Problem::invalid("name is missing."))?;
    let conflict = Conflict::of(&call.body, &call.query, Conflict::Fail)?;
    let key = ids::sha256(secret.as_bytes());
    let _busy = Busy::claim(&call.tenant, key)?;
    let (session, base) = call.tenant.database.read(|connection| {
        let session = Session::find(connection, key, call.now)?;
        Ok::<_, Problem>((session, parent.resolve(connection, drive)?.row))
    })?;
    let ready = session.finished.is_none() && session.total == Some(session.received);
    if !ready || session.drive != drive.row {
        return Err(no_session());
    }
    let elsewhere = Elsewhere { base, path: vec![name.to_owned()], conflict };
    let (row, created) = commit_blocking(&call.tenant, &session, Some(elsewhere))?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    finished_reply(&call.tenant, &call.origin, row, status)
}

fn too_large_file() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "requestEntityTooLarge",
        "A file must be at most 250 GB.",
    )
    .with_inner("maxFileSizeExceeded")
}

/// `[start, end)` of `total` bytes.
struct Fragment {
    start: i64,
    end: i64,
    total: i64,
}

impl Fragment {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| text.trim().parse::<i64>().ok();
        let (start, last, total) = (number(first)?, number(last)?, number(total)?);
        (0 <= start && start <= last && last < total).then(|| Self { start, end: last + 1, total })
    }
}
