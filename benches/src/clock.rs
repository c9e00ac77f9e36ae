//! The one place in which the benches read a clock.

use std::time::{Duration, Instant};

/// How long some work takes.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// How long this thread has been on a processor, where the system tells (Linux): what else runs does not count.
#[must_use]
pub fn on_processor() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
