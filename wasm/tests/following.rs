//! The filter on a feed that waits, in the real Envoy: a change counts at once, and a key that was issued a moment ago is
//! not refused.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/example.rs"]
#[expect(dead_code, reason = "this test asks for no metrics")]
mod example;
#[path = "support/exchange.rs"]
#[expect(dead_code, reason = "the comparison with vectors is for the conformance run")]
mod exchange;
#[path = "support/feed.rs"]
#[expect(dead_code, reason = "what is asked shows in the heads")]
mod feed;
#[path = "support/http1.rs"]
mod http1;
#[path = "support/http2.rs"]
mod http2;
#[path = "support/parts.rs"]
#[expect(dead_code, reason = "this Envoy has the time of day")]
mod parts;
#[path = "../../crates/core/tests/support/vector.rs"]
mod vector;

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use example::{Example, FEED_KEY};
use feed::Feed;
use gracekey_core::{Document, Peppers, SealedDocument};
use vector::{Bytes, RequestText};

const CURRENT: &str = "sk_test_HsT4f2dK_vW7i5gNyZAl8jQ1cDoBmT4fGrEpW7iJu1ZBkA5";
const OLD: &str = "sk_test_wJ0bCnOz_M3eFqR2P6hItU5S9kLwX8VCnOzaBYFqR3DjZTg";
/// What a request of a client that gives up presents.
const NOBODY: &str = "nobody-knows-this-key";

/// The documents of the example, epoch after epoch.
struct Documents {
    text: String,
    peppers: Peppers,
}

impl Documents {
    fn read() -> Self {
        let read = |name: &str| {
            std::fs::read_to_string(parts::root().join("examples/envoy").join(name)).expect("a file of the example")
        };
        Self { text: read("keyring.json"), peppers: read("pepper.txt").parse().expect("a pepper") }
    }

    fn make(&self, epoch: u64, edit: impl FnOnce(&mut Document)) -> String {
        let mut document =
            SealedDocument::parse(self.text.as_bytes()).expect("a document").open(&self.peppers).expect("sealed");
        document.epoch = epoch;
        edit(&mut document);
        document.seal(&self.peppers).to_json()
    }

    fn without_current(&self, epoch: u64) -> String {
        let own = self.peppers.current().digest(CURRENT.as_bytes()).to_bytes();
        self.make(epoch, |document| document.keys.retain(|key| key.digest.to_bytes() != own))
    }
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come in 5 s");
}

#[test]
fn a_change_counts_when_it_is_told() {
    let documents = Documents::read();
    let feed = Feed::serve(documents.make(2, |_| {}));
    let example = Example::start("envoy-feed.yaml", Some(feed.socket()));
    example.until(CURRENT, 200);
    for epoch in [3, 5, 7] {
        // The interval is 30 s, so whatever comes sooner was told. How soon is measured in benches/envoy.
        feed.offer(&documents.make(epoch, |document| {
            for key in &mut document.keys {
                key.revoked_at = Some(document.issued_at);
            }
        }));
        wait_for("the revocation", || example.get("/v1/logs", Some(CURRENT)).status == 401);
        feed.offer(&documents.make(epoch + 1, |_| {}));
        wait_for("the return of the key", || example.get("/v1/logs", Some(CURRENT)).status == 200);
    }
    let heads = feed.heads();
    let waiting = heads.iter().filter(|head| head.contains("prefer: wait=30")).count();
    assert!(waiting >= 6, "{heads:?}");
    for head in &heads {
        assert!(head.starts_with("get /v2/keyring http/1.1\r\n"), "{head}");
        assert!(head.contains("x-gracekey-verifier: envoy-1-"), "{head}");
        assert!(head.contains(&format!("authorization: bearer {FEED_KEY}\r\n")), "{head}");
    }
    let log = example.stop();
    assert!(!log.contains(FEED_KEY), "the log tells the key of the feed:\n{log}");
}

#[test]
fn a_key_of_a_moment_ago_is_not_refused() {
    let documents = Documents::read();
    let feed = Feed::serve(documents.without_current(2));
    let example = Example::start("envoy-feed.yaml", Some(feed.socket()));
    example.until(OLD, 200);
    // That of the worker, and that of the main thread, which has the plugin, too.
    let waiting = || feed.heads().iter().filter(|head| head.contains("prefer: wait")).count();
    wait_for("the questions that wait", || waiting() == 2);

    // The key is issued, and the news is still on its way.
    feed.tell_those_who_wait(false);
    feed.offer(&documents.make(3, |_| {}));
    let asked = feed.heads().len();
    let bearer = format!("Bearer {CURRENT}");
    let reply =
        example.send("POST", &[("authorization", &bearer), ("x-client-id", "spoofed"), ("content-length", "0")]);
    assert_eq!((reply.status, reply.text()), (200, "client=acme_corp key=HsT4f2dK authorization=-\n".into()));
    let heads = feed.heads();
    assert_eq!(heads.len(), asked + 1, "asked once, out of turn: {heads:?}");
    assert!(!heads.last().expect("a head").contains("prefer"), "{heads:?}");

    // Whom nobody knows is denied as ever, over both protocols, and over gRPC.
    let refused = |reply: &exchange::Reply| (reply.status, reply.text().contains(r#""code":"unknown""#));
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(refused(&example.get("/v1/logs", Some(NOBODY))), (401, true));
    for content_type in [None, Some("application/grpc")] {
        std::thread::sleep(Duration::from_millis(1_100));
        let asked = feed.heads().len();
        let own = content_type.map(|value| ("content-type".to_owned(), Bytes(value.into())));
        let headers = own.into_iter().chain([("x-api-key".to_owned(), Bytes(NOBODY.into()))]).collect();
        let request = RequestText { method: "POST".into(), target: Bytes(b"/logs.Logs/Write".into()), headers };
        let reply = http2::send(&example.socket(10_000), &request).expect("an answer");
        assert_eq!(feed.heads().len(), asked + 1, "it was not asked for");
        match content_type {
            None => assert_eq!(refused(&reply), (401, true)),
            Some(_) => assert_eq!((reply.status, reply.header("grpc-status").as_deref()), (200, Some("16"))),
        }
    }

    // A caller that gives up while its request waits harms nobody.
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1_100));
        let mut stream = UnixStream::connect(example.socket(10_000)).expect("the edge");
        write!(stream, "GET / HTTP/1.1\r\nhost: api\r\nx-api-key: {NOBODY}\r\n\r\n").expect("sent");
        drop(stream);
    }
    assert_eq!(example.get("/v1/logs", Some(CURRENT)).status, 200);
    let log = example.stop();
    assert!(!log.contains("panicked") && !log.contains("Function: proxy_on"), "{log}");
}
