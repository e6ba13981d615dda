//! Where blobs are: the index in memory, and the index files that it is loaded from.
//!
//! In memory an entry takes 48 bytes, and about 8 more for the table that finds it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::id::{BlobId, BlobKind, IndexId, PackId};
use crate::pack::PackedBlob;

/// Where one blob is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlobLocation {
    pub(crate) pack: PackId,
    pub(crate) blob: PackedBlob,
    /// Where the last blob that the index names in the pack ends.
    pub(crate) pack_end: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    id: BlobId,
    pack_and_kind: u32,
    offset: u32,
    length: u32,
    /// Zero when the blob is not compressed.
    raw_length: u32,
}

const TREE_BIT: u32 = 1 << 31;
const EMPTY: u32 = u32::MAX;

/// All blobs of the loaded index files, found by kind and id. Of a blob stored twice the first place counts.
#[derive(Default)]
pub(crate) struct Index {
    /// With the end of their last blob.
    packs: Vec<(PackId, u64)>,
    entries: Vec<Entry>,
    /// Open addressing with linear probing; a power of two long, at most half full. Ids are digests and need no hashing.
    slots: Vec<u32>,
}

impl Index {
    pub(crate) fn contains(&self, kind: BlobKind, id: &BlobId) -> bool {
        self.find(kind, id).is_some()
    }

    pub(crate) fn get(&self, kind: BlobKind, id: &BlobId) -> Option<BlobLocation> {
        let entry = self.find(kind, id)?;
        let (pack, pack_end) = self.packs[(entry.pack_and_kind & !TREE_BIT) as usize];
        let blob = PackedBlob {
            kind,
            id: *id,
            offset: entry.offset,
            length: entry.length,
            raw_length: (entry.raw_length != 0).then_some(entry.raw_length),
        };
        Some(BlobLocation { pack, blob, pack_end })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Makes room, so that the table need not grow while many packs come in.
    pub(crate) fn reserve(&mut self, additional: usize) {
        self.entries.reserve(additional);
        self.grow_slots(self.entries.len() + additional);
    }

    pub(crate) fn add_pack(&mut self, pack: PackId, blobs: &[PackedBlob]) {
        let number = u32::try_from(self.packs.len()).expect("fewer than 2^31 packs");
        self.packs.push((pack, blobs.iter().map(PackedBlob::end).max().unwrap_or(0)));
        self.grow_slots(self.entries.len() + blobs.len());
        for blob in blobs {
            let Err(slot) = self.probe(blob.kind, &blob.id) else { continue };
            self.slots[slot] = u32::try_from(self.entries.len()).expect("fewer than 2^32 blobs");
            self.entries.push(Entry {
                id: blob.id,
                pack_and_kind: number | kind_bit(blob.kind),
                offset: blob.offset,
                length: blob.length,
                raw_length: blob.raw_length.unwrap_or(0),
            });
        }
    }

    fn find(&self, kind: BlobKind, id: &BlobId) -> Option<&Entry> {
        if self.slots.is_empty() {
            return None;
        }
        self.probe(kind, id).ok()
    }

    /// The entry, or the free slot where it would go.
    fn probe(&self, kind: BlobKind, id: &BlobId) -> Result<&Entry, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = slot_hint(id) & mask;
        loop {
            if self.slots[slot] == EMPTY {
                return Err(slot);
            }
            let entry = &self.entries[self.slots[slot] as usize];
            if entry.id == *id && entry.pack_and_kind & TREE_BIT == kind_bit(kind) {
                return Ok(entry);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow_slots(&mut self, entries: usize) {
        if entries * 2 <= self.slots.len() {
            return;
        }
        let length = (entries * 2).next_power_of_two().max(64);
        self.slots = vec![EMPTY; length];
        for (number, entry) in self.entries.iter().enumerate() {
            let mut slot = slot_hint(&entry.id) & (length - 1);
            while self.slots[slot] != EMPTY {
                slot = (slot + 1) & (length - 1);
            }
            self.slots[slot] = u32::try_from(number).expect("fewer than 2^32 blobs");
        }
    }
}

fn kind_bit(kind: BlobKind) -> u32 {
    if kind == BlobKind::Tree { TREE_BIT } else { 0 }
}

fn slot_hint(id: &BlobId) -> usize {
    let (first, _) = id.as_bytes().split_first_chunk::<8>().expect("an id has 32 bytes");
    usize::try_from(u64::from_le_bytes(*first)).unwrap_or_else(|_| usize::from(first[0]))
}

/// An index file's JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct IndexFile {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) supersedes: Vec<IndexId>,
    pub(crate) packs: Vec<IndexedPack>,
}

/// One pack in an index file.
#[derive(Serialize, Deserialize)]
pub(crate) struct IndexedPack {
    pub(crate) id: PackId,
    pub(crate) blobs: Vec<IndexedBlob>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct IndexedBlob {
    id: BlobId,
    #[serde(rename = "type")]
    kind: BlobKind,
    offset: u32,
    length: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    uncompressed_length: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl From<&PackedBlob> for IndexedBlob {
    fn from(blob: &PackedBlob) -> Self {
        Self {
            id: blob.id,
            kind: blob.kind,
            offset: blob.offset,
            length: blob.length,
            uncompressed_length: blob.raw_length.unwrap_or(0),
        }
    }
}

impl From<&IndexedBlob> for PackedBlob {
    fn from(blob: &IndexedBlob) -> Self {
        Self {
            kind: blob.kind,
            id: blob.id,
            offset: blob.offset,
            length: blob.length,
            raw_length: (blob.uncompressed_length != 0).then_some(blob.uncompressed_length),
        }
    }
}

impl IndexFile {
    pub(crate) fn new<'a>(packs: impl Iterator<Item = (PackId, &'a [PackedBlob])>) -> Self {
        let packs = packs
            .map(|(id, blobs)| IndexedPack { id, blobs: blobs.iter().map(Into::into).collect() })
            .collect();
        Self { supersedes: Vec::new(), packs }
    }
}

/// Merges index files read in any order; packs named in several files are taken once.
pub(crate) fn merge(files: Vec<Vec<(PackId, Vec<PackedBlob>)>>) -> Index {
    let mut index = Index::default();
    index.reserve(files.iter().flatten().map(|(_, blobs)| blobs.len()).sum());
    let mut seen = HashMap::new();
    for (pack, blobs) in files.into_iter().flatten() {
        if seen.insert(pack, ()).is_none() {
            index.add_pack(pack, &blobs);
        }
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(number: u32, kind: BlobKind) -> PackedBlob {
        let id = BlobId::of(&number.to_le_bytes());
        PackedBlob {
            kind,
            id,
            offset: number,
            length: 100,
            raw_length: (number.is_multiple_of(2)).then_some(500),
        }
    }

    #[test]
    fn every_blob_is_found_and_no_other() {
        let mut index = Index::default();
        assert!(!index.contains(BlobKind::Data, &BlobId::of(b"x")));
        for pack in 0..50_u32 {
            let blobs: Vec<_> = (0..100).map(|n| blob(pack * 100 + n, BlobKind::Data)).collect();
            index.add_pack(PackId::of(&pack.to_le_bytes()), &blobs);
        }
        index.add_pack(PackId::of(b"again"), &[blob(7, BlobKind::Data), blob(7, BlobKind::Tree)]);
        assert_eq!(index.len(), 5001);
        for number in 0..5000 {
            let expected = blob(number, BlobKind::Data);
            let found = index.get(BlobKind::Data, &expected.id).unwrap();
            assert_eq!(found.blob, expected);
            assert_eq!(found.pack, PackId::of(&(number / 100).to_le_bytes()));
            assert_eq!(index.contains(BlobKind::Tree, &expected.id), number == 7);
        }
        assert!(!index.contains(BlobKind::Data, &blob(5000, BlobKind::Data).id));
    }

    #[test]
    fn the_json_is_restics() {
        let blobs = [blob(1, BlobKind::Data), blob(2, BlobKind::Tree)];
        let file = IndexFile::new([(PackId::from_bytes([0xaa; 32]), &blobs[..])].into_iter());
        let json = serde_json::to_string(&file).unwrap();
        let (first, second, pack) = (blobs[0].id, blobs[1].id, "aa".repeat(32));
        assert_eq!(
            json,
            format!(
                r#"{{"packs":[{{"id":"{pack}","blobs":[{{"id":"{first}","type":"data","offset":1,"length":100}},{{"id":"{second}","type":"tree","offset":2,"length":100,"uncompressed_length":500}}]}}]}}"#
            )
        );
        let read: IndexFile = serde_json::from_str(&json).unwrap();
        assert_eq!(read.packs[0].blobs.iter().map(PackedBlob::from).collect::<Vec<_>>(), blobs);
    }
}
