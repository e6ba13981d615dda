//! Compression and encryption together: how blobs and whole files become stored bytes and come back.
//!
//! Each thread keeps its zstd contexts and scratch buffers, because making them anew costs more than a small blob.

use std::cell::RefCell;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

use crate::crypto::{SEAL_OVERHEAD_BYTES, SealingKey};
use crate::error::RepositoryError;

/// Blobs above this size come from nobody's writer; a length beyond it in a header or index is damage.
pub(crate) const MAX_RAW_BLOB_BYTES: usize = 1 << 30;
/// First byte of an index, snapshot or lock that is compressed.
const COMPRESSED_FILE_VERSION: u8 = 2;
/// Compression has to save at least one part in this many, or reading is faster without.
const LEAST_SAVING_PARTS: usize = 64;
/// Contents smaller than this never become smaller, with the frame's own bytes.
const LEAST_COMPRESSIBLE_BYTES: usize = 32;

struct Scratch {
    compressor: Option<(i32, Compressor<'static>)>,
    decompressor: Option<Decompressor<'static>>,
    compressed: Vec<u8>,
    sealed: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = const {
        RefCell::new(Scratch { compressor: None, decompressor: None, compressed: Vec::new(), sealed: Vec::new() })
    };
}

/// Seals a blob and hands the stored bytes to `consume`, with the raw length when they are compressed.
pub(crate) fn with_sealed_blob<T>(
    key: &SealingKey,
    compression_level: i32,
    content: &[u8],
    consume: impl FnOnce(&[u8], Option<u32>) -> T,
) -> Result<T, RepositoryError> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.sealed.clear();
        let is_compressed =
            looks_compressible(content) && scratch.compress(compression_level, content);
        let message = if is_compressed { &scratch.compressed } else { content };
        key.seal(message, &mut scratch.sealed)?;
        let raw_length = is_compressed
            .then(|| u32::try_from(content.len()).expect("chunks are far smaller than 4 GiB"));
        Ok(consume(&scratch.sealed, raw_length))
    })
}

/// Why stored bytes do not yield a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the stored bytes are not authentic")]
    NotAuthentic,
    #[error("the compressed content does not unpack to its length")]
    NotDecompressible,
}

/// Opens a sealed blob; does not know what its id should be. The buffer is reused when the blob is not compressed.
pub(crate) fn open_blob(
    key: &SealingKey,
    mut sealed: bytes::BytesMut,
    raw_length: Option<u32>,
) -> Result<Bytes, OpenError> {
    let opened_length = key.open(&mut sealed).map_err(|_| OpenError::NotAuthentic)?.len();
    let start = (SEAL_OVERHEAD_BYTES) / 2;
    let Some(raw_length) = raw_length else {
        let _nonce = sealed.split_to(start);
        sealed.truncate(opened_length);
        return Ok(sealed.freeze());
    };
    let raw_length = usize::try_from(raw_length).map_err(|_| OpenError::NotDecompressible)?;
    if raw_length > MAX_RAW_BLOB_BYTES {
        return Err(OpenError::NotDecompressible);
    }
    decompress(&sealed[start..start + opened_length], raw_length).map(Bytes::from)
}

/// Seals a whole file; `is_compressed` for all but the config.
pub(crate) fn seal_file(
    key: &SealingKey,
    content: &[u8],
    is_compressed: bool,
) -> Result<Vec<u8>, RepositoryError> {
    let mut sealed = Vec::new();
    if is_compressed {
        let mut message = vec![COMPRESSED_FILE_VERSION];
        let compressed = zstd::bulk::compress(content, zstd::DEFAULT_COMPRESSION_LEVEL)
            .expect("memory compresses into memory of the bound's size");
        message.extend_from_slice(&compressed);
        key.seal(&message, &mut sealed)?;
    } else {
        key.seal(content, &mut sealed)?;
    }
    Ok(sealed)
}

/// Opens a whole file: JSON as it is, or compressed behind a version byte.
pub(crate) fn open_file(key: &SealingKey, mut sealed: Vec<u8>) -> Result<Vec<u8>, OpenError> {
    let message = key.open(&mut sealed).map_err(|_| OpenError::NotAuthentic)?;
    match message.first() {
        Some(b'{' | b'[') => Ok(message.to_vec()),
        Some(&COMPRESSED_FILE_VERSION) => {
            // What opened is authentic, so its author decides how large it is.
            zstd::stream::decode_all(&message[1..]).map_err(|_| OpenError::NotDecompressible)
        }
        _ => Err(OpenError::NotDecompressible),
    }
}

impl Scratch {
    /// Compresses into `self.compressed`; false when that does not pay.
    fn compress(&mut self, level: i32, content: &[u8]) -> bool {
        let compressor = match &mut self.compressor {
            Some((made_for, compressor)) if *made_for == level => compressor,
            other => {
                let made = Compressor::new(level).expect("a zstd context of a valid level");
                &mut other.insert((level, made)).1
            }
        };
        let limit = content.len() - content.len() / LEAST_SAVING_PARTS - 1;
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(content.len()));
        compressor
            .compress_to_buffer(content, &mut self.compressed)
            .is_ok_and(|length| length <= limit)
    }
}

fn decompress(compressed: &[u8], raw_length: usize) -> Result<Vec<u8>, OpenError> {
    SCRATCH.with_borrow_mut(|scratch| {
        let decompressor = scratch.decompressor.get_or_insert_with(|| {
            Decompressor::new().expect("a zstd context without a dictionary")
        });
        let raw = decompressor
            .decompress(compressed, raw_length)
            .map_err(|_| OpenError::NotDecompressible)?;
        if raw.len() == raw_length { Ok(raw) } else { Err(OpenError::NotDecompressible) }
    })
}

/// A quick look at samples: encrypted, zipped and media content has all byte values about equally often.
fn looks_compressible(content: &[u8]) -> bool {
    const SAMPLES: usize = 4;
    const SAMPLE_BYTES: usize = 2048;
    if content.len() < LEAST_COMPRESSIBLE_BYTES {
        return false;
    }
    // For small contents the compressor itself is as quick as the look.
    if content.len() < 8 * SAMPLES * SAMPLE_BYTES {
        return true;
    }
    let mut counts = [0_u32; 256];
    let step = content.len() / SAMPLES;
    for sample in 0..SAMPLES {
        // From the middle of each part, past the headers at the start.
        let start = sample * step + step / 2 - SAMPLE_BYTES / 2;
        for byte in &content[start..start + SAMPLE_BYTES] {
            counts[usize::from(*byte)] += 1;
        }
    }
    // The sum of squares of 8,192 random bytes is 270,000 ± 3,000: text gives millions.
    let expected = (SAMPLES * SAMPLE_BYTES / 256) as u64;
    let squares: u64 = counts.iter().map(|count| u64::from(*count) * u64::from(*count)).sum();
    squares > 256 * expected * (expected + 1) * 21 / 20
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{KeyBytes, fill_random};

    fn key() -> SealingKey {
        SealingKey::new(&KeyBytes::generate().unwrap())
    }

    fn check(content: &[u8], is_compressed: bool) {
        let key = key();
        let (sealed, raw_length) =
            with_sealed_blob(&key, 3, content, |sealed, raw| (sealed.to_vec(), raw)).unwrap();
        assert_eq!(raw_length, is_compressed.then_some(content.len() as u32));
        assert!(sealed.len() <= content.len() + SEAL_OVERHEAD_BYTES);
        let opened = open_blob(&key, sealed.as_slice().into(), raw_length).unwrap();
        assert_eq!(opened, content);
        if is_compressed {
            let longer = open_blob(&key, sealed.as_slice().into(), Some(content.len() as u32 + 1));
            assert_eq!(longer, Err(OpenError::NotDecompressible));
        }
    }

    #[test]
    fn contents_come_back_and_never_grow() {
        check(b"", false);
        check(b"short", false);
        check(&[b'x'; 1000], true);
        check(&b"some text that repeats, ".repeat(50_000), true);
        let mut random = vec![0; 2_000_000];
        fill_random(&mut random).unwrap();
        check(&random, false);
        check(&random[..1000], false);
    }

    #[test]
    fn random_bytes_are_not_tried() {
        let mut random = vec![0; 1_000_000];
        for _ in 0..20 {
            fill_random(&mut random).unwrap();
            assert!(!looks_compressible(&random));
        }
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(20_000);
        assert!(looks_compressible(text.as_bytes()));
    }

    #[test]
    fn files_come_back_compressed_or_not() {
        let key = key();
        for is_compressed in [true, false] {
            let sealed = seal_file(&key, b"{\"a\":1}", is_compressed).unwrap();
            assert_eq!(open_file(&key, sealed.clone()).unwrap(), b"{\"a\":1}");
            let mut changed = sealed;
            changed[20] ^= 4;
            assert_eq!(open_file(&key, changed), Err(OpenError::NotAuthentic));
        }
    }
}
