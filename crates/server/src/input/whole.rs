use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// What every JSON reader keeps exact.
const MOST: u64 = (1 << 53) - 1;

/// Reads a whole number from 0 to 2^53 - 1, also one that is written `3.0`: to JSON Schema that is one and the same.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a whole number from 0 to {MOST}")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
            if number <= MOST { Ok(number) } else { Err(E::invalid_value(Unexpected::Unsigned(number), &self)) }
        }

        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
        fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
            let whole = number.fract() == 0.0 && (0.0..=MOST as f64).contains(&number);
            if whole { Ok(number as u64) } else { Err(E::invalid_value(Unexpected::Float(number), &self)) }
        }
    }

    deserializer.deserialize_u64(Whole)
}
