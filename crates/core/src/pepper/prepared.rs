use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{PepperError, PepperId};
use crate::digest::Digest;
use crate::secret::{self, Words};

/// An HMAC-SHA256 state that already holds its key: made once per pepper, cloned per use.
#[derive(Clone)]
pub(super) struct Prepared(Hmac<Sha256>);

impl Prepared {
    /// Of a secret of any length.
    pub(super) fn new(secret: &[u8]) -> Result<Self, PepperError> {
        Hmac::<Sha256>::new_from_slice(secret).map(Self).map_err(|_| PepperError::NotBase64)
    }

    /// Of what this one makes of a label.
    pub(super) fn derive(&self, label: &[u8]) -> Self {
        let mut hmac = self.0.clone();
        hmac.update(label);
        Self::subkey(&Zeroizing::new(hmac.finalize().into_bytes().into()))
    }

    /// Of a key of 32 bytes, which needs no hashing of its own: it is padded to a block.
    pub(super) fn subkey(key: &[u8; 32]) -> Self {
        let mut block = Zeroizing::new([0_u8; 64]);
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        let key: &hmac::digest::array::Array<u8, _> = (&*block).into();
        Self(Hmac::<Sha256>::new(key))
    }

    #[inline]
    pub(super) fn of(&self, message: &[u8]) -> Words {
        let mut hmac = self.0.clone();
        hmac.update(message);
        secret::words(&hmac.finalize().into_bytes().into())
    }

    /// Starts a seal, whose message comes piece by piece.
    pub(super) fn seal(&self, id: PepperId) -> SealState {
        SealState { id, hmac: self.0.clone() }
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
