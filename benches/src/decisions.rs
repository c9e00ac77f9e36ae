//! `decide` beside one bare HMAC over the same keys.

use std::hint::black_box;

use gracekey_core::{ApiKey, Held, Policy, Request, Timestamp, decide};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::chase::Chase;
use crate::world::{Random, SharedWorld};
use crate::{Case, SetUp, World, grouped, now};

/// How many different keys follow one another where they are random: their records take more than a second-level cache.
const DIFFERENT: usize = 1 << 17;
const SIZES: [usize; 3] = [1, 1_000, 1_000_000];
/// Where keys come from that no ring has.
const UNKNOWN: Random = Random(0xD1B5_4A32_D192_ED03);
/// The value of an `Authorization` header: a scheme, a space and a key of 55 bytes.
type Value = [u8; 62];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in SIZES {
        let world = SharedWorld::of(size);
        let keys = format!("{} {}", grouped(size), if size == 1 { "key" } else { "keys" });
        if size == 1 {
            cases.push(bare("one key".into(), &world, one));
        } else {
            cases.push(bare(format!("a different one of {keys} each time"), &world, different));
        }
        let circumstances = format!("{keys}, one key");
        let mut add = |name, values: Values, later| {
            cases.push(decision(name, circumstances.clone(), &world, values, now().saturating_add(later)));
        };
        add("decide, hit", one, 0);
        add("decide, miss: an unknown key", unknown, 0);
        add("decide, malformed: a mistyped key", |world| Ok(one(world)?.iter().map(mistyped).collect()), 0);
        add("decide, superseded: in its window, granted", one, 7_200);
        add("decide, superseded: retired, denied", one, 100_000);
        if size > 1 {
            let circumstances = format!("{keys}, a different one each time");
            cases.push(decision("decide, hit", circumstances.clone(), &world, different, now()));
            cases.push(decision("decide, miss: an unknown key", circumstances, &world, unknown_different, now()));
        }
        if size > DIFFERENT {
            cases.push(floor(format!("a different one of {keys} each time"), &world));
        }
    }
    cases
}

/// Which values a case goes through.
type Values = fn(&World) -> SetUp<Vec<Value>>;

fn one(world: &World) -> SetUp<Vec<Value>> {
    values(world.keys.iter().take(1))
}

/// Neighbours in the document are no neighbours in the ring.
fn different(world: &World) -> SetUp<Vec<Value>> {
    values(world.keys.iter().take(DIFFERENT))
}

fn unknown(_: &World) -> SetUp<Vec<Value>> {
    let mut random = UNKNOWN;
    values([random.key()?].iter())
}

fn unknown_different(world: &World) -> SetUp<Vec<Value>> {
    let mut random = UNKNOWN;
    let keys: Vec<ApiKey> = world.keys.iter().take(DIFFERENT).map(|_| random.key()).collect::<SetUp<_>>()?;
    values(keys.iter())
}

/// One HMAC-SHA256 with a prepared state: clone, update, finalize.
fn bare(circumstances: String, world: &SharedWorld, values: Values) -> Case {
    let world = world.clone();
    Case::new(Case::BASE, circumstances, move || {
        let prepared = Hmac::<Sha256>::new_from_slice(&[7; 32])?;
        let mut values = Circle::new(values(&*world.get()?)?);
        Ok(move || {
            let (_, key) = black_box(values.next()).split_at(7);
            let mut hmac = prepared.clone();
            hmac.update(key);
            black_box(hmac.finalize().into_bytes());
        })
    })
}

/// The same, and then one read of memory that waits for it.
fn floor(circumstances: String, world: &SharedWorld) -> Case {
    let world = world.clone();
    Case::new("bare HMAC-SHA256, then one read of memory", circumstances, move || {
        let prepared = Hmac::<Sha256>::new_from_slice(&[7; 32])?;
        let mut values = Circle::new(different(&*world.get()?)?);
        let mut chase = Chase::new(DIFFERENT)?;
        Ok(move || {
            let (_, key) = black_box(values.next()).split_at(7);
            let mut hmac = prepared.clone();
            hmac.update(key);
            let [first, ..]: [u8; 32] = hmac.finalize().into_bytes().into();
            chase.read_behind(first);
        })
    })
}

fn decision(name: &'static str, circumstances: String, world: &SharedWorld, values: Values, now: Timestamp) -> Case {
    let world = world.clone();
    Case::new(name, circumstances, move || {
        let world = world.get()?;
        let policy = Policy::default();
        let mut values = Circle::new(values(&world)?);
        Ok(move || {
            let headers: [(&[u8], &[u8]); 7] = [
                (b"host", b"api.example.com"),
                (b"user-agent", b"curl/8.1.2"),
                (b"accept", b"*/*"),
                (b"authorization", values.next()),
                (b"content-type", b"application/json"),
                (b"content-length", b"120"),
                (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ];
            let request = Request { method: b"GET", target: b"/v1/logs", headers: black_box(&headers).iter().copied() };
            let held = Held { keyring: &world.ring, confirmed_at: now };
            let _ = black_box(decide(black_box(&policy), Some(held), &request, Some(now)));
        })
    })
}

fn values<'k>(keys: impl Iterator<Item = &'k ApiKey>) -> SetUp<Vec<Value>> {
    keys.map(|key| Ok(format!("Bearer {}", key.reveal()).as_bytes().try_into()?)).collect()
}

/// One character of the secret replaced.
fn mistyped(value: &Value) -> Value {
    let mut value = *value;
    value[30] = if value[30] == b'a' { b'b' } else { b'a' };
    value
}

/// One value after the other, and from the start again.
struct Circle {
    values: Vec<Value>,
    at: usize,
}

impl Circle {
    fn new(values: Vec<Value>) -> Self {
        Self { values, at: 0 }
    }

    #[inline]
    fn next(&mut self) -> &Value {
        self.at = if self.at + 1 < self.values.len() { self.at + 1 } else { 0 };
        self.values.get(self.at).unwrap_or(&[0; 62])
    }
}
