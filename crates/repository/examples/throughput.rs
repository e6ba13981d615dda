//! Measures the repository on this machine's disk:
//!
//! - `throughput generate office|mail FOLDER [BYTES]` makes sample files, mostly unlike each other;
//! - `throughput write FOLDER REPOSITORY [LEVEL]` backs them up into a new repository;
//! - `throughput write-loaded FOLDER REPOSITORY` does so after loading them all, to measure the repository alone;
//! - `throughput read REPOSITORY` reads every file of it, verified, to nowhere;
//! - `throughput check REPOSITORY` checks it with all data;
//! - `throughput index REPOSITORY BLOBS` makes an index that names so many blobs, then opens it.
//!
//! The secret of these repositories is a constant: they hold nothing but samples.

#![expect(clippy::disallowed_methods, reason = "to measure is what this program is for")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use holdfast_repository::{
    BlobId, CheckOptions, Node, NodeKind, Repository, RepositoryOptions, RepositorySecret,
    Snapshot, Tree, local_store,
};
use jiff::Timestamp;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Files in work at the same time.
const CONCURRENCY: usize = 32;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["generate", kind, folder] => generate(kind, Path::new(folder), 1 << 30),
        ["generate", kind, folder, bytes] => generate(kind, Path::new(folder), bytes.parse()?),
        ["write", folder, repository] => write(folder, repository, 3, false).await,
        ["write-loaded", folder, repository] => write(folder, repository, 3, true).await,
        ["write", folder, repository, level] => {
            write(folder, repository, level.parse()?, false).await
        }
        ["read", repository] => read(Path::new(repository)).await,
        ["check", repository] => check(Path::new(repository)).await,
        ["index", repository, blobs] => index(Path::new(repository), blobs.parse()?).await,
        _ => Err("see the documentation at the top of the example's source".into()),
    }
}

fn secret() -> RepositorySecret {
    RepositorySecret::from_bytes(&[7; 32])
}

async fn open(folder: &Path) -> Result<Repository, Failure> {
    let store = local_store(folder)?;
    Ok(Repository::open(store, &secret(), RepositoryOptions::default()).await?)
}

async fn write(source: &str, folder: &str, level: i32, is_loaded: bool) -> Result<(), Failure> {
    let store = local_store(Path::new(folder))?;
    let options = RepositoryOptions { compression_level: level, ..RepositoryOptions::default() };
    let repository = Repository::init(store, &secret(), options).await?;
    let mut files = Vec::new();
    for path in list_files(Path::new(source))? {
        let loaded = if is_loaded { Some(Bytes::from(std::fs::read(&path)?)) } else { None };
        files.push((path, loaded));
    }
    let count = files.len();
    let cpu_seconds = cpu_seconds_used();
    let start = Instant::now();
    let writer = repository.writer();
    let nodes: Vec<Node> = stream::iter(files.into_iter().enumerate())
        .map(|(number, (path, loaded))| {
            let writer = writer.clone();
            async move {
                let stored = tokio::spawn(async move {
                    match loaded {
                        Some(content) => writer.store_file(stream::iter([Ok(content)])).await,
                        None => writer.store_file(Box::pin(read_pieces(path))).await,
                    }
                });
                let stored = stored.await??;
                let name = format!("{number:08}");
                Ok::<_, Failure>(Node::file(
                    name,
                    stored.size,
                    stored.content,
                    Timestamp::UNIX_EPOCH,
                ))
            }
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let bytes: u64 = nodes.iter().map(size).sum();
    let mut root = Tree::new();
    for (number, part) in nodes.chunks(1000).enumerate() {
        let tree = writer.store_tree(&Tree::from_unsorted(part.to_vec())?).await?;
        root.push(Node::directory(format!("{number:06}"), tree, Timestamp::UNIX_EPOCH))?;
    }
    let tree = writer.store_tree(&root).await?;
    let summary = writer.finish().await?;
    let snapshot = Snapshot {
        time: Timestamp::UNIX_EPOCH,
        parent: None,
        tree,
        paths: vec!["/".to_owned()],
        hostname: "throughput".to_owned(),
        username: "throughput".to_owned(),
        tags: Vec::new(),
        program_version: None,
    };
    repository.save_snapshot(&snapshot).await?;
    report("write", start, count, bytes);
    println!("{:.2} s of CPU, {summary:?}", cpu_seconds_used() - cpu_seconds);
    Ok(())
}

async fn read(folder: &Path) -> Result<(), Failure> {
    let start = Instant::now();
    let repository = open(folder).await?;
    let repository = repository.with_read_cache(16 << 20);
    println!("open {:.3} s, {} blobs", start.elapsed().as_secs_f64(), repository.blob_count());
    let mut files: Vec<Vec<BlobId>> = Vec::new();
    let mut bytes = 0;
    for id in repository.list_snapshots().await? {
        let mut folders = vec![repository.load_snapshot(&id).await?.tree];
        while let Some(tree) = folders.pop() {
            for node in repository.load_tree(&tree).await?.into_nodes() {
                bytes += size(&node);
                match node.kind {
                    NodeKind::Directory { subtree } => folders.push(subtree),
                    NodeKind::File { content, .. } => files.push(content),
                }
            }
        }
    }
    files.sort_by_cached_key(|content| repository.locality(content));
    let count = files.len();
    let start = Instant::now();
    stream::iter(files)
        .map(|content| {
            let repository = repository.clone();
            let reading = tokio::spawn(async move {
                let mut pieces = Box::pin(repository.read_file(content));
                while pieces.try_next().await?.is_some() {}
                Ok::<_, Failure>(())
            });
            async move { reading.await? }
        })
        .buffer_unordered(8)
        .try_collect::<Vec<()>>()
        .await?;
    report("read", start, count, bytes);
    Ok(())
}

async fn check(folder: &Path) -> Result<(), Failure> {
    let repository = open(folder).await?;
    let start = Instant::now();
    let found = repository.check(CheckOptions { read_data: true }).await?;
    report("check", start, 0, found.pack_bytes_read);
    println!("{} problems", found.problems.len());
    Ok(())
}

/// Tiny files of different content, as quickly as they come.
async fn index(folder: &Path, blobs: u64) -> Result<(), Failure> {
    let store = local_store(folder)?;
    let repository = Repository::init(store, &secret(), RepositoryOptions::default()).await?;
    let writer = repository.writer();
    let start = Instant::now();
    stream::iter(0..blobs)
        .map(|number| {
            let writer = writer.clone();
            async move {
                let content = Bytes::copy_from_slice(&number.to_le_bytes());
                writer.store_file(stream::iter([Ok::<_, Failure>(content)])).await.map(|_| ())
            }
        })
        .buffer_unordered(256)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    writer.finish().await?;
    report("write", start, usize::try_from(blobs)?, 8 * blobs);
    drop(repository);
    let before = peak_memory_kib();
    let start = Instant::now();
    let repository = open(folder).await?;
    let seconds = start.elapsed().as_secs_f64();
    println!("open {seconds:.3} s, {} blobs, peak {before} KiB before", repository.blob_count());
    Ok(())
}

fn report(what: &str, start: Instant, files: usize, bytes: u64) {
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what}: {seconds:.2} s, {:.0} MB/s, {:.0} files/s, peak memory {} MB",
        bytes as f64 / 1e6 / seconds,
        files as f64 / seconds,
        peak_memory_kib() / 1024
    );
}

/// Seconds that all threads have computed, where Linux tells, by its usual 100 ticks in a second.
fn cpu_seconds_used() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory that the process has had resident, where Linux tells.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn size(node: &Node) -> u64 {
    match node.kind {
        NodeKind::File { size, .. } => size,
        NodeKind::Directory { .. } => 0,
    }
}

fn list_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(list_files(&path)?) } else { files.push(path) }
    }
    files.sort();
    Ok(files)
}

/// Reads a file in pieces on blocking threads; a short piece is the last.
fn read_pieces(path: PathBuf) -> impl futures::Stream<Item = std::io::Result<Bytes>> + Send {
    const PIECE_BYTES: usize = 256 << 10;
    stream::try_unfold(Some((path, None)), |state| async move {
        let Some((path, file)) = state else { return Ok(None) };
        let reading = tokio::task::spawn_blocking(move || {
            let mut file = match file {
                Some(file) => file,
                None => std::fs::File::open(&path)?,
            };
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let mut limited = std::io::Read::take(&mut file, PIECE_BYTES as u64);
            std::io::Read::read_to_end(&mut limited, &mut piece)?;
            let next = (piece.len() == PIECE_BYTES).then_some((path, Some(file)));
            std::io::Result::Ok((Bytes::from(piece), next))
        });
        Ok(Some(reading.await??))
    })
}

/// Office: 50 KB to 20 MB, three quarters of the bytes like zip archives, the rest like text. Mail: 1 to 16 KB of text.
fn generate(kind: &str, folder: &Path, bytes: u64) -> Result<(), Failure> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let words: Vec<Vec<u8>> = (0..4096)
        .map(|_| (0..3 + random.below(8)).map(|_| b'a' + random.below(26) as u8).collect())
        .collect();
    let (mut made, mut number) = (0, 0);
    while made < bytes {
        let part = folder.join(format!("{:04}", number / 500));
        std::fs::create_dir_all(&part)?;
        let length = match kind {
            "office" => 50_000.0 * 400_f64.powf(random.below(1 << 20) as f64 / f64::from(1 << 20)),
            _ => 1_000.0 + random.below(15_000) as f64,
        } as usize;
        let is_zip = kind == "office" && random.below(100) < 73;
        let mut content = Vec::with_capacity(length + 16);
        while content.len() < length {
            if is_zip {
                content.extend_from_slice(&random.next().to_le_bytes());
            } else {
                // Few words are frequent and many rare, as in language.
                let choice = random.below(1 << 30) as f64 / f64::from(1 << 30);
                content.extend_from_slice(&words[(choice.powi(3) * 4096.0) as usize]);
                content.push(if random.below(12) == 0 { b'\n' } else { b' ' });
            }
        }
        content.truncate(length);
        std::fs::write(part.join(format!("{number:07}.bin")), &content)?;
        made += length as u64;
        number += 1;
    }
    println!("{number} files, {made} bytes");
    Ok(())
}

/// xorshift64*; samples need no better.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 32) % limit
    }
}
