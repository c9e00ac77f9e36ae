//! Whoever asked for an import goes away in its middle, and its connection serves others.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use gracekey_core::Revoke;
use gracekey_store::{ClientChange, Import, Issue, Rotate, RotateFrom, Store};

use crate::support::{Place, add_client, at, by, credential, mint, on_both, peppers};

on_both! {
    an_import_that_is_given_up_leaves_nothing
}

const ROWS: usize = 1500;
const MOMENTS: usize = 12;

/// Imports until it has gone on so many times. Says whether it came to its end.
async fn import(store: &Store, round: usize, limit: usize) -> bool {
    let rows: String = (0..ROWS).map(|row| format!("foreign-key-{round}-{row},import-{round}-{row},ci\n")).collect();
    let import = Import::csv(format!("key,client_id,credential\n{rows}").as_bytes(), &peppers()).unwrap();
    let by = by();
    let mut running = pin!(store.import(import, &by, at(2), |_| {}));
    let mut polls = 0;
    poll_fn(move |context| {
        if polls == limit {
            return Poll::Ready(false);
        }
        polls += 1;
        running.as_mut().poll(context).map(|done| {
            assert_eq!(done.unwrap().value.imported(), ROWS);
            true
        })
    })
    .await
}

/// Eight changes, each of which makes an epoch.
async fn changes(store: &Store, round: usize) {
    let (by, name) = (by(), credential("default"));
    let [first, second] = [1, 2].map(|number| format!("client-{round}-{number}"));
    let before = store.epoch().await.unwrap();
    add_client(store, &first).await;
    add_client(store, &second).await;
    let [first, second] = [first, second].map(|name| name.parse().unwrap());
    let issue = |client_id: &gracekey_core::ClientId| Issue {
        client_id: client_id.clone(),
        credential: name.clone(),
        key: mint(),
        expires_at: None,
    };
    let old = store.issue(&issue(&first), &by, at(3)).await.unwrap().value;
    let key = store.issue(&issue(&second), &by, at(3)).await.unwrap().value;
    let rotate = Rotate { from: RotateFrom::Held(old.key_id), key: mint(), grace: "1d".parse().unwrap() };
    let rotated = store.rotate(&rotate, &by, at(4)).await.unwrap().value;
    assert_eq!((rotated.predecessor.key_id, rotated.successor.key_id), (old.key_id, rotate.key.key_id));
    assert!(store.revoke(&Revoke::Key(key.key_id), &by, at(5)).await.unwrap().changed);
    assert!(store.disable_client(&second, true, &by, at(6)).await.unwrap().changed);
    let change = ClientChange { disabled: None, scopes: Some(Vec::new()) };
    let last = store.change_client(&first, &change, &by, at(7)).await.unwrap();
    assert_eq!((last.epoch, store.epoch().await.unwrap()), (before + 8, before + 8));
    let row = store.key(key.key_id).await.unwrap().unwrap();
    assert_eq!((row.generation.client_id, row.generation.revoked_at, row.client_disabled), (second, Some(at(5)), true));
    assert!(store.client(&first).await.unwrap().unwrap().client.scopes.is_empty());
}

async fn an_import_that_is_given_up_leaves_nothing(place: Place) {
    let store = place.store().await;
    // It goes on for about 25 times, and for 80 times.
    let step = if matches!(place, Place::Postgres(_)) { 2 } else { 6 };
    let mut given_up = 0;
    for round in 1..=MOMENTS {
        let is_over = import(&store, round, step * round).await;
        changes(&store, round).await;
        // Whoever goes away while it is committed may find it there: all of it.
        let count = |what: &str| format!("SELECT COUNT(*) FROM gracekey_{what} LIKE 'import-{round}-%'");
        let there = place.count(&count("clients WHERE client_id")).await;
        for what in ["credentials WHERE client_id", "generations WHERE client_id"] {
            assert_eq!(place.count(&count(what)).await, there);
        }
        assert_eq!(place.count(&count("audit WHERE client_id")).await, 2 * there);
        assert!(there == 0 || there == i64::try_from(ROWS).unwrap(), "{there}");
        assert!(there != 0 || !is_over);
        given_up += usize::from(there == 0);
    }
    // How often it goes on depends on how busy the machine is, but it never is over so soon.
    assert!(given_up >= 4, "{given_up}");
}
