use alloc::string::ToString;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The public 8 characters of base62 inside a key that name its generation. Safe to log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; KeyId::LEN]);

impl KeyId {
    /// How many characters a key id has.
    pub const LEN: usize = 8;

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Option<Self> {
        bytes.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric()).then_some(Self(bytes))
    }

    /// Only for the filler of a keyring, which is never granted.
    pub(crate) const NOBODY: Self = Self([b'0'; Self::LEN]);

    /// Draws a key id from random bytes, for a foreign key, which has none of its own.
    ///
    /// # Errors
    /// [`super::MintError`] when the bytes do not hold enough randomness; no generator makes such bytes.
    pub fn mint(entropy: &[u8; 32]) -> Result<Self, super::MintError> {
        let mut digits = super::base62::digits(entropy);
        let mut id = [0; Self::LEN];
        for at in &mut id {
            *at = digits.next().ok_or(super::MintError)?;
        }
        Ok(Self(id))
    }

    /// The 8 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        text.as_bytes().try_into().ok().and_then(Self::from_bytes).ok_or(KeyIdError)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::parsed(deserializer)
    }
}

/// The text is no [`KeyId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyIdError;

impl fmt::Display for KeyIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key id is exactly 8 letters and digits")
    }
}

impl core::error::Error for KeyIdError {}
