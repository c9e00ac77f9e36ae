//! Decisions over any bytes: none panics, only holders are granted, and nothing else in a request counts.

use std::sync::LazyLock;

use gracekey_core::{Generation, Held, Keyring, Policy, Request, Timestamp, Verdict, decide};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;

use crate::fixture::{NOW, ring_of};

const CURRENT: &[u8] = b"sk_live_3fK9aB2c_current-current-current";
const OLD: &[u8] = b"xyz789_real_key";
const EXPIRED: &[u8] = b"expired-key-of-acme";
const KEYS: [&[u8]; 3] = [CURRENT, OLD, EXPIRED];

static RING: LazyLock<Keyring> = LazyLock::new(|| {
    let change = |superseded: bool, expired: bool| {
        move |generation: &mut Generation| {
            generation.superseded_at = superseded.then_some(NOW);
            generation.retires_at = superseded.then_some(NOW.saturating_add(60));
            generation.expires_at = expired.then_some(NOW.saturating_add(-90));
        }
    };
    ring_of(&[(CURRENT, change(false, false)), (OLD, change(true, false)), (EXPIRED, change(false, true))])
});

static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let texts = [
        "{}",
        r#"{"mode":"optional","scopes":["a"],"error_format":"problem"}"#,
        r#"{"mode":"shadow","forward":null}"#,
        r#"{"mode":"open"}"#,
        r#"{"extract_from":[{"header":"x-token"},{"query":"key"},{"cookie":"key"}],"max_staleness":"1m"}"#,
        r#"{"extract_from":[{"header":"authorization"},{"header":"authorization","scheme":"Bearer"}],"sanitize":false}"#,
        r#"{"failure_mode":"allow","routes":[{"prefix":"/a","mode":"open"},{"path":"/a/b","scopes":["b"]}]}"#,
    ];
    texts.iter().map(|text| Policy::parse(text.as_bytes()).expect("a policy")).collect()
});

type Header = (Vec<u8>, Vec<u8>);

#[derive(Clone, Debug)]
struct Case {
    policy: usize,
    ring: bool,
    now: Option<Timestamp>,
    method: Vec<u8>,
    target: Vec<u8>,
    headers: Vec<Header>,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..24)
}

/// Bytes that are often a key, or nearly one.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let key = || select(KEYS.to_vec()).prop_map(<[u8]>::to_vec);
    let around = select(vec!["", "Bearer ", "bearer   ", "Basic ", "key=", "a=b; key=", "Bearer x, Bearer ", "\""]);
    prop_oneof![
        2 => bytes(),
        4 => key(),
        4 => (around, key(), select(vec!["", " ", ",", ";", "\"", "; c=d"])).prop_map(|(before, key, after)| {
            [before.as_bytes(), &key, after.as_bytes()].concat()
        }),
        1 => Just(b"application/grpc+proto".to_vec()),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let known = ["Authorization", "x-api-key", "X-Token", "cookie", "x-client-id", "X-KEY-ID", "content-type"];
    prop_oneof![8 => select(known.to_vec()).prop_map(|name| name.as_bytes().to_vec()), 1 => bytes()]
}

/// A header as a caller means it, or any.
fn header() -> impl Strategy<Value = Header> {
    let well = |key: &[u8]| {
        prop_oneof![
            Just((b"x-api-key".to_vec(), key.to_vec())),
            Just((b"Authorization".to_vec(), [b"Bearer ", key].concat())),
        ]
    };
    prop_oneof![1 => select(KEYS.to_vec()).prop_flat_map(well), 1 => (name(), value())]
}

fn target() -> impl Strategy<Value = Vec<u8>> {
    let query = |key: &[u8]| [b"/a/%62/..;/?x=1&key=".as_slice(), key, b"&%6bey#"].concat();
    prop_oneof![
        2 => select(vec!["/", "/a", "/a/b", "//a/../b", "*", "", "/a?key=%"]).prop_map(|target| target.as_bytes().to_vec()),
        1 => bytes(),
        1 => select(KEYS.to_vec()).prop_map(query),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let now = option::weighted(0.9, (-90..=90_i64).prop_map(|second| NOW.saturating_add(second)));
    let headers = vec(header(), 0..4);
    let parts = (0..7_usize, prop::bool::weighted(0.9), now, bytes(), target(), headers);
    parts.prop_map(|(policy, ring, now, method, target, headers)| Case { policy, ring, now, method, target, headers })
}

/// Everything that a front end could see of the verdict, and whose key was granted.
fn seen(case: &Case) -> (String, Option<String>) {
    let held = case.ring.then(|| Held { keyring: &RING, confirmed_at: NOW });
    let headers = case.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let request = Request { method: &case.method, target: &case.target, headers };
    match decide(&POLICIES[case.policy], held, &request, case.now) {
        Verdict::Grant(grant) => {
            let edits: Vec<_> = grant.edits().collect();
            let (entry, notice) = (grant.would_deny_entry(), grant.notice());
            let key_id = grant.entry().map(|entry| entry.key_id().to_string());
            (format!("{grant:?} {entry:?} {notice:?} {edits:?}"), key_id)
        }
        Verdict::Denial(denial) => (format!("{denial:?} {:?}", denial.response()), None),
    }
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// And so none panics.
    #[test]
    fn only_who_presents_a_key_of_the_ring_is_granted_it(case in case()) {
        if let (_, Some(key_id)) = seen(&case) {
            let presented = |key: &[u8]| {
                contains(&case.target, key) || case.headers.iter().any(|(_, value)| contains(value, key))
            };
            // The expired key is never granted.
            let holder = if key_id == "key00000" { presented(CURRENT) } else { key_id == "key00001" && presented(OLD) };
            prop_assert!(holder && case.ring && case.now.is_some(), "granted {key_id}");
        }
    }

    #[test]
    fn headers_that_are_not_watched_never_count(case in case(), added in vec((any::<prop::sample::Index>(), "x-other-[a-z]{0,8}", value()), 1..4)) {
        let mut more = case.clone();
        for (at, name, value) in added {
            more.headers.insert(at.index(more.headers.len() + 1), (name.into_bytes(), value));
        }
        prop_assert_eq!(seen(&case), seen(&more));
    }

    #[test]
    fn the_order_of_different_headers_never_counts(case in case(), salt in any::<u8>()) {
        let mut other = case.clone();
        // Sorted by a hash of the name: what has one name keeps its order.
        other.headers.sort_by_key(|(name, _)| {
            name.to_ascii_lowercase().iter().fold(salt, |hash, byte| hash.wrapping_mul(31).wrapping_add(*byte))
        });
        prop_assert_eq!(seen(&case), seen(&other));
    }

    #[test]
    fn the_case_of_header_names_never_counts(case in case()) {
        let mut other = case.clone();
        for (name, _) in &mut other.headers {
            name.make_ascii_uppercase();
        }
        prop_assert_eq!(seen(&case), seen(&other));
    }
}

/// The cases above do reach grants, of both keys: else they would show nothing.
#[test]
fn cases_reach_grants() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut granted = [0, 0];
    for _ in 0..2000 {
        let case = case().new_tree(&mut runner).expect("a case").current();
        match seen(&case).1.as_deref() {
            Some("key00000") => granted[0] += 1,
            Some(_) => granted[1] += 1,
            None => {}
        }
    }
    assert!(granted.iter().all(|count| *count > 40), "{granted:?}");
}
