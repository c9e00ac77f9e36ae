//! The one clock of the harness, which times single look-ups.

use std::time::Instant;

/// What `work` returns, and how many nanoseconds it took.
#[inline(always)]
#[expect(clippy::disallowed_methods, reason = "this is the clock of the harness")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begin = Instant::now();
    let value = work();
    let nanoseconds = begin.elapsed().as_nanos();
    (value, nanoseconds as f64)
}
