//! The key: the secret string itself, and what can be told from its shape.
//!
//! ```text
//! sk_live_3fK9aB2c_<32 characters of secret><6 characters of checksum>
//! <prefix>_<key id>_<secret><checksum>
//! ```

mod base62;
mod crc;
mod id;
mod prefix;
mod shape;

pub use id::{KeyId, KeyIdError};
pub use prefix::{Prefix, PrefixError};
pub use shape::Shape;

use alloc::string::String;
use core::fmt;

use zeroize::Zeroizing;

/// A key. Shown once, stored nowhere, logged nowhere, wiped on drop.
///
/// It has no `Display`, no `PartialEq` and no `Serialize`, and its `Debug` shows only the public key id. The one way to
/// the secret is [`ApiKey::reveal`].
pub struct ApiKey {
    text: Zeroizing<String>,
}

/// Characters of secret in a key: 190 bits.
pub(crate) const SECRET: usize = 32;
/// Characters of checksum in a key.
pub(crate) const CHECKSUM: usize = 6;

impl ApiKey {
    /// Bytes of randomness that [`ApiKey::mint`] takes.
    pub const ENTROPY: usize = 96;
    /// The fewest and the most bytes that any key may have.
    pub const LENGTHS: core::ops::RangeInclusive<usize> = 8..=512;

    /// Makes a new key from bytes of the operating system's generator. Key id and secret are drawn uniformly.
    ///
    /// # Errors
    /// [`MintError`] when the bytes do not hold enough randomness; no generator makes such bytes.
    pub fn mint(prefix: &Prefix, entropy: &[u8; Self::ENTROPY]) -> Result<Self, MintError> {
        let mut digits = base62::digits(entropy);
        let mut text = String::with_capacity(prefix.as_str().len() + 2 + KeyId::LEN + SECRET + CHECKSUM);
        text.push_str(prefix.as_str());
        for len in [KeyId::LEN, SECRET] {
            text.push('_');
            for _ in 0..len {
                text.push(char::from(digits.next().ok_or(MintError)?));
            }
        }
        base62::push_checksum(&mut text);
        Ok(Self { text: Zeroizing::new(text) })
    }

    /// Takes in a key that was issued here or elsewhere: 8 to 512 visible ASCII bytes without a comma.
    ///
    /// # Errors
    /// [`KeyError`], which says what is wrong and repeats no byte of the key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if !Self::LENGTHS.contains(&text.len()) {
            return Err(KeyError::Length { bytes: text.len() });
        }
        if !is_key_bytes(text.as_bytes()) {
            return Err(KeyError::Bytes);
        }
        Ok(Self { text: Zeroizing::new(text.into()) })
    }

    /// What the shape of the key tells: whether it is one of ours, mistyped, cut or foreign.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape::of(self.text.as_bytes())
    }

    /// The secret string, to show it once or to send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The bytes that are hashed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The public key id, or `None` for a foreign key.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        match self.shape() {
            Shape::Gracekey(id) => Some(id),
            _ => None,
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}

/// Whether every byte may stand in a key: visible ASCII but the comma. The time depends on the length alone.
#[inline]
pub(crate) fn is_key_bytes(bytes: &[u8]) -> bool {
    match bytes.last_chunk::<8>() {
        // By words, and the last one from the end: a rest of single bytes would take longer than all of them.
        Some(last) => {
            let (words, _) = bytes.as_chunks::<8>();
            words.iter().fold(good_bytes(last), |all, word| all & good_bytes(word)) == HIGH
        }
        None => bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b','),
    }
}

/// The highest bit of each byte of a word, and the lowest.
const HIGH: u64 = 0x80 * LOW;
const LOW: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each byte that may stand in a key. Where a byte is beyond ASCII, its own bit is missing, and those of
/// its neighbours mean nothing.
#[inline]
fn good_bytes(bytes: &[u8; 8]) -> u64 {
    const SPACE: u64 = b' ' as u64 * LOW;
    const COMMA: u64 = b',' as u64 * LOW;
    let word = u64::from_ne_bytes(*bytes);
    let (ascii, above_space) = (!word, (word | HIGH) - SPACE - LOW);
    let (no_comma, no_delete) = ((word ^ COMMA).wrapping_add(HIGH - LOW), !word.wrapping_add(LOW));
    ascii & above_space & no_comma & no_delete & HIGH
}

/// The bytes given to [`ApiKey::mint`] hold too little randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MintError;

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the random generator gave bytes that are not random; nothing was minted")
    }
}

impl core::error::Error for MintError {}

/// Why a text is no key. None of these repeats a byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Shorter than 8 bytes or longer than 512.
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// A byte that is not visible ASCII, or a comma.
    Bytes,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { bytes } => write!(f, "a key has 8 to 512 bytes, this has {bytes}"),
            Self::Bytes => {
                f.write_str("a key is visible ASCII without spaces and commas; quotes or a line end pasted along?")
            }
        }
    }
}

impl core::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte at each place, among bytes that are good and beside one that is not.
    #[test]
    fn the_bytes_of_a_key_are_visible_ascii_without_a_comma() {
        let mut text = [0_u8; 27];
        for len in 1..=text.len() {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    for neighbour in [b'!', b'~', 0xFF] {
                        text.fill(b'a');
                        text[(at + 1) % len] = neighbour;
                        text[at] = byte;
                        let bytes = &text[..len];
                        let good = bytes.iter().all(|byte| (b'!'..=b'~').contains(byte) && *byte != b',');
                        assert_eq!(is_key_bytes(bytes), good, "{bytes:?}");
                    }
                }
            }
        }
    }
}
