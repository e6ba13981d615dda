//! The content-addressed store: `content/ab/cdef…`, named by SHA-256.
//!
//! Order of writes: a temporary file in `content/tmp`, then a rename, then (by the caller) the row. A kill leaves an
//! unnamed file, never a row without bytes. Files are not fsynced: losing power may cost the last seconds. Content
//! is never removed while the tenant lives.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use axum::body::Body;
use bytes::Bytes;

use holdfast_domain::QuickXorHasher;

const PIECE_BYTES: u64 = 512 * 1024;

/// What names stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) sha256: [u8; 32],
    pub(crate) quickxor: [u8; 20],
    pub(crate) size: u64,
}

pub(crate) struct ContentStore {
    dir: PathBuf,
    process: u32,
    next: AtomicU64,
}

impl ContentStore {
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        let temporary = dir.join("tmp");
        if temporary.exists() {
            fs::remove_dir_all(&temporary)?;
        }
        fs::create_dir_all(&temporary)?;
        for first in 0..=255_u8 {
            fs::create_dir_all(dir.join(format!("{first:02x}")))?;
        }
        Ok(Self { dir, process: std::process::id(), next: AtomicU64::new(0) })
    }

    fn path(&self, sha256: &[u8; 32]) -> PathBuf {
        let name: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        self.dir.join(&name[..2]).join(&name[2..])
    }

    fn temporary(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.dir.join("tmp").join(format!("{}-{number}", self.process))
    }

    /// Starts a file whose bytes arrive in pieces.
    pub(crate) fn writer(&self) -> io::Result<ContentWriter> {
        let path = self.temporary();
        Ok(ContentWriter { file: File::create_new(&path)?, path, hasher: Hasher::default() })
    }

    /// Publishes what `writer` holds.
    pub(crate) fn finish(&self, writer: ContentWriter) -> io::Result<Content> {
        let content = writer.hasher.finish();
        self.adopt_hashed(&writer.path, &content)?;
        Ok(content)
    }

    /// Stores bytes that are in memory.
    pub(crate) fn put(&self, bytes: &[u8]) -> io::Result<Content> {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        let content = hasher.finish();
        if !self.path(&content.sha256).exists() {
            let temporary = self.temporary();
            fs::write(&temporary, bytes)?;
            self.adopt_hashed(&temporary, &content)?;
        }
        Ok(content)
    }

    /// Stores a copy of what `source` gives, in bounded memory.
    pub(crate) fn put_reader(&self, source: &mut dyn Read) -> io::Result<Content> {
        let mut writer = self.writer()?;
        let mut piece = vec![0; usize::try_from(PIECE_BYTES).expect("small")];
        loop {
            let read = source.read(&mut piece)?;
            if read == 0 {
                return self.finish(writer);
            }
            writer.write(&piece[..read])?;
        }
    }

    /// Takes over a finished file of this file system (an upload session's), by renaming it.
    pub(crate) fn adopt(&self, file: &Path) -> io::Result<Content> {
        let mut hasher = Hasher::default();
        let mut source = File::open(file)?;
        let mut piece = vec![0; usize::try_from(PIECE_BYTES).expect("small")];
        loop {
            let read = source.read(&mut piece)?;
            if read == 0 {
                break;
            }
            hasher.update(&piece[..read]);
        }
        let content = hasher.finish();
        self.adopt_hashed(file, &content)?;
        Ok(content)
    }

    fn adopt_hashed(&self, file: &Path, content: &Content) -> io::Result<()> {
        let target = self.path(&content.sha256);
        if target.exists() { fs::remove_file(file) } else { fs::rename(file, target) }
    }

    /// Streams `length` bytes from `start` on. A short range is read at once; a longer one in pieces of 512 KiB, one
    /// at a time, as fast as the receiver takes them.
    pub(crate) fn stream(&self, sha256: &[u8; 32], start: u64, length: u64) -> io::Result<Body> {
        let mut file = File::open(self.path(sha256))?;
        if start > 0 {
            file.seek(SeekFrom::Start(start))?;
        }
        if length <= PIECE_BYTES {
            let mut bytes = vec![0; usize::try_from(length).expect("a small range")];
            file.read_exact(&mut bytes)?;
            return Ok(Body::from(bytes));
        }
        let pieces = futures::stream::unfold(Some((file, length)), |state| async move {
            let (mut file, left) = state.filter(|(_, left)| *left > 0)?;
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes =
                    vec![0; usize::try_from(left.min(PIECE_BYTES)).expect("a small piece")];
                file.read_exact(&mut bytes).map(|()| (bytes, file))
            });
            match read.await.map_err(io::Error::other).and_then(|read| read) {
                Ok((bytes, file)) => {
                    let left = left - bytes.len() as u64;
                    Some((Ok::<_, io::Error>(Bytes::from(bytes)), Some((file, left))))
                }
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Body::from_stream(pieces))
    }
}

/// A file that grows; dropped unfinished, it is removed.
pub(crate) struct ContentWriter {
    file: File,
    path: PathBuf,
    hasher: Hasher,
}

impl ContentWriter {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes)
    }

    /// Bytes so far.
    pub(crate) const fn size(&self) -> u64 {
        self.hasher.size
    }
}

impl Drop for ContentWriter {
    fn drop(&mut self) {
        // After `finish` the file is elsewhere and there is nothing to remove.
        let _ = fs::remove_file(&self.path);
    }
}

struct Hasher {
    sha256: digest::Context,
    quickxor: QuickXorHasher,
    size: u64,
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            sha256: digest::Context::new(&digest::SHA256),
            quickxor: QuickXorHasher::new(),
            size: 0,
        }
    }
}

impl Hasher {
    fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.quickxor.update(bytes);
        self.size += bytes.len() as u64;
    }

    fn finish(&self) -> Content {
        let digest = self.sha256.clone().finish();
        Content {
            sha256: digest.as_ref().try_into().expect("SHA-256 has 32 bytes"),
            quickxor: self.quickxor.finish(),
            size: self.size,
        }
    }
}
