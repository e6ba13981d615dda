//! What a restore point contains, read from its snapshot alone.

use std::collections::{BTreeMap, HashMap};

use bytes::BytesMut;
use futures::{StreamExt, TryStreamExt};
use holdfast_connector::{ConnectorError, ContentSource, ContentStream};
use holdfast_domain::RestorePoint;
use holdfast_repository::{BlobId, Node, NodeKind, Repository};

use crate::backup::layout::{
    FolderPermissions, HOLDFAST, PERMISSIONS, UNIT_FILE, UnitRecord, permission_file, unreadable,
};
use crate::error::JobError;

/// Files of ours in a snapshot are small.
const OUR_FILE_BYTES: u64 = 256 << 20;

/// The outline of a snapshot: the site's record, and where each library's trees begin.
pub(crate) struct Picture {
    pub(crate) record: UnitRecord,
    libraries: BTreeMap<String, BlobId>,
    permissions: BTreeMap<String, BlobId>,
}

impl Picture {
    pub(crate) async fn open(
        repository: &Repository,
        point: &RestorePoint,
    ) -> Result<Self, JobError> {
        let id = point
            .snapshot
            .parse()
            .map_err(|_| unreadable("The snapshot", "its id is malformed"))?;
        let root = repository.load_snapshot(&id).await?.tree;
        let ours = subtree(repository, root, HOLDFAST).await?;
        let bytes = file_in(repository, ours, UNIT_FILE)
            .await?
            .ok_or_else(|| unreadable(UNIT_FILE, "it is missing"))?;
        let record = UnitRecord::parse(&bytes)?;
        let mut content = root;
        for folder in record.content_path() {
            content = subtree(repository, content, &folder).await?;
        }
        let libraries = directories(repository, content).await?;
        let permissions = match repository.load_tree(&ours).await?.get(PERMISSIONS) {
            Some(Node { kind: NodeKind::Directory { subtree }, .. }) => {
                directories(repository, *subtree).await?
            }
            Some(_) | None => BTreeMap::new(),
        };
        Ok(Self { record, libraries, permissions })
    }

    /// The tree of a library's root, by its folder's name.
    pub(crate) fn library(&self, folder: &str) -> Result<BlobId, JobError> {
        self.libraries
            .get(folder)
            .copied()
            .ok_or_else(|| unreadable("A library", "it is missing in the snapshot"))
    }

    pub(crate) fn permissions_of(&self, folder: &str) -> Option<BlobId> {
        self.permissions.get(folder).copied()
    }
}

/// Reads the permission files of one library, each shard's tree once.
pub(crate) struct PermissionReader<'a> {
    repository: &'a Repository,
    shards: BTreeMap<String, BlobId>,
    files: HashMap<String, FolderPermissions>,
}

impl<'a> PermissionReader<'a> {
    pub(crate) async fn open(
        repository: &'a Repository,
        picture: &Picture,
        library: &str,
    ) -> Result<Self, JobError> {
        let shards = match picture.permissions_of(library) {
            Some(tree) => directories(repository, tree).await?,
            None => BTreeMap::new(),
        };
        Ok(Self { repository, shards, files: HashMap::new() })
    }

    /// The direct permissions of a folder's children.
    pub(crate) async fn of_folder(&mut self, folder: &str) -> Result<&FolderPermissions, JobError> {
        if !self.files.contains_key(folder) {
            let (shard, file) = permission_file(folder);
            let bytes = match self.shards.get(&shard) {
                Some(tree) => file_in(self.repository, *tree, &file).await?,
                None => None,
            };
            let permissions = match bytes {
                Some(bytes) => serde_json::from_slice(&bytes)
                    .map_err(|error| unreadable("A permission file", &error.to_string()))?,
                None => FolderPermissions::new(),
            };
            self.files.insert(folder.to_owned(), permissions);
        }
        Ok(&self.files[folder])
    }
}

async fn directories(
    repository: &Repository,
    tree: BlobId,
) -> Result<BTreeMap<String, BlobId>, JobError> {
    let nodes = repository.load_tree(&tree).await?.into_nodes();
    Ok(nodes
        .into_iter()
        .filter_map(|node| match node.kind {
            NodeKind::Directory { subtree } => Some((node.name, subtree)),
            NodeKind::File { .. } => None,
        })
        .collect())
}

async fn subtree(repository: &Repository, tree: BlobId, name: &str) -> Result<BlobId, JobError> {
    match repository.load_tree(&tree).await?.get(name) {
        Some(Node { kind: NodeKind::Directory { subtree }, .. }) => Ok(*subtree),
        Some(_) | None => Err(unreadable("The snapshot", "a folder is missing")),
    }
}

async fn file_in(
    repository: &Repository,
    tree: BlobId,
    name: &str,
) -> Result<Option<BytesMut>, JobError> {
    let tree = repository.load_tree(&tree).await?;
    let Some(Node { kind: NodeKind::File { size, content }, .. }) = tree.get(name) else {
        return Ok(None);
    };
    if *size > OUR_FILE_BYTES {
        return Err(unreadable(name, "it is too large"));
    }
    let mut bytes = BytesMut::new();
    let mut pieces = std::pin::pin!(repository.read_file(content.clone()));
    while let Some(piece) = pieces.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes))
}

/// A file's content in the repository, as an upload reads it.
pub(crate) struct StoredContent {
    pub(crate) repository: Repository,
    pub(crate) content: Vec<BlobId>,
}

impl ContentSource for StoredContent {
    fn open(&self, offset: u64) -> ContentStream {
        let bytes = self.repository.read_file(self.content.clone());
        let mut to_skip = offset;
        bytes
            .map(move |piece| {
                let mut piece = piece.map_err(|error| ConnectorError::Source(error.to_string()))?;
                let skipped = usize::try_from(to_skip).unwrap_or(usize::MAX).min(piece.len());
                to_skip -= skipped as u64;
                drop(piece.split_to(skipped));
                Ok(piece)
            })
            .boxed()
    }
}
