//! quickXorHash, the only content hash that SharePoint and OneDrive for Business serve (`spec/graph-content-api.md` 8.2).
//!
//! It detects damage, not malice: anyone can make two files with one hash.

const RING: usize = 160;

/// Computes the hash of bytes that arrive in pieces of any length.
///
/// Byte `i` goes to bit `11·i mod 160` of a 160-bit ring. The places repeat every 160 bytes, so all bytes with one
/// `i mod 160` are first folded together and only the 160 sums are placed.
#[derive(Clone)]
pub struct QuickXorHasher {
    sums: [u8; RING],
    length: u64,
}

impl Default for QuickXorHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl QuickXorHasher {
    /// The state of the empty file.
    #[must_use]
    pub const fn new() -> Self {
        Self { sums: [0; RING], length: 0 }
    }

    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        let at = usize::try_from(self.length % RING as u64).expect("below 160");
        self.length += bytes.len() as u64;
        let (head, rest) = bytes.split_at(bytes.len().min((RING - at) % RING));
        fold(&mut self.sums[at..], head);
        let mut blocks = rest.chunks_exact(RING);
        let mut sums = self.sums;
        for block in &mut blocks {
            for (sum, byte) in sums.iter_mut().zip(block) {
                *sum ^= byte;
            }
        }
        fold(&mut sums, blocks.remainder());
        self.sums = sums;
    }

    /// The 20 bytes of the hash; Graph shows them in base64.
    #[must_use]
    pub fn finish(&self) -> [u8; 20] {
        let mut ring = [0_u8; 20];
        for (i, sum) in self.sums.iter().enumerate() {
            let bit = i * 11 % RING;
            let placed = u16::from(*sum) << (bit % 8);
            let [low, high] = placed.to_le_bytes();
            ring[bit / 8] ^= low;
            ring[(bit / 8 + 1) % 20] ^= high;
        }
        for (byte, length) in ring[12..].iter_mut().zip(self.length.to_le_bytes()) {
            *byte ^= length;
        }
        ring
    }
}

fn fold(sums: &mut [u8], bytes: &[u8]) {
    for (sum, byte) in sums.iter_mut().zip(bytes) {
        *sum ^= byte;
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|i| u8::try_from((7 * i + 3) % 251).expect("below 251")).collect()
    }

    #[track_caller]
    fn check(length: usize, expected: &str) {
        let mut hasher = QuickXorHasher::new();
        hasher.update(&sample(length));
        assert_eq!(STANDARD.encode(hasher.finish()), expected, "length {length}");
    }

    #[test]
    fn agrees_with_the_published_vectors() {
        check(0, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        check(1, "AwAAAAAAAAAAAAAAAQAAAAAAAAA=");
        check(8, "A1BABDDwARO0gAYACAAAAAAAAAA=");
        check(20, "gl0z1HPQERK0gAY7BEISoHAFL5Q=");
        check(159, "vnAtdECewbZ+9jHWrTLgoJ92DmI=");
        check(160, "vnAtdECewbZ+9jHWkjLgoJ92Dmw=");
        check(161, "yXAtdECewbZ+9jHWkzLgoJ92Dmw=");
        check(1760, "cq71WfS68sMRRNQfNIsJJxwx17I=");
        check(4096, "esnXUE4RnS4P1AGDBnp031fxDzY=");
        check(1_048_577, "ET8OMz1ZOmVdfjL+3xwH4BX9wmw=");
    }

    /// The definition, a bit at a time.
    fn plain(bytes: &[u8]) -> [u8; 20] {
        let mut ring = [0_u8; 20];
        for (i, byte) in bytes.iter().enumerate() {
            for bit in 0..8 {
                let place = (11 * i + bit) % 160;
                ring[place / 8] ^= (byte >> bit & 1) << (place % 8);
            }
        }
        for (i, byte) in (bytes.len() as u64).to_le_bytes().into_iter().enumerate() {
            ring[12 + i] ^= byte;
        }
        ring
    }

    #[test]
    fn feeding_in_pieces_changes_nothing() {
        for length in [0, 1, 159, 160, 161, 65_535, 65_536, 65_537, 5_000_001] {
            let bytes = sample(length);
            let expected = plain(&bytes);
            for piece in [1, 7, 160, 65_536] {
                let mut hasher = QuickXorHasher::new();
                bytes.chunks(piece).for_each(|part| hasher.update(part));
                assert_eq!(hasher.finish(), expected, "{length} bytes in pieces of {piece}");
            }
        }
    }
}
