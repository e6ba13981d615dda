//! Where files are cut into blobs: FastCDC, seeded for each repository.
//!
//! The seed keeps lengths of chunks from telling which well-known file is stored. restic reads chunks of any lengths.

use fastcdc::v2020::{Normalization, cut_gear, get_gear_with_seed, select_masks};

/// No chunk but a file's last is smaller; files up to this size are one chunk.
pub(crate) const MIN_CHUNK_BYTES: usize = 512 << 10;
/// The average length that the chunker aims at.
pub(crate) const AVERAGE_CHUNK_BYTES: usize = 1 << 20;
/// No chunk is larger.
pub(crate) const MAX_CHUNK_BYTES: usize = 8 << 20;

/// The cutting rule of one repository.
pub(crate) struct Chunker {
    mask_small: u64,
    mask_large: u64,
    gear: Vec<u64>,
    gear_shifted: Vec<u64>,
}

impl Chunker {
    pub(crate) fn new(seed: u64) -> Self {
        let (gear, gear_shifted) = get_gear_with_seed(seed);
        let (mask_small, mask_large) = select_masks(AVERAGE_CHUNK_BYTES, Normalization::Level1);
        Self {
            mask_small,
            mask_large,
            gear: gear.into_owned(),
            gear_shifted: gear_shifted.into_owned(),
        }
    }

    /// Length of the first chunk of `content`, which begins where a chunk begins. `None` when more content is needed to
    /// know, which is never the case at the file's end and for [`MAX_CHUNK_BYTES`].
    pub(crate) fn first_chunk_bytes(&self, content: &[u8], is_end_of_file: bool) -> Option<usize> {
        let (_, length) = cut_gear(
            content,
            MIN_CHUNK_BYTES,
            AVERAGE_CHUNK_BYTES,
            MAX_CHUNK_BYTES,
            self.mask_small,
            self.mask_large,
            self.mask_small << 1,
            self.mask_large << 1,
            &self.gear,
            &self.gear_shifted,
        );
        // A cut at the very end may only be the end of what we have.
        (length > 0 && (is_end_of_file || length < content.len() || length == MAX_CHUNK_BYTES))
            .then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn cuts(chunker: &Chunker, content: &[u8]) -> Vec<usize> {
        let mut start = 0;
        let mut lengths = Vec::new();
        while start < content.len() {
            let length = chunker.first_chunk_bytes(&content[start..], true).unwrap();
            lengths.push(length);
            start += length;
        }
        lengths
    }

    #[test]
    fn chunks_keep_their_bounds_and_the_seed_moves_them() {
        let content = noise(20 << 20);
        let lengths = cuts(&Chunker::new(1 << 53 | 77), &content);
        assert_eq!(lengths.iter().sum::<usize>(), content.len());
        let (_, all_but_last) = lengths.split_last().unwrap();
        assert!(
            all_but_last.iter().all(|bytes| (MIN_CHUNK_BYTES..=MAX_CHUNK_BYTES).contains(bytes))
        );
        assert!((10..=30).contains(&lengths.len()), "{}", lengths.len());
        assert_ne!(lengths, cuts(&Chunker::new(1 << 53 | 78), &content));
        let zeros = cuts(&Chunker::new(1 << 53 | 77), &vec![0; 20 << 20]);
        assert_eq!(zeros, [MAX_CHUNK_BYTES, MAX_CHUNK_BYTES, 4 << 20]);
    }

    #[test]
    fn a_cut_does_not_depend_on_how_much_is_known() {
        let chunker = Chunker::new(12345);
        let content = noise(4 << 20);
        let full = chunker.first_chunk_bytes(&content, true).unwrap();
        for known in [1, MIN_CHUNK_BYTES, full - 1, full, full + 1, full + 7777] {
            let cut = chunker.first_chunk_bytes(&content[..known], false);
            assert!(cut.is_none() || cut == Some(full), "{known} {cut:?}");
            // The last byte of an odd length is not looked at.
            assert!(known <= full + 1 || cut == Some(full), "{known} {cut:?}");
        }
    }

    #[test]
    fn an_insertion_changes_few_chunks() {
        let chunker = Chunker::new(99);
        let before = noise(16 << 20);
        let after = [&before[..1000], b"inserted", &before[1000..]].concat();
        let (before, after) = (cuts(&chunker, &before), cuts(&chunker, &after));
        let common =
            before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
        assert!(common >= before.len() - 3, "{common} of {}", before.len());
    }
}
