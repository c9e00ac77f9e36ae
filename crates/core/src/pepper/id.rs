use alloc::string::ToString;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::PepperError;

/// The public name of a pepper: 1 to 16 of `a-z`, `0-9`, `-`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PepperId {
    text: [u8; PepperId::MAX],
    len: u8,
}

impl PepperId {
    pub(super) const MAX: usize = 16;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.get(..usize::from(self.len)).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl FromStr for PepperId {
    type Err = PepperError;

    fn from_str(text: &str) -> Result<Self, PepperError> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(good) {
            return Err(PepperError::BadId);
        }
        let mut id = Self { text: [0; Self::MAX], len: 0 };
        for (to, from) in id.text.iter_mut().zip(text.bytes()) {
            *to = from;
            id.len += 1;
        }
        Ok(id)
    }
}

impl fmt::Display for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for PepperId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for PepperId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::parsed(deserializer)
    }
}
