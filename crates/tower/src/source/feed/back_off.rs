//! How long to pause. No two verifiers pause alike, so that a server that comes back is not asked by all at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Numbers that spread load and need not be secret (`SplitMix64`).
pub(super) struct Jitter {
    state: u64,
}

/// Pauses that grow with each failure in a row.
pub(super) struct BackOff {
    failures: u32,
    jitter: Jitter,
}

impl Jitter {
    pub(super) fn new() -> Self {
        Self { state: RandomState::new().hash_one(0) }
    }

    /// Between four fifths of a span and the whole of it.
    pub(super) fn shorten(&mut self, span: Duration) -> Duration {
        span - self.below(span / 5)
    }

    fn below(&mut self, span: Duration) -> Duration {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(word.checked_rem(nanos).unwrap_or(0))
    }
}

impl BackOff {
    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(15);

    pub(super) fn new() -> Self {
        Self { failures: 0, jitter: Jitter::new() }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// One failure more: how long to pause now.
    pub(super) fn failed(&mut self) -> Duration {
        let longest = Self::FIRST.saturating_mul(1 << self.failures.min(16)).min(Self::LONGEST);
        self.failures = self.failures.saturating_add(1);
        longest / 2 + self.jitter.below(longest / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_begin_anew_after_a_success() {
        let mut back_off = BackOff::new();
        for _ in 0..2 {
            let pauses: Vec<_> = (0..100).map(|_| back_off.failed()).collect();
            for (at, pause) in pauses.iter().enumerate() {
                let longest = BackOff::FIRST.saturating_mul(1 << at.min(16)).min(BackOff::LONGEST);
                assert!((longest / 2..longest).contains(pause), "{at}: {pause:?}");
            }
            assert!(pauses.windows(2).skip(10).any(|pair| pair[0] != pair[1]), "no jitter");
            back_off.succeeded();
        }
    }

    #[test]
    fn a_span_is_shortened_by_a_fifth_at_most() {
        let mut jitter = Jitter::new();
        let span = Duration::from_secs(30);
        assert!((0..1000).all(|_| (span * 4 / 5..=span).contains(&jitter.shorten(span))));
        assert_eq!(jitter.shorten(Duration::ZERO), Duration::ZERO);
    }
}
