use std::fmt;

use serde::{Deserialize, Deserializer};

#[path = "hex.rs"]
mod hex;

/// A name in the case in which it came, and a value.
pub(crate) type Field = (String, Bytes);

/// Bytes in a case: `"text"`, `{"hex":"ff00"}` or `{"repeat":["a",1048576]}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.get(..200).unwrap_or(&self.0);
        write!(f, "\"{}\"", start.escape_ascii())?;
        if self.0.len() > start.len() { write!(f, "… ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Written(Written),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Written {
            Hex(hex::Hex),
            Repeat((String, usize)),
        }
        match Either::deserialize(deserializer)? {
            Either::Text(text) => Ok(Self(text.into())),
            Either::Written(Written::Hex(digits)) => Ok(Self(digits.0)),
            Either::Written(Written::Repeat((text, count))) => Ok(Self(text.repeat(count).into())),
        }
    }
}
