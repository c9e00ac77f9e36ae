//! Many servers with clocks that differ do everything at once to a few credentials, while a verifier follows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gracekey_core::{Document, Keyring, Revoke};
use gracekey_store::{AuditFilter, Import, Issue, Kind, Limit, Rotate, RotateFrom, Store, StoreError, Trouble, Usage};
use tokio::task::JoinSet;

use crate::support::{Place, acme, at, by, credential, mint, on_both, peppers};

on_both! {
    whatever_happens_at_once_the_keyring_holds
}

const SERVERS: u64 = 4;
const STEPS: u64 = 60;
const NAMES: [&str; 2] = ["default", "ci"];

async fn whatever_happens_at_once_the_keyring_holds(place: Place) {
    let first = place.store_with_client().await;
    let over = Arc::new(AtomicBool::new(false));
    let verifier = tokio::spawn(follow(place.store().await, over.clone()));
    let mut servers = JoinSet::new();
    for server in 0..SERVERS {
        let store = place.store().await;
        servers.spawn(async move {
            let mut done = 0;
            for step in 0..STEPS {
                done += u32::from(one_step(&store, server, step).await);
            }
            done
        });
    }
    let done: u32 = servers.join_all().await.into_iter().sum();
    over.store(true, Ordering::SeqCst);
    let seen = verifier.await.unwrap();
    assert!(done > 40 && seen > 3, "{done} changes went through, and the verifier saw {seen} epochs: it tells little");
    let document = first.snapshot().await.unwrap();
    every_epoch_has_its_lines(&first, document.epoch).await;
    every_credential_is_in_order(&document);
}

/// Whether it went through. All else must be somebody's clear refusal.
async fn one_step(store: &Store, server: u64, step: u64) -> bool {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).unwrap();
    // Clocks differ by up to half a minute.
    let now = at(i64::try_from(step * 3 + server * 10).unwrap());
    let (client_id, name) = (acme(), credential(NAMES[usize::from(bytes[0]) % NAMES.len()]));
    let keys = store.snapshot().await.unwrap().keys;
    let some_key = keys.get(usize::from(bytes[1]) % keys.len().max(1)).map(|key| key.key_id);
    let some_key = some_key.unwrap_or_else(|| "zzzzzzzz".parse().unwrap());
    let rotate = |from| Rotate { from, key: mint(), grace: "1m".parse().unwrap() };
    let outcome = match bytes[0] / 2 % 12 {
        0..=2 => store.rotate(&rotate(RotateFrom::Held(some_key)), &by(), now).await.map(drop),
        3 | 4 => store.rotate(&rotate(RotateFrom::Current(client_id, name)), &by(), now).await.map(drop),
        5 => store.rotate(&rotate(RotateFrom::Lost(client_id, name)), &by(), now).await.map(drop),
        6 => store.revoke(&Revoke::Key(some_key), &by(), now).await.map(drop),
        7 => store.revoke(&Revoke::Credential(client_id, name), &by(), now).await.map(drop),
        8 => store.close_window(&client_id, &name, &by(), now).await.map(drop),
        9 => {
            let import = Import::csv(format!("key,client_id\nkey-{server}-{step},acme_corp\n").as_bytes(), &peppers());
            store.import(import.unwrap(), &by(), now, |_| {}).await.map(drop)
        }
        10 => {
            let usage = Usage { key_id: some_key, requests: 1, last_used: now };
            store.record_usage(&[usage], None, now).await.map(drop)
        }
        _ => {
            let issue = Issue { client_id, credential: name, key: mint(), expires_at: None };
            store.issue(&issue, &by(), now).await.map(drop)
        }
    };
    match outcome {
        Ok(()) => true,
        Err(StoreError::Unavailable(error)) if error.trouble == Trouble::Busy => false,
        Err(refusal) => {
            assert_eq!(refusal.kind(), Kind::Caller, "{refusal:?}");
            false
        }
    }
}

/// Takes each epoch as a verifier does: none goes back, and no end moves later.
async fn follow(store: Store, over: Arc<AtomicBool>) -> usize {
    let mut held: Option<(Keyring, Document)> = None;
    let (mut ends, mut seen) = (HashMap::new(), 0);
    loop {
        let last = over.load(Ordering::SeqCst);
        let document = store.snapshot().await.unwrap();
        let text = document.clone().seal(&peppers()).to_json();
        let ring = Keyring::open(text.as_bytes(), Arc::new(peppers())).unwrap();
        if let Some((held, before)) = &held {
            ring.check_follows(held).unwrap();
            assert!(before.issued_at <= document.issued_at, "{} after {}", document.issued_at, before.issued_at);
            seen += usize::from(before.epoch < document.epoch);
        }
        for key in &document.keys {
            let end = key.end().map(|(at, _)| at);
            let before = ends.insert(key.key_id, end).flatten();
            assert!(before.is_none_or(|before| end.is_some_and(|end| end <= before)), "{key:?} after {before:?}");
        }
        held = Some((ring, document));
        if last {
            return seen;
        }
    }
}

async fn every_epoch_has_its_lines(store: &Store, epoch: u64) {
    let filter = AuditFilter { limit: Limit::new(1000).unwrap(), ..AuditFilter::default() };
    let mut epochs: Vec<_> = store.audit(&filter).await.unwrap().iter().map(|line| line.epoch).collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
    epochs.dedup();
    assert_eq!(epochs, (1..=epoch).collect::<Vec<_>>());
}

fn every_credential_is_in_order(document: &Document) {
    let mut credentials = BTreeMap::<_, Vec<_>>::new();
    for key in &document.keys {
        credentials.entry(&key.credential).or_default().push(key);
    }
    for (name, keys) in credentials {
        assert!(keys.iter().zip(1..).all(|(key, number)| key.generation == number), "{name}: {keys:?}");
        let now = document.issued_at;
        let live: Vec<_> = keys.iter().filter(|key| key.is_live(now)).collect();
        assert!(live.len() <= 3, "{name}: {live:?}");
        assert!(live.iter().filter(|key| key.superseded_at.is_none()).count() <= 1, "{name}: {live:?}");
    }
}
