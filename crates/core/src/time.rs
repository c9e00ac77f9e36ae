//! Time as the engine knows it: whole seconds, handed in from outside.

mod rfc3339;

use core::fmt;
use core::str::FromStr;

use alloc::string::ToString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in whole seconds since 1970-01-01T00:00:00Z, from year 0 to 9999.
///
/// Read and printed as RFC 3339, always printed in UTC with a `Z`. The engine has no clock: whoever calls it reads
/// one, and an unknown time denies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0000-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_167_219_200);
    /// 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799);

    /// The moment that lies this many seconds after 1970-01-01T00:00:00Z, or `None` outside years 0 to 9999.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Option<Self> {
        if seconds < Self::MIN.0 || seconds > Self::MAX.0 { None } else { Some(Self(seconds)) }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0
    }

    /// This moment moved by some seconds, forward or back, but not past year 0 or 9999.
    #[must_use]
    pub fn saturating_add(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds).clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Seconds from `earlier` to this moment, 0 when it is not earlier.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        rfc3339::write(self.0, f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        Self::from_unix_seconds(rfc3339::read(text)?).ok_or(TimestampError::OutOfRange)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::parsed(deserializer)
    }
}

/// Why a text is no [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimestampError {
    /// Not a time of RFC 3339.
    NotRfc3339,
    /// A time that does not say in which zone it is.
    NoOffset,
    /// A day, an hour or a second that does not exist. Leap seconds are none of ours: UTC in seconds has no place for one.
    NoSuchMoment,
    /// A time with a fraction of a second.
    Fraction,
    /// A time before year 0 or after year 9999.
    OutOfRange,
}

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRfc3339 => "not a time of RFC 3339, write it like 2026-11-22T02:00:00Z",
            Self::NoOffset => "a time without a zone, end it with Z for UTC like 2026-11-22T02:00:00Z, or with +01:00",
            Self::NoSuchMoment => "no such day or hour, write one that exists like 2026-11-22T02:00:00Z",
            Self::Fraction => "a time with a fraction of a second, give whole seconds like 2026-11-22T02:00:00Z",
            Self::OutOfRange => "a time outside years 0 to 9999 of UTC; for no end at all write null",
        })
    }
}

impl core::error::Error for TimestampError {}

/// A span of time in whole seconds, written as a number and a unit: `30s`, `15m`, `24h`, `7d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Seconds(pub u32);

impl Seconds {
    /// A minute, in seconds.
    pub const MINUTE: Self = Self(60);
    /// An hour, in seconds.
    pub const HOUR: Self = Self(3600);
    /// A day of 24 hours, in seconds.
    pub const DAY: Self = Self(86_400);

    /// As many days of 24 hours.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self(days.saturating_mul(Self::DAY.0))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(Self::DAY, "d"), (Self::HOUR, "h"), (Self::MINUTE, "m")] {
            if self.0 > 0 && self.0.is_multiple_of(unit.0) {
                return write!(f, "{}{name}", self.0 / unit.0);
            }
        }
        write!(f, "{}s", self.0)
    }
}

impl FromStr for Seconds {
    type Err = SecondsError;

    fn from_str(text: &str) -> Result<Self, SecondsError> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        // A sign parses as a number, too.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SecondsError);
        }
        let unit = match text.strip_prefix(digits) {
            Some("s") => 1,
            Some("m") => Self::MINUTE.0,
            Some("h") => Self::HOUR.0,
            Some("d") => Self::DAY.0,
            _ => return Err(SecondsError),
        };
        let count: u32 = digits.parse().map_err(|_| SecondsError)?;
        count.checked_mul(unit).map(Self).ok_or(SecondsError)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::parsed(deserializer)
    }
}

/// The text is no span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondsError;

impl fmt::Display for SecondsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a span of time, write a whole number and a unit: 30s, 15m, 24h or 7d")
    }
}

impl core::error::Error for SecondsError {}
