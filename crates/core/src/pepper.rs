//! The server-side secret and what is derived from it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64, Base64Unpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::secret::{self, Words};

/// The server-side HMAC secret, at least 32 bytes, with an id that tells it from its successor.
///
/// Written `<id>:<base64>`, as `gracekey init` writes it to the pepper file and as `GRACEKEY_PEPPER` holds it. It is
/// wiped on drop and no `Debug` shows it.
pub struct Pepper {
    id: PepperId,
    digests: Prepared,
    seals: Prepared,
}

/// The peppers that a verifier knows: the current one, and during the rotation of the pepper the one before.
pub struct Peppers {
    current: Pepper,
    previous: Option<Pepper>,
}

/// The public name of a pepper: 1 to 16 of `a-z`, `0-9`, `-`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PepperId {
    text: [u8; PepperId::MAX],
    len: u8,
}

/// An HMAC-SHA256 state that already holds its key: made once per pepper, cloned per use.
#[derive(Clone)]
struct Prepared(Hmac<Sha256>);

// === impl Pepper ===

impl Pepper {
    /// The fewest bytes that a pepper may have.
    pub const MIN_BYTES: usize = 32;

    /// Derives the subkeys from the secret. The secret itself hashes nothing else, and is not kept.
    ///
    /// # Errors
    /// [`PepperError::TooShort`] below 32 bytes.
    pub fn new(id: PepperId, secret: &[u8]) -> Result<Self, PepperError> {
        if secret.len() < Self::MIN_BYTES {
            return Err(PepperError::TooShort { bytes: secret.len() });
        }
        let root = Prepared::new(secret)?;
        let subkey = |label: &[u8]| {
            let mut hmac = root.0.clone();
            hmac.update(label);
            Prepared::subkey(&Zeroizing::new(hmac.finalize().into_bytes().into()))
        };
        Ok(Self { id, digests: subkey(b"gracekey/1 digest"), seals: subkey(b"gracekey/1 seal") })
    }

    /// The public name of this pepper.
    #[must_use]
    pub fn id(&self) -> PepperId {
        self.id
    }

    /// The digest of a key under this pepper: HMAC-SHA256 (RFC 2104) with the digest subkey.
    #[must_use]
    pub fn digest(&self, key: &[u8]) -> Digest {
        Digest::new(self.id, self.digest_words(key))
    }

    #[inline]
    pub(crate) fn digest_words(&self, key: &[u8]) -> Words {
        self.digests.of(key)
    }

    /// Starts an HMAC-SHA256 with the seal subkey.
    pub(crate) fn seal_state(&self) -> SealState {
        SealState { id: self.id, hmac: self.seals.0.clone() }
    }

    fn parse(text: &str) -> Result<Self, PepperError> {
        let (id, secret) = text.split_once(':').ok_or(PepperError::NoId)?;
        let secret = secret.trim_end_matches('=');
        let secret = Base64Unpadded::decode_vec(secret).map_err(|_| PepperError::NotBase64)?;
        Self::new(id.parse()?, &Zeroizing::new(secret))
    }

    /// Writes a secret as the text that [`Peppers`] reads: `<id>:<base64>`.
    #[must_use]
    pub fn text(id: PepperId, secret: &[u8]) -> Zeroizing<String> {
        let encoded = Zeroizing::new(Base64::encode_string(secret));
        let mut text = Zeroizing::new(String::with_capacity(encoded.len() + PepperId::MAX + 1));
        text.push_str(id.as_str());
        text.push(':');
        text.push_str(&encoded);
        text
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pepper").field("id", &self.id).finish_non_exhaustive()
    }
}

// === impl Peppers ===

impl Peppers {
    /// One pepper.
    #[must_use]
    pub fn one(current: Pepper) -> Self {
        Self { current, previous: None }
    }

    /// Two peppers, while the pepper itself is rotated.
    ///
    /// # Errors
    /// [`PepperError::SameId`] when both have one name.
    pub fn rotating(current: Pepper, previous: Pepper) -> Result<Self, PepperError> {
        if current.id == previous.id {
            return Err(PepperError::SameId);
        }
        Ok(Self { current, previous: Some(previous) })
    }

    /// The pepper that new digests and seals are made with.
    #[must_use]
    pub fn current(&self) -> &Pepper {
        &self.current
    }

    /// All of them, the current one first.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &Pepper> {
        core::iter::once(&self.current).chain(&self.previous)
    }

    /// The one of that name.
    #[must_use]
    pub fn by_id(&self, id: PepperId) -> Option<&Pepper> {
        self.iter().find(|pepper| pepper.id == id)
    }

    /// Their names for an error message: `p2, p1`.
    pub(crate) fn names(&self) -> String {
        self.iter().map(|pepper| pepper.id.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl FromStr for Peppers {
    type Err = PepperError;

    /// Reads one pepper, or two with a comma between them and the current one first.
    fn from_str(text: &str) -> Result<Self, PepperError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(PepperError::Empty);
        }
        match text.split_once(',') {
            None => Ok(Self::one(Pepper::parse(text)?)),
            Some((_, rest)) if rest.contains(',') => Err(PepperError::TooMany),
            Some((current, previous)) => {
                Self::rotating(Pepper::parse(current.trim())?, Pepper::parse(previous.trim())?)
            }
        }
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

// === impl Prepared ===

impl Prepared {
    fn new(secret: &[u8]) -> Result<Self, PepperError> {
        Hmac::<Sha256>::new_from_slice(secret).map(Self).map_err(|_| PepperError::NotBase64)
    }

    /// Of a key of 32 bytes, which needs no hashing of its own: it is padded to a block.
    fn subkey(key: &[u8; 32]) -> Self {
        let mut block = Zeroizing::new([0_u8; 64]);
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        let key: &hmac::digest::array::Array<u8, _> = (&*block).into();
        Self(Hmac::<Sha256>::new(key))
    }

    #[inline]
    fn of(&self, message: &[u8]) -> Words {
        let mut hmac = self.0.clone();
        hmac.update(message);
        secret::words(&hmac.finalize().into_bytes().into())
    }
}

/// A seal in the making.
pub(crate) struct SealState {
    id: PepperId,
    hmac: Hmac<Sha256>,
}

impl SealState {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hmac.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest::new(self.id, secret::words(&self.hmac.finalize().into_bytes().into()))
    }
}

// === impl PepperId ===

impl PepperId {
    const MAX: usize = 16;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.get(..usize::from(self.len)).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl FromStr for PepperId {
    type Err = PepperError;

    fn from_str(text: &str) -> Result<Self, PepperError> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(good) {
            return Err(PepperError::BadId);
        }
        let mut id = Self { text: [0; Self::MAX], len: 0 };
        for (to, from) in id.text.iter_mut().zip(text.bytes()) {
            *to = from;
            id.len += 1;
        }
        Ok(id)
    }
}

impl fmt::Display for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for PepperId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for PepperId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::parsed(deserializer)
    }
}

/// Why a text is no pepper. None of these repeats a byte of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PepperError {
    /// There is nothing.
    Empty,
    /// There is no `<id>:` before the secret.
    NoId,
    /// The id is no [`PepperId`].
    BadId,
    /// The secret is no base64.
    NotBase64,
    /// The secret has fewer than 32 bytes.
    TooShort {
        /// How many it has.
        bytes: usize,
    },
    /// Both peppers of a rotation have one id.
    SameId,
    /// There are more than two.
    TooMany,
}

impl fmt::Display for PepperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the pepper is empty; `gracekey init` makes one"),
            Self::NoId => f.write_str("the pepper has no id; write it as <id>:<base64>, like p1:u3V…"),
            Self::BadId => f.write_str("a pepper's id is 1 to 16 of a-z, 0-9 and -, like p1"),
            Self::NotBase64 => f.write_str(
                "the pepper is not base64 (with + and /) behind its id; copy all of it, as `gracekey init` wrote it",
            ),
            Self::TooShort { bytes } => {
                write!(
                    f,
                    "the pepper has {bytes} bytes and needs at least {}; `gracekey init` makes one",
                    Pepper::MIN_BYTES
                )
            }
            Self::SameId => f.write_str("both peppers have one id; give the new one an id of its own"),
            Self::TooMany => f.write_str("more than two peppers; keep the current one and the one before it"),
        }
    }
}

impl core::error::Error for PepperError {}

#[cfg(test)]
mod tests;
