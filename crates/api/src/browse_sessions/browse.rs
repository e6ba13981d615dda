//! `POST …/browse`, `GET …/browse` with `$skiptoken`, and `GET …/browse(nextFetchToken='…')` (`spec/api.md` section 12)
//!
//! A token says the whole question and how far it is answered, so that nothing is kept between pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_domain::limits::PAGE;
use holdfast_graph_model::ErrorCode;
use holdfast_graph_model::Evolvable;
use holdfast_graph_model::evolvable::{
    BrowsableResourceType, BrowseQueryOrder, BrowseQueryResponseItemType,
};
use holdfast_store::query::Direction;
use holdfast_store::{
    BrowseItem, BrowseItemKind, BrowseOrder, BrowsePlace, BrowsePosition, BrowseQuery,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::items::Items;
use super::{BrowseSessions, require_created};
use crate::answer::Answer;
use crate::call::Call;
use crate::collection::{self, At, Resource};
use crate::extract::JsonObject;
use crate::problem::Problem;
use crate::shape::Shape;

/// The question.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Ask {
    /// The place to look into; `None`: the top.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    name_contains: Option<String>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    /// Straight into the only library (beta).
    #[serde(rename = "z", default)]
    optimized: bool,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    progress: Option<Answered>,
}

/// What earlier pages answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answered {
    name: String,
    ordinal: u64,
    count: u64,
}

impl Ask {
    fn read(call: &Call) -> Result<Self, Problem> {
        call.allow_options(&[])?;
        let mut body = call.json(ErrorCode::BadRequest)?;
        let key = body.take_text("browseLocationItemKey")?.filter(|key| !key.is_empty());
        // The key says what it is of; the kind is only checked to be one.
        take_member::<BrowsableResourceType>(&mut body, "browseResourceType")?;
        let name_contains = match body.take_text("filter")?.filter(|text| !text.trim().is_empty()) {
            Some(text) => Some(wanted_name(&text).ok_or_else(|| {
                body.refuse("filter", "must have the form (name -contains 'text')")
            })?),
            None => None,
        };
        let order = take_member::<BrowseQueryOrder>(&mut body, "orderBy")?;
        let optimized = match call.is_beta() {
            true => body.take_flag("optimizedBrowse")?.unwrap_or(false),
            false => false,
        };
        body.finish()?;
        let order = order.map(|order| order.name().to_owned());
        Ok(Self { key, name_contains, order, optimized, progress: None })
    }

    fn of_token(token: &str) -> Result<Self, Problem> {
        URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok())
            .filter(|ask| ask.progress.is_some())
            .ok_or_else(|| {
                let message = "The token for the next page is not one that a page gave.";
                Problem::new(ErrorCode::BadRequest, message)
            })
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("texts and numbers serialize"))
    }

    fn order(&self) -> (BrowseOrder, Direction) {
        match self.order.as_deref().and_then(BrowseQueryOrder::from_name) {
            None | Some(BrowseQueryOrder::PathAsc) => (BrowseOrder::Path, Direction::Ascending),
            Some(BrowseQueryOrder::PathDsc) => (BrowseOrder::Path, Direction::Descending),
            Some(BrowseQueryOrder::NameAsc) => (BrowseOrder::Name, Direction::Ascending),
            Some(BrowseQueryOrder::NameDsc) => (BrowseOrder::Name, Direction::Descending),
        }
    }
}

fn take_member<E: Evolvable>(body: &mut JsonObject, name: &str) -> Result<Option<E>, Problem> {
    let Some(text) = body.take_text(name)? else { return Ok(None) };
    E::from_name(&text).map(Some).ok_or_else(|| {
        let members: Vec<&str> = E::MEMBERS.iter().map(|(_, name, _)| *name).collect();
        body.refuse(name, &format!("must be one of {}", members.join(", ")))
    })
}

/// `text` of `(name -contains 'text')`; quotes in it are doubled.
fn wanted_name(filter: &str) -> Option<String> {
    let mut text = filter.trim();
    while let Some(inside) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        text = inside.trim();
    }
    let rest = strip_word(text, "name")?;
    let rest = strip_word(rest, "-contains")?;
    let quoted = rest.strip_prefix('\'')?.strip_suffix('\'')?;
    let plain = quoted.replace("''", "\u{0}");
    (!plain.contains('\'') && !quoted.is_empty()).then(|| plain.replace('\u{0}', "'"))
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, tail) = (text.get(..word.len())?, text.get(word.len()..)?);
    let rest = tail.trim_start();
    (head.eq_ignore_ascii_case(word) && rest.len() < tail.len()).then_some(rest)
}

pub(crate) async fn browse(call: Call, at: At) -> Result<Answer, Problem> {
    let ask = Ask::read(&call)?;
    answer(&call, at, ask).await
}

pub(crate) async fn browse_next(call: Call, at: At) -> Result<Answer, Problem> {
    call.allow_options(&["$skiptoken"])?;
    let Some(token) = &call.options.skip_token else {
        let message = "GET needs the $skiptoken of a page before; the first page comes by POST.";
        return Err(Problem::at(ErrorCode::BadRequest, "$skiptoken", message));
    };
    let ask = Ask::of_token(token)?;
    answer(&call, at, ask).await
}

pub(crate) async fn browse_next_by_token(call: Call, at: At) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let ask = Ask::of_token(call.keys.get(1).map_or("", String::as_str))?;
    answer(&call, at, ask).await
}

async fn answer(call: &Call, at: At, mut ask: Ask) -> Result<Answer, Problem> {
    let mut tx = call.read().await?;
    let session = collection::load::<BrowseSessions>(&mut *tx, call, at).await?.value;
    require_created(&session)?;
    let mut items = Items::of(&mut *tx, session.id);
    let (place, plain_count) = place(&mut items, &ask).await?;
    let (order, direction) = ask.order();
    let mut query = BrowseQuery {
        place,
        name_contains: ask.name_contains.clone(),
        order,
        direction,
        after: None,
        limit: PAGE + 1,
    };
    let count = match (&ask.progress, plain_count) {
        (_, Some(count)) => count,
        (Some(known), None) => known.count,
        (None, None) => items.tx().count_browse(session.id, &query).await?,
    };
    query.after = ask
        .progress
        .take()
        .map(|known| BrowsePosition { name: known.name, ordinal: known.ordinal });
    let mut found = items.tx().browse(session.id, &query).await?;
    let has_more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let mut body = Map::new();
    body.insert(
        "@odata.context".to_owned(),
        json!(format!(
            "{}/{}/$metadata#Collection(microsoft.graph.browseQueryResponseItem)",
            call.origin,
            call.viewer.version.name()
        )),
    );
    body.insert("@odata.count".to_owned(), json!(count));
    if let (true, Some(last)) = (has_more, found.last()) {
        ask.progress = Some(Answered { name: last.name.clone(), ordinal: last.ordinal, count });
        let path = format!("/{}/{}/browse", BrowseSessions::segment(at), session.id);
        let link = format!("{}?$skiptoken={}", call.url(&path), ask.token());
        body.insert("@odata.nextLink".to_owned(), json!(link));
    }
    let mut rows = Vec::with_capacity(found.len());
    for item in &found {
        rows.push(shown(call, &mut items, item).await?);
    }
    body.insert("value".to_owned(), Value::Array(rows));
    Ok(Answer::ok(body))
}

/// Where the answer's rows are, and how many there are, where that is known without counting.
async fn place(items: &mut Items<'_>, ask: &Ask) -> Result<(BrowsePlace, Option<u64>), Problem> {
    let location = match &ask.key {
        None if ask.optimized => only_library(items).await?,
        None => {
            let site = items.site().await?;
            return Ok(match ask.name_contains {
                // Anywhere below.
                Some(_) => (BrowsePlace::Range { first: 1, last: site.last }, None),
                None => (BrowsePlace::Range { first: 0, last: 0 }, Some(1)),
            });
        }
        Some(key) => {
            let item = items.of_key(key).await?.ok_or_else(|| {
                let message = "'browseLocationItemKey' names nothing in this browse session.";
                Problem::at(ErrorCode::ResourceNotFound, "browseLocationItemKey", message)
            })?;
            if item.kind == BrowseItemKind::File {
                let message = "'browseLocationItemKey' names a file; there is nothing in it.";
                return Err(Problem::at(ErrorCode::BadRequest, "browseLocationItemKey", message));
            }
            item
        }
    };
    Ok(match ask.name_contains {
        Some(_) => (BrowsePlace::Range { first: location.ordinal + 1, last: location.last }, None),
        None => (BrowsePlace::In { parent: location.ordinal }, Some(location.items)),
    })
}

async fn only_library(items: &mut Items<'_>) -> Result<BrowseItem, Problem> {
    let site = items.site().await?;
    if site.items == 1
        && let Some(library) = items.first_library().await?
    {
        return Ok(library);
    }
    Err(Problem::at(
        ErrorCode::Conflict,
        "optimizedBrowse",
        "'optimizedBrowse' needs exactly one site with one document library; browse from the top instead.",
    ))
}

async fn shown(call: &Call, items: &mut Items<'_>, item: &BrowseItem) -> Result<Value, Problem> {
    let kind = match item.kind {
        BrowseItemKind::Site => BrowseQueryResponseItemType::Site,
        BrowseItemKind::Library => BrowseQueryResponseItemType::DocumentLibrary,
        BrowseItemKind::Folder => BrowseQueryResponseItemType::Folder,
        BrowseItemKind::File => BrowseQueryResponseItemType::File,
    };
    let mut shape = Shape::untyped("browseQueryResponseItem", call.viewer)
        .set("itemKey", items.key(item).await?.to_string())
        .set("name", item.name.clone())
        .set("webUrl", items.web_url(item).await?)
        .member("type", kind);
    if item.kind != BrowseItemKind::Site {
        shape = shape.set("itemsCount", item.items).set("sizeInBytes", item.size_bytes.to_string());
    }
    if let Some((created, modified)) = item.times {
        shape = shape.time("createdDateTime", created).time("lastModifiedDateTime", modified);
    }
    Ok(shape.into())
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn one_form_of_filter() {
        for (filter, name) in [
            ("(name -contains 'Folder')", Some("Folder")),
            ("name -contains 'x y'", Some("x y")),
            (" ( Name  -Contains  'it''s' ) ", Some("it's")),
            ("((name -contains '(a)'))", Some("(a)")),
            ("", None),
            ("name", None),
            ("(name -contains '')", None),
            ("(name -contains 'a' or name -contains 'b')", None),
            ("(name-contains 'a')", None),
            ("(title -contains 'a')", None),
            ("(name -eq 'a')", None),
            ("(name -contains a)", None),
            ("(name -contains 'ä", None),
        ] {
            assert_eq!(wanted_name(filter).as_deref(), name, "{filter}");
        }
    }

    #[test]
    fn a_token_is_one_that_a_page_gave() {
        let progress = Some(Answered { name: "x".to_owned(), ordinal: 7, count: 9 });
        let ask = Ask { key: Some("k".to_owned()), progress, ..Ask::default() };
        let read = Ask::of_token(&ask.token()).expect("ours");
        assert_eq!(read.key.as_deref(), Some("k"));
        for other in ["", "x", "unknown token", &Ask::default().token()] {
            assert!(Ask::of_token(other).is_err(), "{other}");
        }
    }
}
