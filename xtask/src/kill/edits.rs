//! What people do to a library between two backups, by Graph calls.

use std::collections::HashSet;

use serde_json::json;

use crate::documents;
use crate::graph::{Graph, encoded};
use crate::listing::{Listed, Listing};
use crate::random::Random;

const EDITS: usize = 80;

/// Changes the drive; `number` makes new names unlike those of other rounds.
pub(crate) fn edit(
    graph: &Graph,
    drive: &str,
    listing: &Listing,
    random: &mut Random,
    number: u32,
) -> anyhow::Result<()> {
    let files: Vec<(&String, &Listed)> =
        listing.iter().filter(|(_, listed)| listed.content.is_some()).collect();
    let folders: Vec<&Listed> =
        listing.values().filter(|listed| listed.content.is_none()).collect();
    let item = |id: &str| format!("/drives/{drive}/items/{id}");
    let mut touched = HashSet::new();
    for edit in 0..EDITS {
        let (path, file) = *random.one_of(&files);
        if !touched.insert(&file.id) {
            continue;
        }
        let folder = *random.one_of(&folders);
        let unique = format!("{number}-{edit}");
        match random.below(7) {
            0 | 1 => {
                let size = random.log_uniform(1, 300_000) as usize;
                let content = documents::content(random, size);
                graph.put_content(&format!("{}/content", item(&file.id)), content)?;
            }
            2 => {
                let size = random.log_uniform(1, 1_000_000) as usize;
                let content = documents::content(random, size);
                let name = encoded(&format!("New {unique} ü & co.bin"));
                graph.put_content(&format!("{}:/{name}:/content", item(&folder.id)), content)?;
            }
            3 => {
                let name = if random.below(3) == 0 {
                    // Another case of the same name.
                    path.rsplit('/').next().unwrap_or(path).to_uppercase()
                } else {
                    format!("Renamed {unique}.dat")
                };
                graph.patch(&item(&file.id), &json!({"name": name}))?;
            }
            4 => {
                let moved = json!({"parentReference": {"id": folder.id}, "name": format!("Moved {unique}")});
                graph.patch(&item(&file.id), &moved)?;
            }
            5 => {
                let year = 2000 + random.below(25);
                let times = json!({"fileSystemInfo": {"lastModifiedDateTime": format!("{year}-02-03T04:05:06Z")}});
                graph.patch(&item(&file.id), &times)?;
            }
            _ => graph.delete(&item(&file.id))?,
        }
    }
    swap_names(graph, drive, &files, &touched, random)?;
    // A folder that goes takes what was moved into it along.
    let renamed = *random.one_of(&folders);
    graph.patch(&item(&renamed.id), &json!({"name": format!("Folder renamed {number}")}))?;
    let leaf = folders.iter().filter(|folder| is_leaf(listing, &folder.id)).nth(random.below(10));
    if let Some(leaf) = leaf
        && leaf.id != renamed.id
    {
        graph.delete(&item(&leaf.id))?;
    }
    let new = json!({"name": format!("Folder new {number}"), "folder": {}, "@microsoft.graph.conflictBehavior": "fail"});
    graph.post(&format!("/drives/{drive}/root/children"), &new)?;
    Ok(())
}

/// Two files of one folder take each other's name.
fn swap_names(
    graph: &Graph,
    drive: &str,
    files: &[(&String, &Listed)],
    touched: &HashSet<&String>,
    random: &mut Random,
) -> anyhow::Result<()> {
    let from = random.below(files.len());
    for pair in files[from..].windows(2) {
        let [(left_path, left), (right_path, right)] = pair else { continue };
        let (left_folder, left_name) = left_path.rsplit_once('/').unwrap_or(("", left_path));
        let (right_folder, right_name) = right_path.rsplit_once('/').unwrap_or(("", right_path));
        if left_folder != right_folder || touched.contains(&left.id) || touched.contains(&right.id)
        {
            continue;
        }
        let names = [(&left.id, "Swapping"), (&right.id, left_name), (&left.id, right_name)];
        for (id, name) in names {
            graph.patch(&format!("/drives/{drive}/items/{id}"), &json!({"name": name}))?;
        }
        return Ok(());
    }
    Ok(())
}

/// Whether the folder has no folders in it.
fn is_leaf(listing: &Listing, id: &str) -> bool {
    let Some((path, _)) = listing.iter().find(|(_, listed)| listed.id == id) else { return false };
    let below = format!("{path}/");
    !listing.iter().any(|(other, listed)| listed.content.is_none() && other.starts_with(&below))
}
