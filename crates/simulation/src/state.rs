//! A site as it is, or as a snapshot has it, in a form that can be compared: path, bytes, times, direct permissions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use holdfast_domain::Timestamp;
use holdfast_repository::{BlobId, Node, NodeKind, Repository, SnapshotId};
use http::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};

use futures::TryStreamExt;

use crate::graph::Graph;

/// A file or folder, apart from its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: String,
    /// Size and SHA-256 of a file; `None` for a folder.
    pub content: Option<(u64, String)>,
    /// Seconds since 1970.
    pub created: i64,
    pub modified: i64,
    /// Direct ones only.
    pub permissions: BTreeSet<String>,
}

/// Everything in a site's libraries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteState {
    pub libraries: BTreeSet<String>,
    /// By `library/path`.
    pub entries: BTreeMap<String, Entry>,
}

impl SiteState {
    /// The same without ids, which restored items do not keep.
    #[must_use]
    pub fn without_ids(&self) -> Self {
        let mut state = self.clone();
        for entry in state.entries.values_mut() {
            entry.id.clear();
        }
        state
    }

    /// What differs, for a person; empty when nothing does.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.libraries != other.libraries {
            found.push(format!("libraries {:?} and {:?}", self.libraries, other.libraries));
        }
        let paths: BTreeSet<&String> = self.entries.keys().chain(other.entries.keys()).collect();
        for path in paths {
            let (left, right) = (self.entries.get(path), other.entries.get(path));
            if left != right {
                found.push(format!("{path}:\n    {left:?}\n    {right:?}"));
            }
        }
        found
    }
}

/// Digests of contents by item and content tag, so that unchanged files are not read again.
#[derive(Debug, Default)]
pub struct Digests(HashMap<(String, String), (u64, String)>);

fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    value[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| anyhow::anyhow!("{name} is missing in {value}"))
}

fn seconds(value: &Value, name: &str) -> anyhow::Result<i64> {
    Ok(text(value, name)?.parse::<Timestamp>()?.unix_seconds())
}

/// Reads a site through Graph: its libraries, and every folder's children.
///
/// # Errors
/// When an answer is refused or malformed.
pub async fn read_site(
    graph: &Graph,
    site: &str,
    digests: &mut Digests,
) -> anyhow::Result<SiteState> {
    let mut state = SiteState::default();
    for drive in graph.list(&format!("/v1.0/sites/{site}/drives")).await? {
        let (id, library) = (text(&drive, "id")?, text(&drive, "name")?);
        let root = graph
            .call(Method::GET, &format!("/v1.0/drives/{id}/root"), &Value::Null)
            .await?
            .ok()?;
        state.libraries.insert(library.clone());
        let mut folders = vec![(text(&root, "id")?, library)];
        while let Some((folder, path)) = folders.pop() {
            for item in
                graph.list(&format!("/v1.0/drives/{id}/items/{folder}/children?$top=1000")).await?
            {
                let item_id = text(&item, "id")?;
                let path = format!("{path}/{}", text(&item, "name")?);
                let content = if item["file"].is_object() {
                    Some(digest(graph, &id, &item, digests).await?)
                } else {
                    folders.push((item_id.clone(), path.clone()));
                    None
                };
                let times = &item["fileSystemInfo"];
                let entry = Entry {
                    permissions: permissions_of(graph, &id, &item_id).await?,
                    id: item_id,
                    content,
                    created: seconds(times, "createdDateTime")?,
                    modified: seconds(times, "lastModifiedDateTime")?,
                };
                anyhow::ensure!(
                    state.entries.insert(path.clone(), entry).is_none(),
                    "{path} is there twice"
                );
            }
        }
    }
    Ok(state)
}

async fn digest(
    graph: &Graph,
    drive: &str,
    item: &Value,
    digests: &mut Digests,
) -> anyhow::Result<(u64, String)> {
    let id = text(item, "id")?;
    let key = (id.clone(), text(item, "cTag")?);
    if let Some(known) = digests.0.get(&key) {
        return Ok(known.clone());
    }
    let bytes = graph.content(drive, &id).await?;
    let found = (bytes.len() as u64, hex::encode(Sha256::digest(&bytes)));
    digests.0.insert(key, found.clone());
    Ok(found)
}

async fn permissions_of(
    graph: &Graph,
    drive: &str,
    item: &str,
) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for permission in graph.list(&format!("/v1.0/drives/{drive}/items/{item}/permissions")).await? {
        if permission["inheritedFrom"].is_object() {
            continue;
        }
        if permission["link"].is_object() {
            found.insert(format!(
                "link {} {}",
                permission["link"]["type"], permission["link"]["scope"]
            ));
            continue;
        }
        let user = &permission["grantedToV2"]["user"]["id"];
        if user.is_string() {
            found.insert(format!("user {user} {}", permission["roles"]));
        }
    }
    Ok(found)
}

/// Reads a snapshot with nothing of the engine's: only restic's format and the layout that is written down.
///
/// # Errors
/// When something is missing, damaged or not as the layout says.
pub async fn read_snapshot(repository: &Repository, snapshot: &str) -> anyhow::Result<SiteState> {
    let id: SnapshotId =
        snapshot.parse().map_err(|_| anyhow::anyhow!("{snapshot} is no snapshot's id"))?;
    let root = repository.load_snapshot(&id).await?.tree;
    let ours = folder(repository, root, "holdfast").await?;
    let unit: Value = serde_json::from_slice(&file(repository, ours, "unit.json").await?)?;
    let url = text(&unit, "siteWebUrl")?;
    let mut content = folder(repository, root, "content").await?;
    for name in
        url.splitn(4, '/').nth(3).unwrap_or_default().split('/').filter(|name| !name.is_empty())
    {
        content = folder(repository, content, name).await?;
    }
    let mut state = SiteState::default();
    for library in unit["libraries"].as_array().into_iter().flatten() {
        let (name, directory) = (text(library, "name")?, text(library, "folder")?);
        state.libraries.insert(name.clone());
        let permissions = match folder(repository, ours, "permissions").await {
            Ok(all) => folder(repository, all, &directory).await.ok(),
            Err(_) => None,
        };
        let mut folders = vec![(
            folder(repository, content, &directory).await?,
            text(library, "rootItemId")?,
            name,
        )];
        while let Some((tree, folder_id, path)) = folders.pop() {
            let granted = permission_file(repository, permissions, &folder_id).await?;
            for node in repository.load_tree(&tree).await?.nodes() {
                let path = format!("{path}/{}", node.name);
                let (entry, subtree) = entry_of(repository, node, &granted).await?;
                if let Some(subtree) = subtree {
                    folders.push((subtree, entry.id.clone(), path.clone()));
                }
                anyhow::ensure!(
                    state.entries.insert(path.clone(), entry).is_none(),
                    "{path} is there twice"
                );
            }
        }
    }
    Ok(state)
}

async fn entry_of(
    repository: &Repository,
    node: &Node,
    granted: &Value,
) -> anyhow::Result<(Entry, Option<BlobId>)> {
    let (_, facts) = node
        .extended_attributes
        .iter()
        .find(|(name, _)| name == "user.holdfast")
        .ok_or_else(|| anyhow::anyhow!("no facts"))?;
    anyhow::ensure!(facts.len() <= 1024, "facts of {} bytes", facts.len());
    let facts: Value = serde_json::from_slice(facts)?;
    let id = text(&facts, "id")?;
    let mut permissions = BTreeSet::new();
    for grant in granted[&id].as_array().into_iter().flatten() {
        if grant["Link"].is_object() {
            permissions
                .insert(format!("link {} {}", grant["Link"]["kind"], grant["Link"]["scope"]));
        } else {
            permissions.insert(format!(
                "user {} {}",
                grant["Principal"]["id"], grant["Principal"]["roles"]
            ));
        }
    }
    let (content, subtree) = match &node.kind {
        NodeKind::Directory { subtree } => (None, Some(*subtree)),
        NodeKind::File { size, content } => {
            let (length, digest) = digest_of(repository, content).await?;
            anyhow::ensure!(length == *size, "{length} bytes instead of {size}");
            (Some((length, digest)), None)
        }
    };
    let created =
        facts["created"].as_i64().ok_or_else(|| anyhow::anyhow!("no time of creation"))?;
    let entry = Entry {
        id,
        content,
        created: created.div_euclid(1_000_000),
        modified: node.modified.as_second(),
        permissions,
    };
    Ok((entry, subtree))
}

async fn digest_of(repository: &Repository, content: &[BlobId]) -> anyhow::Result<(u64, String)> {
    let (mut hasher, mut length) = (Sha256::new(), 0);
    let mut pieces = std::pin::pin!(repository.read_file(content.to_vec()));
    while let Some(piece) = pieces.try_next().await? {
        hasher.update(&piece);
        length += piece.len() as u64;
    }
    Ok((length, hex::encode(hasher.finalize())))
}

async fn folder(repository: &Repository, tree: BlobId, name: &str) -> anyhow::Result<BlobId> {
    match repository.load_tree(&tree).await?.get(name).map(|node| &node.kind) {
        Some(NodeKind::Directory { subtree }) => Ok(*subtree),
        Some(NodeKind::File { .. }) | None => anyhow::bail!("there is no folder {name}"),
    }
}

async fn file(repository: &Repository, tree: BlobId, name: &str) -> anyhow::Result<Vec<u8>> {
    let tree = repository.load_tree(&tree).await?;
    let Some(NodeKind::File { content, .. }) = tree.get(name).map(|node| &node.kind) else {
        anyhow::bail!("there is no file {name}")
    };
    let mut bytes = Vec::new();
    let mut pieces = std::pin::pin!(repository.read_file(content.clone()));
    while let Some(piece) = pieces.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// `Null` when no child of the folder has permissions of its own.
async fn permission_file(
    repository: &Repository,
    permissions: Option<BlobId>,
    folder_id: &str,
) -> anyhow::Result<Value> {
    let Some(permissions) = permissions else { return Ok(Value::Null) };
    let shard = &hex::encode(Sha256::digest(folder_id.as_bytes()))[..2];
    let Ok(shard) = folder(repository, permissions, shard).await else { return Ok(Value::Null) };
    match file(repository, shard, &format!("{folder_id}.json")).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(_) => Ok(Value::Null),
    }
}
