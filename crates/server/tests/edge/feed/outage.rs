//! The store is out of reach.

use gracekey_tower::FakeClock;

use crate::running::{Running, now};

#[tokio::test]
async fn nobody_vouches_for_a_keyring_while_the_store_is_silent() {
    let clock = FakeClock::at(now());
    let running = Running::start(|config| config.clock = clock.clone().into()).await;
    let tag = loop {
        if let Some(tag) = running.ask("GET /v2/keyring", &[("prefer", "wait=5")]).await.header("etag") {
            break tag.to_owned();
        }
    };
    running.store.close().await;
    let held = [("if-none-match", tag.as_str())];
    // A short silence is nothing.
    clock.advance(3);
    assert_eq!(running.ask("GET /v2/keyring", &held).await.status, 304);
    clock.advance(3);
    let reply = running.ask("GET /v2/keyring", &held).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"));
    assert!(reply.header("retry-after").is_some());
    // The last keyring is better than none, and says how old it is.
    let reply = running.ask("GET /v2/keyring", &[]).await;
    assert_eq!((reply.status, reply.header("age")), (200, Some("6")));
    // A verifier sends the same report again.
    let report = r#"{"verifier":"e","sequence":1,"keys":[{"key_id":"AAAAAAAA","requests":1,"last_used":"2026-01-01T00:00:00Z"}]}"#;
    let reply = running.send("POST /v2/usage", &[], report).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"));
}
