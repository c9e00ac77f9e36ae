//! `decide` beside one bare HMAC over the same keys.

use std::hint::black_box;
use std::rc::Rc;

use gracekey_core::{ApiKey, Held, Policy, Request, Timestamp, decide};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::world::Random;
use crate::{Case, SetUp, World, grouped, now};

/// How many different keys follow one another where they are random: their records take more than a second-level cache.
const DIFFERENT: usize = 1 << 17;
const SIZES: [usize; 3] = [1, 1_000, 1_000_000];
/// The value of an `Authorization` header: a scheme, a space and a key of 55 bytes.
type Value = [u8; 62];

pub(crate) fn cases() -> SetUp<Vec<Case>> {
    let mut cases = Vec::new();
    for size in SIZES {
        let World { ring, keys } = World::new(size)?;
        let ring = Rc::new(ring);
        let one = values(keys.iter().take(1))?;
        // Neighbours in the document are no neighbours in the ring.
        let different = values(keys.iter().cycle().take(DIFFERENT.min(size)))?;
        if size == SIZES[0] {
            cases.push(bare("one key", one.clone())?);
        } else {
            let circumstances = format!("a different one of {} keys each time", grouped(size));
            cases.push(bare(circumstances, different.clone())?);
        }
        let mut random = Random(0xD1B5_4A32_D192_ED03);
        let unknown = [random.key()?];
        let unknown = values(unknown.iter())?;
        let mistyped: Vec<Value> = one.iter().map(mistyped).collect();
        let keys = format!("{} {}", grouped(size), if size == 1 { "key" } else { "keys" });
        let later = |seconds| now().saturating_add(seconds);
        let mut add = |name, circumstances: String, values: &[Value], now| {
            cases.push(decision(name, circumstances, &ring, values.to_vec(), now));
        };
        add("decide, hit", format!("{keys}, one key"), &one, now());
        add("decide, miss: an unknown key", format!("{keys}, one key"), &unknown, now());
        add("decide, malformed: a mistyped key", format!("{keys}, one key"), &mistyped, now());
        add("decide, superseded: in its window, granted", format!("{keys}, one key"), &one, later(7_200));
        add("decide, superseded: retired, denied", format!("{keys}, one key"), &one, later(100_000));
        if size > 1 {
            let circumstances = format!("{keys}, a different one each time");
            add("decide, hit", circumstances.clone(), &different, now());
            let unknown: Vec<ApiKey> = (0..different.len()).map(|_| random.key()).collect::<SetUp<_>>()?;
            add("decide, miss: an unknown key", circumstances, &values(unknown.iter())?, now());
        }
    }
    Ok(cases)
}

/// One HMAC-SHA256 with a prepared state: clone, update, finalize.
fn bare(circumstances: impl Into<String>, values: Vec<Value>) -> SetUp<Case> {
    let prepared = Hmac::<Sha256>::new_from_slice(&[7; 32])?;
    let mut values = Circle::new(values);
    Ok(Case::new(Case::BASE, circumstances, move || {
        let (_, key) = black_box(values.next()).split_at(7);
        let mut hmac = prepared.clone();
        hmac.update(key);
        black_box(hmac.finalize().into_bytes());
    }))
}

fn decision(
    name: &'static str,
    circumstances: String,
    ring: &Rc<gracekey_core::Keyring>,
    values: Vec<Value>,
    now: Timestamp,
) -> Case {
    let (ring, policy) = (Rc::clone(ring), Policy::default());
    let mut values = Circle::new(values);
    Case::new(name, circumstances, move || {
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
        let held = Held { keyring: &ring, confirmed_at: now };
        let _ = black_box(decide(black_box(&policy), Some(held), &request, Some(now)));
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
