//! The store is out of reach.

use gracekey_core::{Pepper, Prefix};
use gracekey_store::Issue;
use gracekey_tower::FakeClock;

use crate::running::{Running, add_client, by, now};

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

/// Somebody began with another pepper and did not give it to this server.
#[tokio::test]
async fn what_the_server_cannot_read_itself_it_hands_to_nobody() {
    let clock = FakeClock::at(now());
    let running = Running::start(|config| config.clock = clock.clone().into()).await;
    let other = running.other_store().await;
    add_client(&other, "acme", &[]).await;
    let tag = loop {
        let reply = running.ask("GET /v2/keyring", &[("cache-control", "no-cache")]).await;
        if let Some(tag) = reply.header("etag").filter(|tag| tag.starts_with("\"3-")) {
            break tag.to_owned();
        }
    };
    let pepper = Pepper::new("p2".parse().expect("an id"), b"another 32 bytes of pure randomness").expect("a pepper");
    let (_, key) = gracekey_store::mint(&Prefix::default(), &pepper).expect("a key");
    let (client_id, credential) = ("acme".parse().expect("a client id"), "default".parse().expect("a name"));
    other.issue(&Issue { client_id, credential, key, expires_at: None }, &by(), now()).await.expect("a new key");
    // It looks, and stays with what it has.
    let reply = running.ask("GET /v2/keyring", &[("cache-control", "no-cache")]).await;
    assert_eq!((reply.status, reply.json()["epoch"].as_u64()), (200, Some(3)));
    clock.advance(6);
    let reply = running.ask("GET /v2/keyring", &[("if-none-match", &tag)]).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"));
    let reply = running.ask("GET /v2/keyring", &[]).await;
    assert_eq!((reply.status, reply.header("etag"), reply.header("age")), (200, Some(tag.as_str()), Some("6")));
}
