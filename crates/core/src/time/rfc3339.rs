//! RFC 3339 §5.6 over all of the years 0 to 9999, in the proleptic Gregorian calendar.

use core::fmt;

use super::TimestampError;

const DAY: i64 = 86_400;
/// Days from 0000-01-01 to 1970-01-01.
const EPOCH: i64 = 719_528;
/// Days of a common year before each of its months.
const BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Seconds since 1970-01-01T00:00:00Z, not yet checked to lie in the years 0 to 9999 of UTC.
pub(super) fn read(text: &str) -> Result<i64, TimestampError> {
    let (moment, rest) = text.as_bytes().split_first_chunk().ok_or(TimestampError::NotRfc3339)?;
    let [y, e, a, r, b'-', m, o, b'-', d, t, b'T' | b't', h, i, b':', n, u, b':', s, c] = moment else {
        return Err(TimestampError::NotRfc3339);
    };
    let (year, month, day) = (number(&[*y, *e, *a, *r])?, number(&[*m, *o])?, number(&[*d, *t])?);
    let (hour, minute, second) = (number(&[*h, *i])?, number(&[*n, *u])?, number(&[*s, *c])?);
    let (whole, rest) = fraction(rest);
    let offset = offset(rest)?;
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return Err(TimestampError::NoSuchMoment);
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(TimestampError::NoSuchMoment);
    }
    if !whole {
        return Err(TimestampError::Fraction);
    }
    let days = days_before_year(year) + days_before_month(year, month) + day - 1 - EPOCH;
    Ok(days * DAY + hour * 3600 + minute * 60 + second - offset)
}

fn number(digits: &[u8]) -> Result<i64, TimestampError> {
    digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Ok(number * 10 + i64::from(digit - b'0')),
        _ => Err(TimestampError::NotRfc3339),
    })
}

/// Whether there is no fraction, or one of zeros only as JavaScript prints it, and what follows it.
fn fraction(rest: &[u8]) -> (bool, &[u8]) {
    let Some((digits, _)) = rest.strip_prefix(b".").map(|tail| tail.split_at(digit_count(tail))) else {
        return (true, rest);
    };
    // A point without digits stays where it is, and so is refused with what follows.
    if digits.is_empty() {
        return (true, rest);
    }
    (digits.iter().all(|digit| *digit == b'0'), rest.get(1 + digits.len()..).unwrap_or_default())
}

fn digit_count(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Seconds that the local time is ahead of UTC.
fn offset(text: &[u8]) -> Result<i64, TimestampError> {
    match text {
        b"Z" | b"z" => Ok(0),
        [] => Err(TimestampError::NoOffset),
        [sign @ (b'+' | b'-'), h, i, b':', m, n] => {
            let (hours, minutes) = (number(&[*h, *i])?, number(&[*m, *n])?);
            if hours > 23 || minutes > 59 {
                return Err(TimestampError::NoSuchMoment);
            }
            let ahead = hours * 3600 + minutes * 60;
            Ok(if *sign == b'-' { -ahead } else { ahead })
        }
        _ => Err(TimestampError::NotRfc3339),
    }
}

/// Writes the moment in UTC. `seconds` count from 1970 and lie in the years 0 to 9999.
pub(super) fn write(seconds: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (days, second) = (seconds.div_euclid(DAY) + EPOCH, seconds.rem_euclid(DAY));
    // The mean year is a little longer than a short run of common years: at most one year is to be corrected.
    let mut year = days * 400 / 146_097;
    while days_before_year(year) > days {
        year -= 1;
    }
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let day_of_year = days - days_before_year(year);
    let month = (1..=12).rev().find(|month| days_before_month(year, *month) <= day_of_year).unwrap_or(1);
    let day = day_of_year - days_before_month(year, month) + 1;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // A large keyring has millions of moments, and `write!` would take ten times as long.
    let mut text = *b"0000-00-00T00:00:00Z";
    for (last, number) in [(3, year), (6, month), (9, day), (12, hour), (15, minute), (18, second)] {
        let mut rest = number;
        for digit in text.iter_mut().take(last + 1).rev().take_while(|digit| digit.is_ascii_digit()) {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
    }
    f.write_str(core::str::from_utf8(&text).unwrap_or_default())
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 0000-01-01 to the first day of the year.
fn days_before_year(year: i64) -> i64 {
    let leap_years_before = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    year * 365 + leap_years_before
}

fn days_before_month(year: i64, month: i64) -> i64 {
    let before = usize::try_from(month - 1).ok().and_then(|at| BEFORE_MONTH.get(at)).copied().unwrap_or(0);
    before + i64::from(month > 2 && is_leap(year))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
