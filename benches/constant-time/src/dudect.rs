//! Timed look-ups of two classes, in random order, compared by their distributions.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;

use gracekey_core::Verdict;

use crate::engine::probe;
use crate::random::Random;
use crate::round::{Pair, Round, Timed, key};
use crate::welch::{Comparison, Outcome};

/// Each round has its own peppers, ring and keys.
const ROUNDS: u64 = 200;
/// Measurements of one comparison in one round: 10 million in all.
const MEASUREMENTS: usize = 50_000;
/// Measurements before the first round, which only set the thresholds.
const FIRST: usize = 200_000;
/// What |t| must stay below.
const LIMIT: f64 = 4.5;

/// Up to the declared match a hit and a miss are the same; behind it the code may go separate ways.
const SHOWN: [Timed; 3] = [
    Timed { name: "look-up: hit, miss", pairs: |round| &round.hits, work: look_up },
    Timed { name: "look-up: near miss, far miss", pairs: |round| &round.nears, work: look_up },
    Timed { name: "decision: near miss, far miss", pairs: |round| &round.nears, work: decision },
];

/// What differs on purpose. What cannot see a comparison that stops at the first difference cannot clear one that does
/// not.
const SEEN: [Timed; 2] = [
    Timed { name: "(public) decision: hit, miss", pairs: |round| &round.hits, work: decision },
    Timed { name: "(control) stopping early: near, far", pairs: |round| &round.nears, work: stopping_early },
];

pub(crate) fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let all = || SHOWN.iter().chain(&SEEN);
    let (first, mut random) = (Round::new(0)?, Random(0));
    let thresholds = |timed| Comparison::new((0..FIRST).map(|_| first.measured(timed, &mut random).1).collect());
    let mut comparisons: Vec<_> = all().map(thresholds).collect();
    for seed in 1..=ROUNDS {
        let round = Round::new(seed)?;
        for (timed, comparison) in all().zip(&mut comparisons) {
            for _ in 0..MEASUREMENTS {
                let (second, nanoseconds) = round.measured(timed, &mut random);
                comparison.add(second, nanoseconds);
            }
        }
    }

    writeln!(out, "{:<36} {:>12} {:>9} {:>9} {:>15}", "dudect", "measurements", "t", "uncropped", "means in ns")?;
    let mut outcomes = Vec::new();
    for (timed, comparison) in all().zip(&comparisons) {
        let Outcome { t, uncropped, measurements, means: [one, other] } = comparison.outcome();
        writeln!(out, "{:<36} {measurements:>12} {t:>9.2} {uncropped:>9.2} {one:>7.1} {other:>7.1}", timed.name)?;
        outcomes.push(t.abs());
    }
    if outcomes.last().is_none_or(|control| *control < LIMIT) {
        return Err("dudect: FAILED, it does not even see a comparison that stops early".into());
    }
    if outcomes.iter().take(SHOWN.len()).any(|t| *t >= LIMIT) {
        return Err(format!("dudect: FAILED, a |t| is {LIMIT} or more").into());
    }
    writeln!(out, "dudect: passed, |t| is below {LIMIT} wherever nothing is public")?;
    Ok(())
}

fn look_up(round: &Round, bearer: &[u8], _: &Pair) -> u8 {
    probe(&round.stage.ring, key(bearer))
}

fn decision(round: &Round, bearer: &[u8], _: &Pair) -> u8 {
    u8::from(matches!(black_box(round.stage.decide(bearer)), Verdict::Grant(_)))
}

/// Compares all but the last byte of the digest with the near key's, and stops at the first byte that differs.
fn stopping_early(round: &Round, bearer: &[u8], pair: &Pair) -> u8 {
    let digest = round.stage.ring.peppers().current().digest(key(bearer)).to_bytes();
    let (computed, near) = (black_box(&digest), black_box(&pair.digest));
    for (one, other) in computed.iter().zip(near).take(31) {
        if one != other {
            return 0;
        }
    }
    1
}
