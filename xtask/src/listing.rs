//! What is in a library, by path: what a restore must bring back.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use serde_json::Value;

use crate::graph::{Graph, text};

/// By path below the library's root, with `/` between names.
pub(crate) type Listing = BTreeMap<String, Listed>;

#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: String,
    /// `None` for a folder.
    pub(crate) content: Option<Content>,
    /// To the second, as Graph writes it.
    pub(crate) created: String,
    pub(crate) modified: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) size: u64,
    pub(crate) quick_xor: String,
}

/// Everything in the drive, from one full enumeration by delta.
pub(crate) fn list(graph: &Graph, drive: &str) -> anyhow::Result<Listing> {
    let mut items: HashMap<String, Value> = HashMap::new();
    for item in graph.list(&format!("/drives/{drive}/root/delta"))?.values {
        let id = text(&item, "id")?.to_owned();
        if item.get("deleted").is_some() {
            items.remove(&id);
        } else {
            items.insert(id, item);
        }
    }
    let mut listing = Listing::new();
    for (id, item) in &items {
        if item.get("root").is_some() {
            continue;
        }
        let info = &item["fileSystemInfo"];
        let listed = Listed {
            id: id.clone(),
            content: content_of(item)?,
            created: second(text(info, "createdDateTime")?),
            modified: second(text(info, "lastModifiedDateTime")?),
        };
        listing.insert(path_of(&items, item)?, listed);
    }
    Ok(listing)
}

fn content_of(item: &Value) -> anyhow::Result<Option<Content>> {
    let Some(file) = item.get("file") else { return Ok(None) };
    // Some services leave the hash of an empty file out.
    let size = item["size"].as_u64().context("a file has no size")?;
    let quick_xor = file["hashes"]["quickXorHash"].as_str().unwrap_or_default().to_owned();
    Ok(Some(Content { size, quick_xor }))
}

fn path_of(items: &HashMap<String, Value>, item: &Value) -> anyhow::Result<String> {
    let mut names = vec![text(item, "name")?];
    let mut above = text(&item["parentReference"], "id")?;
    loop {
        let parent = items.get(above).context("an item's parent is not listed")?;
        if parent.get("root").is_some() {
            break;
        }
        names.push(text(parent, "name")?);
        above = text(&parent["parentReference"], "id")?;
    }
    names.reverse();
    Ok(names.join("/"))
}

fn second(time: &str) -> String {
    time.trim_end_matches('Z').split('.').next().unwrap_or_default().to_owned()
}

/// What `is` has other than `should`, in words; ids do not count.
pub(crate) fn differences(should: &Listing, is: &Listing) -> Vec<String> {
    let mut found = Vec::new();
    for (path, wanted) in should {
        match is.get(path) {
            None => found.push(format!("{path} is missing")),
            Some(there) => {
                let same = there.content == wanted.content
                    && there.created == wanted.created
                    && there.modified == wanted.modified;
                if !same {
                    found.push(format!(
                        "{path} should be {} and is {}",
                        shown(wanted),
                        shown(there)
                    ));
                }
            }
        }
    }
    for path in is.keys().filter(|path| !should.contains_key(*path)) {
        found.push(format!("{path} should not be there"));
    }
    found
}

fn shown(listed: &Listed) -> String {
    let times = format!("created {} modified {}", listed.created, listed.modified);
    match &listed.content {
        Some(content) => format!("{} bytes {} {times}", content.size, content.quick_xor),
        None => format!("a folder {times}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: u64, modified: &str) -> Listed {
        Listed {
            id: "any".to_owned(),
            content: Some(Content { size, quick_xor: "hash".to_owned() }),
            created: "2020".to_owned(),
            modified: modified.to_owned(),
        }
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let should = Listing::from([
            ("same".to_owned(), file(1, "2021")),
            ("gone".to_owned(), file(1, "2021")),
            ("touched".to_owned(), file(1, "2021")),
        ]);
        let is = Listing::from([
            ("same".to_owned(), Listed { id: "other".to_owned(), ..file(1, "2021") }),
            ("touched".to_owned(), file(1, "2022")),
            ("new".to_owned(), file(1, "2021")),
        ]);
        let found = differences(&should, &is);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("gone is missing"));
        assert!(found[1].starts_with("touched should be"));
        assert!(found[2].starts_with("new should not be there"));
        assert!(differences(&should, &should).is_empty());
    }
}
