//! What verifiers report, and what the server counts itself.

use std::time::Duration;

use gracekey_core::KeyId;
use gracekey_store::Store;

use crate::running::{Running, add_client, issue};

const REPORT: &str = "POST /v2/usage";

#[tokio::test]
async fn a_report_counts_once_however_often_it_is_sent() {
    let running = Running::start(|_| {}).await;
    add_client(&running.store, "acme", &[]).await;
    let key_id = issue(&running.store, "acme", "default").await.1.key_id;
    let report = |sequence: u64| {
        format!(
            r#"{{"verifier":"edge-1","sequence":{sequence},"keys":[
                {{"key_id":"{key_id}","requests":5,"last_used":"2026-01-01T00:00:00Z"}},
                {{"key_id":"AAAAAAAA","requests":1,"last_used":"2026-01-01T00:00:00Z"}}]}}"#
        )
    };
    for (sequence, known) in [(7, 1), (7, 0), (6, 0), (8, 1)] {
        let reply = running.send(REPORT, &[], &report(sequence)).await;
        assert_eq!((reply.status, reply.json()["known"].as_u64()), (200, Some(known)), "{sequence}");
    }
    assert_eq!(requests(&running.store, key_id).await, 10);
    assert_eq!(running.metric("gracekey_usage_reports_total{outcome=\"written\"}").await, 4.0);
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
