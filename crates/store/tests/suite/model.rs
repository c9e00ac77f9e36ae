//! The store against the engine's own document: the same random steps, the same answers, the same keyring.

use std::collections::HashSet;

use gracekey_core::{Client, ClientId, Document, Generation, Grace, KeyId, LifecycleError, Revoke, Seconds};
use gracekey_store::{Issue, Rotate, RotateFrom, Store, StoreError, Usage};

use crate::support::{Place, at, by, credential, mint, on_both};

on_both! {
    both_take_the_same_steps
}

/// Numbers that look random and come again: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

async fn both_take_the_same_steps(place: Place) {
    let store = place.store().await;
    let mut document = Document::empty(at(0));
    let mut random = Random(0x5eed_0000_0000_0001);
    let mut used = HashSet::new();
    let mut refused = 0;
    for step in 1..=300 {
        // More than a second lies between any two, and now and then some hours.
        let now = step * 2 + if random.below(4) == 0 { 3600 * step } else { 1800 * step };
        let same = one_step(&store, &mut document, &mut random, &mut used, now).await;
        refused += usize::from(!same);
        let mut stored = store.snapshot().await.unwrap();
        let order = |document: &mut Document| {
            document.clients.sort_by(|a, b| a.client_id.cmp(&b.client_id));
            document.keys.sort_by_key(|key| (key.client_id.clone(), key.credential.clone(), key.generation));
        };
        order(&mut stored);
        let mut expected = document.clone();
        order(&mut expected);
        if expected.epoch == 0 {
            expected.issued_at = stored.issued_at;
        }
        assert_eq!(format!("{stored:?}"), format!("{expected:?}"), "after step {step}");
    }
    assert!((20..280).contains(&refused), "{refused} of 300 steps were refused: the steps tell little");
}

/// One step of both. Says whether it was allowed.
async fn one_step(
    store: &Store,
    document: &mut Document,
    random: &mut Random,
    used: &mut HashSet<KeyId>,
    now: i64,
) -> bool {
    let now = at(now);
    let client_id: ClientId = format!("client-{}", random.below(3)).parse().unwrap();
    let name = credential(["default", "ci"][random.below(2)]);
    let some_key = document.keys.get(random.below(document.keys.len().max(1))).map(|key| key.key_id);
    let some_key = some_key.unwrap_or_else(|| "zzzzzzzz".parse().unwrap());
    match random.below(10) {
        0 => {
            let client = Client { client_id, disabled: false, scopes: Vec::new() };
            let expected = document.add_client(client.clone(), now);
            agree(store.add_client(&client.into(), &by(), now).await.map(|_| ()), expected)
        }
        1 | 2 => {
            let key = mint();
            let expires_at = (random.below(2) == 0).then(|| now.saturating_add(50_000));
            let expected = document.issue(&client_id, &name, key, expires_at, now).map(|_| ());
            let issue = Issue { client_id, credential: name, key, expires_at };
            agree(store.issue(&issue, &by(), now).await.map(|_| ()), expected)
        }
        3..=6 => {
            let (key, grace) =
                (mint(), Grace::new(Seconds(3600 * 24 * u32::try_from(random.below(10)).unwrap())).unwrap());
            let held = random.below(2) == 0;
            let names = document.keys.iter().find(|key| key.key_id == some_key).filter(|_| held);
            let (client_id, name) =
                names.map_or((client_id, name), |key| (key.client_id.clone(), key.credential.clone()));
            let from = held.then_some(some_key);
            let was_used = |generation: &Generation| used.contains(&generation.key_id);
            let expected = document.rotate((&client_id, &name), from, key, grace, now, was_used);
            let from = from.map_or(RotateFrom::Current(client_id, name), RotateFrom::Held);
            let unknown = held && !document.keys.iter().any(|key| key.key_id == some_key);
            let expected = if unknown { Err(LifecycleError::UnknownKey { key_id: some_key }) } else { expected };
            let stored = store.rotate(&Rotate { from, key, grace }, &by(), now).await;
            if held && expected.is_ok() {
                used.insert(some_key);
            }
            agree(stored.map(|done| format!("{:?}", done.value)), expected.map(|rotation| format!("{rotation:?}")))
        }
        7 => {
            let what = match random.below(3) {
                0 => Revoke::Key(some_key),
                1 => Revoke::Credential(client_id, name),
                _ => Revoke::Client(client_id),
            };
            let expected = document.revoke(&what, now).map(|mut keys| {
                keys.sort();
                keys
            });
            let stored = store.revoke(&what, &by(), now).await.map(|mut done| {
                done.value.sort();
                done.value
            });
            agree(stored, expected)
        }
        8 => {
            let until = now.saturating_add(i64::try_from(random.below(100_000)).unwrap());
            let expected = document.expire(some_key, until, now);
            agree(store.expire(some_key, until, &by(), now).await.map(|_| ()), expected)
        }
        _ => {
            if random.below(2) == 0 {
                let usage = Usage { key_id: some_key, requests: 3, last_used: now };
                store.record_usage(&[usage], None, now).await.unwrap();
                used.insert(some_key);
            }
            let keep = Seconds::days(20);
            let stored = store.prune(keep, &by(), now).await.unwrap().value;
            let mut expected = document.prune(keep, now).unwrap();
            // Only a store knows which lost answers nobody ever used, and forgets them sooner.
            let left: HashSet<_> = store.snapshot().await.unwrap().keys.iter().map(|key| key.key_id).collect();
            let forgotten = |key: &Generation| {
                !left.contains(&key.key_id) && key.revoked_at.is_some() && !used.contains(&key.key_id)
            };
            let before = document.keys.len();
            document.keys.retain(|key| !forgotten(key));
            if expected == 0 && document.keys.len() < before {
                (document.epoch, document.issued_at) = (document.epoch + 1, now);
            }
            expected += before - document.keys.len();
            assert_eq!(stored, expected);
            true
        }
    }
}

fn agree<T: PartialEq + std::fmt::Debug>(stored: Result<T, StoreError>, expected: Result<T, LifecycleError>) -> bool {
    match (stored, expected) {
        (Ok(stored), Ok(expected)) => {
            assert_eq!(stored, expected);
            true
        }
        (Err(StoreError::Refused(stored)), Err(expected)) => {
            assert_eq!(stored, expected);
            false
        }
        (stored, expected) => panic!("the store says {stored:?}, and the document {expected:?}"),
    }
}
