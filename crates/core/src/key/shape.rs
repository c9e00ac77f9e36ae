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
        let mut parts = key.rsplitn(3, |byte| *byte == b'_');
        let (Some(tail), Some(id), Some(prefix)) = (parts.next(), parts.next(), parts.next()) else {
            return Self::Foreign;
        };
        let Some(id) = id.try_into().ok().and_then(KeyId::from_bytes) else {
            return Self::Foreign;
        };
        if !Prefix::fits(prefix) || !tail.iter().all(u8::is_ascii_alphanumeric) {
            return Self::Foreign;
        }
        if tail.len() != SECRET + CHECKSUM {
            return Self::Cut;
        }
        match key.split_last_chunk::<CHECKSUM>() {
            Some((body, sum)) if base62::checksum(body) == *sum => Self::Gracekey(id),
            _ => Self::Mistyped,
        }
    }
}
