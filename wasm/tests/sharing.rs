//! A keyring that all workers share: one fetches it in pieces and lays it out, the others look keys up in it.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/ring.rs"]
mod ring;
#[path = "support/scripted.rs"]
mod scripted;
#[path = "../../crates/core/tests/support/vector.rs"]
mod vector;

use std::path::Path;
use std::rc::Rc;

use gracekey_core::{ApiKeys, Document, Peppers};
use gracekey_filter::{Flow, Plugin, Stream, serialize};
use ring::{PEPPER, moment};
use scripted::Scripted;

const SECOND: u64 = 1_000_000_000;
/// Enough for some buckets and some pieces.
const KEYS: usize = 14_000;

/// One plugin of the process.
struct Worker {
    host: Scripted,
    plugin: Plugin,
}

impl Worker {
    fn new(keyring: &str, leader: Option<&Self>) -> Self {
        let mut host = Scripted::at(moment("2026-11-22T12:00:00Z"));
        if let Some(leader) = leader {
            host.shared = Rc::clone(&leader.host.shared);
        }
        let text =
            format!(r#"{{"pepper":{{"value":"{PEPPER}"}},"keyring":{keyring},"policy":{{"max_staleness":"10m"}}}}"#);
        let plugin = Plugin::configure(text.as_bytes(), &host).expect("configured");
        Self { host, plugin }
    }

    fn pass(&self, nanos: u64) {
        self.host.pass(nanos);
        self.plugin.tick(&self.host);
    }

    /// The status of a request with that key, and who it is for.
    fn ask(&self, key: &str) -> (u16, Option<String>) {
        self.host.receive("GET", b"/", [("x-api-key".to_owned(), key.into())]);
        match Stream::new(7).on_request(&self.plugin, &self.host) {
            Flow::Continue => {
                let request = self.host.request.borrow();
                let client = request.iter().find(|(name, _)| name == "x-client-id");
                (200, client.map(|(_, value)| String::from_utf8(value.clone()).expect("a name")))
            }
            Flow::Stop => (self.host.answer.borrow().as_ref().expect("an answer").status, None),
            Flow::Wait => (0, None),
        }
    }
}

/// Serves a document in pieces to whoever asks for one. Returns how many.
fn serve(leader: &Worker, document: &str, etag: &str) -> usize {
    let (mut call, mut pieces) = (leader.host.calls.borrow().len(), 0);
    for _ in 0..100 {
        leader.pass(SECOND);
        if leader.host.calls.borrow().len() > call {
            break;
        }
    }
    loop {
        let Some(headers) = leader.host.calls.borrow().get(call).cloned() else { return pieces };
        let header = |name: &str| {
            let found = headers.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| String::from_utf8(value.clone()).expect("text"))
        };
        let range = header("range").expect("a range");
        let (start, end) = range.strip_prefix("bytes=").expect("bytes").split_once('-').expect("two ends");
        let (start, end): (usize, usize) = (start.parse().expect("a start"), end.parse().expect("an end"));
        let end = (end + 1).min(document.len());
        assert_eq!(header("if-none-match").is_some(), start == 0 && call > 0 && leader.ask("x").0 != 503);
        assert_eq!(header("if-match").as_deref(), (start > 0).then_some(etag));
        let body = &document.as_bytes()[start..end];
        let range = format!("bytes {start}-{}/{}", end - 1, document.len());
        let headers: [(&str, &[u8]); 3] =
            [(":status", b"206"), ("etag", etag.as_bytes()), ("content-range", range.as_bytes())];
        *leader.host.answer_body.borrow_mut() = body.to_vec();
        let token = u32::try_from(call).expect("few calls");
        leader.plugin.answered(token, &serialize(headers.into_iter()), body.len(), &leader.host);
        pieces += 1;
        call += 1;
    }
}

fn key(at: usize) -> String {
    format!("issued-elsewhere-{at:06}")
}

fn document(epoch: u64, keys: usize, edit: impl FnOnce(&mut Document)) -> String {
    let peppers: Peppers = PEPPER.parse().expect("a pepper");
    let one = ApiKeys::parse(r#"{"one-key-1":"one"}"#).expect("a key");
    let mut document = one.document(peppers.current(), moment("2026-11-22T00:00:00Z"));
    let (client, generation) = (document.clients.remove(0), document.keys.remove(0));
    document.epoch = epoch;
    for at in 0..keys {
        let (mut client, mut generation) = (client.clone(), generation.clone());
        client.client_id = format!("client-{at}").parse().expect("a client id");
        generation.client_id = client.client_id.clone();
        generation.key_id = format!("{at:08}").parse().expect("a key id");
        generation.digest = peppers.current().digest(key(at).as_bytes());
        document.clients.push(client);
        document.keys.push(generation);
    }
    edit(&mut document);
    document.seal(&peppers).to_json()
}

const FETCH: &str = r#"{"fetch":{"cluster":"feed","interval":"10s","share":"keyring"}}"#;
const SHARED: &str = r#"{"shared":"keyring"}"#;

#[test]
fn what_one_fetches_all_have() {
    let leader = Worker::new(FETCH, None);
    let workers = [Worker::new(SHARED, Some(&leader)), Worker::new(SHARED, Some(&leader))];
    assert_eq!(workers[0].ask(&key(1)).0, 503, "nothing is laid out yet");
    assert!(serve(&leader, &document(1, KEYS, |_| {}), "\"1\"") > 1, "in pieces");
    for worker in workers.iter().chain([&leader]) {
        for at in [0, 1, 77, KEYS - 1] {
            assert_eq!(worker.ask(&key(at)), (200, Some(format!("client-{at}"))));
        }
        assert_eq!(worker.ask(&key(KEYS)).0, 401);
        assert_eq!(worker.ask("x").0, 401);
    }
    // A worker that starts later has it at once.
    assert_eq!(Worker::new(SHARED, Some(&leader)).ask(&key(3)).0, 200);
}

#[test]
fn a_change_counts_at_once_and_old_buckets_go() {
    let leader = Worker::new(FETCH, None);
    serve(&leader, &document(1, KEYS, |_| {}), "\"1\"");
    let worker = Worker::new(SHARED, Some(&leader));
    assert_eq!(worker.ask(&key(5)).0, 200);
    let revoked = |document: &mut Document| {
        let own = document.keys.iter().position(|key| key.client_id.as_str() == "client-5").expect("there");
        document.keys[own].revoked_at = Some(document.issued_at);
    };
    serve(&leader, &document(2, KEYS, revoked), "\"2\"");
    assert_eq!(worker.ask(&key(5)).0, 401, "without a tick of its own");
    assert_eq!(worker.ask(&key(6)).0, 200);
    // Of another size: other buckets.
    let before = leader.host.shared.borrow().values().filter(|bytes| !bytes.is_empty()).count();
    serve(&leader, &document(3, KEYS / 3, |_| {}), "\"3\"");
    let after = leader.host.shared.borrow().values().filter(|bytes| !bytes.is_empty()).count();
    assert!(after < before / 2, "{before} buckets, and then {after}");
    assert_eq!((worker.ask(&key(5)).0, worker.ask(&key(KEYS - 1)).0), (200, 401));
    // What does not follow changes nothing.
    serve(&leader, &document(2, KEYS / 3, |document| document.keys.clear()), "\"4\"");
    assert!(leader.host.last_line().contains("epoch: 2 is older than 3"), "{}", leader.host.last_line());
    assert_eq!(worker.ask(&key(5)).0, 200);
}

#[test]
fn a_keyring_that_nobody_confirms_grows_old_for_all() {
    let leader = Worker::new(FETCH, None);
    serve(&leader, &document(1, 10, |_| {}), "\"1\"");
    let worker = Worker::new(SHARED, Some(&leader));
    for _ in 0..30 {
        leader.pass(SECOND);
        worker.pass(SECOND);
        leader.host.calls.borrow_mut().clear();
    }
    worker.pass(580 * SECOND);
    assert_eq!(worker.ask(&key(5)).0, 503);
}

/// The same verdicts as with a keyring of its own.
#[test]
fn every_vector_holds_in_a_shared_keyring() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/core/tests/vectors");
    let vectors = vector::load(&folder).expect("vectors");
    let mut compared = 0;
    for vector in &vectors {
        let Some((document, peppers)) = vector.sealed().expect("a keyring") else { continue };
        let outcome = |keyring: &str, shared: Option<&Scripted>| {
            let mut host = Scripted::default();
            if let Some(other) = shared {
                host.shared = Rc::clone(&other.shared);
            }
            host.nanos.set(Some(0));
            if vector.confirmed_at().unix_seconds() > 0 {
                host.set_moment(vector.confirmed_at());
            }
            let policy = vector.policy_json();
            let text = format!(r#"{{"policy":{policy},"pepper":{{"value":"{peppers}"}},"keyring":{keyring}}}"#);
            let plugin = Plugin::configure(text.as_bytes(), &host).expect("configured");
            (host, plugin)
        };
        let (leader, plugin) = outcome(FETCH, None);
        leader.pass(SECOND);
        let back = leader.nanos.get();
        plugin.tick(&leader);
        leader.nanos.set(back.map(|now| now - SECOND));
        let range = format!("bytes 0-{}/{}", document.len() - 1, document.len());
        *leader.answer_body.borrow_mut() = document.clone().into_bytes();
        let headers = [(":status", &b"206"[..]), ("content-range", range.as_bytes())];
        plugin.answered(0, &serialize(headers.into_iter()), document.len(), &leader);

        let (shared, inline) = (outcome(SHARED, Some(&leader)), outcome(&format!(r#"{{"inline":{document}}}"#), None));
        let seen = [shared, inline].map(|(host, plugin)| {
            host.nanos.set(None);
            vector.now.inspect(|now| host.set_moment(*now));
            let headers = vector.request.headers.iter().map(|(name, value)| (name.clone(), value.0.clone()));
            host.receive(&vector.request.method, &vector.request.target.0, headers);
            let mut stream = Stream::default();
            let flow = stream.on_request(&plugin, &host);
            stream.on_response(&host);
            let (request, response, state) = (host.request.take(), host.response.take(), host.filter_state.take());
            format!("{flow:?} {request:?} {response:?} {:?} {state:?}", host.answer.take())
        });
        assert_eq!(seen[0], seen[1], "{}", vector.name);
        compared += 1;
    }
    assert!(compared >= 100, "{compared} vectors");
}
