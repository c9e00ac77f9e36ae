//! Every vector of `gracekey-core` through the built filter in the real Envoy, over HTTP/1.1 and HTTP/2. The answers
//! are compared byte for byte, but for the headers that a proxy must add.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/envoy.rs"]
mod envoy;
#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/http1.rs"]
mod http1;
#[path = "support/http2.rs"]
mod http2;
#[path = "support/parts.rs"]
mod parts;
#[path = "support/upstream.rs"]
mod upstream;
#[path = "../../crates/core/tests/support/vector.rs"]
mod vector;

use std::collections::BTreeMap;
use std::path::Path;

use envoy::Envoy;
use exchange::same;
use gracekey_core::Timestamp;
use vector::{Caller, Expect, Vector};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protocol {
    Http1,
    Http2,
}

/// The vectors that HTTP or Envoy cannot carry, over which protocols, and why. One that can be carried must not stand
/// here: each is sent all the same, and must not come out as the vector says.
const NOT_CARRIED: &[(&str, &[Protocol], &str)] = {
    use Protocol::{Http1, Http2};
    const BOTH: &[Protocol] = &[Http1, Http2];
    const CONTROL: &str = "no field value holds a control character (RFC 9110 §5.5): Envoy answers 400 by itself, and a \
                           client of HTTP/2 does not send it (RFC 9113 §8.2.1)";
    const LINE_END: &str =
        "at the end of a value it is the end of the line in HTTP/1.1, and it is in no value of HTTP/2";
    const FRAMES: &str = "Envoy's HTTP/2 takes a header section of a few CONTINUATION frames only, 16 KiB each";
    &[
        ("bytes-carriage-return-behind-bearer-is-malformed", BOTH, LINE_END),
        ("bytes-newline-at-the-end-is-malformed", BOTH, LINE_END),
        ("bytes-delete-is-malformed", BOTH, CONTROL),
        ("bytes-newline-is-malformed", BOTH, CONTROL),
        ("bytes-nul-is-malformed", BOTH, CONTROL),
        ("route-method-in-lower-case-is-another", &[Http1], "Envoy's HTTP/1.1 answers 400 to a method in lower case"),
        ("size-a-mebibyte-elsewhere-is-no-matter", &[Http2], FRAMES),
        ("size-a-mebibyte-is-malformed", &[Http2], FRAMES),
    ]
};

/// The vectors with `"now": null`, by their number: Envoy always tells the time, so it cannot be made not to.
const WITHOUT_TIME: usize = 5;

#[test]
fn every_vector_holds_in_envoy() {
    let folder = parts::root().join("crates/core/tests/vectors");
    let vectors = vector::load(&folder).expect("vectors");
    assert!(vectors.len() >= vector::FEWEST, "only {} vectors", vectors.len());
    let upstream = std::env::temp_dir().join(format!("gracekey-upstream-{}", std::process::id()));
    let upstream = upstream::listen(&upstream);

    // An Envoy stands at one moment when it takes in a keyring, and at another when it decides.
    // Envoy itself does not start in 1970, so where a keyring's age counts for nothing it is taken in later.
    let start = "2026-11-22T12:00:00Z".parse().expect("a moment");
    let mut moments: BTreeMap<_, Vec<&Vector>> = BTreeMap::new();
    for vector in &vectors {
        let ages = vector.policy().expect("a policy").config().max_staleness.is_some();
        let confirmed_at = if ages { vector.confirmed_at() } else { start };
        moments.entry((confirmed_at, vector.now)).or_default().push(vector);
    }
    let mut wrong = Vec::new();
    let mut without_time = 0;
    for (at, ((confirmed_at, now), vectors)) in moments.into_iter().enumerate() {
        match now {
            Some(now) => run(&format!("vectors-{at}"), confirmed_at, now, &vectors, &upstream, &mut wrong),
            None => without_time += vectors.len(),
        }
    }
    for why in &wrong {
        eprintln!("{why}\n");
    }
    std::fs::remove_file(upstream).ok();
    assert!(wrong.is_empty(), "{} fail", wrong.len());
    assert_eq!(without_time, WITHOUT_TIME, "vectors without a time");
    for (name, ..) in NOT_CARRIED {
        assert!(vectors.iter().any(|vector| vector.name == *name), "NOT_CARRIED: there is no vector {name}");
    }
}

/// One Envoy, and all vectors of one moment through it.
fn run(
    name: &str,
    confirmed_at: Timestamp,
    now: Timestamp,
    vectors: &[&Vector],
    upstream: &Path,
    wrong: &mut Vec<String>,
) {
    let mut configurations: Vec<String> = Vec::new();
    let mut listeners = Vec::new();
    for vector in vectors {
        let configuration = configuration(vector);
        let known = configurations.iter().position(|known| *known == configuration);
        listeners.push(known.unwrap_or(configurations.len()));
        if known.is_none() {
            configurations.push(configuration);
        }
    }
    let envoy = Envoy::start(name, confirmed_at, &configurations, upstream);
    envoy.set_moment(now);
    let sendings = vectors.iter().zip(&listeners).flat_map(|(vector, listener)| {
        [Protocol::Http1, Protocol::Http2].map(|protocol| (*vector, envoy.socket(*listener), protocol))
    });
    // What cannot be carried goes last, so that the lines of the log before it belong to what can.
    let (last, first): (Vec<_>, Vec<_>) = sendings.partition(|(vector, _, protocol)| !carried(vector, *protocol));
    for (vector, socket, protocol) in &first {
        if let Err(why) = send(vector, socket, *protocol) {
            wrong.push(format!("{}.json over {protocol:?}: {}\n{why}", vector.name, vector.what));
        }
    }
    for (vector, socket, protocol) in &last {
        if send(vector, socket, *protocol).is_ok() {
            wrong.push(format!("NOT_CARRIED: {} is carried over {protocol:?}", vector.name));
        }
    }
    let log = envoy.stop();
    assert!(log.len() >= first.len(), "{} lines of {} requests in the access log", log.len(), first.len());
    for ((vector, _, protocol), line) in first.iter().zip(&log) {
        if let Err(why) = same("access log", &log_line(vector, line), line) {
            wrong.push(format!("{}.json over {protocol:?}: {}\n{why}", vector.name, vector.what));
        }
    }
}

fn carried(vector: &Vector, protocol: Protocol) -> bool {
    let listed =
        |(name, protocols, _): &&(&str, &[Protocol], &str)| vector.name == *name && protocols.contains(&protocol);
    !NOT_CARRIED.iter().any(|case| listed(&case))
}

fn send(vector: &Vector, socket: &Path, protocol: Protocol) -> Result<(), String> {
    let reply = match protocol {
        Protocol::Http1 => http1::send(socket, &vector.request),
        Protocol::Http2 => http2::send(socket, &vector.request),
    }?;
    match &vector.expect {
        Expect::Denial(expected) => exchange::denial(&reply, expected, &vector.request),
        Expect::Grant(expected) => exchange::grant(&reply, expected, &vector.request),
    }
}

/// What the access log must say of a vector: the details of the response code, then client, key, generation, reason as
/// filter state. A vector does not say the client and the generation of who is denied, so those two are taken over.
fn log_line(vector: &Vector, found: &str) -> String {
    let mut words = found.split(' ').skip(1);
    let (client, _, generation) = (words.next(), words.next(), words.next());
    let shown = |text: Option<&str>| text.unwrap_or("-").to_owned();
    match &vector.expect {
        Expect::Denial(denial) => {
            let (reason, key) = (&denial.reason, shown(denial.key_id.as_deref()));
            format!("gracekey_{reason} {} {key} {} {reason}", shown(client), shown(generation))
        }
        Expect::Grant(grant) => match &grant.caller {
            Some(Caller { client_id, key_id, generation, .. }) => {
                format!("via_upstream {client_id} {key_id} {generation} -")
            }
            None => {
                let (key, reason) = (shown(grant.would_deny_key_id.as_deref()), shown(grant.would_deny.as_deref()));
                format!("via_upstream {} {key} {} {reason}", shown(client), shown(generation))
            }
        },
    }
}

fn configuration(vector: &Vector) -> String {
    let policy = vector.policy_json();
    match vector.sealed().expect("a keyring") {
        Some((document, peppers)) => {
            format!(r#"{{"policy":{policy},"pepper":{{"value":"{peppers}"}},"keyring":{{"inline":{document}}}}}"#)
        }
        // There is none while the source does not answer.
        None => {
            let pepper = "p1:".to_owned() + &"A".repeat(44);
            format!(
                r#"{{"policy":{policy},"pepper":{{"value":"{pepper}"}},"keyring":{{"fetch":{{"cluster":"nowhere"}}}}}}"#
            )
        }
    }
}
