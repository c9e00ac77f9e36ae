//! The one place in which the benches read a clock.

use std::time::{Duration, Instant};

/// How long some work takes.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
