//! Which bytes a request asks for (RFC 9110 §14).

use std::ops::Range;

use http::HeaderMap;
use http::header::RANGE;

/// One range of bytes (RFC 9110 §14.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteRange {
    /// From the first of these on, until the second, or to the end.
    From(usize, Option<usize>),
    /// So many at the end.
    Last(usize),
}

impl ByteRange {
    /// `None` where the whole is sent: nothing is asked for, or several ranges, or what is none.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut copies = headers.get_all(RANGE).into_iter();
        let (value, None) = (copies.next()?.to_str().ok()?, copies.next()) else { return None };
        let (unit, ranges) = value.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        // A list may have empty elements (§5.6.1.2).
        let mut ranges = ranges.split(',').map(str::trim).filter(|range| !range.is_empty());
        let (range, None) = (ranges.next()?, ranges.next()) else { return None };
        match range.split_once('-')? {
            ("", length) => Some(Self::Last(number(length)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// Which of so many bytes they are. `None` if they are not among them.
    pub(super) fn of(self, len: usize) -> Option<Range<usize>> {
        let range = match self {
            Self::From(first, last) => first..last.map_or(len, |last| last.saturating_add(1).min(len)),
            Self::Last(length) => len.saturating_sub(length)..len,
        };
        (range.start < range.end).then_some(range)
    }
}

/// Digits alone. More than there can be is as good as the most.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &'static str) -> Option<ByteRange> {
        ByteRange::read(&HeaderMap::from_iter([(RANGE, HeaderValue::from_static(value))]))
    }

    #[test]
    fn a_range_is_read_as_rfc_9110_has_it() {
        for (value, range) in [
            ("bytes=0-499", 0..500),
            ("bytes=500-999", 500..1_000),
            ("bytes=999-", 999..1_000),
            ("bytes=-1", 999..1_000),
            ("bytes=-500", 500..1_000),
            ("bytes=-5000", 0..1_000),
            ("bytes=5-99999999999999999999999", 5..1_000),
            ("Bytes = 7-7", 7..8),
            ("bytes=0-0,", 0..1),
            ("bytes=,, 0-0 ,", 0..1),
        ] {
            assert_eq!(read(value).and_then(|found| found.of(1_000)), Some(range), "{value}");
        }
    }

    #[test]
    fn what_lies_outside_is_not_satisfied() {
        for value in ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(read(value).map(|found| found.of(1_000)), Some(None), "{value}");
        }
    }

    #[test]
    fn what_is_no_range_or_more_than_one_is_passed_over() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1 -2",
            "bytes=0x1-2",
            "bytes=1-2-3",
            "bytes=0-1,5-6",
            "rows=0-9",
            "bytes 0-9",
            "=0-9",
        ] {
            assert_eq!(read(value), None, "{value:?}");
        }
        let mut twice = HeaderMap::new();
        twice.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        twice.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(ByteRange::read(&twice), None);
    }
}
