//! One keyring of a thousand keys, and the keys of two classes that are timed against it.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;

use crate::clock::timed;
use crate::declared::landings;
use crate::random::Random;
use crate::stage::{Form, Kind, Plan, Stage};

/// A stage with pairs of keys. A measurement runs over many rounds, since which bytes a key has is no secret of the
/// ring's but costs a little more or less, in caches above all: over some ten thousand keys that evens out.
pub(crate) struct Round {
    pub(crate) stage: Stage,
    /// Keys of the ring, each with one that nobody has.
    pub(crate) hits: Vec<Pair>,
    /// Near misses, each with a far one.
    pub(crate) nears: Vec<Pair>,
}

/// A key of the first class, and one of the second whose probe lands on the same record: so both classes read the same
/// memory, and the caches treat them alike. Each as it stands in `Authorization`.
pub(crate) struct Pair {
    pub(crate) bearers: [Vec<u8>; 2],
    /// The digest of the first key.
    pub(crate) digest: [u8; 32],
}

/// What stands before a key.
const SCHEME: &[u8] = b"Bearer ";

impl Round {
    pub(crate) fn new(seed: u64) -> Result<Self, Box<dyn Error>> {
        let plan = Plan { seed, peppers: 1, each: 150, forms: &[Form::Ours], near: 400, misses: 4000 };
        let stage = Stage::new(plan, |_| {})?;
        let of = |kind| stage.cases.iter().filter(move |case| case.kind == kind);
        let place = |key: &[u8]| landings(&stage.ring, key).pop();
        let far: HashMap<_, _> = of(Kind::Miss(Form::Ours)).map(|case| (place(&case.key), case)).collect();
        let pairs = |kind| {
            let paired = of(kind).filter_map(|case| Some([case.bearer(), far.get(&place(&case.key))?.bearer()]));
            let digest = |bearer: &[u8]| stage.ring.peppers().current().digest(key(bearer)).to_bytes();
            paired.map(|bearers| Pair { digest: digest(&bearers[0]), bearers }).collect()
        };
        let (hits, nears) = (pairs(Kind::Current), pairs(Kind::Near(Form::Ours)));
        Ok(Self { hits, nears, stage })
    }

    /// Times the work once, over a random class of a random pair: whether it was the second, and the nanoseconds.
    pub(crate) fn measured(&self, comparison: &Timed, random: &mut Random) -> (bool, f64) {
        let pairs = (comparison.pairs)(self);
        let (second, pair) = (random.word() & 1 == 1, random.below(pairs.len()));
        let Some(pair) = pairs.get(pair) else { return (second, 0.0) };
        // Both classes are read from the same bytes of memory.
        let mut bearer = [0; 7 + 55];
        let [one, other] = &pair.bearers;
        bearer.copy_from_slice(if second { other } else { one });
        let (value, nanoseconds) = timed(|| (comparison.work)(self, black_box(&bearer), pair));
        black_box(value);
        (second, nanoseconds)
    }
}

/// What is timed, over which pairs.
pub(crate) struct Timed {
    pub(crate) name: &'static str,
    pub(crate) pairs: fn(&Round) -> &[Pair],
    pub(crate) work: fn(&Round, &[u8], &Pair) -> u8,
}

/// The key behind the scheme.
#[inline]
pub(crate) fn key(bearer: &[u8]) -> &[u8] {
    bearer.strip_prefix(SCHEME).unwrap_or_default()
}
