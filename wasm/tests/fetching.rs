//! The keyring by fetch: what is asked, when, and what an answer changes.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/ring.rs"]
mod ring;
#[path = "support/scripted.rs"]
mod scripted;

use std::time::Duration;

use gracekey_filter::{Flow, Plugin, Stream, serialize};
use ring::{ACME, PEPPER, document, moment};
use scripted::Scripted;

const SECOND: u64 = 1_000_000_000;

struct Running {
    host: Scripted,
    plugin: Plugin,
}

impl Running {
    fn new(more: &str) -> Self {
        Self::fetching("", more)
    }

    fn fetching(how: &str, more: &str) -> Self {
        let host = Scripted::at(moment("2026-11-22T12:00:00Z"));
        let text = format!(
            r#"{{"pepper":{{"value":"{PEPPER}"}},"keyring":{{"fetch":{{"cluster":"feed","path":"/k.json","interval":"10s"{how}}}}}{more}}}"#
        );
        let plugin = Plugin::configure(text.as_bytes(), &host).expect("configured");
        Self { host, plugin }
    }

    /// Lets time pass until the next call, ticking as often as the filter asked for.
    fn until_call(&self) -> (u64, Vec<(String, Vec<u8>)>) {
        let (calls, start) = (self.host.calls.borrow().len(), self.host.nanos.get().expect("a time"));
        for _ in 0..10_000 {
            self.plugin.tick(&self.host);
            if let Some(call) = self.host.calls.borrow().get(calls) {
                return (self.host.nanos.get().expect("a time") - start, call.clone());
            }
            self.host.pass(u64::try_from(self.host.tick.get().as_nanos()).expect("a tick"));
        }
        panic!("it never asked again");
    }

    fn answer(&self, status: &str, etag: Option<&str>, body: &str) {
        self.answer_with(status, etag.map(|etag| ("etag", etag)), body);
    }

    fn answer_with<'h>(&self, status: &str, headers: impl IntoIterator<Item = (&'h str, &'h str)>, body: &str) {
        let headers = headers.into_iter().map(|(name, value)| (name, value.as_bytes()));
        let headers: Vec<_> = [(":status", status.as_bytes())].into_iter().chain(headers).collect();
        let headers = serialize(headers.into_iter());
        let last = u32::try_from(self.host.calls.borrow().len() - 1).expect("few calls");
        *self.host.answer_body.borrow_mut() = body.into();
        self.plugin.answered(last, &headers, body.len(), &self.host);
    }

    /// The status of a request with the key of `acme`; 200 where it goes on.
    fn status(&self) -> u16 {
        self.host.receive("GET", b"/", [("x-api-key".to_owned(), ACME.into())]);
        self.host.answer.take();
        match Stream::default().on_request(&self.plugin, &self.host) {
            Flow::Continue => 200,
            Flow::Stop => self.host.answer.borrow().as_ref().expect("an answer").status,
            Flow::Wait => panic!("it waits"),
        }
    }
}

fn header<'h>(call: &'h [(String, Vec<u8>)], name: &str) -> Option<&'h [u8]> {
    call.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_slice())
}

#[test]
fn until_the_first_keyring_the_answer_is_unavailable() {
    let running = Running::new("");
    assert_eq!(running.status(), 503);
    let (waited, call) = running.until_call();
    assert!(waited <= SECOND / 4, "asked only after {waited} ns");
    assert_eq!(header(&call, ":path"), Some(&b"/k.json"[..]));
    assert_eq!(header(&call, ":authority"), Some(&b"feed"[..]));
    assert_eq!(header(&call, "if-none-match"), None);
    running.answer("200", Some("\"1\""), &document(1, |_| {}));
    assert_eq!(running.status(), 200);
    assert_eq!(running.host.last_line(), "Info: keyring epoch 1, 2 keys");
    assert_eq!(running.host.tick.get(), Duration::from_secs(1));
}

#[test]
fn the_tag_goes_back_and_a_304_confirms() {
    let running = Running::new(r#","policy":{"max_staleness":"20s"}"#);
    running.until_call();
    running.answer("200", Some("\"1\""), &document(1, |_| {}));
    for _ in 0..10 {
        let (waited, call) = running.until_call();
        assert!((9 * SECOND..=11 * SECOND + SECOND / 10).contains(&waited), "asked again after {waited} ns");
        assert_eq!(header(&call, "if-none-match"), Some(&b"\"1\""[..]));
        running.answer("304", None, "");
        assert_eq!(running.status(), 200);
    }
    running.host.pass(21 * SECOND);
    assert_eq!(running.status(), 503);
}

#[test]
fn what_is_bad_changes_nothing_and_is_told_once() {
    let running = Running::new("");
    running.until_call();
    running.answer("200", None, &document(5, |_| {}));
    let older = document(4, |document| document.keys.clear());
    let same = document(5, |document| document.keys.clear());
    let altered = document(6, |_| {}).replace("\"epoch\":6", "\"epoch\":7");
    let cases = [
        ("200", older.as_str(), "epoch: 4 is older than 5"),
        ("200", same.as_str(), "epoch: 5 is held already with another content"),
        ("200", altered.as_str(), "seal: does not fit"),
        ("200", "", "the keyring document is empty"),
        ("200", "{\"format\":", "ends in the middle"),
        ("500", "oops", "status 500"),
        ("304", "", "status 304"),
    ];
    for (status, body, why) in cases {
        for _ in 0..3 {
            let lines = running.host.log.borrow().len();
            running.until_call();
            running.answer(status, None, body);
            assert_eq!(running.status(), 200, "{why}");
            let line = running.host.last_line();
            assert!(line.contains(why) && line.contains("epoch 5 stays in use"), "expected {why}, got {line}");
            assert!(running.host.log.borrow().len() <= lines + 1);
        }
    }
    assert_eq!(running.host.log.borrow().len(), 1 + cases.len());
}

#[test]
fn a_newer_keyring_takes_the_place_of_the_old_one() {
    let running = Running::new("");
    running.until_call();
    running.answer("200", None, &document(1, |_| {}));
    running.until_call();
    let now = moment("2026-11-22T11:00:00Z");
    running.answer("200", None, &document(2, |document| document.keys[0].revoked_at = Some(now)));
    assert_eq!(running.status(), 401);
}

/// A server that keeps it, and one that does not.
#[test]
fn who_has_begun_a_document_asks_for_more_of_that_one() {
    let running = Running::fetching(r#","pieces":true,"piece_bytes":4096"#, "");
    let document = document(1, |document| {
        let scopes = (0..400).map(|number| format!("scope:{number}").parse().expect("a scope"));
        document.clients[0].scopes.extend(scopes);
    });
    let pieces: Vec<_> = document.as_bytes().chunks(4096).collect();
    assert!(pieces.len() > 1, "{} bytes", document.len());
    let serve = |tag: &str, which: std::ops::Range<usize>| {
        for at in which {
            let call = running.host.calls.borrow().last().expect("a call").clone();
            let (start, end) = (at * 4096, at * 4096 + pieces[at].len() - 1);
            assert_eq!(header(&call, "range"), Some(format!("bytes={start}-{}", start + 4095).as_bytes()));
            assert_eq!(header(&call, "if-match"), (at > 0).then_some(tag.as_bytes()).filter(|tag| tag[0] == b'"'));
            let place = format!("bytes {start}-{end}/{}", document.len());
            let body = std::str::from_utf8(pieces[at]).expect("ASCII");
            running.answer_with("206", [("etag", tag), ("content-range", place.as_str())], body);
        }
    };
    running.until_call();
    serve("\"1\"", 0..1);
    running.answer("412", None, "");
    assert!(running.host.last_line().contains("it changed while it was fetched"), "{}", running.host.last_line());
    assert_eq!(running.status(), 503);
    let (waited, _) = running.until_call();
    assert!(waited <= 3 * SECOND, "begun anew only after {waited} ns");
    serve("\"2\"", 0..pieces.len());
    assert_eq!(running.status(), 200);
    // A weak tag names no bytes.
    running.until_call();
    serve("W/\"3\"", 0..pieces.len());
}

#[test]
fn silence_and_a_missing_cluster_do_not_end_the_asking() {
    let running = Running::new("");
    running.until_call();
    // No answer at all, not even that there was none: asked again after twice the timeout.
    let (waited, _) = running.until_call();
    assert!((9 * SECOND..=11 * SECOND).contains(&waited), "asked again after {waited} ns");
    let last = u32::try_from(running.host.calls.borrow().len() - 1).expect("few calls");
    running.plugin.answered(last, &[], 0, &running.host);
    assert!(running.host.last_line().contains("there is none to use yet: no answer"), "{}", running.host.last_line());
    running.host.no_cluster.set(true);
    for _ in 0..20 {
        let (waited, _) = running.until_call();
        assert!(waited <= 11 * SECOND, "asked again only after {waited} ns");
    }
    running.host.no_cluster.set(false);
    running.until_call();
    running.answer("200", None, &document(1, |_| {}));
    assert_eq!(running.status(), 200);
}

#[test]
fn workers_that_start_together_spread() {
    let mut first: Vec<_> = (0..8)
        .map(|worker| {
            let running = Running::new("");
            // Two workers never read a clock at one nanosecond.
            running.host.pass(worker);
            let host = Scripted::default();
            host.nanos.set(running.host.nanos.get());
            let text = format!(r#"{{"pepper":{{"value":"{PEPPER}"}},"keyring":{{"fetch":{{"cluster":"feed"}}}}}}"#);
            let plugin = Plugin::configure(text.as_bytes(), &host).expect("configured");
            (0..1000)
                .find(|_| {
                    plugin.tick(&host);
                    host.pass(SECOND / 1000);
                    !host.calls.borrow().is_empty()
                })
                .expect("a call")
        })
        .collect();
    first.sort_unstable();
    first.dedup();
    assert!(first.len() >= 5, "{first:?}");
}
