//! Base62: `0-9A-Za-z`, each character worth its place in that order.

use alloc::string::String;

use super::CHECKSUM;
use super::crc::crc32;

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

/// Whether the 6 characters are the checksum of `bytes`. Of no meaning when they are not all base62.
#[inline]
pub(super) fn checksum_fits(bytes: &[u8], checksum: &[u8; CHECKSUM]) -> bool {
    // Read rather than written: multiplications take less time than divisions.
    value(checksum) == u64::from(crc32(bytes))
}

/// CRC-32 (IEEE) as 6 characters of base62.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32(bytes);
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

/// What the digits are worth together, without a branch or a table, all six of them at once.
#[inline]
fn value(digits: &[u8; CHECKSUM]) -> u64 {
    /// One in the byte of each digit, the first digit in the lowest.
    const EACH: u64 = 0x0101_0101_0101;
    /// The bytes of the first digit of each pair.
    const FIRSTS: u64 = 0x00FF_00FF_00FF;
    /// What one is worth that stands two digits further to the left.
    const PAIR: u64 = 62 * 62;
    let [first, second, third, fourth, fifth, sixth] = *digits;
    let text = u64::from_le_bytes([first, second, third, fourth, fifth, sixth, 0, 0]);
    let letters = text >> 6 & EACH;
    let small_letters = text >> 5 & letters;
    let gaps = 7 * letters + 6 * small_letters;
    let values = text.wrapping_sub(u64::from(b'0') * EACH).wrapping_sub(gaps);
    let pairs = (values & FIRSTS) * 62 + (values >> 8 & FIRSTS);
    let pair = |at: u32| pairs >> (16 * at) & 0xFFFF;
    (pair(0) * PAIR + pair(1)) * PAIR + pair(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_reads_as_it_was_written() {
        for text in ["", "sk_live_3fK9aB2c_", "another text", "zzz", "The quick brown fox jumps over the lazy dog"] {
            assert!(checksum_fits(text.as_bytes(), &checksum(text.as_bytes())), "{text}");
        }
    }

    #[test]
    fn each_character_is_worth_its_place_in_the_alphabet() {
        for (place, character) in (0_u64..).zip(ALPHABET) {
            assert_eq!(value(&[b'0', b'0', b'0', b'0', b'1', character]), 62 + place);
            assert_eq!(value(&[character, b'0', b'0', b'0', b'0', b'0']), place * 62_u64.pow(5));
        }
    }
}
