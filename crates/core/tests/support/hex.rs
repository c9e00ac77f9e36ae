//! Bytes written as hex digits.

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

pub(crate) struct Hex(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        from_hex(&digits).map(Self).ok_or_else(|| D::Error::custom("hex is pairs of 0-9a-f"))
    }
}

/// The bytes, or `None` for what are no pairs of hex digits.
pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
    if odd.is_empty() { pairs.iter().map(byte).collect() } else { None }
}
