//! Servers whose clocks differ. What one has ended has ended for the others, and no clock brings it back.

use gracekey_core::{LifecycleError, Revoke, Timestamp};
use gracekey_store::{Issue, StoreError};

use crate::support::{Place, acme, add_client, at, by, credential, current, held, issue, mint, on_both};

on_both! {
    a_revoked_key_is_not_rotated_by_a_clock_behind
    a_clock_behind_revokes_at_its_own_moment
    a_window_that_a_clock_ahead_opened_is_closed
    a_clock_gone_wrong_is_not_followed
    an_empty_store_is_dated_from_its_making
}

async fn a_revoked_key_is_not_rotated_by_a_clock_behind(place: Place) {
    let (ahead, behind) = (place.store_with_client().await, place.store().await);
    let first = issue(&ahead, 1).await;
    ahead.revoke(&Revoke::Key(first.key_id), &by(), at(130)).await.unwrap();
    let refusal = behind.rotate(&held(&first), &by(), at(100)).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Refused(LifecycleError::Ended { .. })), "{refusal}");
    let refusal = behind.rotate(&current(), &by(), at(100)).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Refused(LifecycleError::NothingLive { .. })), "{refusal}");
    let wanted = Issue { client_id: acme(), credential: credential("default"), key: mint(), expires_at: None };
    assert_eq!(behind.issue(&wanted, &by(), at(100)).await.unwrap().value.generation, 2);
}

async fn a_clock_behind_revokes_at_its_own_moment(place: Place) {
    let (ahead, behind) = (place.store_with_client().await, place.store().await);
    let first = issue(&ahead, 130).await;
    behind.revoke(&Revoke::Key(first.key_id), &by(), at(100)).await.unwrap();
    let document = ahead.snapshot().await.unwrap();
    assert_eq!((document.keys[0].revoked_at, document.issued_at), (Some(at(100)), at(130)));
}

async fn a_window_that_a_clock_ahead_opened_is_closed(place: Place) {
    let (ahead, behind) = (place.store_with_client().await, place.store().await);
    let first = issue(&ahead, 1).await;
    ahead.rotate(&held(&first), &by(), at(130)).await.unwrap();
    let closed = behind.close_window(&acme(), &credential("default"), &by(), at(100)).await.unwrap();
    assert_eq!(closed.value, [first.key_id]);
    assert_eq!(behind.snapshot().await.unwrap().keys[0].retires_at, Some(at(130)));
}

/// An hour ahead is no clock to follow: windows would open an hour late.
async fn a_clock_gone_wrong_is_not_followed(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let client = gracekey_core::Client { client_id: "globex".parse().unwrap(), disabled: false, scopes: Vec::new() };
    store.add_client(&client.into(), &by(), at(3600)).await.unwrap();
    let rotation = store.rotate(&held(&first), &by(), at(100)).await.unwrap().value;
    assert_eq!(rotation.predecessor.superseded_at, Some(at(100)));
}

async fn an_empty_store_is_dated_from_its_making(place: Place) {
    let made_at = place.store().await.snapshot().await.unwrap().issued_at;
    // When this was written.
    assert!(at(0) < made_at && made_at < Timestamp::MAX, "{made_at}");
    let store = place.store().await;
    assert_eq!(store.snapshot().await.unwrap().issued_at, made_at);
    add_client(&store, "acme_corp").await;
    assert_eq!(store.snapshot().await.unwrap().issued_at, at(0));
}
