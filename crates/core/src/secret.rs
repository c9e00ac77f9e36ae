//! The one file in which secret bytes are compared.
//!
//! Everything that is secret, or is computed from a secret, is compared here and nowhere else, in constant time, and
//! the outcome becomes a `bool` here and nowhere else.

use subtle::{Choice, ConstantTimeEq};

/// 32 bytes as four words in native order: what an HMAC-SHA256 leaves, in the shape in which it is compared.
pub(crate) type Words = [u64; 4];

/// Cuts 32 bytes into words.
#[inline]
pub(crate) fn words(bytes: &[u8; 32]) -> Words {
    let (words, _) = bytes.as_chunks::<8>();
    core::array::from_fn(|i| words.get(i).map_or(0, |word| u64::from_ne_bytes(*word)))
}

/// The bytes of the words.
pub(crate) fn bytes(words: &Words) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (chunks, _) = bytes.as_chunks_mut::<8>();
    for (chunk, word) in chunks.iter_mut().zip(words) {
        *chunk = word.to_ne_bytes();
    }
    bytes
}

/// Whether all 32 bytes are the same. Every bit is looked at, whatever came before it.
#[inline]
pub(crate) fn same(left: &Words, right: &Words) -> Choice {
    left.ct_eq(right)
}

/// Declares the outcome of a comparison public: from here on the code may branch on it.
#[inline]
pub(crate) fn declassify(outcome: Choice) -> bool {
    #[cfg(gracekey_memcheck)]
    let [outcome] = crate::memcheck::public(crate::memcheck::Declared::Match, [outcome.unwrap_u8()]).map(Choice::from);
    outcome.into()
}

/// Declares public where a probe lands: from here on it may be an address. Only the pepper's owner can predict it.
#[inline]
pub(crate) fn landing(place: usize) -> usize {
    #[cfg(gracekey_memcheck)]
    let place = usize::from_ne_bytes(crate::memcheck::public(crate::memcheck::Declared::Landing, place.to_ne_bytes()));
    place
}

/// Whether two credentials of one request are the same. The time depends on their lengths alone.
pub(crate) fn same_text(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}
