//! What verifiers report, and what the server counts itself.

use std::time::Duration;

use gracekey_core::KeyId;
use gracekey_store::Store;

use crate::running::exchange::exchange;
use crate::running::{Running, add_client, issue, now};

const REPORT: &str = "POST /v2/usage";

#[tokio::test]
async fn a_report_counts_once_however_often_it_is_sent() {
    let running = Running::start(|_| {}).await;
    add_client(&running.store, "acme", &[]).await;
    let key_id = issue(&running.store, "acme", "default").await.1.key_id;
    let used = now();
    let report = |sequence: u64| {
        format!(
            r#"{{"verifier":"edge-1","sequence":{sequence},"keys":[
                {{"key_id":"{key_id}","requests":5,"last_used":"{used}"}},
                {{"key_id":"AAAAAAAA","requests":1,"last_used":"{used}"}}]}}"#
        )
    };
    for (sequence, known, stale) in [(7, 1, None), (7, 0, Some(true)), (6, 0, Some(true)), (8, 1, None)] {
        let reply = running.send(REPORT, &[], &report(sequence)).await;
        assert_eq!((reply.status, reply.json()["known"].as_u64()), (200, Some(known)), "{sequence}");
        assert_eq!(reply.json()["stale"].as_bool(), stale, "{sequence}");
    }
    assert_eq!(requests(&running.store, key_id).await, 10);
    assert_eq!(running.metric("gracekey_usage_reports_total{outcome=\"written\"}").await, 4.0);
}

#[tokio::test]
async fn nobody_silences_the_verifier_of_somebody_else() {
    let running = Running::start(|_| {}).await;
    add_client(&running.store, "other-poller", &["gracekey:feed"]).await;
    let other = issue(&running.store, "other-poller", "default").await.0;
    let report = |sequence: i64| format!(r#"{{"verifier":"edge-1","sequence":{sequence},"keys":[]}}"#);
    let by_other = async |sequence: i64| {
        let key = format!("Bearer {}", other.reveal());
        let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
        exchange(running.server.local_addr(), REPORT, &headers, report(sequence).as_bytes()).await
    };
    let millis = now().unix_seconds() * 1000;
    // A clock that is ahead by a little is fine, one that is ahead by more is told so.
    assert_eq!(by_other(millis + 50_000).await.status, 200);
    let refused = by_other(millis + 600_000).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "invalid_request"));
    assert!(refused.json()["error_description"].as_str().expect("a description").contains("sequence"));
    let reply = running.send(REPORT, &[], &report(millis)).await;
    assert_eq!((reply.status, reply.json()["stale"].as_bool()), (200, None), "another client's of the same name");
}

#[tokio::test]
async fn a_report_that_is_not_in_order_is_refused_and_named() {
    let running = Running::start(|_| {}).await;
    let used = r#"{"key_id":"AAAAAAAA","requests":1,"last_used":"2026-01-01T00:00:00Z"}"#;
    let whole = |rest: &str| format!(r#"{{"verifier":"e","sequence":1,"keys":[{rest}]}}"#);
    for (body, named) in [
        (r#"{"verifier":"e","sequence":1}"#.into(), "keys"),
        (r#"{"verifier":"two words","sequence":1,"keys":[]}"#.into(), "verifier"),
        (format!(r#"{{"verifier":"{}","sequence":1,"keys":[]}}"#, "x".repeat(129)), "verifier"),
        (r#"{"verifier":"e","sequence":-1,"keys":[]}"#.into(), "sequence"),
        (r#"{"verifier":"e","sequence":9007199254740992,"keys":[]}"#.into(), "sequence"),
        (whole(&used.replace("AAAAAAAA", "AAAA")), "keys[0].key_id"),
        (whole(&used.replace("\"requests\":1", "\"requests\":1.5")), "keys[0].requests"),
        (whole(&used.replace("2026-01-01T00:00:00Z", "yesterday")), "keys[0].last_used"),
        (whole(&used.replace("requests", "calls")), "calls"),
        ("[]".into(), "object"),
        ("{".into(), "JSON"),
    ] {
        let reply = running.send(REPORT, &[], &body).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"), "{body}");
        let told = reply.json()["error_description"].as_str().expect("a description").to_owned();
        assert!(told.contains(named), "{body}: {told}");
    }
}

/// The key that polls is used, too; and what was counted last is written down before the server ends.
#[tokio::test]
async fn the_server_counts_the_keys_that_open_it() {
    let running = Running::start(|_| {}).await;
    let key_id: KeyId = running.feed_key.key_id().expect("a key of ours");
    for _ in 0..3 {
        assert_eq!(running.ask("GET /v2/keyring", &[]).await.status, 200);
    }
    for _ in 0..500 {
        if requests(&running.store, key_id).await == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(requests(&running.store, key_id).await, 3);
    assert_eq!(running.ask("GET /v2/keyring", &[]).await.status, 200);
    let store = running.stop().await;
    assert_eq!(requests(&store, key_id).await, 4);
}

async fn requests(store: &Store, key_id: KeyId) -> u64 {
    store.key(key_id).await.expect("a store").expect("a key").requests
}
