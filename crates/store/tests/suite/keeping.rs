//! A scope that some live key must go on having, however many servers take one away at the same instant.

use gracekey_core::{Client, ClientId, Generation, Revoke, Scope};
use gracekey_store::{ClientChange, Issue, KeyFilter, Kind, LastHolder, Store, StoreError, Usage};

use crate::support::{Place, at, by, credential, held, mint, on_both};

on_both! {
    the_last_holder_stays
    what_is_over_is_no_holder
    what_a_clock_ahead_revoked_is_over
    two_servers_leave_one
}

fn scope() -> Scope {
    "gracekey:admin".parse().unwrap()
}

fn named(name: &str) -> ClientId {
    name.parse().unwrap()
}

async fn holder(store: &Store, name: &str) -> Generation {
    let scopes = vec!["gracekey:read".parse().unwrap(), scope(), "logs:write".parse().unwrap()];
    let client = Client { client_id: named(name), disabled: false, scopes };
    store.add_client(&client.into(), &by(), at(0)).await.unwrap();
    issue(store, name, 1).await
}

async fn issue(store: &Store, name: &str, now: i64) -> Generation {
    let issue = Issue { client_id: named(name), credential: credential("default"), key: mint(), expires_at: None };
    store.issue(&issue, &by(), at(now)).await.unwrap().value
}

/// Takes the scope away from a client, in one of the ways that there are.
async fn take(store: &Store, key: &Generation, way: usize, now: i64) -> Result<u64, StoreError> {
    let client_id = &key.client_id;
    let by = by();
    let change = match way % WAYS {
        3 => ClientChange { disabled: Some(true), scopes: None },
        // One that has the other's name in it is another.
        4 => {
            let scopes = ["gracekey:administrator", "a-gracekey:admin"].map(|scope| scope.parse().unwrap()).to_vec();
            ClientChange { disabled: None, scopes: Some(scopes) }
        }
        ends => {
            let what = match ends {
                0 => Revoke::Key(key.key_id),
                1 => Revoke::Credential(client_id.clone(), key.credential.clone()),
                _ => Revoke::Client(client_id.clone()),
            };
            return store.revoke(&what, &by, at(now)).await.map(|done| done.epoch);
        }
    };
    store.change_client(client_id, &change, &by, at(now)).await.map(|done| done.epoch)
}

const WAYS: usize = 5;

fn assert_last<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    let refused = outcome.unwrap_err();
    assert_eq!(refused.kind(), Kind::Caller);
    assert!(refused.to_string().contains("gracekey:admin"), "{refused}");
    assert!(matches!(refused, StoreError::LastHolder(LastHolder { scope: kept }) if kept == scope()));
}

async fn the_last_holder_stays(place: Place) {
    let store = place.store_with_client().await;
    let (key, keeping) = (holder(&store, "ops").await, store.keeping(&scope()));
    let before = (store.epoch().await.unwrap(), format!("{:?}", store.snapshot().await.unwrap()));
    for way in 0..WAYS {
        assert_last(take(&keeping, &key, way, 9).await);
    }
    assert_eq!((store.epoch().await.unwrap(), format!("{:?}", store.snapshot().await.unwrap())), before);
    // Its own successor is another.
    let second = keeping.rotate(&held(&key), &by(), at(10)).await.unwrap().value.successor;
    take(&keeping, &key, 0, 11).await.unwrap();
    assert_last(take(&keeping, &second, 0, 12).await);
    // Whoever does not ask for it is not kept from anything, and of nobody nothing is lost.
    take(&store, &second, 0, 13).await.unwrap();
    take(&keeping, &second, 3, 14).await.unwrap();
}

async fn what_is_over_is_no_holder(place: Place) {
    let store = place.store_with_client().await;
    let (key, keeping) = (holder(&store, "ops").await, store.keeping(&scope()));
    let other = holder(&store, "other").await;
    for way in [0, 3, 4] {
        let mine = store.keys(&Default::default()).await.unwrap();
        let other = mine.iter().find(|row| row.generation.client_id == named("other")).unwrap().generation.clone();
        take(&keeping, &other, way, 5).await.unwrap();
        assert_last(take(&keeping, &key, 0, 6).await);
        let again = ClientChange { disabled: Some(false), scopes: Some(vec![scope()]) };
        keeping.change_client(&named("other"), &again, &by(), at(7)).await.unwrap();
    }
    // A window that closes soon is open; one that has closed is not.
    let second = issue(&store, "other", 8).await;
    keeping.rotate(&held(&second), &by(), at(10)).await.unwrap();
    let name = credential("default");
    store.revoke(&Revoke::Client(key.client_id.clone()), &by(), at(11)).await.unwrap();
    let keys = store.snapshot().await.unwrap().keys;
    let newest = keys.iter().rfind(|key| key.client_id == other.client_id).unwrap();
    take(&keeping, newest, 0, 12).await.unwrap();
    assert_last(keeping.close_window(&other.client_id, &name, &by(), at(13)).await);
}

/// A revocation waits for no clock.
async fn what_a_clock_ahead_revoked_is_over(place: Place) {
    let store = place.store_with_client().await;
    let (key, keeping) = (holder(&store, "ops").await, store.keeping(&scope()));
    let other = holder(&store, "other").await;
    let usage = [Usage { key_id: other.key_id, requests: 1, last_used: at(2) }];
    store.record_usage(&usage, None, at(2)).await.unwrap();
    let live = async || {
        let filter = KeyFilter { live_at: Some(at(3)), ..KeyFilter::default() };
        let used = store.used_since(&Revoke::Key(other.key_id), at(0), at(3)).await.unwrap().len();
        let current = place.count("SELECT COUNT(*) FROM gracekey_key_list WHERE state = 'current'").await;
        (store.keys(&filter).await.unwrap().len(), used, current)
    };
    assert_eq!(live().await, (2, 1, 2));
    let far_ahead = "UPDATE gracekey_generations SET expires_at = 99999999998, revoked_at = 99999999999";
    place.sql(&format!("{far_ahead} WHERE key_id = '{}'", other.key_id)).await.unwrap();
    assert_eq!(live().await, (1, 0, 1));
    place.sql("UPDATE gracekey_generations SET expires_at = NULL WHERE revoked_at IS NOT NULL").await.unwrap();
    assert_eq!(live().await, (1, 0, 1));
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_key_list WHERE state = 'revoked'").await, 1);
    assert_last(take(&keeping, &key, 0, 3).await);
}

/// Each sees the other's key alive, and takes its own away.
async fn two_servers_leave_one(place: Place) {
    let stores = [place.store().await.keeping(&scope()), place.store().await.keeping(&scope())];
    let mut keys = [holder(&stores[0], "first").await, holder(&stores[0], "second").await];
    let (mut won, rounds) = ([0, 0], 50);
    for round in 0..rounds {
        let now = i64::try_from(round).unwrap() * 10 + 10;
        let outcomes = {
            let [first, second] = [0, 1].map(|at| {
                let (store, key) = (stores[at].clone(), keys[at].clone());
                tokio::spawn(async move { take(&store, &key, round + at, now).await })
            });
            [first.await.unwrap(), second.await.unwrap()]
        };
        let gone = outcomes.iter().position(Result::is_ok).unwrap();
        let [first, second] = outcomes;
        assert_last(if gone == 0 { second } else { first });
        won[gone] += 1;
        let name = keys[gone].client_id.as_str().to_owned();
        let again = ClientChange { disabled: Some(false), scopes: Some(vec![scope()]) };
        stores[gone].change_client(&named(&name), &again, &by(), at(now + 1)).await.unwrap();
        if (round + gone) % WAYS < 3 {
            keys[gone] = issue(&stores[gone], &name, now + 2).await;
        }
    }
    assert_eq!(won[0] + won[1], rounds);
}
