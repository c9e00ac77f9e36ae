//! A key begins once and ends once, for one reason, and stays ended.

use gracekey_core::{Generation, Held, Policy, Reason, Request, Timestamp, Verdict, decide};
use proptest::option;
use proptest::prelude::*;

use crate::fixture::{NOW, ring_of};

const KEY: &[u8] = b"xyz789_real_key";

/// Seconds after [`NOW`] over which everything happens.
const SPAN: i64 = 12;

type Times = [Option<Timestamp>; 5];

/// What a caller sees of a key at one second.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    NotYet,
    Works { superseded: bool },
    Ended(Reason, String),
}

impl Seen {
    fn stage(&self) -> u8 {
        match self {
            Self::NotYet => 0,
            Self::Works { superseded: false } => 1,
            Self::Works { superseded: true } => 2,
            Self::Ended(..) => 3,
        }
    }
}

fn seen([not_before, superseded_at, retires_at, expires_at, revoked_at]: Times) -> Vec<Seen> {
    let change = |generation: &mut Generation| {
        generation.not_before = not_before;
        generation.superseded_at = superseded_at;
        generation.retires_at = retires_at;
        generation.expires_at = expires_at;
        generation.revoked_at = revoked_at;
    };
    let (policy, keyring) = (Policy::default(), ring_of(&[(KEY, change)]));
    let held = Some(Held { keyring: &keyring, confirmed_at: NOW });
    let at = |second| {
        let headers = [(b"x-api-key".as_slice(), KEY)];
        let request = Request { method: b"GET", target: b"/", headers: headers.into_iter() };
        match decide(&policy, held, &request, Some(NOW.saturating_add(second))) {
            Verdict::Grant(grant) => Seen::Works { superseded: grant.is_superseded() },
            Verdict::Denial(denial) if denial.reason() == Reason::NotYetValid => Seen::NotYet,
            Verdict::Denial(denial) => Seen::Ended(denial.reason(), denial.description().into()),
        }
    };
    (-1..=SPAN + 1).map(at).collect()
}

fn times() -> impl Strategy<Value = Times> {
    let moment = || option::weighted(0.6, (0..=SPAN).prop_map(|second| NOW.saturating_add(second)));
    [moment(), moment(), moment(), moment(), moment()]
}

proptest! {
    #[test]
    fn stages_only_move_on(times in times()) {
        let seen = seen(times);
        for pair in seen.windows(2) {
            prop_assert!(pair[0].stage() <= pair[1].stage(), "{pair:?}");
            // What it ended for, and when, is told alike for ever.
            prop_assert!(pair[0].stage() < 3 || pair[0] == pair[1], "{pair:?}");
        }
    }

    /// But for a revocation, which no clock is waited for.
    #[test]
    fn it_ends_at_the_earliest_end_and_not_a_second_sooner_or_later(times in times()) {
        let [_, _, retires_at, expires_at, revoked_at] = times;
        let end = [retires_at, expires_at, revoked_at].into_iter().flatten().min();
        for (second, seen) in (-1..).zip(seen(times)) {
            let over = revoked_at.is_some() || end.is_some_and(|end| end <= NOW.saturating_add(second));
            prop_assert_eq!(matches!(seen, Seen::Ended(..)), over, "second {}: {:?}", second, seen);
        }
    }

    #[test]
    fn an_earlier_end_never_lets_it_live_longer(times in times(), which in 2..5_usize, second in 0..=SPAN) {
        let mut earlier = times;
        let moment = NOW.saturating_add(second);
        earlier[which] = Some(times[which].map_or(moment, |own| own.min(moment)));
        for (before, after) in seen(times).iter().zip(seen(earlier)) {
            prop_assert!(before.stage() <= after.stage(), "{before:?} became {after:?}");
        }
    }
}
