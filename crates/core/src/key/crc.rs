/// CRC-32 (IEEE 802.3), which the catalogue of CRCs calls ISO-HDLC, over 16 bytes at a time.
#[inline]
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let (blocks, rest) = bytes.as_chunks::<16>();
    let crc = blocks.iter().fold(!0, |crc, [first, second, third, fourth, others @ ..]| {
        // What is left of the division so far falls on the first four bytes, so the others need not wait for it.
        let others = OTHERS.iter().zip(others).fold(0, |sum, (table, byte)| sum ^ entry(table, *byte));
        let left = (crc ^ u32::from_le_bytes([*first, *second, *third, *fourth])).to_le_bytes();
        FIRST.iter().zip(left).fold(others, |sum, (table, byte)| sum ^ entry(table, byte))
    });
    let [.., last] = &OTHERS;
    !rest.iter().fold(crc, |crc, byte| crc >> 8 ^ entry(last, crc.to_le_bytes()[0] ^ byte))
}

type Table = [u32; 256];

/// What each of the first four bytes of a block leaves at the end of the block.
static FIRST: [Table; 4] = tables(15);
/// The same for the twelve others.
static OTHERS: [Table; 12] = tables(11);

#[inline]
fn entry(table: &Table, byte: u8) -> u32 {
    table.get(usize::from(byte)).copied().unwrap_or(0)
}

#[expect(clippy::indexing_slicing, reason = "it runs only at compile time, and a place outside is an error there")]
const fn tables<const N: usize>(mut following: usize) -> [Table; N] {
    /// The polynomial, lowest bit first.
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let mut tables = [[0; 256]; N];
    let mut at = 0;
    while at < N {
        let mut byte = 0;
        while byte < 256 {
            let mut left = byte as u32;
            let mut bits = 8 * (following + 1);
            while bits > 0 {
                left = left >> 1 ^ if left & 1 == 1 { POLYNOMIAL } else { 0 };
                bits -= 1;
            }
            tables[at][byte] = left;
            byte += 1;
        }
        following = following.saturating_sub(1);
        at += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the catalogue, and a text of several blocks with a rest.
    #[test]
    fn is_the_crc_of_the_catalogue() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
        assert_eq!(crc32(b""), 0);
    }
}
