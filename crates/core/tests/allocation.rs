//! What is allocated: nothing on the way to a grant, and few bytes a key for a keyring.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::hint::black_box;
use std::sync::Arc;

use allocation_counter::measure;
use gracekey_core::{
    Client, Document, Generation, Held, Keyring, Opening, Pepper, Peppers, Policy, Reason, Request, Timestamp, Verdict,
    decide,
};

const CURRENT: &[u8] = b"sk_live_3fK9aB2c_of-the-current-generation";
const SUPERSEDED: &[u8] = b"sk_live_3fK9aB2c_of-the-one-before-that";

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_800_000_000).expect("a moment")
}

fn pepper() -> Arc<Peppers> {
    Arc::new(Peppers::one(Pepper::new("p1".parse().expect("an id"), &[7; 32]).expect("a pepper")))
}

fn generation(peppers: &Peppers, key: &[u8], client: &str, id: &str) -> Generation {
    Generation {
        client_id: client.parse().expect("a client id"),
        credential: "default".parse().expect("a name"),
        digest: peppers.current().digest(key),
        expires_at: None,
        generation: 1,
        key_id: id.parse().expect("a key id"),
        not_before: None,
        retires_at: None,
        revoked_at: None,
        superseded_at: None,
    }
}

fn client(name: &str) -> Client {
    let scopes = vec!["logs:read".parse().expect("a scope"), "logs:write".parse().expect("a scope")];
    Client { client_id: name.parse().expect("a client id"), disabled: false, scopes }
}

/// A current and a superseded key of one client.
fn keyring() -> Keyring {
    let peppers = pepper();
    let mut document = Document::empty(now());
    document.clients.push(client("acme_corp"));
    document.keys.push(generation(&peppers, CURRENT, "acme_corp", "current0"));
    let superseded_at = Some(now());
    let retires_at = Some(now().saturating_add(60));
    let old = generation(&peppers, SUPERSEDED, "acme_corp", "before00");
    document.keys.push(Generation { generation: 2, superseded_at, retires_at, ..old });
    Keyring::new(&document, peppers).expect("a keyring")
}

/// Allocations between the request and a grant with its edits and its notice read.
fn allocations(policy: &str, headers: &[(&str, &[u8])], target: &str) -> (Option<Reason>, u64) {
    let (policy, keyring) = (Policy::parse(policy.as_bytes()).expect("a policy"), keyring());
    let held = Some(Held { keyring: &keyring, confirmed_at: now() });
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), *value));
    let request = Request { method: b"GET", target: target.as_bytes(), headers };
    let mut denied = None;
    let counted = measure(|| match decide(&policy, held, &request, Some(now())) {
        Verdict::Grant(grant) => {
            black_box(grant.edits().map(black_box).count());
            black_box((grant.notice(), grant.is_superseded(), grant.would_deny()));
        }
        Verdict::Denial(denial) => denied = Some(denial.reason()),
    });
    (denied, counted.count_total)
}

/// The header with ordinary ones around it.
fn around<'h>(name: &'h str, value: &'h [u8]) -> [(&'h str, &'h [u8]); 4] {
    [("accept", b"*/*"), ("user-agent", b"test"), (name, value), ("x-a", b"b")]
}

const FREE: (Option<Reason>, u64) = (None, 0);

#[test]
fn no_grant_allocates() {
    let bearer = |key: &[u8]| [b"Bearer ", key].concat();
    let routes = r#"{"routes":[{"prefix":"/v1","methods":["GET"],"scopes":["logs:read"]}],"max_staleness":"1h"}"#;
    for key in [CURRENT, SUPERSEDED] {
        let bearer = bearer(key);
        assert_eq!(allocations("{}", &around("x-api-key", key), "/v1/logs"), FREE);
        assert_eq!(allocations("{}", &around("Authorization", &bearer), "/v1/logs"), FREE);
        assert_eq!(allocations("{}", &[("authorization", &bearer), ("x-api-key", key)], "/"), FREE);
        assert_eq!(allocations("{}", &[("x-api-key", key), ("x-client-id", b"spoofed")], "/"), FREE);
        assert_eq!(allocations(routes, &around("x-api-key", key), "/v1/logs?limit=5"), FREE);
        assert_eq!(allocations(r#"{"mode":"shadow"}"#, &around("x-api-key", key), "/"), FREE);
        let cookie = [b"a=b; key=".as_slice(), key].concat();
        assert_eq!(allocations(r#"{"extract_from":[{"cookie":"key"}]}"#, &[("cookie", &cookie)], "/"), FREE);
        let target = format!("/?key={}", key.escape_ascii());
        assert_eq!(allocations(r#"{"extract_from":[{"query":"key"}]}"#, &[], &target), FREE);
    }
    for mode in ["optional", "shadow", "open"] {
        assert_eq!(allocations(&format!(r#"{{"mode":"{mode}"}}"#), &[], "/"), FREE);
    }
    assert_eq!(allocations("{}", &[("x-api-key", b"nobody's-key")], "/"), (Some(Reason::Unknown), 0));
}

/// The counter does count: a key that comes percent-encoded is copied.
#[test]
fn an_encoded_key_allocates() {
    let target = format!("/?key={}", CURRENT.escape_ascii()).replace('_', "%5F");
    let (denied, count) = allocations(r#"{"extract_from":[{"query":"key"}]}"#, &[], &target);
    assert_eq!(denied, None);
    assert!(count > 0);
}

/// Each key with a client of its own, which is the most that a key can take.
fn many(keys: usize, peppers: &Peppers) -> Document {
    let mut document = Document::empty(now());
    for at in 0..keys {
        let name = format!("client-{at:07}");
        document.clients.push(client(&name));
        document.keys.push(generation(peppers, name.as_bytes(), &name, &format!("{at:08}")));
    }
    document
}

/// Wherever a document is cut, it takes the same room while it is opened: that for its keys is made once.
#[test]
fn a_document_in_pieces_takes_the_same_room_however_it_is_cut() {
    const KEYS: usize = 20_000;
    let peppers = pepper();
    let text = many(KEYS, &peppers).seal(&peppers).to_json();
    let keys_begin = text.find("\"keys\"").expect("keys");
    // A piece of 64 KiB that ends with these many bytes of the keys.
    let most = [200, 10_000, 25_000, 40_000, 65_000].map(|of_keys| {
        let (first, rest) = text.as_bytes().split_at((keys_begin + of_keys) % (1 << 16));
        let mut keyring = None;
        let opened = measure(|| {
            let mut opening = Opening::new(Arc::clone(&peppers), text.len());
            [first].into_iter().chain(rest.chunks(1 << 16)).try_for_each(|piece| opening.push(piece)).expect("good");
            keyring = Some(opening.finish().expect("a keyring"));
        });
        assert_eq!(keyring.map(|keyring| keyring.len()), Some(KEYS));
        opened.bytes_max / KEYS as u64
    });
    println!("{most:?} bytes a key at most while opening");
    let (least, most) = (most.iter().min().expect("five"), most.iter().max().expect("five"));
    assert!(most * 100 <= least * 105, "{least} to {most} bytes a key");
}

#[test]
fn a_keyring_takes_at_most_160_bytes_a_key() {
    const KEYS: usize = 200_000;
    let peppers = pepper();
    let document = many(KEYS, &peppers);
    let mut keyring = None;
    let built = measure(|| keyring = Some(Keyring::new(&document, peppers).expect("a keyring")));
    let keyring = keyring.expect("a keyring");
    assert_eq!(keyring.len(), KEYS);
    let each = built.bytes_current / i64::try_from(KEYS).expect("a count");
    println!("{each} bytes a key once built, {} at most while building", built.bytes_max / KEYS as u64);
    assert!(each <= 160, "{each} bytes a key");
    // The digest and the key id alone take 40: less would mean that nothing was counted.
    assert!(each >= 40, "{each} bytes a key");
    drop(document);
}
