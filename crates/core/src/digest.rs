//! What is kept instead of a key.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::pepper::PepperId;
use crate::secret::{self, Words};

/// An HMAC-SHA256 under a subkey of a pepper, with the name of that pepper: of a key, or the seal of a document.
///
/// Written `hmac-sha256:<pepper id>:<64 hex digits>`. It is no secret, since nobody gets from it to the key, but it has
/// no `PartialEq` either: digests are compared in constant time, inside this crate.
#[derive(Clone, Copy)]
pub struct Digest {
    pepper: PepperId,
    words: Words,
}

impl Digest {
    pub(crate) fn new(pepper: PepperId, words: Words) -> Self {
        Self { pepper, words }
    }

    /// The pepper that it was made with.
    #[must_use]
    pub fn pepper(&self) -> PepperId {
        self.pepper
    }

    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    /// The 32 bytes of the HMAC.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        secret::bytes(&self.words)
    }

    /// A digest from its parts, as another store holds them.
    #[must_use]
    pub fn from_bytes(pepper: PepperId, bytes: &[u8; 32]) -> Self {
        Self { pepper, words: secret::words(bytes) }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; 64];
        let (pairs, _) = text.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.to_bytes()) {
            *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
        }
        write!(f, "hmac-sha256:{}:{}", self.pepper, core::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let rest = text.strip_prefix("hmac-sha256:").ok_or(DigestError::Algorithm)?;
        let (pepper, hex) = rest.split_once(':').ok_or(DigestError::Pepper)?;
        let pepper = pepper.parse().map_err(|_| DigestError::Pepper)?;
        let (pairs, odd) = hex.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !odd.is_empty() {
            return Err(DigestError::Length);
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self::from_bytes(pepper, &bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::parsed(deserializer)
    }
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

fn nibble(digit: u8) -> Result<u8, DigestError> {
    let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
    // Without a branch on which of the two it is: that is random, and guessing it wrong would take most of the time.
    let value = if number < 10 { number } else { letter.wrapping_add(10) };
    if (number < 10) | (letter < 6) { Ok(value) } else { Err(DigestError::Hex) }
}

/// Why a text is no [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestError {
    /// It does not begin with `hmac-sha256:`.
    Algorithm,
    /// There is no pepper id, or a bad one.
    Pepper,
    /// There are not 64 hex digits.
    Length,
    /// There is something else than `0-9a-f`.
    Hex,
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithm => "not a digest, write hmac-sha256:<pepper id>:<64 hex digits>",
            Self::Pepper => "a digest without a pepper id, write hmac-sha256:<pepper id>:<64 hex digits>",
            Self::Length => "a digest has exactly 64 hex digits; this one was cut or added to",
            Self::Hex => "a digest has only 0-9 and a-f behind its pepper id",
        })
    }
}

impl core::error::Error for DigestError {}
