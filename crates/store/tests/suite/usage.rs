//! Who used what, as verifiers report it.

use gracekey_core::Revoke;
use gracekey_store::{Recorded, Reporter, Usage};

use crate::support::{Place, acme, at, by, held, issue, issue_to, on_both};

on_both! {
    counts_add_up_and_the_latest_moment_stays
    a_report_sent_twice_counts_once
    a_report_that_is_stale_says_so
    what_no_holder_can_have_done_is_not_counted
    usage_makes_no_epoch_and_no_audit
    unknown_keys_and_odd_numbers_are_no_error
    who_would_miss_a_key
    a_large_report_is_one_of_many_statements
}

async fn counts_add_up_and_the_latest_moment_stays(place: Place) {
    let store = place.store_with_client().await;
    let key_id = issue(&store, 1).await.key_id;
    let other = issue_to(&store, "ci", 1).await.value.key_id;
    let of = |key_id, requests, last_used| Usage { key_id, requests, last_used: at(last_used) };
    let batch = [of(key_id, 2, 500), of(other, 1, 7), of(key_id, 3, 400)];
    assert_eq!(store.record_usage(&batch, None, at(600)).await.unwrap(), 2);
    // An older report comes late.
    store.record_usage(&[of(key_id, 10, 30)], None, at(700)).await.unwrap();
    let row = store.key(key_id).await.unwrap().unwrap();
    assert_eq!((row.requests, row.last_used), (15, Some(at(500))));
    assert_eq!(store.client(&acme()).await.unwrap().unwrap().last_used, Some(at(500)));
}

async fn a_report_sent_twice_counts_once(place: Place) {
    let store = place.store_with_client().await;
    let key_id = issue(&store, 1).await.key_id;
    let batch = [Usage { key_id, requests: 2, last_used: at(5) }];
    let reporter = |name: &str, sequence| Reporter { name: name.into(), sequence };
    for (reporter, recorded) in [
        (reporter("a", 7), 1),
        (reporter("a", 7), 0),
        (reporter("a", 6), 0),
        (reporter("a", 8), 1),
        (reporter("b", 1), 1),
    ] {
        assert_eq!(store.record_usage(&batch, Some(&reporter), at(6)).await.unwrap(), recorded, "{reporter:?}");
    }
    assert_eq!(store.key(key_id).await.unwrap().unwrap().requests, 6);
}

async fn a_report_that_is_stale_says_so(place: Place) {
    let store = place.store_with_client().await;
    let unknown = [Usage { key_id: "zzzzzzzz".parse().unwrap(), requests: 1, last_used: at(5) }];
    let long = |last: &str| Reporter { name: format!("{} {}{last}", "c".repeat(128), "v".repeat(127)), sequence: 7 };
    for (reporter, recorded) in [
        (long("1"), Recorded::Counted(0)),
        (long("1"), Recorded::Stale),
        // The whole name counts, so that nobody silences somebody else.
        (long("2"), Recorded::Counted(0)),
    ] {
        assert_eq!(store.record_report(&unknown, Some(&reporter), at(6)).await.unwrap(), recorded, "{reporter:?}");
    }
}

async fn what_no_holder_can_have_done_is_not_counted(place: Place) {
    let store = place.store_with_client().await;
    let made = 7200;
    let key_id = issue(&store, made).await.key_id;
    let of = |last_used| [Usage { key_id, requests: 1, last_used: at(last_used) }];
    assert_eq!(store.record_usage(&of(made - 901), None, at(made + 5)).await.unwrap(), 0, "before it was made");
    assert_eq!(store.key(key_id).await.unwrap().unwrap().requests, 0);
    assert_eq!(store.record_usage(&of(made - 900), None, at(made + 5)).await.unwrap(), 1, "a clock that is behind");
    let row = store.key(key_id).await.unwrap().unwrap();
    assert_eq!((row.requests, row.last_used), (1, Some(at(made))));
    assert_eq!(store.record_usage(&of(made + 600), None, at(made + 5)).await.unwrap(), 1, "a clock that is ahead");
    assert_eq!(store.key(key_id).await.unwrap().unwrap().last_used, Some(at(made + 5)));
    for _ in 0..3 {
        let most = [Usage { key_id, requests: u64::MAX, last_used: at(made + 5) }];
        store.record_usage(&most, None, at(made + 5)).await.unwrap();
    }
    assert_eq!(store.key(key_id).await.unwrap().unwrap().requests, 2 + (3 << 32));
}

async fn usage_makes_no_epoch_and_no_audit(place: Place) {
    let store = place.store_with_client().await;
    let key_id = issue(&store, 1).await.key_id;
    let before = format!("{:?}", store.snapshot().await.unwrap());
    store.record_usage(&[Usage { key_id, requests: 2, last_used: at(5) }], None, at(6)).await.unwrap();
    assert_eq!(format!("{:?}", store.snapshot().await.unwrap()), before);
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_audit").await, 2);
}

async fn unknown_keys_and_odd_numbers_are_no_error(place: Place) {
    let store = place.store_with_client().await;
    let key_id = issue(&store, 1).await.key_id;
    let of = |key_id, requests, last_used| Usage { key_id, requests, last_used };
    assert_eq!(store.record_usage(&[], None, at(6)).await.unwrap(), 0);
    assert_eq!(store.record_usage(&[of("zzzzzzzz".parse().unwrap(), 1, at(5))], None, at(6)).await.unwrap(), 0);
    assert_eq!(store.record_usage(&[of(key_id, 0, at(5))], None, at(6)).await.unwrap(), 0);
    for _ in 0..3 {
        store.record_usage(&[of(key_id, u64::MAX, gracekey_core::Timestamp::MAX)], None, at(6)).await.unwrap();
    }
    let row = store.key(key_id).await.unwrap().unwrap();
    assert_eq!((row.requests, row.last_used), (3 << 32, Some(at(6))));
}

async fn who_would_miss_a_key(place: Place) {
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    let second = store.rotate(&held(&first), &by(), at(10)).await.unwrap().value.successor;
    let day = 86_400;
    let report = |key_id, requests, last_used| [Usage { key_id, requests, last_used: at(last_used) }];
    store.record_usage(&report(first.key_id, 100, 20), None, at(20)).await.unwrap();
    store.record_usage(&report(first.key_id, 3, day - 7200), None, at(day)).await.unwrap();
    store.record_usage(&report(second.key_id, 9, day - 10), None, at(day)).await.unwrap();
    let missed = store.used_since(&Revoke::Key(first.key_id), at(day - 4 * 3600), at(day)).await.unwrap();
    let [missed] = &missed[..] else { panic!("{missed:?}") };
    assert_eq!((missed.key_id, missed.requests, missed.last_used), (first.key_id, 3, at(day - 7200)));
    assert_eq!((&missed.client_id, missed.generation), (&acme(), 1));
    let all = store.used_since(&Revoke::Client(acme()), at(0), at(day)).await.unwrap();
    assert_eq!(all.iter().map(|key| key.requests).collect::<Vec<_>>(), [104, 9]);
    // What has ended by itself is missed by nobody.
    let later = store.used_since(&Revoke::Client(acme()), at(0), at(2 * day)).await.unwrap();
    assert_eq!(later.iter().map(|key| key.key_id).collect::<Vec<_>>(), [second.key_id]);
    let unused = store.used_since(&Revoke::Client(acme()), at(day + 7200), at(day + 7200)).await.unwrap();
    assert!(unused.is_empty());
}

async fn a_large_report_is_one_of_many_statements(place: Place) {
    let store = place.store_with_client().await;
    let mut csv = String::from("key,client_id\n");
    for number in 0..1300 {
        csv.push_str(&format!("some-foreign-key-{number},acme_corp\n"));
    }
    let import = gracekey_store::Import::csv(csv.as_bytes(), &crate::support::peppers()).unwrap();
    let report = store.import(import, &by(), at(1), |_| {}).await.unwrap().value;
    let usage: Vec<_> =
        report.lines.iter().map(|line| Usage { key_id: line.key_id.unwrap(), requests: 1, last_used: at(2) }).collect();
    assert_eq!(store.record_usage(&usage, None, at(3)).await.unwrap(), 1300);
    assert_eq!(place.count("SELECT CAST(SUM(requests) AS BIGINT) FROM gracekey_usage").await, 1300);
}
