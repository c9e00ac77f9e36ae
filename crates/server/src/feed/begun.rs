//! Editions that are fetched piece by piece. What takes a while to fetch may be replaced before it is there, and where keys
//! change all the time nothing would ever get through: so who has begun one may finish it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gracekey_core::Timestamp;

use super::edition::Edition;

/// The editions of which pieces were asked for lately.
#[derive(Default)]
pub(super) struct Begun(Mutex<Vec<Kept>>);

struct Kept {
    edition: Arc<Edition>,
    /// When a piece of it was asked for first, and last.
    since: Timestamp,
    asked: Timestamp,
}

impl Begun {
    /// How many are kept. Each takes as much memory as the whole keyring.
    const MOST: usize = 4;
    /// For how long after the last piece, in seconds.
    const KEPT: u64 = 10;
    /// And for how long in all: nobody takes the place of all others for good.
    const LONGEST: u64 = 300;
    /// Who asks for no piece for longer than that many seconds is done with it, or slow: then another may have its place.
    const PAUSE: u64 = 1;

    /// A piece of this one goes out.
    pub(super) fn asked(&self, edition: &Arc<Edition>, now: Timestamp) {
        let mut kept = self.kept();
        let asked = Kept { edition: Arc::clone(edition), since: now, asked: now };
        if let Some(known) = kept.iter_mut().find(|kept| Arc::ptr_eq(&kept.edition, edition)) {
            known.asked = now;
        } else if kept.len() < Self::MOST {
            kept.push(asked);
        } else if let Some(idle) = kept.iter_mut().min_by_key(|kept| kept.asked)
            && now.seconds_since(idle.asked) > Self::PAUSE
        {
            *idle = asked;
        }
    }

    /// What `look` finds in one of them.
    pub(super) fn find<T>(&self, look: impl Fn(&Arc<Edition>) -> Option<T>) -> Option<T> {
        self.kept().iter().find_map(|kept| look(&kept.edition))
    }

    /// Lets go of those that nobody fetches any more.
    pub(super) fn forget(&self, now: Timestamp) {
        self.kept().retain(|kept| {
            now.seconds_since(kept.asked) <= Self::KEPT && now.seconds_since(kept.since) <= Self::LONGEST
        });
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use gracekey_core::{Document, Pepper, Peppers};

    use super::*;

    fn edition(epoch: u64) -> Arc<Edition> {
        let peppers = Peppers::one(Pepper::new("p1".parse().unwrap(), &[7; 32]).unwrap());
        let mut document = Document::empty(at(0));
        document.epoch = epoch;
        Arc::new(Edition::render(document, &peppers))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_763_776_800 + seconds).unwrap()
    }

    fn held(begun: &Begun) -> Vec<u64> {
        begun.kept().iter().map(|kept| kept.edition.epoch()).collect()
    }

    #[test]
    fn an_edition_is_kept_for_as_long_as_somebody_fetches_it() {
        let (begun, one, two) = (Begun::default(), edition(1), edition(2));
        begun.asked(&one, at(0));
        begun.asked(&two, at(5));
        for second in 0..=14 {
            begun.asked(&one, at(second));
        }
        begun.forget(at(15));
        assert_eq!(held(&begun), [1, 2]);
        begun.forget(at(16));
        assert_eq!(held(&begun), [1]);
        begun.forget(at(25));
        assert!(held(&begun).is_empty());
    }

    #[test]
    fn nobody_keeps_one_for_good() {
        let (begun, one) = (Begun::default(), edition(1));
        for second in 0..=301 {
            begun.asked(&one, at(second));
            begun.forget(at(second));
            assert_eq!(held(&begun).is_empty(), second == 301, "{second}");
        }
    }

    #[test]
    fn whoever_goes_on_fetching_keeps_its_place() {
        let begun = Begun::default();
        let editions: Vec<_> = (1..=6).map(edition).collect();
        for edition in &editions {
            begun.asked(edition, at(0));
        }
        assert_eq!(held(&begun), [1, 2, 3, 4], "all are busy");
        for edition in &editions[1..4] {
            begun.asked(edition, at(2));
        }
        begun.asked(&editions[4], at(2));
        assert_eq!(held(&begun), [5, 2, 3, 4], "the first has gone");
        begun.asked(&editions[5], at(3));
        assert_eq!(held(&begun), [5, 2, 3, 4]);
    }
}
