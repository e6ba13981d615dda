//! Key files: the master key of a repository, encrypted under a key that scrypt derives from the secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::{KeyBytes, SealingKey, fill_random};
use crate::error::RepositoryError;
use crate::secret::RepositorySecret;

/// The least work that restic's own check of the parameters accepts (N = 2, r = 1, p = 1).
const LOG2_N: u8 = 1;
const R: u32 = 1;
const P: u32 = 1;
/// restic insists on this length.
const SALT_BYTES: usize = 64;
/// A key file that asks for more memory than this (128 × N × r bytes) is refused, whoever wrote it.
const MAX_SCRYPT_BYTES: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
struct KeyFile {
    created: Timestamp,
    username: String,
    hostname: String,
    kdf: String,
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
    salt: String,
    data: String,
}

#[derive(Serialize, Deserialize)]
struct MasterKeyJson {
    mac: MacJson,
    encrypt: String,
}

#[derive(Serialize, Deserialize)]
struct MacJson {
    k: String,
    r: String,
}

impl Drop for MasterKeyJson {
    fn drop(&mut self) {
        self.mac.k.zeroize();
        self.mac.r.zeroize();
        self.encrypt.zeroize();
    }
}

/// Makes the bytes of a key file that gives `master` to who knows `secret`.
pub(crate) fn make_key_file(
    master: &KeyBytes,
    secret: &RepositorySecret,
    created: Timestamp,
) -> Result<Vec<u8>, RepositoryError> {
    let mut salt = [0; SALT_BYTES];
    fill_random(&mut salt)?;
    let params = scrypt::Params::new(LOG2_N, R, P).expect("the constants are in range");
    let master_json = MasterKeyJson {
        mac: MacJson { k: STANDARD.encode(master.mac_k), r: STANDARD.encode(master.mac_r) },
        encrypt: STANDARD.encode(master.encrypt),
    };
    let plain = Zeroizing::new(serde_json::to_vec(&master_json).expect("strings always serialize"));
    let mut data = Vec::new();
    SealingKey::new(&derive(secret, &salt, &params)).seal(&plain, &mut data)?;
    let file = KeyFile {
        created,
        username: "holdfast".to_owned(),
        hostname: "holdfast".to_owned(),
        kdf: "scrypt".to_owned(),
        n: 1 << LOG2_N,
        r: R,
        p: P,
        salt: STANDARD.encode(salt),
        data: STANDARD.encode(data),
    };
    Ok(serde_json::to_vec(&file).expect("strings and numbers always serialize"))
}

/// The master key in a key file, or `None` when the file is not for this secret or is no key file.
pub(crate) fn open_key_file(file: &[u8], secret: &RepositorySecret) -> Option<KeyBytes> {
    let file: KeyFile = serde_json::from_slice(file).ok()?;
    let is_affordable =
        file.n.checked_mul(u64::from(file.r)).is_some_and(|work| work <= MAX_SCRYPT_BYTES / 128);
    if file.kdf != "scrypt" || !file.n.is_power_of_two() || file.n < 2 || !is_affordable {
        return None;
    }
    let log2_n = u8::try_from(file.n.trailing_zeros()).ok()?;
    let params = scrypt::Params::new(log2_n, file.r, file.p).ok()?;
    let salt = STANDARD.decode(&file.salt).ok()?;
    let mut data = Zeroizing::new(STANDARD.decode(&file.data).ok()?);
    let plain = SealingKey::new(&derive(secret, &salt, &params)).open(&mut data).ok()?;
    let master: MasterKeyJson = serde_json::from_slice(plain).ok()?;
    let decode = |text: &str| STANDARD.decode(text).map(Zeroizing::new).ok();
    Some(KeyBytes {
        encrypt: decode(&master.encrypt)?.as_slice().try_into().ok()?,
        mac_k: decode(&master.mac.k)?.as_slice().try_into().ok()?,
        mac_r: decode(&master.mac.r)?.as_slice().try_into().ok()?,
    })
}

fn derive(secret: &RepositorySecret, salt: &[u8], params: &scrypt::Params) -> KeyBytes {
    let mut derived = Zeroizing::new([0; 64]);
    scrypt::scrypt(secret.expose().as_bytes(), salt, params, derived.as_mut())
        .expect("64 bytes is a valid length of the output");
    KeyBytes::from_derived(&derived)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_secret_opens() {
        let master = KeyBytes::generate().unwrap();
        let secret = RepositorySecret::from_bytes(&[1; 32]);
        let file = make_key_file(&master, &secret, Timestamp::UNIX_EPOCH).unwrap();
        assert!(open_key_file(&file, &secret) == Some(master));
        assert!(open_key_file(&file, &RepositorySecret::from_bytes(&[2; 32])).is_none());
        assert!(open_key_file(&file[1..], &secret).is_none());
    }

    #[test]
    fn absurd_cost_is_refused() {
        let master = KeyBytes::generate().unwrap();
        let secret = RepositorySecret::from_bytes(&[1; 32]);
        let file = make_key_file(&master, &secret, Timestamp::UNIX_EPOCH).unwrap();
        let mut json: serde_json::Value = serde_json::from_slice(&file).unwrap();
        json["N"] = (1_u64 << 62).into();
        assert!(open_key_file(&serde_json::to_vec(&json).unwrap(), &secret).is_none());
    }
}
