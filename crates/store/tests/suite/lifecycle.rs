//! The life of a key in a store, step by step.

use gracekey_core::{Document, End, Generation, LifecycleError, Pepper, Peppers, Revoke, Seconds};
use gracekey_store::{AtMost, Issue, KeyState, Kind, Rotate, RotateFrom, StoreError, Usage};

use crate::support::{
    Place, acme, add_client, at, by, credential, current, held, issue, issue_to, mint, on_both, pepper, peppers,
};

on_both! {
    a_key_is_issued_and_shows_in_the_snapshot
    a_rotation_opens_a_window
    a_lost_answer_is_no_lost_key
    a_used_successor_ends_the_predecessors_right_to_rotate
    the_same_change_with_the_same_key_happens_once
    a_key_of_somebody_else_is_taken
    a_revocation_ends_all_that_is_meant
    a_window_is_closed_early
    a_key_that_got_lost_on_its_way_to_an_operator_is_replaced
    an_expiry_only_comes_nearer
    a_disabled_client_shows_in_the_snapshot
    a_holder_rotates_only_so_often
    what_ended_long_ago_is_pruned
    a_lost_answer_is_pruned_after_a_day
    a_refusal_changes_nothing
    another_pepper_of_the_same_id_is_noticed
}

async fn a_key_is_issued_and_shows_in_the_snapshot(place: Place) {
    let store = place.store().await;
    assert_eq!(store.snapshot().await.unwrap().epoch, 0);
    add_client(&store, "acme_corp").await;
    let key = mint();
    let wanted = Issue { client_id: acme(), credential: credential("ci"), key, expires_at: Some(at(500)) };
    let done = store.issue(&wanted, &by(), at(1)).await.unwrap();
    assert_eq!((done.epoch, done.changed, done.value.generation), (2, true, 1));

    let document = place.store().await.snapshot().await.unwrap();
    assert_eq!((document.epoch, document.issued_at, document.clients.len()), (2, at(1), 1));
    assert_eq!(document.clients[0].scopes, ["logs:write".parse().unwrap()]);
    let [generation] = &document.keys[..] else { panic!("{:?}", document.keys) };
    assert_eq!(format!("{generation:?}"), format!("{:?}", done.value));
    assert_eq!(generation.digest.to_string(), key.digest.to_string());
    assert_eq!((generation.expires_at, generation.not_before), (Some(at(500)), None));
}

async fn a_rotation_opens_a_window(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let done = store.rotate(&current(), &by(), at(10)).await.unwrap();
    let rotation = done.value;
    assert_eq!((done.epoch, rotation.successor.generation), (3, 2));
    assert_eq!(rotation.predecessor.key_id, first.key_id);
    assert_eq!(rotation.predecessor.retires_at, Some(at(10 + 86_400)));
    let row = store.key(first.key_id).await.unwrap().unwrap();
    assert_eq!(row.generation.retires_at, rotation.predecessor.retires_at);
    assert_eq!(row.window_left(at(70)), Some(86_400 - 60));
}

async fn a_lost_answer_is_no_lost_key(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let lost = store.rotate(&held(&first), &by(), at(10)).await.unwrap().value;
    let again = store.rotate(&held(&first), &by(), at(50)).await.unwrap().value;
    assert_eq!(again.replaced[0].key_id, lost.successor.key_id);
    assert_eq!(again.predecessor.retires_at, lost.predecessor.retires_at);
    let live = Document::credential(&store.snapshot().await.unwrap(), &acme(), &credential("default"))
        .live(at(51))
        .map(|generation| generation.key_id)
        .collect::<Vec<_>>();
    assert_eq!(live, [first.key_id, again.successor.key_id]);
}

async fn a_used_successor_ends_the_predecessors_right_to_rotate(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let second = store.rotate(&held(&first), &by(), at(10)).await.unwrap().value.successor;
    // Whoever rotates with a key uses it.
    store.rotate(&held(&second), &by(), at(20)).await.unwrap();
    let refusal = store.rotate(&held(&first), &by(), at(30)).await.unwrap_err();
    let StoreError::Refused(LifecycleError::SuccessorUsed { key_id, successor }) = refusal else { panic!("{refusal}") };
    assert_eq!((key_id, successor), (first.key_id, second.key_id));
}

async fn the_same_change_with_the_same_key_happens_once(place: Place) {
    let store = place.store_with_client().await;
    let wanted = Issue { client_id: acme(), credential: credential("default"), key: mint(), expires_at: None };
    let first = store.issue(&wanted, &by(), at(1)).await.unwrap();
    let again = store.issue(&wanted, &by(), at(2)).await.unwrap();
    assert_eq!((again.epoch, again.changed), (first.epoch, false));
    assert_eq!(format!("{:?}", again.value), format!("{:?}", first.value));

    let wanted = held(&first.value);
    let first = store.rotate(&wanted, &by(), at(10)).await.unwrap();
    let again = store.rotate(&wanted, &by(), at(10)).await.unwrap();
    assert_eq!((again.epoch, again.changed), (first.epoch, false));
    assert_eq!(format!("{:?}", again.value.successor), format!("{:?}", first.value.successor));
    assert_eq!(again.value.predecessor.retires_at, first.value.predecessor.retires_at);
    assert_eq!(store.snapshot().await.unwrap().keys.len(), 2);
}

async fn a_key_of_somebody_else_is_taken(place: Place) {
    let store = place.store_with_client().await;
    add_client(&store, "globex").await;
    let first = issue(&store, 1).await;
    let theirs = gracekey_core::Minted { key_id: first.key_id, digest: first.digest };
    let wanted = Issue {
        client_id: "globex".parse().unwrap(),
        credential: credential("default"),
        key: theirs,
        expires_at: None,
    };
    let same_id = Issue { key: gracekey_core::Minted { key_id: first.key_id, ..mint() }, ..wanted.clone() };
    let same_key = Issue { key: gracekey_core::Minted { digest: first.digest, ..mint() }, ..wanted.clone() };
    for wanted in [wanted, same_id, same_key] {
        let refusal = store.issue(&wanted, &by(), at(2)).await.unwrap_err();
        let StoreError::Refused(refusal) = refusal else { panic!("{refusal}") };
        assert_eq!(refusal, LifecycleError::Taken { key_id: first.key_id });
    }
    assert_eq!(store.epoch().await.unwrap(), 3);
}

async fn a_revocation_ends_all_that_is_meant(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let second = store.rotate(&current(), &by(), at(2)).await.unwrap().value.successor;
    let done = store.revoke(&Revoke::Client(acme()), &by(), at(3)).await.unwrap();
    assert_eq!((done.epoch, done.value), (4, vec![first.key_id, second.key_id]));
    let again = store.revoke(&Revoke::Client(acme()), &by(), at(4)).await.unwrap();
    assert_eq!((again.epoch, again.changed, again.value.len()), (4, false, 0));
    for what in [
        Revoke::Key("zzzzzzzz".parse().unwrap()),
        Revoke::Credential(acme(), credential("none")),
        Revoke::Client("nobody".parse().unwrap()),
    ] {
        assert!(matches!(store.revoke(&what, &by(), at(5)).await, Err(StoreError::Refused(_))), "{what:?}");
    }
}

async fn an_expiry_only_comes_nearer(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    assert_eq!(store.expire(first.key_id, at(100), &by(), at(2)).await.unwrap().value.expires_at, Some(at(100)));
    assert!(!store.expire(first.key_id, at(100), &by(), at(3)).await.unwrap().changed);
    let refusal = store.expire(first.key_id, at(101), &by(), at(3)).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Refused(LifecycleError::NeverLater { .. })), "{refusal}");
    let successor = store.rotate(&held(&first), &by(), at(4)).await.unwrap().value.successor;
    assert_eq!(successor.expires_at, Some(at(100)));
}

async fn a_disabled_client_shows_in_the_snapshot(place: Place) {
    let store = place.store_with_client().await;
    assert!(store.disable_client(&acme(), true, &by(), at(1)).await.unwrap().changed);
    assert!(!store.disable_client(&acme(), true, &by(), at(2)).await.unwrap().changed);
    assert!(store.snapshot().await.unwrap().clients[0].disabled);
    assert!(store.set_scopes(&acme(), &["logs:read".parse().unwrap()], &by(), at(3)).await.unwrap().changed);
    let document = store.snapshot().await.unwrap();
    assert_eq!((document.epoch, document.clients[0].scopes[0].as_str()), (3, "logs:read"));
    store.disable_client(&acme(), false, &by(), at(4)).await.unwrap();
    assert!(!store.client(&acme()).await.unwrap().unwrap().client.disabled);
}

async fn what_ended_long_ago_is_pruned(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    store.rotate(&current(), &by(), at(2)).await.unwrap();
    store.revoke(&Revoke::Key(first.key_id), &by(), at(10)).await.unwrap();
    let keep = Seconds(100);
    assert_eq!(store.prune(keep, &by(), at(110)).await.unwrap().value, 0);
    let done = store.prune(keep, &by(), at(111)).await.unwrap();
    assert_eq!((done.value, done.changed, done.epoch), (1, true, 5));
    let left = store.snapshot().await.unwrap().keys;
    assert_eq!((left.len(), left[0].generation), (1, 2));
}

async fn a_holder_rotates_only_so_often(place: Place) {
    let store = place.store_with_client().await;
    let mut newest = issue(&store, 1).await;
    let limits = [
        AtMost { rotations: 0, within: Seconds::DAY },
        AtMost { rotations: 2, within: Seconds(100) },
        AtMost { rotations: 3, within: Seconds(1000) },
    ];
    let at_once = |order: Rotate| Rotate { grace: "0s".parse().unwrap(), ..order };
    let rotate =
        async |from: &Generation, now| store.rotate_within(&limits, &at_once(held(from)), &by(), at(now)).await;
    let refused = async |from: &Generation, now| match rotate(from, now).await {
        Err(StoreError::TooManyRotations(error)) => error.wait,
        other => panic!("{other:?}"),
    };
    for now in [10, 20] {
        newest = rotate(&newest, now).await.unwrap().value.successor;
    }
    let before = store.epoch().await.unwrap();
    assert_eq!(refused(&newest, 30).await, 80);
    assert_eq!(refused(&newest, 109).await, 1);
    assert_eq!(store.epoch().await.unwrap(), before);
    // Asked again for a lost answer, it is one more.
    newest = rotate(&newest, 110).await.unwrap().value.successor;
    assert_eq!(refused(&newest, 210).await, 800);
    // An operator is in nobody's way.
    for now in [211, 212] {
        let order = at_once(current());
        newest = store.rotate_within(&limits, &order, &by(), at(now)).await.unwrap().value.successor;
    }
    let other = issue_to(&store, "ci", 213).await.value;
    rotate(&other, 214).await.unwrap();
    // What was asked for twice happened once.
    let order = held(&newest);
    let once = store.rotate_within(&limits, &order, &by(), at(2000)).await.unwrap();
    let none = [AtMost { rotations: 1, within: Seconds::DAY }];
    let again = store.rotate_within(&none, &order, &by(), at(2000)).await.unwrap();
    assert_eq!((again.epoch, again.changed), (once.epoch, false));
}

async fn a_lost_answer_is_pruned_after_a_day(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let rotate =
        async |from: &Generation, now| store.rotate(&held(from), &by(), at(now)).await.unwrap().value.successor;
    let lost = rotate(&first, 10).await;
    let second = rotate(&first, 20).await;
    let ended = rotate(&second, 30).await;
    store.revoke(&Revoke::Key(ended.key_id), &by(), at(31)).await.unwrap();
    let (keep, day) = (Document::TOMBSTONES, 86_400);
    assert_eq!(store.prune(keep, &by(), at(20 + day)).await.unwrap().value, 0);
    assert_eq!(store.prune(keep, &by(), at(21 + day)).await.unwrap().value, 1);
    assert!(store.key(lost.key_id).await.unwrap().is_none());
    // What an operator revoked had a holder who is to learn of it.
    assert!(store.key(ended.key_id).await.unwrap().is_some());
    assert_eq!(store.prune(keep, &by(), at(40 + day)).await.unwrap().value, 0);
}

async fn a_refusal_changes_nothing(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let before = format!("{:?}", store.snapshot().await.unwrap());
    let wanted = Issue { client_id: acme(), credential: credential("default"), key: mint(), expires_at: None };
    assert!(matches!(
        store.issue(&wanted, &by(), at(2)).await,
        Err(StoreError::Refused(LifecycleError::IsLive { .. }))
    ));
    let stranger = Issue { client_id: "nobody".parse().unwrap(), ..wanted.clone() };
    assert!(matches!(
        store.issue(&stranger, &by(), at(2)).await,
        Err(StoreError::Refused(LifecycleError::UnknownClient { .. }))
    ));
    let past = Issue { credential: credential("ci"), expires_at: Some(at(2)), ..wanted };
    assert!(matches!(
        store.issue(&past, &by(), at(2)).await,
        Err(StoreError::Refused(LifecycleError::ExpiryPassed { .. }))
    ));
    let mut stranger = held(&first);
    stranger.from = RotateFrom::Held("zzzzzzzz".parse().unwrap());
    assert!(matches!(
        store.rotate(&stranger, &by(), at(2)).await,
        Err(StoreError::Refused(LifecycleError::UnknownKey { .. }))
    ));
    assert_eq!(format!("{:?}", store.snapshot().await.unwrap()), before);
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_audit").await, 2);
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_credentials").await, 1);
}

async fn a_window_is_closed_early(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let rotation = store.rotate(&current(), &by(), at(10)).await.unwrap().value;
    let done = store.close_window(&acme(), &credential("default"), &by(), at(20)).await.unwrap();
    assert_eq!((done.epoch, done.changed, done.value), (4, true, vec![first.key_id]));
    let state = |row: gracekey_store::KeyRow, now| row.state(at(now));
    let row = store.key(first.key_id).await.unwrap().unwrap();
    assert_eq!(state(row, 20), KeyState::Ended(End::Retired));
    let row = store.key(rotation.successor.key_id).await.unwrap().unwrap();
    assert_eq!(state(row, 20), KeyState::Current);
    let again = store.close_window(&acme(), &credential("default"), &by(), at(21)).await.unwrap();
    assert_eq!((again.epoch, again.changed, again.value.len()), (4, false, 0));
    let refusal = store.close_window(&acme(), &credential("ci"), &by(), at(21)).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Refused(LifecycleError::UnknownCredential { .. })));
}

async fn a_key_that_got_lost_on_its_way_to_an_operator_is_replaced(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let lost =
        || Rotate { from: RotateFrom::Lost(acme(), credential("default")), key: mint(), grace: "1h".parse().unwrap() };
    let refusal = store.rotate(&lost(), &by(), at(5)).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Refused(LifecycleError::NothingLost { .. })));
    let second = store.rotate(&current(), &by(), at(10)).await.unwrap().value;
    let third = store.rotate(&lost(), &by(), at(20)).await.unwrap().value;
    assert_eq!(third.predecessor.key_id, first.key_id);
    assert_eq!(third.predecessor.retires_at, second.predecessor.retires_at, "the window stays as it is");
    assert_eq!(third.replaced.iter().map(|replaced| replaced.key_id).collect::<Vec<_>>(), [second.successor.key_id]);
    assert_eq!(store.key(first.key_id).await.unwrap().unwrap().last_used, None, "an operator is no use of a key");
    let used = Usage { key_id: third.successor.key_id, requests: 1, last_used: at(30) };
    store.record_usage(&[used], None, at(31)).await.unwrap();
    let refusal = store.rotate(&lost(), &by(), at(40)).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Refused(LifecycleError::SuccessorUsed { .. })));
}

async fn another_pepper_of_the_same_id_is_noticed(place: Place) {
    let store = place.store_with_client().await;
    let other = || Pepper::new("p1".parse().unwrap(), &[8; 32]).unwrap();
    let check = async |ring: Peppers| store.check_peppers(&ring).await;
    check(Peppers::one(other())).await.unwrap();
    check(peppers()).await.expect("no key was ever digested with the one before");
    issue(&store, 1).await;
    check(peppers()).await.unwrap();
    for ring in [Peppers::one(other()), Peppers::rotating(pepper("p2"), other()).unwrap()] {
        let refusal = check(ring).await.unwrap_err();
        assert_eq!(refusal.kind(), Kind::Operator);
        assert!(refusal.to_string().contains("has that id but is another"), "{refusal}");
    }
    check(Peppers::rotating(pepper("p2"), pepper("p1")).unwrap()).await.unwrap();
    assert_eq!(store.epoch().await.unwrap(), 2, "a mark is no change of the keyring");
}
