//! Delta of a drive (`spec/graph-content-api.md` 3).
//!
//! A round is a list of items, fixed at its first request: for an enumeration everything live, else what changed
//! after the token, with the ancestors of what is live. Pages go through the list by position and show each item as
//! it is now, so an enumeration is linear. The round's end gives a token for the moment of its first request; what
//! changed since has a larger change number and comes in the next round, whether or not this one showed it.

use std::collections::{HashMap, HashSet};

use holdfast_domain::Timestamp;
use http::StatusCode;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

use crate::call::{Call, Reply, json_reply};
use crate::items::{self, Item, ItemRef, State};
use crate::path::function_argument;
use crate::places::Drive;
use crate::problem::{Answer, Problem};
use crate::render::ItemRenderer;

const DEFAULT_PAGE: usize = 200;
const PAGE_LIMIT: usize = 5000;
/// Row ids in one stored piece of a round.
const CHUNK: usize = 1000;
const ROUND_LIFETIME_MICROS: i64 = 24 * 3_600 * 1_000_000;
const TOKEN_NAMES: [&str; 3] = ["token", "$skiptoken", "$deltatoken"];

/// What a token in a link says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    drive: i64,
    epoch: i64,
    /// Changes after this number; -1 for an enumeration.
    since: i64,
    /// Where the round's own delta link will go on.
    until: i64,
    /// 0 in a delta link.
    round: i64,
    position: i64,
}

impl Token {
    fn numbers(self) -> [i64; 6] {
        [self.drive, self.epoch, self.since, self.until, self.round, self.position]
    }

    fn to_text(self, call: &Call) -> String {
        let bytes: Vec<u8> = self.numbers().iter().flat_map(|n| n.to_be_bytes()).collect();
        call.tenant.sign("delta", &bytes)
    }

    fn from_text(call: &Call, text: &str) -> Option<Self> {
        let bytes = call.tenant.signed("delta", text)?;
        let mut numbers = bytes
            .chunks_exact(8)
            .map(|number| i64::from_be_bytes(number.try_into().expect("eight bytes")));
        let mut next = || numbers.next();
        Some(Self {
            drive: next()?,
            epoch: next()?,
            since: next()?,
            until: next()?,
            round: next()?,
            position: next()?,
        })
    }
}

/// `GET …/root/delta`; `function` is the last segment, which may hold the token.
pub(crate) fn delta(call: &Call, drive: &Drive, item: &ItemRef, function: &str) -> Answer<Reply> {
    let argument = function_argument(function, "delta", "token");
    if argument.is_none() && function != "delta" {
        return Err(Problem::no_such_path());
    }
    let in_query = TOKEN_NAMES.iter().find_map(|name| call.query.get(name));
    let text = argument.or(in_query).filter(|text| !text.is_empty());
    let top = call.query.top(DEFAULT_PAGE, PAGE_LIMIT)?;
    let start = call.tenant.database.read(|connection| {
        if !item.resolve(connection, drive)?.is_root() {
            return Err(Problem::invalid("Delta is served for the root of a drive only."));
        }
        // The change number and the items must be of one moment.
        let drive = Drive::by_row(connection, drive.row)?;
        let token = parse_token(call, connection, &drive, text)?;
        if token.round != 0 {
            let page = Page::of_round(call, connection, &drive, token, top)?;
            return Ok(Start::Answer(page_reply(call, &drive, page)));
        }
        if token.since == drive.change_seq {
            let page = Page { values: Vec::new(), token, more: false };
            return Ok(Start::Answer(page_reply(call, &drive, page)));
        }
        let rows = rows_of_round(call, connection, &drive, token.since)?;
        if rows.len() <= top {
            let mut page = Page { values: Vec::new(), token, more: false };
            page.token.until = drive.change_seq;
            let mut renderer = Renderer::new(call, connection, &drive, token.since)?;
            for row in rows {
                page.values.extend(renderer.value(row)?);
            }
            return Ok(Start::Answer(page_reply(call, &drive, page)));
        }
        Ok(Start::Round { drive: Box::new(drive), since: token.since, rows })
    })?;
    let (drive, since, rows) = match start {
        Start::Answer(reply) => return Ok(reply),
        Start::Round { drive, since, rows } => (*drive, since, rows),
    };
    let round = store_round(call, &drive, &rows)?;
    let token = Token {
        drive: drive.row,
        epoch: drive.epoch,
        since,
        until: drive.change_seq,
        round,
        position: 0,
    };
    call.tenant.database.read(|connection| {
        let page = Page::of_round(call, connection, &drive, token, top)?;
        Ok(page_reply(call, &drive, page))
    })
}

enum Start {
    Answer(Reply),
    Round { drive: Box<Drive>, since: i64, rows: Vec<i64> },
}

fn parse_token(
    call: &Call,
    connection: &Connection,
    drive: &Drive,
    text: Option<&str>,
) -> Answer<Token> {
    let fresh = |since| Token {
        drive: drive.row,
        epoch: drive.epoch,
        since,
        until: drive.change_seq,
        round: 0,
        position: 0,
    };
    let Some(text) = text else { return Ok(fresh(-1)) };
    if text.eq_ignore_ascii_case("latest") {
        return Ok(fresh(drive.change_seq));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        let before: Option<i64> = connection.query_row(
            "SELECT max(change_seq) FROM items WHERE drive = ?1 AND changed_at < ?2",
            params![drive.row, time.unix_micros()],
            |row| row.get(0),
        )?;
        let since = before.unwrap_or(0);
        return if since < drive.oldest_seq { Err(resync(call)) } else { Ok(fresh(since)) };
    }
    let token = Token::from_text(call, text)
        .ok_or_else(|| Problem::invalid("The delta token is malformed."))?;
    let known = token.drive == drive.row && token.epoch == drive.epoch;
    // A token of an enumeration under way is bound to its round, which goes away with the log.
    let kept = token.since >= drive.oldest_seq || (token.round != 0 && token.since == -1);
    if !known || !kept || token.until > drive.change_seq {
        return Err(resync(call));
    }
    if token.round != 0 {
        let exists: Option<i64> = connection
            .query_row(
                "SELECT 1 FROM delta_rounds WHERE id = ?1 AND drive = ?2",
                params![token.round, drive.row],
                |row| row.get(0),
            )
            .optional()?;
        exists.ok_or_else(|| resync(call))?;
    }
    Ok(token)
}

fn resync(call: &Call) -> Problem {
    Problem {
        location: Some(delta_url(call, None)),
        ..Problem::new(
            StatusCode::GONE,
            "resyncRequired",
            "The delta token is too old or of another state of the drive; enumerate again.",
        )
    }
}

/// This request's delta URL with another token, whatever form its own had.
fn delta_url(call: &Call, token: Option<&str>) -> String {
    let path = call.raw_path.trim_end_matches('/');
    let above = path.rfind('/').map_or("", |slash| &path[..slash]);
    let url = format!("{}{above}/delta", call.origin);
    match token {
        Some(token) => format!("{url}?{}", call.query.link_with("token", token, &TOKEN_NAMES)),
        None => url,
    }
}

/// The items of a round in the order in which they are shown: deletions first, deepest first, then what is live,
/// parents before children.
fn rows_of_round(
    call: &Call,
    connection: &Connection,
    drive: &Drive,
    since: i64,
) -> Answer<Vec<i64>> {
    let mut parents: HashMap<i64, Option<i64>> = HashMap::new();
    let (mut live, mut deleted) = (Vec::new(), Vec::new());
    let mut statement = connection.prepare_cached(
        "SELECT id, parent, state FROM items WHERE drive = ?1 AND change_seq > ?2 \
         AND (state = 0 OR ?2 >= 0)",
    )?;
    let mut rows = statement.query(params![drive.row, since])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        parents.insert(id, row.get(1)?);
        if row.get::<_, i64>(2)? == 0 { live.push(id) } else { deleted.push(id) }
    }
    let mut parent_of = connection.prepare_cached("SELECT parent FROM items WHERE id = ?1")?;
    let mut listed: HashSet<i64> = live.iter().copied().collect();
    let with_ancestors =
        !call.header("deltaexcludeparent").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let mut depths: HashMap<i64, u32> = HashMap::new();
    let mut chain = Vec::new();
    for id in live.clone().into_iter().chain(deleted.iter().copied()) {
        let ancestors_too = with_ancestors && listed.contains(&id);
        let mut at = Some(id);
        chain.clear();
        while let Some(row) = at.filter(|row| !depths.contains_key(row)) {
            chain.push(row);
            at = match parents.get(&row) {
                Some(parent) => *parent,
                None => {
                    let parent = parent_of.query_row([row], |found| found.get(0))?;
                    parents.insert(row, parent);
                    parent
                }
            };
        }
        let top_depth = at.map_or(0, |row| depths[&row] + 1);
        for (depth, row) in (top_depth..).zip(chain.iter().rev()) {
            depths.insert(*row, depth);
        }
        let mut at = parents[&id].filter(|_| ancestors_too);
        while let Some(row) = at.filter(|row| listed.insert(*row)) {
            live.push(row);
            at = parents[&row];
        }
    }
    live.sort_by_key(|row| (depths[row], *row));
    deleted.sort_by_key(|row| (std::cmp::Reverse(depths[row]), *row));
    deleted.extend(live);
    Ok(deleted)
}

fn store_round(call: &Call, drive: &Drive, rows: &[i64]) -> Answer<i64> {
    call.tenant.database.write(|tx| {
        tx.execute(
            "DELETE FROM delta_rounds WHERE drive = ?1 AND started < ?2",
            params![drive.row, call.now - ROUND_LIFETIME_MICROS],
        )?;
        let total = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        tx.execute(
            "INSERT INTO delta_rounds (drive, started, total) VALUES (?1, ?2, ?3)",
            params![drive.row, call.now, total],
        )?;
        let round = tx.last_insert_rowid();
        let mut insert = tx.prepare_cached(
            "INSERT INTO delta_round_chunks (round, number, items) VALUES (?1, ?2, ?3)",
        )?;
        for (number, chunk) in (0_i64..).zip(rows.chunks(CHUNK)) {
            let bytes: Vec<u8> = chunk.iter().flat_map(|row| row.to_le_bytes()).collect();
            insert.execute(params![round, number, bytes])?;
        }
        Ok(round)
    })
}

struct Page {
    values: Vec<Value>,
    /// Where to go on.
    token: Token,
    more: bool,
}

impl Page {
    fn of_round(
        call: &Call,
        connection: &Connection,
        drive: &Drive,
        mut token: Token,
        top: usize,
    ) -> Answer<Self> {
        let total: i64 = connection.query_row(
            "SELECT total FROM delta_rounds WHERE id = ?1",
            [token.round],
            |row| row.get(0),
        )?;
        let mut renderer = Renderer::new(call, connection, drive, token.since)?;
        let mut chunk_of = connection.prepare_cached(
            "SELECT items FROM delta_round_chunks WHERE round = ?1 AND number = ?2",
        )?;
        let mut values = Vec::new();
        let chunk_length = i64::try_from(CHUNK).expect("small");
        // What is gone by now is skipped, so the page goes on until it is full: none in the middle is empty.
        while values.len() < top && token.position < total {
            let number = token.position / chunk_length;
            let bytes: Vec<u8> =
                chunk_of.query_row(params![token.round, number], |row| row.get(0))?;
            let skip = usize::try_from(token.position % chunk_length).expect("small");
            for row in bytes.chunks_exact(8).skip(skip) {
                let row = i64::from_le_bytes(row.try_into().expect("eight bytes"));
                values.extend(renderer.value(row)?);
                token.position += 1;
                if values.len() == top {
                    break;
                }
            }
        }
        Ok(Self { values, token, more: token.position < total })
    }
}

struct Renderer<'c> {
    items: ItemRenderer<'c>,
    connection: &'c Connection,
    since: i64,
    sharing_changes: bool,
    unique_sharing: bool,
}

impl<'c> Renderer<'c> {
    fn new(
        call: &'c Call,
        connection: &'c Connection,
        drive: &'c Drive,
        since: i64,
    ) -> Answer<Self> {
        Ok(Self {
            items: ItemRenderer::new(call, connection, drive, false)?,
            connection,
            since,
            sharing_changes: call.prefers("deltashowsharingchanges"),
            unique_sharing: call.prefers("hierarchicalsharing"),
        })
    }

    /// `None` for what a first enumeration leaves out: what was deleted meanwhile.
    fn value(&mut self, row: i64) -> Answer<Option<Value>> {
        let Some(item) = items::by_row(self.connection, row)? else { return Ok(None) };
        if item.state != State::Live && self.since < 0 {
            return Ok(None);
        }
        let mut value = self.items.item(&item)?;
        self.mark_sharing(&item, &mut value);
        Ok(Some(value))
    }

    fn mark_sharing(&self, item: &Item, value: &mut Value) {
        if item.state != State::Live {
            return;
        }
        if self.sharing_changes && self.since >= 0 && item.sharing_seq > self.since {
            value["@microsoft.graph.sharedChanged"] = json!("True");
        }
        let removed = item.sharing_seq > 0 && item.direct_permissions == 0 && item.inherits;
        if self.unique_sharing && removed && !item.is_root() {
            value["shared"] = json!({});
        }
    }
}

fn page_reply(call: &Call, drive: &Drive, page: Page) -> Reply {
    let mut body = json!({"@odata.context": call.context("Collection(driveItem)")});
    if page.more {
        body["@odata.nextLink"] = json!(delta_url(call, Some(&page.token.to_text(call))));
    } else {
        let end = Token {
            drive: drive.row,
            epoch: drive.epoch,
            since: page.token.until,
            until: page.token.until,
            round: 0,
            position: 0,
        };
        body["@odata.deltaLink"] = json!(delta_url(call, Some(&end.to_text(call))));
    }
    body["value"] = Value::Array(page.values);
    json_reply(StatusCode::OK, &body)
}
