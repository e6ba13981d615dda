//! quickXorHash as Microsoft publishes it: byte `i` is xored into a 160-bit ring at bit `11·i`, then the length into the
//! last eight bytes. Written apart from the product's, so that a mistake in that one shows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const BITS: usize = 160;

pub(crate) fn quick_xor_base64(bytes: &[u8]) -> String {
    let mut ring = [0_u8; BITS / 8];
    for (at, byte) in bytes.iter().enumerate() {
        let bit = (at % BITS) * 11 % BITS;
        let shifted = u16::from(*byte) << (bit % 8);
        let [low, high] = shifted.to_le_bytes();
        ring[bit / 8] ^= low;
        ring[(bit / 8 + 1) % ring.len()] ^= high;
    }
    for (byte, length) in ring[12..].iter_mut().zip((bytes.len() as u64).to_le_bytes()) {
        *byte ^= length;
    }
    STANDARD.encode(ring)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples() {
        assert_eq!(quick_xor_base64(b""), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        assert_eq!(quick_xor_base64(b"\x01"), "AQAAAAAAAAAAAAAAAQAAAAAAAAA=");
    }
}
