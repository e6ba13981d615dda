//! Packs: files of sealed blobs one after the other, then a sealed header that lists them, then the header's length.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::crypto::{SEAL_OVERHEAD_BYTES, SealingKey};
use crate::error::RepositoryError;
use crate::id::{BlobId, BlobKind, PackId};

/// One blob in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedBlob {
    pub(crate) kind: BlobKind,
    pub(crate) id: BlobId,
    /// Where the sealed blob begins in the pack, in bytes.
    pub(crate) offset: u32,
    /// Length of the sealed blob in bytes.
    pub(crate) length: u32,
    /// Length of the content in bytes when it is compressed.
    pub(crate) raw_length: Option<u32>,
}

impl PackedBlob {
    /// Length of the content in bytes.
    pub(crate) fn content_length(&self) -> u64 {
        let sealed = u64::from(self.length).saturating_sub(SEAL_OVERHEAD_BYTES as u64);
        self.raw_length.map_or(sealed, u64::from)
    }

    pub(crate) fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }

    fn header_entry_bytes(&self) -> usize {
        1 + 4 + self.raw_length.map_or(0, |_| 4) + 32
    }
}

/// Length in bytes of the file of a pack with these blobs.
pub(crate) fn pack_file_bytes(blobs: &[PackedBlob]) -> u64 {
    let body: u64 = blobs.iter().map(|blob| u64::from(blob.length)).sum();
    let header: usize = blobs.iter().map(PackedBlob::header_entry_bytes).sum();
    body + (header + SEAL_OVERHEAD_BYTES + HEADER_LENGTH_BYTES) as u64
}

pub(crate) const HEADER_LENGTH_BYTES: usize = 4;

/// Collects sealed blobs of one kind.
pub(crate) struct PackBuilder {
    body: Vec<u8>,
    blobs: Vec<PackedBlob>,
    raw_bytes: u64,
}

/// A pack that will not change any more, to be stored.
pub(crate) struct FinishedPack {
    pub(crate) id: PackId,
    pub(crate) body: Bytes,
    pub(crate) header: Bytes,
    pub(crate) blobs: Vec<PackedBlob>,
    pub(crate) raw_bytes: u64,
}

impl PackBuilder {
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self { body: Vec::with_capacity(capacity_bytes), blobs: Vec::new(), raw_bytes: 0 }
    }

    pub(crate) fn body_bytes(&self) -> usize {
        self.body.len()
    }

    pub(crate) fn blob_count(&self) -> usize {
        self.blobs.len()
    }

    pub(crate) fn push(
        &mut self,
        kind: BlobKind,
        id: BlobId,
        sealed: &[u8],
        raw_length: Option<u32>,
    ) {
        let narrow =
            |length: usize| u32::try_from(length).expect("packs are far smaller than 4 GiB");
        let blob = PackedBlob {
            kind,
            id,
            offset: narrow(self.body.len()),
            length: narrow(sealed.len()),
            raw_length,
        };
        self.body.extend_from_slice(sealed);
        self.raw_bytes += blob.content_length();
        self.blobs.push(blob);
    }

    /// Seals the header and computes the pack's name.
    pub(crate) fn finish(self, key: &SealingKey) -> Result<FinishedPack, RepositoryError> {
        let mut header = Vec::new();
        key.seal(&encode_header(&self.blobs), &mut header)?;
        let header_length =
            u32::try_from(header.len()).expect("headers are far smaller than 4 GiB");
        header.extend_from_slice(&header_length.to_le_bytes());
        let mut digest = Sha256::new();
        digest.update(&self.body);
        digest.update(&header);
        Ok(FinishedPack {
            id: PackId::from_bytes(digest.finalize().into()),
            body: self.body.into(),
            header: header.into(),
            blobs: self.blobs,
            raw_bytes: self.raw_bytes,
        })
    }
}

fn encode_header(blobs: &[PackedBlob]) -> Vec<u8> {
    let mut header = Vec::with_capacity(blobs.len() * 41);
    for blob in blobs {
        let kind = match (blob.kind, blob.raw_length) {
            (BlobKind::Data, None) => 0,
            (BlobKind::Tree, None) => 1,
            (BlobKind::Data, Some(_)) => 2,
            (BlobKind::Tree, Some(_)) => 3,
        };
        header.push(kind);
        header.extend_from_slice(&blob.length.to_le_bytes());
        if let Some(raw_length) = blob.raw_length {
            header.extend_from_slice(&raw_length.to_le_bytes());
        }
        header.extend_from_slice(blob.id.as_bytes());
    }
    header
}

/// The blobs in the file of a pack, by its own header. `Err` says what is wrong with it.
pub(crate) fn read_header(key: &SealingKey, file: &[u8]) -> Result<Vec<PackedBlob>, &'static str> {
    let (rest, length) =
        file.split_last_chunk::<HEADER_LENGTH_BYTES>().ok_or("the pack is too short")?;
    let header_length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let body_length =
        rest.len().checked_sub(header_length).ok_or("the header's length is wrong")?;
    let mut sealed = rest[body_length..].to_vec();
    let header = key.open(&mut sealed).map_err(|_| "the header is not authentic")?;
    let blobs = decode_header(header).ok_or("the header is malformed")?;
    if blobs.last().map_or(0, PackedBlob::end) != body_length as u64 {
        return Err("the header does not add up to the pack's length");
    }
    Ok(blobs)
}

fn decode_header(mut header: &[u8]) -> Option<Vec<PackedBlob>> {
    let mut blobs = Vec::new();
    let mut offset: u32 = 0;
    while let Some((kind, rest)) = header.split_first() {
        let (length, mut rest) = rest.split_first_chunk::<4>()?;
        let (kind, is_compressed) = match kind {
            0 => (BlobKind::Data, false),
            1 => (BlobKind::Tree, false),
            2 => (BlobKind::Data, true),
            3 => (BlobKind::Tree, true),
            _ => return None,
        };
        let mut raw_length = None;
        if is_compressed {
            let (raw, after) = rest.split_first_chunk::<4>()?;
            (raw_length, rest) = (Some(u32::from_le_bytes(*raw)), after);
        }
        let (id, rest) = rest.split_first_chunk::<32>()?;
        let length = u32::from_le_bytes(*length);
        blobs.push(PackedBlob { kind, id: BlobId::from_bytes(*id), offset, length, raw_length });
        offset = offset.checked_add(length)?;
        header = rest;
    }
    Some(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::KeyBytes;

    #[test]
    fn a_pack_tells_its_blobs_and_notices_cuts() {
        let key = SealingKey::new(&KeyBytes::generate().unwrap());
        let mut builder = PackBuilder::new(100);
        builder.push(BlobKind::Data, BlobId::of(b"1"), &[1; 50], None);
        builder.push(BlobKind::Data, BlobId::of(b"2"), &[2; 70], Some(900));
        let pack = builder.finish(&key).unwrap();
        let file = [&pack.body[..], &pack.header[..]].concat();
        assert_eq!(PackId::of(&file), pack.id);
        assert_eq!(pack_file_bytes(&pack.blobs), file.len() as u64);
        assert_eq!(pack.raw_bytes, 50 - 32 + 900);
        assert_eq!(read_header(&key, &file).unwrap(), pack.blobs);
        assert_eq!(pack.blobs[1].offset, 50);
        for cut in [1, 4, 60, file.len()] {
            assert!(read_header(&key, &file[..file.len() - cut]).is_err());
        }
        assert!(read_header(&key, &file[1..]).is_err());
    }
}
