//! Who polls, and who lags.

use crate::running::{Running, add_client};

#[tokio::test]
async fn the_server_knows_who_holds_what() {
    let running = Running::start(|_| {}).await;
    add_client(&running.store, "reader", &["gracekey:read"]).await;
    let (reader, _) = crate::running::issue(&running.store, "reader", "default").await;
    let reader = format!("Bearer {}", reader.reveal());
    let mut tag = String::new();
    while !tag.starts_with("\"4-") {
        let reply = running.ask("GET /v2/keyring", &[("x-gracekey-verifier", "edge-1"), ("prefer", "wait=1")]).await;
        tag = reply.header("etag").unwrap_or_default().to_owned();
    }
    for (name, held) in [("edge-1", tag.as_str()), ("edge-2", "W/\"1-0a1b2c3d\"")] {
        running.ask("GET /v2/keyring", &[("x-gracekey-verifier", name), ("if-none-match", held)]).await;
    }
    running.ask("GET /v2/keyring", &[]).await;
    let ask = |line: &'static str| {
        let reader = reader.clone();
        let to = running.server.local_addr();
        async move { crate::running::exchange::exchange(to, line, &[("authorization", &reader)], b"").await }
    };
    let reply = ask("GET /v2/verifiers").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let listing = reply.json();
    assert_eq!(listing["epoch"], 4);
    let rows = listing["verifiers"].as_array().expect("rows");
    let row = |at: usize| (rows[at]["name"].as_str(), rows[at]["epoch"].as_u64(), rows[at]["lag"].as_u64());
    assert_eq!(
        (rows.len(), row(0), row(1)),
        (2, (Some("edge-1"), Some(4), Some(0)), (Some("edge-2"), Some(1), Some(3)))
    );
    assert!(rows[0]["last_seen"].as_str().is_some_and(|at| at.ends_with('Z')));
    assert_eq!(running.metric("gracekey_verifiers").await, 2.0);
    assert_eq!(running.metric("gracekey_verifiers_behind").await, 1.0);
    // Who may poll may not look at the others.
    assert_eq!(running.ask("GET /v2/verifiers", &[]).await.status, 403);
}
