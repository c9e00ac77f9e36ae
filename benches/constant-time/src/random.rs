//! Random bytes that are the same in every run, so that a count can be taken again. Nothing here is a secret of anyone.

use gracekey_core::{ApiKey, Prefix};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from((u128::from(self.word()) * (end as u128)) >> 64).unwrap_or(0)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.word().to_le_bytes()[0])
    }

    /// A key of ours.
    pub(crate) fn key(&mut self) -> ApiKey {
        loop {
            if let Ok(key) = ApiKey::mint(&Prefix::default(), &self.bytes()) {
                return key;
            }
        }
    }

    /// Some of the characters that a foreign key may have: no comma, and no underscore, which would make parts of it.
    pub(crate) fn foreign(&mut self, bytes: usize) -> Vec<u8> {
        let fits = |byte: &u8| byte.is_ascii_graphic() && !b",_".contains(byte);
        core::iter::repeat_with(|| self.word().to_le_bytes()[0] & 0x7f).filter(fits).take(bytes).collect()
    }
}
