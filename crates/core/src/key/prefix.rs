use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a key begins with: `sk_live` by default, any `[a-z0-9]+(_[a-z0-9]+)*` of at most 32 bytes by configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(String);

impl Prefix {
    const MAX: usize = 32;

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn fits(bytes: &[u8]) -> bool {
        let (mut good, mut before) = (bytes.len() <= Self::MAX, b'_');
        for byte in bytes {
            let part = byte.is_ascii_lowercase() | byte.is_ascii_digit();
            good &= part | ((*byte == b'_') & (before != b'_'));
            before = *byte;
        }
        good && before != b'_'
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("sk_live".into())
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        if Self::fits(text.as_bytes()) { Ok(Self(text.into())) } else { Err(PrefixError) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::parsed(deserializer)
    }
}

/// The text is no [`Prefix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixError;

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a prefix is lower-case letters and digits in parts joined by _, at most 32 bytes, like sk_live")
    }
}

impl core::error::Error for PrefixError {}
