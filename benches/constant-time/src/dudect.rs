//! Timed look-ups of two classes, in random order, compared by their distributions.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;

use crate::clock::timed;
use crate::declared::landings;
use crate::engine::find;
use crate::random::Random;
use crate::stage::{Form, Kind, Plan, Stage};
use crate::welch::{Comparison, Outcome};

/// Measurements of one comparison.
const MEASUREMENTS: usize = 10_000_000;
/// Measurements before it, which only set the thresholds.
const FIRST: usize = 200_000;
/// What |t| must stay below.
const LIMIT: f64 = 4.5;

pub(crate) fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let stage = Stage::new(Plan { peppers: 1, each: 200, near: 64, misses: 0 }, |_| {})?;
    let hits = pairs(&stage, Kind::Current);
    let nears = pairs(&stage, Kind::Near(Form::Ours));
    writeln!(out, "{:<38} {:>12} {:>8} {:>10} {:>16}", "dudect", "measurements", "t", "uncropped", "means in ns")?;

    // Up to the declared match a hit and a miss are the same; behind it the code may go separate ways.
    let shown = [
        ("look-up: hit, miss", compared(&hits, |_, key| find(&stage.ring, key))),
        ("look-up: near miss, far miss", compared(&nears, |_, key| find(&stage.ring, key))),
        ("decision: near miss, far miss", compared(&bearers(&nears), |_, bearer| stage.decide(bearer))),
    ];
    for (name, outcome) in &shown {
        line(out, name, outcome)?;
    }

    // What cannot see a comparison that stops at the first difference cannot clear one that does not.
    let pepper = stage.ring.peppers().current();
    let stored: Vec<[u8; 32]> = nears
        .iter()
        .map(|[near, _]| {
            let mut stored = pepper.digest(near).to_bytes();
            stored[31] ^= 1;
            stored
        })
        .collect();
    let control = compared(&nears, |pair, key| {
        let digest = pepper.digest(key).to_bytes();
        stored.get(pair).is_some_and(|stored| black_box(stored).iter().zip(&black_box(digest)).all(|(a, b)| a == b))
    });
    line(out, "control, stopping early: near, far", &control)?;

    if control.t.abs() < LIMIT {
        return Err("dudect: FAILED, it does not even see a comparison that stops early".into());
    }
    if shown.iter().any(|(_, outcome)| outcome.t.abs() >= LIMIT) {
        return Err(format!("dudect: FAILED, a |t| is {LIMIT} or more").into());
    }
    writeln!(out, "dudect: passed, every |t| but the control's is below {LIMIT}")?;
    Ok(())
}

fn line(out: &mut impl Write, name: &str, outcome: &Outcome) -> std::io::Result<()> {
    let Outcome { t, uncropped, measurements, means: [one, other] } = outcome;
    writeln!(out, "{name:<38} {measurements:>12} {t:>8.2} {uncropped:>10.2} {one:>7.1} {other:>8.1}")
}

/// A key of the first class and one of the second that nobody has, whose probes land on the same record: so both
/// classes read the same memory, and the caches treat them alike.
type Pair = [Vec<u8>; 2];

fn pairs(stage: &Stage, kind: Kind) -> Vec<Pair> {
    let mut random = Random(2);
    let cases = stage.cases.iter().filter(|case| case.kind == kind).take(64);
    cases
        .map(|case| {
            let place = landings(&stage.ring, &case.key).pop();
            let mut others = std::iter::repeat_with(|| random.key().as_bytes().to_vec());
            let other = others.find(|other| landings(&stage.ring, other).pop() == place);
            [case.key.clone(), other.unwrap_or_default()]
        })
        .collect()
}

fn bearers(pairs: &[Pair]) -> Vec<Pair> {
    pairs.iter().map(|pair| pair.each_ref().map(|key| [b"Bearer ", key.as_slice()].concat())).collect()
}

/// Times the work over a random class of a random pair, again and again.
fn compared<T>(pairs: &[Pair], mut work: impl FnMut(usize, &[u8]) -> T) -> Outcome {
    let mut random = Random(3);
    let mut buffer = pairs.first().map(|[key, _]| key.clone()).unwrap_or_default();
    let mut measure = || {
        let word = random.word();
        let (second, pair) = (word & 1 == 1, random.below(pairs.len()));
        if let Some(key) = pairs.get(pair).and_then(|keys| keys.get(usize::from(second))) {
            buffer.copy_from_slice(key);
        }
        let (value, nanoseconds) = timed(|| work(pair, black_box(&buffer)));
        black_box(value);
        (second, nanoseconds)
    };
    let mut comparison = Comparison::new((0..FIRST).map(|_| measure().1).collect());
    for _ in 0..MEASUREMENTS {
        let (second, nanoseconds) = measure();
        comparison.add(second, nanoseconds);
    }
    comparison.outcome()
}
