//! The hierarchy of keys: a random secret for each repository, wrapped by a tenant key, wrapped by the root key.
//!
//! Nothing below the root key is ever stored unwrapped. The wrapped secret is kept in the metastore and, as one small
//! file beside the repository, in the object store, so that losing the metastore loses no backup. Wrapping is
//! AES-256-GCM-SIV with the owner's id as associated data: a wrapped secret moved to another unit does not open.

use std::sync::Arc;

use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdfast_domain::{Entropy, Lease, TenantId, UnitId};
use holdfast_repository::RepositorySecret;
use holdfast_store::{Store, StoreError};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// First byte of everything wrapped.
const WRAPPING_VERSION: u8 = 1;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("a wrapped key does not open: wrong root key, or damage")]
    DoesNotOpen,
    #[error("the root key must be 64 hexadecimal digits")]
    MalformedRootKey,
    #[error("there is no key for this unit")]
    NoSuchUnit,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the object store failed: {0}")]
    ObjectStore(#[from] object_store::Error),
}

/// A 256-bit key in memory.
#[derive(Clone)]
struct WrappingKey(Zeroizing<[u8; KEY_BYTES]>);

impl WrappingKey {
    fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(&mut *bytes);
        Self(bytes)
    }

    fn cipher(&self) -> Aes256GcmSiv {
        Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(*self.0))
    }

    fn wrap(&self, secret: &[u8; KEY_BYTES], owner: &str, entropy: &dyn Entropy) -> String {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let payload = Payload { msg: secret, aad: owner.as_bytes() };
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), payload)
            .expect("32 bytes are within the cipher's limits");
        STANDARD.encode([&[WRAPPING_VERSION], &nonce[..], &sealed].concat())
    }

    fn unwrap(&self, wrapped: &str, owner: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(wrapped).map_err(|_| KeyError::DoesNotOpen)?;
        let (version, rest) = bytes.split_first().ok_or(KeyError::DoesNotOpen)?;
        let (nonce, sealed) =
            rest.split_first_chunk::<NONCE_BYTES>().ok_or(KeyError::DoesNotOpen)?;
        if *version != WRAPPING_VERSION {
            return Err(KeyError::DoesNotOpen);
        }
        let payload = Payload { msg: sealed, aad: owner.as_bytes() };
        let opened = Zeroizing::new(
            self.cipher()
                .decrypt(&Nonce::from(*nonce), payload)
                .map_err(|_| KeyError::DoesNotOpen)?,
        );
        let key = opened.as_slice().try_into().map_err(|_| KeyError::DoesNotOpen)?;
        Ok(Self(Zeroizing::new(key)))
    }
}

/// The server's own key, above all others.
#[derive(Clone)]
pub struct RootKey(WrappingKey);

impl RootKey {
    #[must_use]
    pub fn random(entropy: &dyn Entropy) -> Self {
        Self(WrappingKey::random(entropy))
    }

    /// # Errors
    /// [`KeyError::MalformedRootKey`] unless the text is 64 hexadecimal digits, white space around them aside.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(text.trim(), &mut *bytes).map_err(|_| KeyError::MalformedRootKey)?;
        Ok(Self(WrappingKey(bytes)))
    }

    /// For the file that holds it, which nobody but its owner may read.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(*self.0.0))
    }
}

/// The file beside a repository: enough to open it with the root key alone.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyFile {
    version: u32,
    tenant_id: TenantId,
    wrapped_tenant_key: String,
    wrapped_repository_secret: String,
}

/// Where a unit's repository and its key file are, from the object store's root.
#[must_use]
pub fn repository_path(unit: UnitId) -> Path {
    Path::from(format!("repositories/{unit}"))
}

fn key_file_path(unit: UnitId) -> Path {
    Path::from(format!("repositories/{unit}.key"))
}

fn tenant_owner(tenant: TenantId) -> String {
    format!("tenant {tenant}")
}

fn unit_owner(unit: UnitId) -> String {
    format!("unit {unit}")
}

/// Makes and opens the secrets of repositories.
#[derive(Clone)]
pub struct KeyRing {
    root: RootKey,
    store: Arc<dyn Store>,
    objects: Arc<dyn ObjectStore>,
    entropy: Arc<dyn Entropy>,
}

impl KeyRing {
    #[must_use]
    pub fn new(
        root: RootKey,
        store: Arc<dyn Store>,
        objects: Arc<dyn ObjectStore>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { root, store, objects, entropy }
    }

    /// Destroys the secret of a unit's repository: nobody opens it any more, wherever a copy of it may be. May be done twice.
    /// The metastore's goes first, since engines read that one.
    ///
    /// # Errors
    /// When either store fails, or `lease` is not its job's newest.
    pub async fn destroy_secret(&self, unit: UnitId, lease: Lease) -> Result<(), KeyError> {
        let mut tx = self.store.begin().await?;
        tx.guard(lease).await?;
        tx.destroy_wrapped_repository_secret(unit).await?;
        tx.commit().await?;
        match self.objects.delete(&key_file_path(unit)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The secret of a unit's repository, as the metastore has it.
    ///
    /// # Errors
    /// [`KeyError::NoSuchUnit`] when none was made yet.
    pub async fn secret(
        &self,
        tenant: TenantId,
        unit: UnitId,
    ) -> Result<RepositorySecret, KeyError> {
        let mut tx = self.store.read().await?;
        let tenant_key = tx.wrapped_tenant_key(tenant).await?.ok_or(KeyError::NoSuchUnit)?;
        let secret = tx.wrapped_repository_secret(unit).await?.ok_or(KeyError::NoSuchUnit)?;
        drop(tx);
        self.root.open(tenant, &tenant_key, unit, &secret)
    }

    /// The same, made on first use. The metastore has it before the file beside the repository, and both before the
    /// repository exists.
    ///
    /// # Errors
    /// When either store fails.
    pub async fn secret_or_new(
        &self,
        tenant: TenantId,
        unit: UnitId,
    ) -> Result<RepositorySecret, KeyError> {
        let mut tx = self.store.begin().await?;
        let wrapped_tenant_key = match tx.wrapped_tenant_key(tenant).await? {
            Some(wrapped) => wrapped,
            None => {
                let wrapped = self.root.0.wrap(
                    &WrappingKey::random(&*self.entropy).0,
                    &tenant_owner(tenant),
                    &*self.entropy,
                );
                tx.insert_wrapped_tenant_key(tenant, &wrapped).await?;
                wrapped
            }
        };
        let wrapped_repository_secret = match tx.wrapped_repository_secret(unit).await? {
            Some(wrapped) => wrapped,
            None => {
                let tenant_key = self.root.0.unwrap(&wrapped_tenant_key, &tenant_owner(tenant))?;
                let wrapped = tenant_key.wrap(
                    &WrappingKey::random(&*self.entropy).0,
                    &unit_owner(unit),
                    &*self.entropy,
                );
                tx.insert_wrapped_repository_secret(tenant, unit, &wrapped).await?;
                wrapped
            }
        };
        tx.commit().await?;
        let file = KeyFile {
            version: 1,
            tenant_id: tenant,
            wrapped_tenant_key,
            wrapped_repository_secret,
        };
        let path = key_file_path(unit);
        match self.objects.head(&path).await {
            Ok(_) => {}
            Err(object_store::Error::NotFound { .. }) => {
                let text = serde_json::to_vec_pretty(&file).expect("texts serialize");
                self.objects.put(&path, PutPayload::from(text)).await?;
            }
            // Going on would make a repository without its key beside it.
            Err(error) => return Err(error.into()),
        }
        self.root.open(tenant, &file.wrapped_tenant_key, unit, &file.wrapped_repository_secret)
    }
}

impl RootKey {
    /// The secret of a unit's repository from the file beside it: needs no metastore.
    ///
    /// # Errors
    /// [`KeyError::NoSuchUnit`] when there is no such file.
    pub async fn secret_from_object_store(
        &self,
        objects: &dyn ObjectStore,
        unit: UnitId,
    ) -> Result<RepositorySecret, KeyError> {
        let bytes = match objects.get(&key_file_path(unit)).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Err(KeyError::NoSuchUnit),
            Err(error) => return Err(error.into()),
        };
        let file: KeyFile = serde_json::from_slice(&bytes).map_err(|_| KeyError::DoesNotOpen)?;
        self.open(file.tenant_id, &file.wrapped_tenant_key, unit, &file.wrapped_repository_secret)
    }

    fn open(
        &self,
        tenant: TenantId,
        tenant_key: &str,
        unit: UnitId,
        secret: &str,
    ) -> Result<RepositorySecret, KeyError> {
        let tenant_key = self.0.unwrap(tenant_key, &tenant_owner(tenant))?;
        Ok(RepositorySecret::from_bytes(&tenant_key.unwrap(secret, &unit_owner(unit))?.0))
    }
}

#[cfg(test)]
mod tests {
    use holdfast_domain::SeededEntropy;

    use super::*;

    #[test]
    fn a_wrapped_key_opens_only_for_its_owner_and_under_its_key() {
        let entropy = SeededEntropy::new(1);
        let (key, other, secret) = (
            WrappingKey::random(&entropy),
            WrappingKey::random(&entropy),
            WrappingKey::random(&entropy),
        );
        let wrapped = key.wrap(&secret.0, "unit 1", &entropy);
        assert_eq!(key.unwrap(&wrapped, "unit 1").expect("opens").0, secret.0);
        assert!(matches!(key.unwrap(&wrapped, "unit 2"), Err(KeyError::DoesNotOpen)));
        assert!(matches!(other.unwrap(&wrapped, "unit 1"), Err(KeyError::DoesNotOpen)));
        for damaged in ["", "AA", "!", &wrapped[4..], &wrapped[..wrapped.len() - 4]] {
            assert!(
                matches!(key.unwrap(damaged, "unit 1"), Err(KeyError::DoesNotOpen)),
                "{damaged}"
            );
        }
        assert_ne!(
            wrapped,
            key.wrap(&secret.0, "unit 1", &entropy),
            "every wrapping has its own nonce"
        );
    }

    #[test]
    fn root_keys_are_hexadecimal() {
        let key = RootKey::random(&SeededEntropy::new(1));
        assert_eq!(
            RootKey::from_hex(&format!("{}\n", *key.to_hex())).expect("parses").to_hex(),
            key.to_hex()
        );
        assert!(matches!(RootKey::from_hex("00"), Err(KeyError::MalformedRootKey)));
    }
}
