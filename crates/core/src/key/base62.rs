//! Base62: `0-9A-Za-z`, each character worth its place in that order.

use alloc::string::String;

use crc::{CRC_32_ISO_HDLC, Crc, Table};

use super::CHECKSUM;

/// CRC-32 (IEEE), which its catalogue calls ISO-HDLC, over 16 bytes at a time.
static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

const ALPHABET: [u8; 62] = *b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Uniform characters from uniform bytes: a byte of 248 or more would favour some, and is passed over.
pub(super) fn digits(entropy: &[u8]) -> impl Iterator<Item = u8> {
    entropy.iter().filter(|byte| **byte < 248).map(|byte| digit(u32::from(*byte)))
}

/// Appends the CRC-32 (IEEE) of all that stands in `text`, most significant character first.
pub(super) fn push_checksum(text: &mut String) {
    for digit in checksum(text.as_bytes()) {
        text.push(char::from(digit));
    }
}

/// CRC-32 (IEEE) as 6 characters of base62.
pub(super) fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = CRC.checksum(bytes);
    let mut digits = [b'0'; CHECKSUM];
    for at in digits.iter_mut().rev() {
        *at = digit(rest);
        rest /= 62;
    }
    digits
}

#[inline]
fn digit(value: u32) -> u8 {
    let at = usize::try_from(value % 62).unwrap_or(0);
    ALPHABET.get(at).copied().unwrap_or(b'0')
}
