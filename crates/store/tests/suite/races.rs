//! Several servers on one database at the same instant.

use gracekey_core::Timestamp;
use gracekey_store::{Conflict, Issue, Rotate, Store, StoreError};
use sqlx::{Connection, Executor};
use tokio::task::JoinSet;

use crate::support::{Place, acme, at, by, credential, current, held, issue, mint, on_both};

on_both! {
    two_rotations_with_one_key_make_one_generation
    two_rotations_by_operators_make_one_generation
    two_issues_make_one_generation
    changes_of_many_servers_make_one_line_of_epochs
    many_servers_start_at_once
    usage_and_changes_go_side_by_side
}

async fn two_rotations_with_one_key_make_one_generation(place: Place) {
    let stores = [place.store_with_client().await, place.store().await, place.store().await];
    let first = issue(&stores[0], 1).await;
    let winner = race(&stores, at(10), || held(&first)).await;
    let keys = stores[1].snapshot().await.unwrap().keys;
    assert_eq!(keys.iter().map(|key| key.key_id).collect::<Vec<_>>(), [first.key_id, winner]);
    // The loser's key is good for the next second, if the answer to the winner was lost.
    stores[2].rotate(&held(&first), &by(), at(11)).await.unwrap();
}

async fn two_rotations_by_operators_make_one_generation(place: Place) {
    let stores = [place.store_with_client().await, place.store().await];
    issue(&stores[0], 10).await;
    // A key that was issued in the same second may be rotated.
    let winner = race(&stores, at(10), current).await;
    assert_eq!(stores[1].snapshot().await.unwrap().keys.last().unwrap().key_id, winner);
    assert_eq!(stores[1].snapshot().await.unwrap().keys.len(), 2);
}

/// Twelve rotations at the same instant: one comes through, and all others are told of it.
async fn race(stores: &[Store], now: Timestamp, rotate: impl Fn() -> Rotate) -> gracekey_core::KeyId {
    let mut running = JoinSet::new();
    for number in 0..12 {
        let (store, rotate) = (stores[number % stores.len()].clone(), rotate());
        running.spawn(async move { store.rotate(&rotate, &by(), now).await });
    }
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for outcome in running.join_all().await {
        match outcome {
            Ok(done) => won.push(done.value.successor.key_id),
            Err(StoreError::Conflict(conflict)) => lost.push(conflict),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((won.len(), lost.len()), (1, 11));
    let expected = Conflict { client_id: acme(), credential: credential("default"), newest: won[0] };
    assert!(lost.iter().all(|conflict| *conflict == expected));
    assert!(lost[0].to_string().contains("look again in a second"));
    won[0]
}

async fn two_issues_make_one_generation(place: Place) {
    let stores = [place.store_with_client().await, place.store().await];
    let mut running = JoinSet::new();
    for number in 0..8 {
        let store = stores[number % 2].clone();
        let issue = Issue { client_id: acme(), credential: credential("default"), key: mint(), expires_at: None };
        running.spawn(async move { store.issue(&issue, &by(), at(1)).await });
    }
    let outcomes = running.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().flat_map(Result::as_ref).all(|done| done.epoch == 2));
    for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(refusal.to_string().contains("has a live key"), "{refusal}");
    }
}

async fn changes_of_many_servers_make_one_line_of_epochs(place: Place) {
    let stores = [place.store_with_client().await, place.store().await, place.store().await];
    let mut running = JoinSet::new();
    for number in 0..60 {
        let store = stores[number % 3].clone();
        running.spawn(async move {
            let name = credential(&format!("use-{number}"));
            let issue = Issue { client_id: acme(), credential: name, key: mint(), expires_at: None };
            store.issue(&issue, &by(), at(1)).await.unwrap().epoch
        });
    }
    let mut epochs = running.join_all().await;
    epochs.sort_unstable();
    assert_eq!(epochs, (2..=61).collect::<Vec<_>>());
    assert_eq!(place.count("SELECT COUNT(DISTINCT epoch) FROM gracekey_audit").await, 61);
}

async fn many_servers_start_at_once(place: Place) {
    let mut running = JoinSet::new();
    for _ in 0..8 {
        let address = place.address();
        running.spawn(async move { Store::connect(&address).await.unwrap().epoch().await.unwrap() });
    }
    assert_eq!(running.join_all().await, [0; 8]);
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_migrations").await, 6);
}

async fn usage_and_changes_go_side_by_side(place: Place) {
    let stores = [place.store_with_client().await, place.store().await];
    let first = issue(&stores[0], 1).await;
    let usage = [gracekey_store::Usage { key_id: first.key_id, requests: 1, last_used: at(2) }];
    let mut running = JoinSet::new();
    for number in 0..40 {
        let store = stores[number % 2].clone();
        running.spawn(async move {
            if number % 4 == 0 {
                let name = credential(&format!("use-{number}"));
                let issue = Issue { client_id: acme(), credential: name, key: mint(), expires_at: None };
                store.issue(&issue, &by(), at(1)).await.unwrap();
            } else {
                assert_eq!(store.record_usage(&usage, None, at(3)).await.unwrap(), 1);
            }
        });
    }
    running.join_all().await;
    assert_eq!(stores[1].key(first.key_id).await.unwrap().unwrap().requests, 30);
}

/// Two rotations in different seconds, that nevertheless overlap: both have looked before either could write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_rotations_conflict_whatever_their_clocks_say() {
    let place = Place::postgres();
    let stores = [place.store_with_client().await, place.store().await];
    let first = issue(&stores[0], 1).await;
    let mut other = sqlx::PgConnection::connect(&place.address()).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT epoch FROM gracekey_keyring FOR UPDATE").await.unwrap();
    let mut running = JoinSet::new();
    for (store, seconds) in stores.into_iter().zip([10, 20]) {
        let rotate = held(&first);
        running.spawn(async move { store.rotate(&rotate, &by(), at(seconds)).await.is_ok() });
    }
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while place.count(waiting).await < 2 {
        tokio::task::yield_now().await;
    }
    other.execute("COMMIT").await.unwrap();
    let mut outcomes = running.join_all().await;
    outcomes.sort_unstable();
    assert_eq!(outcomes, [false, true]);
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_generations").await, 2);
}
