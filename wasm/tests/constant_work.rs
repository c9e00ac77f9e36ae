//! The filter as it ships, in an interpreter that counts instructions: whether a wrong key is far from every key or next
//! to one, it costs the same to the instruction.
//!
//! What a key looks like may count: a key that nobody has is looked at once more, to tell a mistyped one from a foreign
//! one. That depends on the presented key alone, and on no key of the ring, so keys are compared with those that look
//! alike: with a hyphen, which no key of our own has, and without.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/interpreter.rs"]
mod interpreter;
#[path = "support/parts.rs"]
#[expect(dead_code, reason = "no Envoy runs here")]
mod parts;
#[path = "support/planted.rs"]
mod planted;
#[path = "support/ring.rs"]
mod ring;

use std::collections::BTreeMap;
use std::path::Path;

use gracekey_core::{ApiKeys, Peppers};
use interpreter::Filter;
use ring::{PEPPER, inline, moment};

/// Keys of one length, as another system issued them.
fn issued() -> Vec<String> {
    (0..200).map(|at| format!("issued-elsewhere-{at:04}-0123456789abcdefghijklmnopqrstuv")).collect()
}

fn start(filter: &Path) -> Filter {
    let keys: Vec<_> = issued().iter().map(|key| format!(r#""{key}":"acme""#)).collect();
    let keys = ApiKeys::parse(&format!("{{{}}}", keys.join(","))).expect("keys");
    let peppers: Peppers = PEPPER.parse().expect("a pepper");
    let mut document = keys.document(peppers.current(), moment("2026-11-22T00:00:00Z"));
    document.epoch = 1;
    let configuration = inline(&document.seal(&peppers).to_json(), "");
    let mut filter = Filter::start(filter, &configuration, 1_795_348_800_000_000_000);
    // The first requests grow the memory.
    for key in issued().iter().take(20) {
        assert_eq!(filter.send(key.as_bytes()).0, None);
        assert_eq!(filter.send(&near(key, 3)).0, Some(401));
    }
    filter.remember();
    filter
}

/// The key with one character changed.
fn near(key: &str, at: usize) -> Vec<u8> {
    let mut near = key.as_bytes().to_vec();
    near[at] = if near[at] == b'x' { b'y' } else { b'x' };
    near
}

/// What wrong keys of one length cost: for each that looks alike (whether it has a hyphen) and each count, how many, and
/// one of them. `neighbours` of them are next to keys, at each place, and `strangers` far from all.
fn counts(filter: &mut Filter, neighbours: usize, strangers: usize) -> BTreeMap<(bool, u64), (u32, Vec<u8>)> {
    let length = issued()[0].len();
    let mut counts: BTreeMap<(bool, u64), (u32, Vec<u8>)> = BTreeMap::new();
    let mut count = |key: Vec<u8>| {
        let (status, spent) = filter.send(&key);
        assert_eq!(status, Some(401), "{}", key.escape_ascii());
        counts.entry((key.contains(&b'-'), spent)).or_insert((0, key)).0 += 1;
    };
    for key in issued().iter().take(neighbours / length) {
        for at in 0..length {
            count(near(key, at));
        }
    }
    // Another constant walk over the visible characters (`SplitMix64`).
    let mut state = 0_u64;
    for _ in 0..strangers {
        let key = (0..length).map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"[(mixed >> 58) as usize % 63]
        });
        count(key.collect());
    }
    counts
}

#[test]
fn every_wrong_key_of_one_length_costs_the_same() {
    let counts = counts(&mut start(&parts::filter()), 5_400, 4_700);
    let total: u32 = counts.values().map(|(times, _)| times).sum();
    assert!(total >= 10_000, "only {total} keys");
    let shown: Vec<_> = counts
        .iter()
        .map(|((_, spent), (times, key))| format!("{spent}: {times}, like {}", key.escape_ascii()))
        .collect();
    let looks: Vec<bool> = counts.keys().map(|(hyphen, _)| *hyphen).collect();
    assert_eq!(looks, [false, true], "more than one count for keys that look alike: {shown:#?}");
}

/// The same run over a filter whose comparison stops at the first byte that differs does not pass: only so does passing
/// mean anything.
#[test]
fn an_early_exit_shows() {
    let counts = counts(&mut start(&planted::filter()), 540, 470);
    let alike = counts.keys().filter(|(hyphen, _)| *hyphen).count();
    assert!(alike > 1, "an early exit in the comparison does not show: {counts:?}");
}

/// The counter sees a difference where there is one, so that the test above can fail.
#[test]
fn the_counter_sees_one_byte_more() {
    let mut filter = start(&parts::filter());
    let key = near(&issued()[0], 9);
    let longer = [key.as_slice(), b"x"].concat();
    let (_, spent) = filter.send(&key);
    assert_eq!(filter.send(&key).1, spent);
    assert_ne!(filter.send(&longer).1, spent);
    assert_ne!(filter.send(issued()[0].as_bytes()).1, spent);
}
