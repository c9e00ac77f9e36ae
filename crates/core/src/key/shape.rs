use super::{CHECKSUM, KeyId, Prefix, SECRET, base62};

/// What can be told from a key without any look-up. It rejects early; it never accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// A key of ours whose checksum fits. Whether anyone issued it is another question.
    Gracekey(KeyId),
    /// A key of ours whose checksum does not fit: mistyped or altered.
    Mistyped,
    /// A key of ours whose last part is too short or too long: cut, or run together with something.
    Cut,
    /// Anything else: a key that another system issued, or no key at all.
    Foreign,
}

impl Shape {
    /// Reads the shape from the right, since a prefix holds `_` itself.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        match id(key) {
            Some(id) if Self::checksum_fits(key) => Self::Gracekey(id),
            _ => Self::of_misfit(key),
        }
    }

    /// Whether a key ends in its own checksum.
    #[inline]
    pub(crate) fn checksum_fits(key: &[u8]) -> bool {
        key.split_last_chunk().is_some_and(|(body, sum)| base62::checksum_fits(body, sum))
    }

    /// The shape of a key that does not end in its checksum.
    #[inline]
    pub(crate) fn of_misfit(key: &[u8]) -> Self {
        if id(key).is_some() { Self::Mistyped } else { Self::cut_or_foreign(key) }
    }

    #[cold]
    fn cut_or_foreign(key: &[u8]) -> Self {
        let tail = key.rsplit(|byte| *byte == b'_').next().unwrap_or_default();
        let head = key.get(..key.len() - tail.len()).unwrap_or_default();
        if all_alphanumeric(tail) && named(head).is_some() { Self::Cut } else { Self::Foreign }
    }
}

/// The key id of a key that has all its parts, whether the checksum fits or not.
#[inline]
fn id(key: &[u8]) -> Option<KeyId> {
    let (head, tail) = key.split_last_chunk::<{ SECRET + CHECKSUM }>()?;
    named(head).filter(|_| all_alphanumeric(tail))
}

/// The key id of `<prefix>_<key id>_`.
#[inline]
fn named(head: &[u8]) -> Option<KeyId> {
    let (head, [b'_', id @ .., b'_']) = head.split_last_chunk::<{ KeyId::LEN + 2 }>()? else { return None };
    KeyId::from_bytes(*id).filter(|_| Prefix::fits(head))
}

/// Without a branch per byte: which of them are digits is random, and guessing it wrong costs more than the check.
#[inline]
fn all_alphanumeric(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric())
}
