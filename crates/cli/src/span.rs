//! Spans and ends of time as people write and read them.

use gracekey_core::{Seconds, Timestamp};

/// An end, given as a moment or as a span from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Moment(Timestamp),
    Span(Seconds),
}

impl Until {
    /// Reads `2027-01-01T00:00:00Z` or `90d`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(span) = text.parse() {
            return Ok(Self::Span(span));
        }
        text.parse().map(Self::Moment).map_err(|error| format!("{error}, or a span like 90d"))
    }

    pub(crate) fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Moment(moment) => moment,
            Self::Span(span) => now.saturating_add(span.0.into()),
        }
    }
}

/// A span in its two largest units: `23h 59m`.
pub(crate) fn rough(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, name) in units {
        if rest >= size || (size == 1 && parts.is_empty()) {
            parts.push(format!("{}{name}", rest / size));
            rest %= size;
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_shown_in_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m 1s"),
            (3_600, "1h"),
            (86_399, "23h 59m"),
            (90_000, "1d 1h"),
            (86_460, "1d"),
        ] {
            assert_eq!(rough(seconds), text);
        }
    }

    #[test]
    fn an_end_is_a_moment_or_a_span() {
        assert_eq!(Until::parse("90d"), Ok(Until::Span(Seconds::days(90))));
        assert!(matches!(Until::parse("2027-01-01T00:00:00Z"), Ok(Until::Moment(_))));
        assert_eq!(
            Until::parse("soon"),
            Err("not a time of RFC 3339, write it like 2026-11-22T02:00:00Z, or a span like 90d".into())
        );
    }
}
