use core::fmt;

use super::Pepper;

/// Why a text is no pepper. None of these repeats a byte of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PepperError {
    /// There is nothing.
    Empty,
    /// There is no `<id>:` before the secret.
    NoId,
    /// The id is no [`PepperId`](crate::PepperId).
    BadId,
    /// The secret is no base64.
    NotBase64,
    /// The secret has fewer than 32 bytes.
    TooShort {
        /// How many it has.
        bytes: usize,
    },
    /// Both peppers of a rotation have one id.
    SameId,
    /// There are more than two.
    TooMany,
}

impl fmt::Display for PepperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the pepper is empty; `gracekey init` makes one"),
            Self::NoId => f.write_str("the pepper has no id; write it as <id>:<base64>, like p1:u3V…"),
            Self::BadId => f.write_str("a pepper's id is 1 to 16 of a-z, 0-9 and -, like p1"),
            Self::NotBase64 => f.write_str(
                "the pepper is not base64 (with + and /) behind its id; copy all of it, as `gracekey init` wrote it",
            ),
            Self::TooShort { bytes } => {
                write!(
                    f,
                    "the pepper has {bytes} bytes and needs at least {}; `gracekey init` makes one",
                    Pepper::MIN_BYTES
                )
            }
            Self::SameId => f.write_str("both peppers have one id; give the new one an id of its own"),
            Self::TooMany => f.write_str("more than two peppers; keep the current one and the one before it"),
        }
    }
}

impl core::error::Error for PepperError {}
