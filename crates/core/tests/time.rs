//! RFC 3339 and spans of time: held against `jiff`, and each slip against what it is told.
#![expect(clippy::expect_used, reason = "a test tells its failure by panicking")]

use gracekey_core::{Seconds, Timestamp, TimestampError};
use proptest::prelude::*;

/// What `jiff` knows: it ends a day before we do, so that any zone can show its last moment.
fn jiffs() -> std::ops::RangeInclusive<i64> {
    jiff::Timestamp::MIN.as_second().max(Timestamp::MIN.unix_seconds())..=jiff::Timestamp::MAX.as_second()
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).expect("in the years 0 to 9999")
}

/// Five days and an hour and some: every day of the year, every hour and every kind of year comes by.
#[test]
fn ten_thousand_years_print_as_jiff_prints_them() {
    for seconds in jiffs().step_by(5 * 86_400 + 3_607) {
        let expected = jiff::Timestamp::from_second(seconds).expect("in its range").to_string();
        assert_eq!(moment(seconds).to_string(), expected);
        assert_eq!(expected.parse(), Ok(moment(seconds)));
    }
}

#[test]
fn the_first_and_the_last_second_are_ours() {
    for (edge, text) in [(Timestamp::MIN, "0000-01-01T00:00:00Z"), (Timestamp::MAX, "9999-12-31T23:59:59Z")] {
        assert_eq!(edge.to_string(), text);
        assert_eq!(text.parse(), Ok(edge));
    }
    assert_eq!("0000-01-01T00:00:00+00:01".parse::<Timestamp>(), Err(TimestampError::OutOfRange));
    assert_eq!("9999-12-31T23:59:59-00:01".parse::<Timestamp>(), Err(TimestampError::OutOfRange));
}

#[test]
fn what_rfc_3339_allows_is_one_moment() {
    let noon = "2026-11-22T12:00:00Z".parse::<Timestamp>();
    assert!(noon.is_ok());
    for text in [
        "2026-11-22t12:00:00z",
        "2026-11-22T12:00:00.000Z",
        "2026-11-22T13:30:00+01:30",
        "2026-11-21T20:01:00-15:59",
        "2026-11-22T12:00:00-00:00",
    ] {
        assert_eq!(text.parse(), noon, "{text}");
    }
}

#[test]
fn each_slip_is_told_apart() {
    use TimestampError::{Fraction, NoOffset, NoSuchMoment, NotRfc3339};
    for (text, error) in [
        ("", NotRfc3339),
        ("tomorrow", NotRfc3339),
        ("1795305600", NotRfc3339),
        ("2026-11-22", NotRfc3339),
        ("2026-11-22 12:00:00Z", NotRfc3339),
        ("2026-11-22T12:00Z", NotRfc3339),
        ("20261122T120000Z", NotRfc3339),
        ("+2026-11-22T12:00:00Z", NotRfc3339),
        ("2026-11-22T12:00:00 Z", NotRfc3339),
        ("2026-11-22T12:00:00.Z", NotRfc3339),
        ("2026-11-22T12:00:00,5Z", NotRfc3339),
        ("2026-11-22T12:00:00Z ", NotRfc3339),
        ("2026-11-22T12:00:00+0100", NotRfc3339),
        ("2026-11-22T12:00:00+1:00", NotRfc3339),
        ("2026-11-22T12:00:00Z[UTC]", NotRfc3339),
        ("2026-11-2²T12:00:00Z", NotRfc3339),
        ("2026-11-22T12:00:00", NoOffset),
        ("2026-11-22T12:00:00.000", NoOffset),
        ("2026-13-22T12:00:00Z", NoSuchMoment),
        ("2026-00-22T12:00:00Z", NoSuchMoment),
        ("2026-11-31T12:00:00Z", NoSuchMoment),
        ("2026-02-29T12:00:00Z", NoSuchMoment),
        ("1900-02-29T12:00:00Z", NoSuchMoment),
        ("2026-11-00T12:00:00Z", NoSuchMoment),
        ("2026-11-22T24:00:00Z", NoSuchMoment),
        ("2026-11-22T12:60:00Z", NoSuchMoment),
        ("2026-06-30T23:59:60Z", NoSuchMoment),
        ("2026-11-22T12:00:00+24:00", NoSuchMoment),
        ("2026-11-22T12:00:00.5Z", Fraction),
        ("2026-11-22T12:00:00.001Z", Fraction),
    ] {
        assert_eq!(text.parse::<Timestamp>(), Err(error), "{text}");
    }
    assert!("2000-02-29T12:00:00Z".parse::<Timestamp>().is_ok());
}

proptest! {
    #[test]
    fn every_moment_prints_and_parses(seconds in Timestamp::MIN.unix_seconds()..=Timestamp::MAX.unix_seconds()) {
        let text = moment(seconds).to_string();
        prop_assert_eq!(text.parse(), Ok(moment(seconds)));
        if jiffs().contains(&seconds) {
            prop_assert_eq!(text, jiff::Timestamp::from_second(seconds).expect("in its range").to_string());
        }
    }

    #[test]
    fn what_parses_is_what_jiff_reads(
        (year, month, day) in (0..=9999, 0..=13, 0..=32),
        (hour, minute, second) in (0..=24, 0..=60, 0..=59),
        offset in "Z|[+-](0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]",
    ) {
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{offset}");
        let ours = text.parse::<Timestamp>().map(Timestamp::unix_seconds);
        match text.parse::<jiff::Timestamp>() {
            Ok(theirs) if theirs.as_second() >= Timestamp::MIN.unix_seconds() => {
                prop_assert_eq!(ours, Ok(theirs.as_second()));
            }
            _ => prop_assert!(ours.is_err() || year == 9999, "{} is read as {:?}", text, ours),
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        if let Ok(moment) = text.parse::<Timestamp>() {
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        }
    }

    #[test]
    fn every_span_prints_and_parses(seconds in any::<u32>()) {
        prop_assert_eq!(Seconds(seconds).to_string().parse(), Ok(Seconds(seconds)));
    }
}

#[test]
fn a_span_has_a_number_and_one_unit() {
    for (text, seconds) in [("0s", 0), ("30s", 30), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("007d", 604_800)] {
        assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
    }
    for text in ["", "s", "7", "+7d", "-7d", "7 d", "7D", "7w", "7days", "1d12h", "1.5h", "4294967296s", "49711d", "٧d"]
    {
        assert!(text.parse::<Seconds>().is_err(), "{text}");
    }
}
