use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{Seconds, SecondsError};

/// How long a superseded key goes on working: 0 to 30 days, 24 hours by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grace(Seconds);

impl Grace {
    /// The longest that a key may go on working beside its successor.
    pub const MAX: Seconds = Seconds::days(30);

    /// That long.
    ///
    /// # Errors
    /// [`GraceError::TooLong`] for more than 30 days.
    pub fn new(span: Seconds) -> Result<Self, GraceError> {
        if span > Self::MAX { Err(GraceError::TooLong { span }) } else { Ok(Self(span)) }
    }

    /// The span, in seconds.
    #[must_use]
    pub fn seconds(self) -> Seconds {
        self.0
    }
}

impl Default for Grace {
    fn default() -> Self {
        Self(Seconds::DAY)
    }
}

impl FromStr for Grace {
    type Err = GraceError;

    fn from_str(text: &str) -> Result<Self, GraceError> {
        Self::new(text.parse().map_err(GraceError::Seconds)?)
    }
}

impl fmt::Display for Grace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Grace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Grace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::parsed(deserializer)
    }
}

/// Why a span is no [`Grace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraceError {
    /// It is no span of time.
    Seconds(SecondsError),
    /// It is longer than 30 days.
    TooLong {
        /// What it is.
        span: Seconds,
    },
}

impl fmt::Display for GraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(error) => error.fmt(f),
            Self::TooLong { span } => write!(f, "a grace is at most {}, and {span} is more", Grace::MAX),
        }
    }
}

impl core::error::Error for GraceError {}
