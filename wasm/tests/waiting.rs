//! The feed that waits: a long-poll, and requests that wait for a keyring that knows their key.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/ring.rs"]
mod ring;
#[path = "support/scripted.rs"]
mod scripted;

use std::time::Duration;

use gracekey_core::{ApiKeys, Document, Peppers};
use gracekey_filter::{Flow, Plugin, Stream, serialize};
use ring::{ACME, PEPPER, document, moment};
use scripted::Scripted;

const SECOND: u64 = 1_000_000_000;
/// A key that a keyring of epoch 2 knows.
const NEW: &str = "gamma-key-1";
const FEED: &str = r#""path":"/v2/keyring","wait":"30s","verifier":"edge-1","key":{"env":"GRACEKEY_FEED_KEY"}"#;

struct Running {
    host: Scripted,
    plugin: Plugin,
}

impl Running {
    /// With a keyring of epoch 1 in hand, and the long-poll for the next under way.
    fn new(fetch: &str) -> Self {
        let running = Self::asking(fetch);
        running.tick(SECOND / 5);
        running.answer("200", &document(1, |_| {}));
        running.tick(SECOND / 10);
        running
    }

    fn asking(fetch: &str) -> Self {
        let mut host = Scripted::at(moment("2026-11-22T12:00:00Z"));
        host.environment.insert("GRACEKEY_FEED_KEY".into(), "the-key-of-the-feed".into());
        let text = format!(
            r#"{{"pepper":{{"value":"{PEPPER}"}},"keyring":{{"fetch":{{"cluster":"feed","interval":"10s",{fetch}}}}}}}"#
        );
        let plugin = Plugin::configure(text.as_bytes(), &host).expect("configured");
        Self { host, plugin }
    }

    fn tick(&self, nanos: u64) {
        self.host.pass(nanos);
        self.plugin.tick(&self.host);
    }

    fn calls(&self) -> usize {
        self.host.calls.borrow().len()
    }

    fn header(&self, call: usize, name: &str) -> Option<String> {
        let calls = self.host.calls.borrow();
        let found = calls[call].iter().find(|(own, _)| own == name);
        found.map(|(_, value)| String::from_utf8(value.clone()).expect("text"))
    }

    /// Answers the last call.
    fn answer(&self, status: &str, body: &str) {
        self.answer_call(self.calls() - 1, status, body);
    }

    fn answer_call(&self, call: usize, status: &str, body: &str) {
        let etag = format!("W/\"{}\"", body.len() + body.matches("revoked_at\":\"").count());
        let headers = serialize([(":status", status.as_bytes()), ("etag", etag.as_bytes())].into_iter());
        *self.host.answer_body.borrow_mut() = body.into();
        self.plugin.answered(u32::try_from(call).expect("few calls"), &headers, body.len(), &self.host);
    }

    /// Sends a request with that key on a stream of its own.
    fn send(&self, stream: u32, key: &str) -> (Stream, Flow) {
        self.host.receive("GET", b"/", [("x-api-key".to_owned(), key.into())]);
        self.host.entered.set(stream);
        let mut own = Stream::new(stream);
        let flow = own.on_request(&self.plugin, &self.host);
        assert_eq!(own.waits(), flow == Flow::Wait);
        if flow == Flow::Wait {
            self.host.waiting.borrow_mut().insert(stream, self.host.request.borrow().clone());
        }
        (own, flow)
    }

    fn status(&self, stream: u32) -> Option<u16> {
        self.host.statuses.borrow().get(&stream).copied()
    }
}

/// The document of `epoch` in which `NEW` is known.
fn with_new(epoch: u64) -> String {
    let peppers: Peppers = PEPPER.parse().expect("a pepper");
    let keys = ApiKeys::parse(&format!(r#"{{"{ACME}":"acme","{NEW}":"gamma"}}"#)).expect("keys");
    let mut document: Document = keys.document(peppers.current(), moment("2026-11-22T00:00:00Z"));
    document.epoch = epoch;
    document.seal(&peppers).to_json()
}

#[test]
fn the_feed_is_asked_as_it_wants_to_be() {
    let running = Running::new(FEED);
    assert_eq!(running.calls(), 2);
    assert_eq!(running.header(0, "authorization").as_deref(), Some("Bearer the-key-of-the-feed"));
    let name = running.header(0, "x-gracekey-verifier").expect("a name");
    assert!(name.starts_with("edge-1-") && name.len() == 15, "{name}");
    assert_eq!(running.header(1, "x-gracekey-verifier"), Some(name));
    assert_eq!(running.header(0, "prefer"), None, "with nothing in hand there is nothing to wait for");
    assert_eq!(running.header(1, "prefer").as_deref(), Some("wait=30"));
    assert!(running.header(1, "if-none-match").is_some());
    assert_eq!(running.header(1, "authorization").as_deref(), Some("Bearer the-key-of-the-feed"));
    assert!(!running.host.log.borrow().join("").contains("the-key-of"));
}

#[test]
fn each_answer_is_followed_by_the_next_question() {
    let running = Running::new(FEED);
    let revoked = |epoch| document(epoch, |document| document.keys[0].revoked_at = Some(document.issued_at));
    running.host.pass(3 * SECOND);
    running.answer("200", &revoked(2));
    assert_eq!(running.send(1, ACME).1, Flow::Stop, "a revocation counts from the answer on");
    assert!(running.host.tick.get() <= Duration::from_millis(51));
    running.tick(SECOND / 10);
    assert_eq!(running.calls(), 3);
    // Nothing new for as long as the server may wait.
    running.host.pass(30 * SECOND);
    running.answer("304", "");
    running.tick(SECOND / 10);
    assert_eq!(running.calls(), 4);
}

#[test]
fn a_server_that_does_not_wait_is_asked_at_the_interval() {
    let running = Running::new(FEED);
    running.answer("304", "");
    for _ in 0..17 {
        running.tick(SECOND / 2);
    }
    assert_eq!(running.calls(), 2, "asked again within 8.5 s of an interval of 10 s");
    for _ in 0..6 {
        running.tick(SECOND / 2);
    }
    assert_eq!(running.calls(), 3);
}

#[test]
fn an_unknown_key_waits_for_one_look_at_the_source() {
    let running = Running::new(FEED);
    let (_first, flow) = running.send(1, NEW);
    assert_eq!(flow, Flow::Wait);
    let (mut second, flow) = running.send(2, NEW);
    assert_eq!(flow, Flow::Wait);
    let (_third, flow) = running.send(3, "nobody-knows-this");
    assert_eq!(flow, Flow::Wait);
    assert!(running.host.tick.get() <= Duration::from_millis(1), "asked at once");
    assert_eq!(running.calls(), 2, "not on behalf of the request");
    running.tick(SECOND / 1000);
    running.tick(SECOND / 1000);
    assert_eq!(running.calls(), 3, "once for all");
    assert_eq!(running.header(2, "prefer"), None);
    running.answer("200", &with_new(2));
    assert_eq!(running.host.resumed.borrow().keys().copied().collect::<Vec<_>>(), [1, 2]);
    let resumed = running.host.resumed.borrow()[&2].clone();
    assert!(resumed.contains(&("x-client-id".into(), b"gamma".to_vec())), "{resumed:?}");
    assert!(!resumed.iter().any(|(name, _)| name == "x-api-key"), "{resumed:?}");
    assert_eq!((running.status(1), running.status(2), running.status(3)), (None, None, Some(401)));
    assert!(!second.waits());
    second.on_response(&running.host);
    // Each counts once.
    running.plugin.finish(&running.host);
    assert_eq!(running.host.metric("gracekey_requests_total"), Some(3));
    assert_eq!(running.host.metric("gracekey_auth_failures_total.reason=unknown"), Some(1));
    // The long-poll of before brings the same once more: it is not read again, and the next one follows.
    let lines = running.host.log.borrow().len();
    running.answer_call(1, "200", &with_new(2));
    assert_eq!(running.host.log.borrow().len(), lines);
    running.tick(SECOND / 10);
    assert_eq!(running.calls(), 4);
}

#[test]
fn for_nothing_the_source_is_asked_a_few_times_in_a_row_and_then_once_a_second() {
    let running = Running::new(FEED);
    for stream in 1..=8 {
        let (_stream, flow) = running.send(stream, "nobody-knows-this");
        assert_eq!(flow, Flow::Wait);
        running.tick(SECOND / 1000);
        assert_eq!(running.calls(), 2 + stream as usize);
        running.answer("304", "");
        assert_eq!(running.status(stream), Some(401));
    }
    let (_stream, flow) = running.send(9, "nobody-knows-this");
    assert_eq!(flow, Flow::Wait);
    running.tick(SECOND / 1000);
    assert_eq!(running.calls(), 10, "it rests");
    running.tick(SECOND);
    assert_eq!(running.calls(), 11);
    running.answer("304", "");
    assert_eq!(running.status(9), Some(401));
}

#[test]
fn keys_that_are_really_new_never_wait_for_a_rest() {
    let running = Running::new(FEED);
    for round in 1..=30_u32 {
        let (_stream, flow) = running.send(round, "nobody-knows-this");
        assert_eq!(flow, Flow::Wait);
        running.tick(SECOND / 1000);
        assert_eq!(running.calls(), 2 + round as usize);
        // Another document each time, which its length tells.
        running.answer("200", &format!("{}{}", with_new(u64::from(round) + 1), " ".repeat(10 * round as usize)));
        assert_eq!(running.status(round), Some(401));
    }
}

#[test]
fn an_answer_that_may_be_older_than_the_key_is_not_the_last_word() {
    let running = Running::new(FEED);
    let (_first, flow) = running.send(1, "nobody-knows-this");
    assert_eq!(flow, Flow::Wait);
    running.tick(SECOND / 1000);
    // It comes while the call for the first one is under way.
    let (_second, flow) = running.send(2, NEW);
    assert_eq!(flow, Flow::Wait);
    running.answer("304", "");
    assert_eq!((running.status(1), running.status(2)), (Some(401), None));
    running.tick(SECOND / 1000);
    assert_eq!(running.calls(), 4, "asked once more for the second");
    running.answer("200", &with_new(2));
    assert!(running.host.resumed.borrow().contains_key(&2));
}

#[test]
fn the_long_poll_lets_go_on_whom_it_helps_and_no_others() {
    let running = Running::new(FEED);
    let (_first, flow) = running.send(1, NEW);
    assert_eq!(flow, Flow::Wait);
    let (_second, flow) = running.send(2, "nobody-knows-this");
    assert_eq!(flow, Flow::Wait);
    running.tick(SECOND / 1000);
    running.answer_call(1, "200", &with_new(2));
    assert!(running.host.resumed.borrow().contains_key(&1));
    assert_eq!(running.status(2), None, "its question is not answered yet");
    running.answer_call(2, "304", "");
    assert_eq!(running.status(2), Some(401));
}

#[test]
fn nobody_waits_longer_than_a_second() {
    let running = Running::new(FEED);
    let (_stream, flow) = running.send(1, "nobody-knows-this");
    assert_eq!(flow, Flow::Wait);
    running.tick(SECOND / 1000);
    running.tick(SECOND * 9 / 10);
    assert_eq!(running.status(1), None);
    running.tick(SECOND / 10);
    assert_eq!(running.status(1), Some(401));
    // The answer that comes too late belongs to nobody, and what it brings comes in turn.
    running.answer("200", &with_new(2));
    assert_eq!(running.send(2, NEW).1, Flow::Wait);
}

#[test]
fn a_source_that_fails_leaves_the_verdict_as_it_was() {
    for (status, body) in [("503", ""), ("200", "{"), ("401", "")] {
        let running = Running::new(FEED);
        let (_stream, flow) = running.send(1, NEW);
        assert_eq!(flow, Flow::Wait);
        running.tick(SECOND / 1000);
        running.answer(status, body);
        assert_eq!(running.status(1), Some(401));
        assert_eq!(running.send(2, ACME).1, Flow::Continue);
    }
    let running = Running::new(FEED);
    running.host.no_cluster.set(true);
    let (_stream, flow) = running.send(1, NEW);
    assert_eq!(flow, Flow::Wait);
    running.tick(SECOND / 1000);
    assert_eq!(running.status(1), Some(401));
}

#[test]
fn a_request_that_was_given_up_is_forgotten() {
    let running = Running::new(FEED);
    let (stream, flow) = running.send(1, NEW);
    assert_eq!(flow, Flow::Wait);
    drop(stream);
    running.tick(SECOND / 1000);
    running.answer("200", &with_new(2));
    assert!(running.host.resumed.borrow().is_empty());
    assert_eq!(running.status(1), None);
}

#[test]
fn what_else_is_denied_does_not_wait() {
    let running = Running::new(FEED);
    running.answer("200", &document(2, |document| document.keys[0].revoked_at = Some(document.issued_at)));
    for key in ["sk_live_3fK9aB2c_0123456789ABCDEFGHIJKLMNOPQRSTUV000000", "x", ACME] {
        assert_eq!(running.send(1, key).1, Flow::Stop, "{key}");
    }
    let without = Running::asking(FEED);
    assert_eq!(without.send(1, NEW).1, Flow::Stop);
    assert_eq!(without.status(1), Some(503), "without a keyring it is not the key's fault");
}

#[test]
fn the_number_that_waits_is_bounded() {
    let running = Running::new(FEED);
    let streams: Vec<_> = (1..=300).map(|stream| running.send(stream, "nobody-knows-this")).collect();
    let waiting = streams.iter().filter(|(_, flow)| *flow == Flow::Wait).count();
    assert_eq!(waiting, 256);
    assert_eq!(running.host.statuses.borrow().len(), 300 - waiting);
    drop(streams);
    assert_eq!(running.send(301, "nobody-knows-this").1, Flow::Wait, "those that gave up make room");
}

#[test]
fn the_use_of_keys_is_reported_until_it_was_taken() {
    let running = Running::asking(&format!(r#"{FEED},"usage":true"#));
    running.tick(SECOND / 5);
    running.answer("200", &document(1, |_| {}));
    for key in [ACME, ACME, "nobody-knows-this", ACME] {
        drop(running.send(1, key));
    }
    let reported = || {
        let calls = running.host.calls.borrow();
        let is_report = |at: &usize| calls[*at].contains(&(":path".to_owned(), b"/v2/usage".to_vec()));
        (0..calls.len()).rev().find(is_report)
    };
    running.tick(SECOND);
    let first = reported().expect("a report");
    assert_eq!(running.header(first, "authorization").as_deref(), Some("Bearer the-key-of-the-feed"));
    let report: serde_json::Value = serde_json::from_str(&running.host.bodies.borrow()[first]).expect("JSON");
    assert_eq!(report["verifier"].as_str().map(str::to_owned), running.header(0, "x-gracekey-verifier"));
    assert!(report["sequence"].as_u64().is_some_and(|sequence| sequence > 1_795_000_000_000));
    let keys = report["keys"].as_array().expect("keys");
    assert_eq!((keys.len(), keys[0]["requests"].as_u64()), (1, Some(3)));
    assert_eq!(keys[0]["last_used"], "2026-11-22T12:00:00Z");
    // Not taken: the same once more, and what came meanwhile waits.
    running.answer_call(first, "503", "");
    drop(running.send(2, ACME));
    for _ in 0..11 {
        running.tick(SECOND);
    }
    let second = reported().expect("a report");
    assert!(second > first);
    assert_eq!(running.host.bodies.borrow()[second], running.host.bodies.borrow()[first]);
    running.answer_call(second, "200", "");
    for _ in 0..11 {
        running.tick(SECOND);
    }
    let third = reported().expect("a report");
    assert!(third > second && running.host.bodies.borrow()[third].contains(r#""requests":1,"#));
    running.answer_call(third, "200", "");
    let calls = running.calls();
    for _ in 0..11 {
        running.tick(SECOND);
    }
    assert!(reported() == Some(third) && running.calls() <= calls + 2, "nothing was used, nothing is reported");
}
