//! Header maps in the form in which proxy-wasm passes them: a count, the lengths, then names and values, each with a
//! NUL behind it.
//!
//! They are read where they lie. The SDK's own reader makes two allocations for each header, and panics on a name that
//! is not UTF-8.

/// A serialized header map, read from front to back. What does not fit its own lengths ends it.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'b> {
    lengths: &'b [[u8; 8]],
    rest: &'b [u8],
}

impl<'b> Pairs<'b> {
    /// Reads a serialized map. Nothing is copied.
    #[must_use]
    pub fn new(serialized: &'b [u8]) -> Self {
        let none = Self { lengths: &[], rest: &[] };
        let Some((count, rest)) = serialized.split_first_chunk::<4>() else { return none };
        let count = size(u32::from_le_bytes(*count));
        let Some((lengths, rest)) = count.checked_mul(8).and_then(|bytes| rest.split_at_checked(bytes)) else {
            return none;
        };
        Self { lengths: lengths.as_chunks().0, rest }
    }

    /// The value of the first header of that name, which is in lower case.
    #[must_use]
    pub fn first(mut self, name: &str) -> Option<&'b [u8]> {
        self.find(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }
}

impl<'b> Iterator for Pairs<'b> {
    type Item = (&'b [u8], &'b [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let ([a, b, c, d, e, f, g, h], lengths) = self.lengths.split_first()?;
        let (name, rest) = text(self.rest, u32::from_le_bytes([*a, *b, *c, *d]))?;
        let (value, rest) = text(rest, u32::from_le_bytes([*e, *f, *g, *h]))?;
        *self = Self { lengths, rest };
        Some((name, value))
    }
}

/// Text of that length and the NUL behind it.
#[inline]
fn text(bytes: &[u8], len: u32) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(size(len))?;
    Some((text, rest.get(1..)?))
}

#[inline]
fn size(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// Writes a header map as [`Pairs`] reads it.
#[must_use]
pub fn serialize<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])> + Clone) -> Vec<u8> {
    let length = |text: &[u8]| u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let count = u32::try_from(headers.clone().count()).unwrap_or(u32::MAX);
    let mut serialized = Vec::from(count.to_le_bytes());
    for (name, value) in headers.clone() {
        serialized.extend_from_slice(&length(name.as_bytes()));
        serialized.extend_from_slice(&length(value));
    }
    for (name, value) in headers {
        for text in [name.as_bytes(), value] {
            serialized.extend_from_slice(text);
            serialized.push(0);
        }
    }
    serialized
}

#[cfg(test)]
mod tests {
    use super::{Pairs, serialize};

    const HEADERS: [(&str, &[u8]); 3] = [(":path", b"/"), ("x-api-key", b"\xff\x00\n"), ("x-api-key", b"")];

    #[test]
    fn reads_what_was_written() {
        let serialized = serialize(HEADERS.into_iter());
        let read: Vec<_> = Pairs::new(&serialized).collect();
        assert_eq!(read, HEADERS.map(|(name, value)| (name.as_bytes(), value)));
        assert_eq!(Pairs::new(&serialized).first("x-api-key"), Some(&b"\xff\x00\n"[..]));
    }

    #[test]
    fn no_cut_and_no_wrong_length_is_read_past() {
        let serialized = serialize(HEADERS.into_iter());
        for end in 0..serialized.len() {
            let cut: Vec<_> = Pairs::new(&serialized[..end]).collect();
            assert!(cut.len() < HEADERS.len());
        }
        for at in 0..28 {
            for byte in [0, 1, 7, 0x7f, 0xff] {
                let mut wrong = serialized.clone();
                wrong[at] = byte;
                Pairs::new(&wrong).for_each(drop);
            }
        }
    }
}
