//! The one place of the command that reads the clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gracekey_core::Timestamp;

use crate::failure::Failure;

/// What time it is, in whole seconds.
pub(crate) fn now() -> Result<Timestamp, Failure> {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the command")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    let moment = seconds.and_then(Timestamp::from_unix_seconds);
    moment.ok_or_else(|| Failure::refused("the clock of this machine is wrong; set it and try again"))
}

/// A moment to measure spans from, for the demo.
pub(crate) fn instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the command")]
    Instant::now()
}
