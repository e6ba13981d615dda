//! Bulk import of a folder tree into a library.
//!
//! Walk, then store contents on two threads, then write all rows in one transaction: readers see nothing or all of
//! it. What SharePoint refuses is reported with its reason, with everything below it.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use rusqlite::Transaction;
use serde_json::json;

use crate::content::{Content, ContentStore};
use crate::items::{self, Item};
use crate::lists::NewDrive;
use crate::names::{self, Place};
use crate::places::{Drive, Site};
use crate::problem::{Answer, Problem};
use crate::sites::{self, SiteSeed};
use crate::tenant::{Tenant, TenantError};
use crate::tree::{Change, FileSystemInfo, NewItem};

const THREADS: usize = 2;
/// Files up to this size are read whole.
const SMALL_BYTES: u64 = 1024 * 1024;

/// The site that an import goes to; made when it does not exist.
#[derive(Debug, Clone)]
pub struct NewSite {
    pub name: String,
    /// Server-relative, for example `/sites/Imported`.
    pub path: String,
}

/// What an import did.
#[derive(Debug, Clone)]
pub struct ImportReport {
    pub site_id: String,
    /// Id of the library `Documents`.
    pub drive_id: String,
    pub files: u64,
    pub folders: u64,
    pub bytes: u64,
    /// What was left out.
    pub refused: Vec<Refusal>,
}

/// Something that was not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Relative to the imported folder.
    pub path: PathBuf,
    pub reason: String,
}

/// Something found on disk that is going to be imported.
struct Found {
    /// Index of the folder it is in; `None` at the top.
    parent: Option<usize>,
    name: String,
    path: PathBuf,
    folder: bool,
    size: u64,
    modified: i64,
    content: Option<Content>,
    /// Why it could not be read after all.
    failure: Option<String>,
    /// Direct children and bytes below.
    child_count: i64,
    subtree_bytes: i64,
}

impl Tenant {
    /// Imports `folder` into the library `Documents` of `site`. Blocks; call it off the runtime's threads.
    ///
    /// # Errors
    /// When the site's path is not legal, the site is locked, or the tenant's own storage fails. What cannot be read
    /// or has no legal name is reported instead.
    pub fn import_folder(&self, site: NewSite, folder: &Path) -> Result<ImportReport, TenantError> {
        let inner = &self.inner;
        let path = sites::parse_site_address(&site.path)?;
        let identity = json!({"application": {
            "id": inner.facts.client_id.to_string(), "displayName": "Import",
        }});
        let now = inner.now();
        let (site, drive) = inner.database.write(|tx| {
            let existing = Site::by_path(tx, false, &path)?;
            let made = match existing {
                Some(site) => site,
                None => {
                    let seed = SiteSeed {
                        guid: inner.random_guid(),
                        web: inner.random_guid(),
                        path: &path,
                        display_name: &site.name,
                        description: "",
                        owner_user: None,
                        owner_group: None,
                    };
                    let drive = NewDrive::documents(&*inner.entropy);
                    sites::make_team_site(tx, &seed, &drive, now, &identity)?
                }
            };
            let drive = Drive::of_site(tx, made.row)?.into_iter().next();
            Ok::<_, Problem>((made, drive.ok_or_else(Problem::item_not_found)?))
        })?;
        let mut walk = Walk { found: Vec::new(), refused: Vec::new(), base: folder.to_path_buf() };
        walk.folder(folder, None, 0)?;
        let Walk { mut found, mut refused, .. } = walk;
        store_contents(&inner.content, &mut found)?;
        let base = folder;
        let (files, folders, bytes) = inner.database.write(|tx| {
            let drive = Drive::by_row(tx, drive.row)?;
            let change = Change::begin(tx, &drive, now, &identity)?;
            let root = items::root(tx, drive.row)?;
            insert_all(self, tx, &change, &root, base, &mut found, &mut refused)
        })?;
        Ok(ImportReport { site_id: site.id(), drive_id: drive.id, files, folders, bytes, refused })
    }
}

struct Walk {
    found: Vec<Found>,
    refused: Vec<Refusal>,
    base: PathBuf,
}

impl Walk {
    fn refuse(&mut self, path: &Path, reason: impl Into<String>) {
        let path = path.strip_prefix(&self.base).unwrap_or(path).to_path_buf();
        self.refused.push(Refusal { path, reason: reason.into() });
    }

    /// `above`: characters of the folder's path in the library.
    fn folder(&mut self, dir: &Path, parent: Option<usize>, above: usize) -> io::Result<()> {
        let entries = match fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) if parent.is_none() => return Err(error),
            Err(error) => {
                self.refuse(dir, format!("the folder cannot be read: {}", error.kind()));
                return Ok(());
            }
        };
        let mut entries: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        entries.sort();
        let mut taken = HashSet::new();
        for path in entries {
            let metadata = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) => {
                    self.refuse(&path, format!("it cannot be read: {}", error.kind()));
                    continue;
                }
            };
            if let Err(reason) = self.entry(&path, &metadata, parent, above, &mut taken) {
                self.refuse(&path, reason);
                continue;
            }
            if metadata.is_dir() {
                let index = self.found.len() - 1;
                let name = &self.found[index].name;
                let length = above + usize::from(above > 0) + name.chars().count();
                self.folder(&path, Some(index), length)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: &Path,
        metadata: &Metadata,
        parent: Option<usize>,
        above: usize,
        taken: &mut HashSet<String>,
    ) -> Result<(), String> {
        let folder = metadata.is_dir();
        if metadata.is_symlink() {
            return Err("a symbolic link is no file or folder".to_owned());
        }
        if !folder && !metadata.is_file() {
            return Err("a special file has no content".to_owned());
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or("the name is not Unicode")?;
        let place = Place { folder, library_root: parent.is_none() };
        names::check_name(name, place).map_err(|error| error.to_string())?;
        names::check_path_length(above, name).map_err(|error| error.to_string())?;
        if !taken.insert(names::fold(name)) {
            return Err("another name here differs only in letter case".to_owned());
        }
        self.found.push(Found {
            parent,
            name: name.to_owned(),
            path: path.to_path_buf(),
            folder,
            size: if folder { 0 } else { metadata.len() },
            modified: modified_micros(metadata),
            content: None,
            failure: None,
            child_count: 0,
            subtree_bytes: 0,
        });
        Ok(())
    }
}

fn modified_micros(metadata: &Metadata) -> i64 {
    let Ok(modified) = metadata.modified() else { return 0 };
    let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(0);
    match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => micros(after),
        Err(before) => -micros(before.duration()),
    }
}

fn store_contents(store: &ContentStore, found: &mut [Found]) -> io::Result<()> {
    let files: Vec<std::sync::Mutex<&mut Found>> =
        found.iter_mut().filter(|found| !found.folder).map(std::sync::Mutex::new).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut file = file.lock().expect("one thread takes each file");
                        match store_one(store, &file) {
                            Ok(content) => file.content = Some(content),
                            Err(StoreError::Source(error)) => {
                                file.failure = Some(format!("it cannot be read: {}", error.kind()));
                            }
                            Err(StoreError::Store(error)) => return Err(error),
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("the worker does not panic"))
    })
}

/// Whose fault a failure is: the imported file's, or the tenant's storage's.
enum StoreError {
    Source(io::Error),
    Store(io::Error),
}

fn store_one(store: &ContentStore, found: &Found) -> Result<Content, StoreError> {
    if found.size <= SMALL_BYTES {
        let bytes = fs::read(&found.path).map_err(StoreError::Source)?;
        return store.put(&bytes).map_err(StoreError::Store);
    }
    let mut source = File::open(&found.path).map_err(StoreError::Source)?;
    store.put_reader(&mut source).map_err(StoreError::Store)
}

/// Writes the rows, parents first, with the sizes that the tree will have. Folders that exist are used; a file whose
/// name is taken is refused.
fn insert_all(
    tenant: &Tenant,
    tx: &Transaction<'_>,
    change: &Change<'_>,
    root: &Item,
    base: &Path,
    found: &mut [Found],
    refused: &mut Vec<Refusal>,
) -> Answer<(u64, u64, u64)> {
    let mut rows: Vec<Option<i64>> = vec![None; found.len()];
    let mut existing: HashSet<i64> = HashSet::from([root.row]);
    let (mut files, mut folders, mut bytes) = (0, 0, 0);
    let mut growth: Vec<(i64, usize)> = Vec::new();
    for at in 0..found.len() {
        let parent = match found[at].parent {
            None => Some(root.row),
            Some(parent) => rows[parent],
        };
        let entry = &found[at];
        let relative = entry.path.strip_prefix(base).unwrap_or(&entry.path).to_path_buf();
        let mut refuse = |reason: &str| {
            refused.push(Refusal { path: relative.clone(), reason: reason.to_owned() });
        };
        let Some(parent) = parent else {
            refuse("its folder was refused");
            continue;
        };
        if let Some(failure) = &entry.failure {
            refuse(failure);
            continue;
        }
        if existing.contains(&parent)
            && let Some(taken) = items::child(tx, parent, &entry.name)?
        {
            if taken.folder && entry.folder {
                existing.insert(taken.row);
                rows[at] = Some(taken.row);
                folders += 1;
            } else {
                refuse("the library has an item of this name");
            }
            continue;
        }
        let new = NewItem {
            guid: tenant.inner.random_guid(),
            name: &entry.name,
            content: entry.content,
            times: FileSystemInfo {
                created: Some(entry.modified),
                modified: Some(entry.modified),
                accessed: None,
            },
            description: None,
        };
        let row = change.insert_bulk(parent, &new)?;
        rows[at] = Some(row);
        let size = entry.content.map_or(0, |content| content.size);
        if entry.folder {
            folders += 1
        } else {
            files += 1
        }
        bytes += size;
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        found[at].subtree_bytes = size;
        growth.push((parent, at));
    }
    // Sizes go up from the leaves: children always stand after their folder.
    let mut at_existing: std::collections::HashMap<i64, (i64, i64)> =
        std::collections::HashMap::new();
    for (parent, at) in growth.into_iter().rev() {
        let size = found[at].subtree_bytes;
        if existing.contains(&parent) {
            let entry = at_existing.entry(parent).or_default();
            entry.0 += size;
            entry.1 += 1;
        } else if let Some(folder) = found[at].parent {
            found[folder].subtree_bytes += size;
            found[folder].child_count += 1;
        }
    }
    for (at, row) in rows.iter().enumerate() {
        if let Some(row) = row.filter(|row| found[at].folder && !existing.contains(row)) {
            change.set_folder_size(row, found[at].subtree_bytes, found[at].child_count)?;
        }
    }
    for (row, (size, children)) in at_existing {
        change.update_ancestors(row, size, children)?;
    }
    Ok((files, folders, bytes))
}
