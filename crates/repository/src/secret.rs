//! The secret that opens a repository; to restic it is the password.

use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::fill_random;
use crate::error::RepositoryError;

/// The password of a repository: 256 random bits, written as hexadecimal digits. Wiped from memory when dropped.
///
/// Because it is random and not thought up by a person, keys are derived from it at the least cost that restic accepts.
#[derive(Clone, PartialEq, Eq)]
pub struct RepositorySecret(Zeroizing<String>);

impl RepositorySecret {
    /// A new secret from the system's source of randomness.
    ///
    /// # Errors
    /// [`RepositoryError::NoRandomness`].
    pub fn generate() -> Result<Self, RepositoryError> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill_random(bytes.as_mut())?;
        Ok(Self::from_bytes(&bytes))
    }

    /// The secret with these 256 bits.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(hex::encode(bytes)))
    }

    /// A secret that was made before; any text that restic accepts as a password.
    #[must_use]
    pub fn new(password: String) -> Self {
        Self(Zeroizing::new(password))
    }

    /// The password in clear, for wrapping it or handing it to a person who may have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RepositorySecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RepositorySecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_secret() {
        let secret = RepositorySecret::from_bytes(&[0xab; 32]);
        assert_eq!(secret.expose(), "ab".repeat(32));
        assert_eq!(format!("{secret:?}"), "RepositorySecret(..)");
        assert_ne!(RepositorySecret::generate().unwrap(), RepositorySecret::generate().unwrap());
    }
}
