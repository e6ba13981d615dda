//! restic's authenticated encryption: AES-256 in counter mode, then Poly1305-AES over the ciphertext.
//!
//! A sealed message is `nonce (16 bytes) ‖ ciphertext ‖ tag (16 bytes)`. Nonces come from the system's source of
//! randomness in tests too: one nonce used twice under a key would reveal content.

use aes::cipher::{
    BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
};
use aes::{Aes128, Aes256};
use poly1305::Poly1305;
use poly1305::universal_hash::UniversalHash;
use rand::TryRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::RepositoryError;

/// Bytes that sealing adds to a message.
pub(crate) const SEAL_OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

const NONCE_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// Fills `bytes` from the system's cryptographic source.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), RepositoryError> {
    rand::rngs::SysRng.try_fill_bytes(bytes).map_err(|_| RepositoryError::NoRandomness)
}

/// The parts of a key as restic stores them.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct KeyBytes {
    /// Encrypts content.
    pub(crate) encrypt: [u8; 32],
    /// Encrypts the nonce for the tag.
    pub(crate) mac_k: [u8; 16],
    /// The point at which the tag's polynomial is evaluated.
    pub(crate) mac_r: [u8; 16],
}

impl KeyBytes {
    pub(crate) fn generate() -> Result<Self, RepositoryError> {
        let mut key = Self { encrypt: [0; 32], mac_k: [0; 16], mac_r: [0; 16] };
        fill_random(&mut key.encrypt)?;
        fill_random(&mut key.mac_k)?;
        fill_random(&mut key.mac_r)?;
        mask_r(&mut key.mac_r);
        Ok(key)
    }

    /// Splits 64 derived bytes as restic does: encryption key, then `k`, then `r`.
    pub(crate) fn from_derived(derived: &[u8; 64]) -> Self {
        let mut key = Self { encrypt: [0; 32], mac_k: [0; 16], mac_r: [0; 16] };
        key.encrypt.copy_from_slice(&derived[..32]);
        key.mac_k.copy_from_slice(&derived[32..48]);
        key.mac_r.copy_from_slice(&derived[48..]);
        mask_r(&mut key.mac_r);
        key
    }
}

/// Clears the bits of `r` that Poly1305 requires to be zero.
fn mask_r(r: &mut [u8; 16]) {
    for index in [3, 7, 11, 15] {
        r[index] &= 0x0f;
    }
    for index in [4, 8, 12] {
        r[index] &= 0xfc;
    }
}

/// The message was not sealed with this key, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

/// A key ready for use: the AES schedules are made once.
pub(crate) struct SealingKey {
    content_cipher: Aes256,
    nonce_cipher: Aes128,
    mac_r: [u8; 16],
}

impl Drop for SealingKey {
    fn drop(&mut self) {
        self.mac_r.zeroize();
    }
}

type Keystream = StreamCipherCoreWrapper<ctr::CtrCore<Aes256, ctr::flavors::Ctr128BE>>;

impl SealingKey {
    pub(crate) fn new(key: &KeyBytes) -> Self {
        let mut mac_r = key.mac_r;
        mask_r(&mut mac_r);
        Self {
            content_cipher: Aes256::new(&key.encrypt.into()),
            nonce_cipher: Aes128::new(&key.mac_k.into()),
            mac_r,
        }
    }

    /// Appends the sealed `message` to `sealed`.
    pub(crate) fn seal(&self, message: &[u8], sealed: &mut Vec<u8>) -> Result<(), RepositoryError> {
        let mut nonce = [0; NONCE_BYTES];
        fill_random(&mut nonce)?;
        self.seal_with_nonce(nonce, message, sealed);
        Ok(())
    }

    fn seal_with_nonce(&self, nonce: [u8; NONCE_BYTES], message: &[u8], sealed: &mut Vec<u8>) {
        sealed.reserve(message.len() + SEAL_OVERHEAD_BYTES);
        sealed.extend_from_slice(&nonce);
        let start = sealed.len();
        sealed.extend_from_slice(message);
        self.apply_keystream(&nonce, &mut sealed[start..]);
        let tag = self.tag(&nonce, &sealed[start..]);
        sealed.extend_from_slice(&tag);
    }

    /// Checks the tag and decrypts in place; returns the part of `sealed` that holds the message.
    pub(crate) fn open<'a>(&self, sealed: &'a mut [u8]) -> Result<&'a mut [u8], NotAuthentic> {
        if sealed.len() < SEAL_OVERHEAD_BYTES {
            return Err(NotAuthentic);
        }
        let (nonce, rest) = sealed.split_at_mut(NONCE_BYTES);
        let (ciphertext, tag) = rest.split_at_mut(rest.len() - TAG_BYTES);
        let nonce: [u8; NONCE_BYTES] =
            (&*nonce).try_into().expect("split at the length of a nonce");
        let expected = self.tag(&nonce, ciphertext);
        // Without an early exit, so that the time tells nothing about the tag.
        let difference = expected.iter().zip(tag.iter()).fold(0, |seen, (a, b)| seen | (a ^ b));
        if difference != 0 {
            return Err(NotAuthentic);
        }
        self.apply_keystream(&nonce, ciphertext);
        Ok(ciphertext)
    }

    fn apply_keystream(&self, nonce: &[u8; NONCE_BYTES], bytes: &mut [u8]) {
        let core = ctr::CtrCore::inner_iv_init(self.content_cipher.clone(), nonce.into());
        Keystream::from_core(core).apply_keystream(bytes);
    }

    fn tag(&self, nonce: &[u8; NONCE_BYTES], ciphertext: &[u8]) -> [u8; TAG_BYTES] {
        let mut encrypted_nonce = (*nonce).into();
        self.nonce_cipher.encrypt_block(&mut encrypted_nonce);
        let mut one_time_key = poly1305::Key::default();
        one_time_key[..16].copy_from_slice(&self.mac_r);
        one_time_key[16..].copy_from_slice(&encrypted_nonce);
        let mut state = Poly1305::new(&one_time_key);
        // Whole blocks go through the wide implementation; `compute_unpadded` takes one block at a time.
        let (blocks, rest) = poly1305::Block::slice_as_chunks(ciphertext);
        state.update(blocks);
        state.compute_unpadded(rest).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vectors of Poly1305-AES by its author (D. J. Bernstein, "The Poly1305-AES message-authentication code",
    /// appendix B): message, k, r, nonce, tag.
    const VECTORS: [(&str, &str, &str, &str, &str); 3] = [
        (
            "f3f6",
            "ec074c835580741701425b623235add6",
            "851fc40c3467ac0be05cc20404f3f700",
            "fb447350c4e868c52ac3275cf9d4327e",
            "f4c633c3044fc145f84f335cb81953de",
        ),
        (
            "",
            "75deaa25c09f208e1dc4ce6b5cad3fbf",
            "a0f3080000f46400d0c7e9076c834403",
            "61ee09218d29b0aaed7e154a2c5509cc",
            "dd3fab2251f11ac759f0887129cc2ee7",
        ),
        (
            "663cea190ffb83d89593f3f476b6bc24d7e679107ea26adb8caf6652d0656136",
            "6acb5f61a7176dd320c5c1eb2edcdc74",
            "48443d0bb0d21109c89a100b5ce2c208",
            "ae212a55399729595dea458bc621ff0e",
            "0ee1c16bb73f0f4fd19881753c01cdbe",
        ),
    ];

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn tags_match_published_vectors() {
        for (message, k, r, nonce, tag) in VECTORS {
            let key =
                SealingKey::new(&KeyBytes { encrypt: [0; 32], mac_k: bytes(k), mac_r: bytes(r) });
            assert_eq!(hex::encode(key.tag(&bytes(nonce), &hex::decode(message).unwrap())), tag);
        }
    }

    #[test]
    fn keystream_matches_nist_vector() {
        // NIST SP 800-38A, F.5.5, CTR-AES256.Encrypt, first two blocks.
        let encrypt = bytes("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let key = SealingKey::new(&KeyBytes { encrypt, mac_k: [1; 16], mac_r: [1; 16] });
        let mut text =
            hex::decode("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
                .unwrap();
        key.apply_keystream(&bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), &mut text);
        assert_eq!(
            hex::encode(text),
            "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
        );
    }

    #[test]
    fn sealed_messages_open_and_changed_ones_do_not() {
        let key = SealingKey::new(&KeyBytes::generate().unwrap());
        for length in [0, 1, 15, 16, 17, 1000] {
            let message: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let mut sealed = Vec::new();
            key.seal(&message, &mut sealed).unwrap();
            assert_eq!(sealed.len(), message.len() + SEAL_OVERHEAD_BYTES);
            assert_eq!(key.open(&mut sealed.clone()).unwrap(), message);
            for position in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[position] ^= 1;
                assert_eq!(
                    key.open(&mut changed),
                    Err(NotAuthentic),
                    "byte {position} of {length}"
                );
            }
            assert_eq!(key.open(&mut sealed[1..].to_vec()), Err(NotAuthentic));
        }
    }
}
