//! The server-side secret and what is derived from it.

mod error;
mod id;
mod prepared;

pub use error::PepperError;
pub use id::PepperId;
pub(crate) use prepared::SealState;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64, Base64Unpadded, Encoding};
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::secret::Words;
use prepared::Prepared;

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
        Ok(Self { id, digests: root.derive(b"gracekey/1 digest"), seals: root.derive(b"gracekey/1 seal") })
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
        self.seals.seal(self.id)
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

#[cfg(test)]
mod tests;
