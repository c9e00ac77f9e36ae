//! What a poll gets, and when.

use std::io::Read as _;
use std::time::Duration;

use flate2::read::GzDecoder;
use gracekey_core::{Keyring, SealedDocument};

use crate::running::exchange::{Reply, exchange};
use crate::running::{Running, add_client, issue, peppers};

const POLL: &str = "GET /v2/keyring";

#[tokio::test]
async fn the_feed_is_the_sealed_document_without_the_server_s_own_clients() {
    let running = Running::start(|_| {}).await;
    add_client(&running.store, "acme", &["logs:write"]).await;
    add_client(&running.store, "half", &["gracekey:read", "logs:write"]).await;
    add_client(&running.store, "no_scopes", &[]).await;
    for client in ["acme", "half", "no_scopes"] {
        issue(&running.store, client, "default").await;
    }
    let epoch = running.store.epoch().await.expect("an epoch");
    let reply = until(&running, epoch).await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("vary"), Some("accept-encoding"));
    let document = SealedDocument::parse(&reply.body).and_then(|sealed| sealed.open(&peppers())).expect("well sealed");
    let clients: Vec<_> = document.clients.iter().map(|client| client.client_id.as_str()).collect();
    assert_eq!(clients, ["acme", "half", "no_scopes"]);
    assert_eq!(document.keys.len(), 3);
    assert_eq!(Keyring::open(&reply.body, peppers()).expect("a keyring").epoch(), epoch);
    let seal = reply.json()["seal"].as_str().expect("a seal").rsplit(':').next().expect("digits")[..8].to_owned();
    assert_eq!(reply.header("etag"), Some(format!("\"{epoch}-{seal}\"").as_str()));
}

#[tokio::test]
async fn compressed_bytes_are_the_same_document() {
    let running = Running::start(|_| {}).await;
    let plain = until(&running, 2).await;
    let packed = running.ask(POLL, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    // Other bytes have another tag, and whoever holds the one does not need the other.
    let (tag, packed_tag) = (plain.header("etag").expect("a tag"), packed.header("etag").expect("a tag"));
    assert_eq!(packed_tag, format!("{}-gzip\"", tag.trim_end_matches('"')));
    for held in [tag, packed_tag] {
        for accept in ["identity", "gzip"] {
            let reply = running.ask(POLL, &[("if-none-match", held), ("accept-encoding", accept)]).await;
            assert_eq!((reply.status, reply.header("etag")), (304, Some(held)), "{accept}");
        }
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body);
    assert!(plain.header("content-encoding").is_none());
}

#[tokio::test]
async fn what_is_held_already_is_not_sent_again() {
    let running = Running::start(|_| {}).await;
    let tag = until(&running, 2).await.header("etag").expect("a tag").to_owned();
    // A weak one is as good, as servers of before this had it.
    for held in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")] {
        let reply = running.ask(POLL, &[("if-none-match", &held)]).await;
        assert_eq!((reply.status, reply.body.len()), (304, 0), "{held}");
        assert_eq!(reply.header("etag"), Some(tag.as_str()));
    }
    assert_eq!(running.ask(POLL, &[("if-none-match", "*")]).await.status, 304);
    // The same epoch under another seal is another document.
    let reply = running.ask(POLL, &[("if-none-match", "W/\"2-00000000\"")]).await;
    assert_eq!(reply.status, 200);
    let reply = running.ask(POLL, &[("if-none-match", &tag), ("prefer", "wait=1")]).await;
    assert_eq!(reply.status, 304, "the time is over");
}

/// A hundred pollers wait; another server on the same store makes a change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_anyone_wakes_all_who_wait_and_is_rendered_once() {
    let running = Running::start(|_| {}).await;
    let tag = until(&running, 2).await.header("etag").expect("a tag").to_owned();
    let (renders, transfers) = (running.metric("gracekey_feed_renders_total").await, transfers(&running).await);
    let waiting = [("if-none-match", tag.as_str()), ("prefer", "wait=60"), ("accept-encoding", "gzip")];
    let mut polls: Vec<_> = (0..100).map(|_| Box::pin(running.ask(POLL, &waiting))).collect();
    let all = async {
        let mut replies = Vec::new();
        for poll in &mut polls {
            replies.push(poll.await);
        }
        replies
    };
    let change = async {
        while running.metric("gracekey_feed_pollers").await < 1.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        add_client(&running.other_store().await, "acme", &[]).await;
    };
    let (replies, ()) = tokio::join!(all, change);
    for reply in &replies {
        assert_eq!(reply.status, 200);
        assert!(reply.header("etag").is_some_and(|tag| tag.starts_with("\"3-")));
    }
    assert_eq!(running.metric("gracekey_feed_renders_total").await - renders, 1.0);
    assert_eq!(self::transfers(&running).await - transfers, 100.0);
    assert_eq!(running.metric("gracekey_feed_pollers").await, 0.0);
}

#[tokio::test]
async fn a_burst_of_changes_is_not_a_burst_of_transfers() {
    let running = Running::start(|_| {}).await;
    until(&running, 2).await;
    let before = running.metric("gracekey_feed_renders_total").await;
    let begun = tokio::time::Instant::now();
    for number in 0..200 {
        add_client(&running.store, &format!("c{number}"), &[]).await;
    }
    until(&running, 202).await;
    let renders = running.metric("gracekey_feed_renders_total").await - before;
    // There is a rest of 50 ms after each, so that this holds however slow the machine is.
    let most = begun.elapsed().as_secs_f64() / 0.05 + 2.0;
    assert!(renders >= 1.0 && renders <= most, "{renders} renders of 200 changes, and not {most}");
}

/// What a verifier asks when somebody shows it a key that it does not know.
#[tokio::test]
async fn who_cannot_wait_gets_what_the_store_holds_at_this_moment() {
    let running = Running::start(|_| {}).await;
    let other = running.other_store().await;
    for number in 3..13 {
        add_client(&other, &format!("c{number}"), &[]).await;
        let reply = running.ask(POLL, &[("cache-control", "max-age=0, No-Cache")]).await;
        assert_eq!((reply.status, reply.json()["epoch"].as_u64()), (200, Some(number)));
    }
}

/// One that has polled another server holds more than this one knows: it gets nothing older.
#[tokio::test]
async fn who_is_ahead_waits_until_the_server_has_caught_up() {
    let running = Running::start(|_| {}).await;
    until(&running, 2).await;
    let ahead = [("if-none-match", "W/\"3-0a1b2c3d\""), ("prefer", "wait=60")];
    let poll = running.ask(POLL, &ahead);
    let changes = async {
        for client in ["one", "two"] {
            tokio::time::sleep(Duration::from_millis(300)).await;
            add_client(&running.store, client, &[]).await;
        }
    };
    let (reply, ()) = tokio::join!(poll, changes);
    assert_eq!(reply.status, 200);
    let epoch = reply.json()["epoch"].as_u64();
    assert!(epoch >= Some(3), "{epoch:?}");
    until(&running, 4).await;
    // Without a wait it is told at once what there is.
    let reply = running.ask(POLL, &[("if-none-match", "W/\"99-0a1b2c3d\"")]).await;
    assert_eq!((reply.status, reply.json()["epoch"].as_u64()), (200, Some(4)));
}

#[tokio::test]
async fn a_server_that_ends_keeps_nobody_waiting() {
    let running = Running::start(|_| {}).await;
    let tag = until(&running, 2).await.header("etag").expect("a tag").to_owned();
    let (address, key) = (running.server.local_addr(), format!("Bearer {}", running.feed_key.reveal()));
    let poll = tokio::spawn(async move {
        let headers = [("if-none-match", tag.as_str()), ("prefer", "wait=60"), ("authorization", &key)];
        exchange(address, POLL, &headers, b"").await
    });
    while running.metric("gracekey_feed_pollers").await < 1.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let stopped = tokio::time::timeout(Duration::from_secs(30), running.stop()).await;
    assert!(stopped.is_ok(), "it waited for the poller");
    assert_eq!(poll.await.expect("an answer").status, 304);
}

#[tokio::test]
async fn the_feed_is_for_those_with_its_scope() {
    let running = Running::start(|_| {}).await;
    add_client(&running.store, "acme", &["logs:write"]).await;
    let (key, _) = issue(&running.store, "acme", "default").await;
    until(&running, 4).await;
    let to = running.server.local_addr();
    let key = format!("Bearer {}", key.reveal());
    let reply = exchange(to, POLL, &[("authorization", &key)], b"").await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "insufficient_scope"));
    let reply = exchange(to, POLL, &[], b"").await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "missing"));
    let reply = running.ask("GET /v2/keyring?epoch=3", &[]).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"));
    let reply = running.ask(POLL, &[("x-gracekey-verifier", "two words")]).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"));
}

/// Polls until the feed has come to that epoch.
pub(super) async fn until(running: &Running, epoch: u64) -> Reply {
    for _ in 0..1_000 {
        let reply = running.ask(POLL, &[]).await;
        if reply.status == 200 && reply.json()["epoch"].as_u64() >= Some(epoch) {
            return reply;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the feed never came to epoch {epoch}");
}

async fn transfers(running: &Running) -> f64 {
    running.metric("gracekey_feed_transfers_total").await
}
