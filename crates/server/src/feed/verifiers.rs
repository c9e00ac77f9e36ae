//! Who polls, and which epoch each has.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gracekey_core::Timestamp;
use http::header::CACHE_CONTROL;
use serde::Serialize;
use utoipa::ToSchema;

use super::poll::Nothing;
use crate::app::App;
use crate::error::ErrorBody;
use crate::input::Parameters;

/// The named verifiers that polled this server, in the memory of this server alone.
#[derive(Default)]
pub(super) struct Verifiers(Mutex<HashMap<String, Seen>>);

struct Seen {
    /// What it says that it holds.
    epoch: Option<u64>,
    at: Timestamp,
}

/// All verifiers that polled this server in the last day.
#[derive(Serialize, ToSchema)]
#[schema(as = Verifiers)]
pub(super) struct Listing {
    /// The newest epoch that they can have.
    epoch: Option<u64>,
    /// In the order of their names.
    verifiers: Vec<Row>,
}

/// One verifier.
#[derive(Serialize, ToSchema)]
#[schema(as = Verifier)]
struct Row {
    /// What it calls itself.
    name: String,
    /// The epoch that it held when it asked last; none before its second poll.
    epoch: Option<u64>,
    /// How many epochs it is behind.
    lag: Option<u64>,
    /// When it asked last, or when its last poll was answered.
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
}

impl Verifiers {
    /// How many are remembered. When there are more, those who were silent for longest are forgotten.
    const MOST: usize = 10_000;
    /// For how long a silent one is remembered, in seconds.
    const KEPT: u64 = 24 * 3600;
    /// Who was silent for longer than two of the longest polls is gone, and no longer behind; in seconds.
    const PRESENT: u64 = 150;

    pub(super) fn saw(&self, name: &str, epoch: Option<u64>, at: Timestamp) {
        let mut known = self.known();
        if let Some(seen) = known.get_mut(name) {
            *seen = Seen { epoch: epoch.or(seen.epoch), at };
            return;
        }
        if known.len() >= Self::MOST {
            forget(&mut known);
        }
        known.insert(name.into(), Seen { epoch, at });
    }

    pub(super) fn known_and_behind(&self, epoch: Option<u64>, now: Option<Timestamp>) -> (usize, usize) {
        let mut known = self.known();
        let now = now.unwrap_or(Timestamp::MIN);
        known.retain(|_, seen| now.seconds_since(seen.at) <= Self::KEPT);
        let is_behind = |seen: &&Seen| now.seconds_since(seen.at) <= Self::PRESENT && seen.epoch < epoch;
        (known.len(), known.values().filter(is_behind).count())
    }

    fn rows(&self, epoch: Option<u64>, now: Timestamp) -> Vec<Row> {
        let mut known = self.known();
        known.retain(|_, seen| now.seconds_since(seen.at) <= Self::KEPT);
        let row = |(name, seen): (&String, &Seen)| Row {
            name: name.clone(),
            epoch: seen.epoch,
            lag: seen.epoch.zip(epoch).map(|(held, newest)| newest.saturating_sub(held)),
            last_seen: seen.at,
        };
        let mut rows: Vec<_> = known.iter().map(row).collect();
        rows.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        rows
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the tenth that was silent for longest, so that this is not done for each new name.
fn forget(known: &mut HashMap<String, Seen>) {
    let mut moments: Vec<_> = known.values().map(|seen| seen.at).collect();
    let (_, oldest, _) = moments.select_nth_unstable(known.len() / 10);
    let (oldest, mut left) = (*oldest, known.len() / 10 + 1);
    known.retain(|_, seen| {
        let goes = seen.at <= oldest && left > 0;
        left -= usize::from(goes);
        !goes
    });
}

/// Who polls the feed of this server, which epoch each holds, and how far it is behind.
#[utoipa::path(get, path = "/v2/verifiers", tag = "feed", responses(
    (status = 200, description = "The named verifiers that polled this server in the last day.", body = Listing),
    (status = 503, description = "The keyring can't be verified against.", body = ErrorBody),
))]
pub(super) async fn verifiers(State(app): State<App>, _: Parameters<Nothing>) -> Response {
    let shared = &app.feed.0;
    let epoch = shared.epoch();
    let verifiers = shared.verifiers.rows(epoch, shared.now());
    ([(CACHE_CONTROL, "no-store")], Json(Listing { epoch, verifiers })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_seconds(second).unwrap()
    }

    #[test]
    fn a_verifier_is_behind_until_it_holds_the_newest_or_is_gone() {
        let verifiers = Verifiers::default();
        verifiers.saw("a", None, at(100));
        verifiers.saw("b", Some(7), at(100));
        assert_eq!(verifiers.known_and_behind(Some(7), Some(at(101))), (2, 1));
        assert_eq!(verifiers.known_and_behind(Some(8), Some(at(101))), (2, 2));
        verifiers.saw("a", Some(8), at(102));
        assert_eq!(verifiers.known_and_behind(Some(8), Some(at(103))), (2, 1));
        // One that asks anew without a tag holds what it held.
        verifiers.saw("a", None, at(104));
        let lags: Vec<_> = verifiers.rows(Some(8), at(104)).iter().map(|row| row.lag).collect();
        assert_eq!(lags, [Some(0), Some(1)]);
        assert_eq!(verifiers.known_and_behind(Some(9), Some(at(2_000))), (2, 0));
        assert_eq!(verifiers.known_and_behind(Some(9), Some(at(100_000))), (0, 0));
    }

    #[test]
    fn the_number_of_names_is_bounded_and_the_silent_go_first() {
        let verifiers = Verifiers::default();
        for second in 0..30_000 {
            verifiers.saw(&format!("v{second}"), None, at(second));
            verifiers.saw("here", Some(1), at(second));
        }
        let rows = verifiers.rows(Some(1), at(30_000));
        assert!(rows.len() <= Verifiers::MOST && rows.len() > Verifiers::MOST / 2, "{}", rows.len());
        assert!(rows.iter().any(|row| row.name == "here") && rows.iter().any(|row| row.name == "v29999"));
    }

    #[test]
    fn names_of_one_moment_are_bounded_too() {
        let verifiers = Verifiers::default();
        (0..25_000).for_each(|number| verifiers.saw(&format!("v{number}"), None, at(5)));
        let kept = verifiers.rows(None, at(5)).len();
        assert!(kept <= Verifiers::MOST && kept > Verifiers::MOST / 2, "{kept}");
    }
}
