//! The one file of this crate that reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gracekey_core::Timestamp;

/// Where the Layer reads the time, once per request.
///
/// The system's by default. Tests put a [`FakeClock`] in its place. A time that can't be told denies.
#[derive(Clone, Debug, Default)]
pub struct Clock(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    System,
    Fake(FakeClock),
}

/// A clock that stands still until it is told to move, for tests. Its clones show the same time.
#[derive(Clone, Debug)]
pub struct FakeClock(Arc<AtomicI64>);

// === impl Clock ===

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The moment, or `None` where it can't be told.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Option<Timestamp> {
        match &self.0 {
            Kind::System => system_now(),
            Kind::Fake(clock) => clock.now(),
        }
    }
}

#[cfg(feature = "feed")]
impl Clock {
    /// Milliseconds since 1970, 0 where they can't be told. A fake clock shows whole seconds.
    pub(crate) fn unix_millis(&self) -> u64 {
        match &self.0 {
            Kind::System => system_since_1970().and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0),
            Kind::Fake(clock) => {
                let seconds = clock.now().map_or(0, Timestamp::unix_seconds);
                u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
            }
        }
    }
}

impl From<FakeClock> for Clock {
    fn from(clock: FakeClock) -> Self {
        Self(Kind::Fake(clock))
    }
}

/// Verdicts know whole seconds. The clock that the kernel moves with each of its ticks is read in a quarter of the time,
/// and is some milliseconds behind: only where the next second may have begun meanwhile, the exact one is asked.
#[cfg(target_os = "linux")]
#[inline]
fn system_now() -> Option<Timestamp> {
    use rustix::time::{ClockId, clock_gettime};
    const LATE: i64 = 900_000_000;
    let coarse = clock_gettime(ClockId::RealtimeCoarse);
    let time = if coarse.tv_nsec < LATE { coarse } else { clock_gettime(ClockId::Realtime) };
    Timestamp::from_unix_seconds(time.tv_sec)
}

#[cfg(not(target_os = "linux"))]
#[inline]
fn system_now() -> Option<Timestamp> {
    Timestamp::from_unix_seconds(i64::try_from(system_since_1970()?.as_secs()).ok()?)
}

#[cfg(any(feature = "feed", not(target_os = "linux")))]
#[expect(clippy::disallowed_methods, reason = "this is the clock of the front end")]
fn system_since_1970() -> Option<std::time::Duration> {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).ok()
}

// === impl FakeClock ===

impl FakeClock {
    /// No [`Timestamp`] has this value.
    const UNKNOWN: i64 = i64::MIN;

    /// A clock that shows this moment.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.unix_seconds())))
    }

    /// Shows another moment from now on.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.unix_seconds(), Ordering::Relaxed);
    }

    /// Moves it forward, or back with a negative number of seconds.
    pub fn advance(&self, seconds: i64) {
        if let Some(now) = self.now() {
            self.set(now.saturating_add(seconds));
        }
    }

    /// From now on the time can't be told, until [`FakeClock::set`].
    pub fn lose(&self) {
        self.0.store(Self::UNKNOWN, Ordering::Relaxed);
    }

    /// The moment that it shows.
    #[must_use]
    pub fn now(&self) -> Option<Timestamp> {
        Timestamp::from_unix_seconds(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "it is what the clock of the Layer is compared with")]
    fn exact() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    #[test]
    fn a_second_begins_when_it_begins() {
        let clock = Clock::system();
        let begin = exact();
        let mut last = begin;
        // Over the beginning of one second at least.
        while last < begin + Duration::from_millis(1_100) {
            let seen = clock.now().map(Timestamp::unix_seconds).and_then(|seconds| u64::try_from(seconds).ok());
            let now = exact();
            assert!(
                seen.is_some_and(|seen| (last.as_secs()..=now.as_secs()).contains(&seen)),
                "{last:?} {seen:?} {now:?}"
            );
            last = now;
        }
    }
}
