//! Our own check, stricter than restic's: complete, strictly ordered and unique names, lengths of files, and on request
//! every byte of every pack.
//!
//! First the index files and packs, then, knowing which blobs are sound, the snapshots: so that each path that needs a
//! damaged blob is named, in each snapshot that has it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::BytesMut;
use futures::{StreamExt, TryStreamExt, stream};

use crate::check_report::{CheckOptions, CheckReport, Problem};
use crate::error::RepositoryError;
use crate::id::{BlobId, BlobKind, PackId, SnapshotId};
use crate::index::Index;
use crate::index_loading::{LoadedIndex, load_files};
use crate::pack::{PackedBlob, pack_file_bytes, read_header};
use crate::reader::{open_verified, read_blob_at};
use crate::repository::{Repository, Shared};
use crate::storage;
use crate::tree::{NodeKind, Tree};

/// Packs in memory at the same time.
const PACK_CONCURRENCY: usize = 4;
/// Packs of folders that are kept while going through them.
const FOLDER_CACHE_BYTES: usize = 16 << 20;

impl Repository {
    /// Checks the repository as it is in the storage now, not as it is in memory. What is wrong is in the report.
    ///
    /// # Errors
    /// Storage errors, which say nothing about the repository's soundness.
    pub async fn check(&self, options: CheckOptions) -> Result<CheckReport, RepositoryError> {
        let mut report = CheckReport::default();
        // Snapshots first: what they need was in the index before they were.
        let snapshots = self.list_snapshots().await?;
        let packs = load_packs(&self.shared, &mut report).await?;
        let sound = check_packs(&self.shared, packs, options, &mut report).await?;
        let repository = self.with_read_cache(FOLDER_CACHE_BYTES);
        let mut walk = Walk { repository, sound, trees: HashMap::new(), report };
        for id in snapshots {
            match self.load_snapshot(&id).await {
                Ok(snapshot) => {
                    walk.snapshot(id, snapshot.tree).await?;
                    walk.report.snapshots += 1;
                }
                Err(RepositoryError::Damaged { what, .. }) => {
                    walk.report.note(Problem { snapshot: Some(id), ..Problem::new(what) });
                }
                // Forgotten since it was listed.
                Err(RepositoryError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(walk.report)
    }
}

type Packs = HashMap<PackId, Vec<PackedBlob>>;

/// What the index files name, pack by pack.
async fn load_packs(
    shared: &Arc<Shared>,
    report: &mut CheckReport,
) -> Result<Packs, RepositoryError> {
    let mut packs = Packs::new();
    for (id, loaded) in load_files(shared).await? {
        match loaded {
            LoadedIndex::Intact(listed) => {
                for (pack, mut blobs) in listed {
                    blobs.sort_by_key(|blob| blob.offset);
                    if packs.insert(pack, blobs.clone()).is_some_and(|before| before != blobs) {
                        let what = "two index files disagree about a pack";
                        let problem = Problem::in_pack(what, pack, None);
                        report.note(Problem { index: Some(id), ..problem });
                    }
                }
            }
            LoadedIndex::Damaged(error) => {
                report.note(Problem { index: Some(id), ..Problem::new(error.to_string()) });
            }
            LoadedIndex::Gone => {}
        }
    }
    Ok(packs)
}

/// Compares packs with the index; returns the blobs that can be read.
async fn check_packs(
    shared: &Arc<Shared>,
    packs: Packs,
    options: CheckOptions,
    report: &mut CheckReport,
) -> Result<Index, RepositoryError> {
    let stored: HashMap<PackId, u64> = storage::list(&*shared.store, storage::DATA)
        .await?
        .into_iter()
        .filter_map(|(name, bytes)| Some((name.parse().ok()?, bytes)))
        .collect();
    report.packs = packs.len() as u64;
    report.unindexed_packs = stored.keys().filter(|id| !packs.contains_key(id)).count() as u64;
    let mut sound = Index::default();
    let mut present = Vec::new();
    for (id, blobs) in packs {
        let expected_bytes = pack_file_bytes(&blobs);
        match stored.get(&id) {
            None => report.note(Problem::in_pack("a pack is missing", id, None)),
            Some(bytes) if *bytes != expected_bytes => {
                let what = format!("a pack has {bytes} bytes instead of {expected_bytes}");
                report.note(Problem::in_pack(what, id, None));
                // Those before the cut may be readable still; reading will tell.
                let readable: Vec<_> =
                    blobs.into_iter().filter(|blob| blob.end() <= *bytes).collect();
                present.push((id, readable));
            }
            Some(_) => present.push((id, blobs)),
        }
    }
    if !options.read_data {
        for (id, blobs) in present {
            sound.add_pack(id, &blobs);
        }
        return Ok(sound);
    }
    present.sort_by_key(|(id, _)| *id);
    let mut checks = stream::iter(present)
        .map(|(id, blobs)| read_pack(shared, id, blobs))
        .buffer_unordered(PACK_CONCURRENCY);
    while let Some(checked) = checks.try_next().await? {
        report.pack_bytes_read += checked.bytes;
        for problem in checked.problems {
            report.note(problem);
        }
        sound.add_pack(checked.id, &checked.sound);
    }
    Ok(sound)
}

struct CheckedPack {
    id: PackId,
    bytes: u64,
    problems: Vec<Problem>,
    sound: Vec<PackedBlob>,
}

async fn read_pack(
    shared: &Arc<Shared>,
    id: PackId,
    blobs: Vec<PackedBlob>,
) -> Result<CheckedPack, RepositoryError> {
    let Some(file) = storage::get(&*shared.store, &storage::pack_path(&id)).await? else {
        let problems = vec![Problem::in_pack("a pack is missing", id, None)];
        return Ok(CheckedPack { id, bytes: 0, problems, sound: Vec::new() });
    };
    let for_job = shared.clone();
    shared.pool.run(move || verify_pack(&for_job, id, &file, &blobs)).await
}

/// On a thread of the pool.
fn verify_pack(shared: &Shared, id: PackId, file: &[u8], blobs: &[PackedBlob]) -> CheckedPack {
    let mut problems = Vec::new();
    if PackId::of(file) != id {
        let what = "a pack has other bytes than those that were written";
        problems.push(Problem::in_pack(what, id, None));
    }
    match read_header(&shared.key, file) {
        Ok(listed) if listed == blobs => {}
        Ok(_) => {
            let what = "a pack's header differs from the index";
            problems.push(Problem::in_pack(what, id, None));
        }
        Err(what) => problems.push(Problem::in_pack(format!("a pack: {what}"), id, None)),
    }
    let mut sound = Vec::with_capacity(blobs.len());
    for blob in blobs {
        let range = blob.offset as usize..blob.offset as usize + blob.length as usize;
        let Some(sealed) = file.get(range) else {
            let what = format!("a {} blob lies beyond the end of its pack", blob.kind);
            problems.push(Problem::in_pack(what, id, Some(blob.id)));
            continue;
        };
        match open_verified(shared, id, blob, BytesMut::from(sealed)) {
            Ok(_) => sound.push(*blob),
            Err(RepositoryError::Damaged { what, .. }) => {
                problems.push(Problem::in_pack(what, id, Some(blob.id)));
            }
            Err(error) => problems.push(Problem::in_pack(error.to_string(), id, Some(blob.id))),
        }
    }
    CheckedPack { id, bytes: file.len() as u64, problems, sound }
}

/// Goes through all snapshots; each sound folder is read once, each unsound one once for each place where it is.
struct Walk {
    repository: Repository,
    sound: Index,
    /// Whether all below the tree is sound.
    trees: HashMap<BlobId, bool>,
    report: CheckReport,
}

/// A folder whose entries are being looked at.
struct Folder {
    tree: BlobId,
    path: String,
    subfolders: std::vec::IntoIter<(String, BlobId)>,
    is_sound: bool,
}

impl Walk {
    async fn snapshot(&mut self, id: SnapshotId, root: BlobId) -> Result<(), RepositoryError> {
        if self.trees.get(&root) == Some(&true) {
            return Ok(());
        }
        let mut open = vec![self.folder(id, root, String::new()).await?];
        // A folder inside itself cannot be made, since its id depends on its content; no guard against it is needed.
        while let Some(folder) = open.last_mut() {
            if let Some((name, tree)) = folder.subfolders.next() {
                if self.trees.get(&tree) != Some(&true) {
                    let path = format!("{}/{name}", folder.path);
                    open.push(self.folder(id, tree, path).await?);
                }
                continue;
            }
            let (tree, is_sound) = (folder.tree, folder.is_sound);
            open.pop();
            self.report.trees += u64::from(self.trees.insert(tree, is_sound).is_none());
            if let Some(parent) = open.last_mut() {
                parent.is_sound &= is_sound;
            }
        }
        Ok(())
    }

    /// Reads a folder and looks at its files.
    async fn folder(
        &mut self,
        snapshot: SnapshotId,
        tree: BlobId,
        path: String,
    ) -> Result<Folder, RepositoryError> {
        let mut folder = Folder { tree, path, subfolders: Vec::new().into_iter(), is_sound: true };
        let loaded = match self.load_tree(&tree).await {
            Ok(loaded) => loaded,
            Err(RepositoryError::Damaged { what, pack, blob }) => {
                let path = Some(folder.path.clone());
                let index = None;
                let snapshot = Some(snapshot);
                self.report.note(Problem { what, index, pack, blob, snapshot, path });
                folder.is_sound = false;
                return Ok(folder);
            }
            Err(error) => return Err(error),
        };
        let mut subfolders = Vec::new();
        for node in loaded.into_nodes() {
            match node.kind {
                NodeKind::Directory { subtree } => subfolders.push((node.name, subtree)),
                NodeKind::File { size, content } => {
                    for (what, blob) in self.file(size, &content) {
                        folder.is_sound = false;
                        self.report.note(Problem {
                            blob,
                            pack: blob
                                .and_then(|id| {
                                    self.repository.shared.locate(BlobKind::Data, &id).ok()
                                })
                                .map(|at| at.pack),
                            snapshot: Some(snapshot),
                            path: Some(format!("{}/{}", folder.path, node.name)),
                            ..Problem::new(what)
                        });
                    }
                }
            }
        }
        folder.subfolders = subfolders.into_iter();
        Ok(folder)
    }

    async fn load_tree(&self, id: &BlobId) -> Result<Tree, RepositoryError> {
        let Some(location) = self.sound.get(BlobKind::Tree, id) else {
            return Err(RepositoryError::Damaged {
                what: "a folder is missing or damaged".to_owned(),
                pack: self.repository.shared.locate(BlobKind::Tree, id).ok().map(|at| at.pack),
                blob: Some(*id),
            });
        };
        let pack = location.pack;
        let content = read_blob_at(&self.repository, location).await?;
        Tree::decode(&content)
            .map_err(|error| RepositoryError::damaged_blob(error.to_string(), pack, *id))
    }

    /// What is wrong with a file: blobs that cannot be read, each once, and a length that they do not add up to.
    fn file(&self, size: u64, content: &[BlobId]) -> Vec<(&'static str, Option<BlobId>)> {
        let mut wrong = Vec::new();
        let mut named = HashSet::new();
        let mut bytes = 0;
        for id in content {
            match self.sound.get(BlobKind::Data, id) {
                Some(location) => bytes += location.blob.content_length(),
                None if named.insert(*id) => {
                    wrong.push(("a file's content is missing or damaged", Some(*id)));
                }
                None => {}
            }
        }
        if wrong.is_empty() && bytes != size {
            wrong.push(("a file's content does not have the file's length", None));
        }
        wrong
    }
}
