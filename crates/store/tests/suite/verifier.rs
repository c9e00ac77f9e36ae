//! From the store to the verdict: what verifiers make of a snapshot.

use std::sync::Arc;

use gracekey_core::{ApiKey, Held, Keyring, Policy, Reason, Request, Revoke, Timestamp, Verdict, decide};
use gracekey_store::{Import, Issue, Rotate, RotateFrom, Store};

use crate::support::{Place, acme, at, by, credential, mint_key, on_both, peppers};

on_both! {
    verdicts_follow_the_store
    an_imported_key_works_as_before
    each_epoch_follows_the_one_before
}

async fn keyring(store: &Store) -> Keyring {
    let text = store.snapshot().await.unwrap().seal(&peppers()).to_json();
    Keyring::open(text.as_bytes(), Arc::new(peppers())).unwrap()
}

/// Why that key is denied at that moment, or `None` for a grant.
fn denied(keyring: &Keyring, key: &str, now: Timestamp) -> Option<Reason> {
    let headers = [(b"x-api-key".as_slice(), key.as_bytes())];
    let request = Request { method: b"GET", target: b"/", headers: headers.into_iter() };
    match decide(&Policy::default(), Some(Held { keyring, confirmed_at: now }), &request, Some(now)) {
        Verdict::Grant(_) => None,
        Verdict::Denial(denial) => Some(denial.reason()),
    }
}

async fn issued(store: &Store) -> (ApiKey, gracekey_core::KeyId) {
    let (key, minted) = mint_key();
    let issue = Issue { client_id: acme(), credential: credential("default"), key: minted, expires_at: None };
    (key, store.issue(&issue, &by(), at(1)).await.unwrap().value.key_id)
}

async fn verdicts_follow_the_store(place: Place) {
    let store = place.store_with_client().await;
    let (old, old_id) = issued(&store).await;
    let (new, minted) = mint_key();
    assert_eq!(denied(&keyring(&store).await, new.reveal(), at(2)), Some(Reason::Unknown));
    let rotate = Rotate { from: RotateFrom::Held(old_id), key: minted, grace: "1h".parse().unwrap() };
    store.rotate(&rotate, &by(), at(10)).await.unwrap();
    let ring = keyring(&store).await;
    assert_eq!((denied(&ring, old.reveal(), at(3609)), denied(&ring, new.reveal(), at(3609))), (None, None));
    assert_eq!(denied(&ring, old.reveal(), at(3610)), Some(Reason::Superseded));

    store.disable_client(&acme(), true, &by(), at(20)).await.unwrap();
    assert_eq!(denied(&keyring(&store).await, new.reveal(), at(20)), Some(Reason::ClientDisabled));
    store.disable_client(&acme(), false, &by(), at(30)).await.unwrap();
    store.revoke(&Revoke::Key(minted.key_id), &by(), at(40)).await.unwrap();
    let ring = keyring(&store).await;
    assert_eq!(
        (denied(&ring, old.reveal(), at(40)), denied(&ring, new.reveal(), at(40))),
        (None, Some(Reason::Revoked))
    );
}

async fn an_imported_key_works_as_before(place: Place) {
    let store = place.store().await;
    let import = Import::api_keys(r#"{"xyz789_real_key":"acme_corp"}"#, &peppers()).unwrap();
    store.import(import, &by(), at(1), |_| {}).await.unwrap();
    let ring = keyring(&store).await;
    assert_eq!(denied(&ring, "xyz789_real_key", at(2)), None);
    assert_eq!(denied(&ring, "xyz789_real_kez", at(2)), Some(Reason::Unknown));
}

async fn each_epoch_follows_the_one_before(place: Place) {
    let store = place.store().await;
    let mut held = keyring(&store).await;
    crate::support::add_client(&store, "acme_corp").await;
    for number in 0..3 {
        crate::support::issue_to(&store, &format!("use-{number}"), number).await;
        let next = keyring(&store).await;
        next.check_follows(&held).unwrap();
        assert!(held.check_follows(&next).is_err());
        held = next;
    }
}
