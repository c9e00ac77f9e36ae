//! What an operator writes: every slip is one line that names the field.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/ring.rs"]
mod ring;
#[path = "support/scripted.rs"]
mod scripted;

use gracekey_filter::{Plugin, serialize};
use ring::{PEPPER, document, inline, moment};
use scripted::Scripted;

fn configure(text: &str) -> Result<Plugin, String> {
    Plugin::configure(text.as_bytes(), &host()).map_err(|error| error.to_string())
}

fn host() -> Scripted {
    let mut host = Scripted::at(moment("2026-11-22T12:00:00Z"));
    host.environment.insert("BAD".into(), "two words".into());
    host
}

/// The line that a configuration is refused with.
fn refused(text: &str) -> String {
    match configure(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(line) => {
            assert!(!line.contains('\n'), "more than one line: {line}");
            line
        }
    }
}

#[test]
fn every_slip_is_named() {
    let ring = document(1, |_| {});
    let fetch = |members: &str| format!(r#"{{"pepper":{{"value":"{PEPPER}"}},"keyring":{{"fetch":{{{members}}}}}}}"#);
    let cases: &[(String, &str)] = &[
        (String::new(), "configuration: is empty"),
        ("{".into(), "configuration: "),
        ("[]".into(), "configuration: "),
        ("{} x".into(), "configuration: missing field `keyring`"),
        (inline(&ring, r#","polcy":{}"#), "configuration: polcy: unknown field `polcy`"),
        (inline(&ring, r#","policy":{"mode":"strickt"}"#), "configuration: policy.mode: unknown variant `strickt`"),
        (inline(&ring, r#","policy":{"extract_from":[]}"#), "configuration: policy.extract_from: is empty"),
        (inline(&ring, r#","policy":{"realm":"a\"b"}"#), "configuration: policy.realm: "),
        (inline(&ring, r#","policy":{"routes":[{"path":"x"}]}"#), "configuration: policy.routes[0].path: "),
        (inline(&ring, r#","metrics":{"prefix":"9"}"#), "configuration: metrics.prefix: "),
        (inline(&ring, r#","metrics":{"max_clients":-1}"#), "configuration: metrics.max_clients: "),
        (inline("{}", ""), "configuration: keyring.inline: the keyring document: missing field"),
        (inline(&ring.replace("acme\"", "acmf\""), ""), "configuration: keyring.inline: seal: does not fit"),
        (inline("\"not json\"", ""), "configuration: keyring.inline: the keyring document is not JSON"),
        (inline(&ring, "").replace("\"inline\"", "\"inlined\""), "configuration: keyring: unknown variant `inlined`"),
        (r#"{"keyring":{}}"#.into(), "configuration: keyring: "),
        (inline(&ring, "").replace("\"inline\":", "\"shared\":\"k\",\"inline\":"), "configuration: keyring"),
        (r#"{"keyring":{"shared":""}}"#.into(), "configuration: keyring.shared: is the name"),
        (r#"{"pepper":{},"keyring":{"shared":"k"}}"#.into(), "configuration: pepper: is {"),
        (fetch(r#""cluster":"k","usage":true"#), "configuration: keyring.fetch.usage: is reported under a name"),
        (fetch(r#""cluster":"k","piece_bytes":0"#), "configuration: keyring.fetch.piece_bytes: is 1024 to 16777216"),
        (fetch(r#""cluster":"k","share":"a b""#), "configuration: keyring.fetch.share: is a name"),
        (fetch(""), "configuration: keyring.fetch: missing field `cluster`"),
        (fetch(r#""cluster":"""#), "configuration: keyring.fetch.cluster: is empty"),
        (fetch(r#""cluster":"k","path":"x"#), "configuration: "),
        (fetch(r#""cluster":"k","path":"x""#), "configuration: keyring.fetch.path: begins with /"),
        (fetch(r#""cluster":"k","interval":"0s""#), "configuration: keyring.fetch.interval: is at least 1s"),
        (fetch(r#""cluster":"k","interval":"5""#), "configuration: keyring.fetch.interval: not a span of time"),
        (fetch(r#""cluster":"k","timeout":"0s""#), "configuration: keyring.fetch.timeout: is at least 1s"),
        (fetch(r#""cluster":"k","authority":"a b""#), "configuration: keyring.fetch.authority: "),
        (fetch(r#""cluster":"k","wait":"61s""#), "configuration: keyring.fetch.wait: is at most 60s"),
        (fetch(r#""cluster":"k","verifier":"""#), "configuration: keyring.fetch.verifier: is a name"),
        (fetch(r#""cluster":"k","verifier":"a b""#), "configuration: keyring.fetch.verifier: is a name"),
        (fetch(r#""cluster":"k","key":"sk_live""#), "configuration: keyring.fetch.key: "),
        (fetch(r#""cluster":"k","key":{"env":"NONE"}"#), "configuration: keyring.fetch.key.env: `NONE` is not set"),
        (fetch(r#""cluster":"k","key":{"env":"BAD"}"#), "configuration: keyring.fetch.key.env: `BAD` holds no API key"),
        (fetch(r#""cluster":"k","authorization":"x""#), "configuration: keyring.fetch.authorization: unknown field"),
        (r#"{"keyring":{"fetch":{"cluster":"k"}}}"#.into(), "configuration: pepper.env: `GRACEKEY_PEPPER` is not set"),
        (
            r#"{"pepper":{"env":"SHORT"},"keyring":{"fetch":{"cluster":"k"}}}"#.into(),
            "configuration: pepper.env: `SHORT` is not set",
        ),
        (
            r#"{"pepper":{"value":"p1:c2hvcnQ"},"keyring":{"fetch":{"cluster":"k"}}}"#.into(),
            "configuration: pepper.value: the pepper has 5 bytes",
        ),
    ];
    for (text, expected) in cases {
        let line = refused(text);
        assert!(line.starts_with(expected), "{text}\nexpected {expected}\n     got {line}");
    }
}

#[test]
fn no_refusal_repeats_a_pepper() {
    let marked = "p1:bWFya2VkLXNlY3JldC1tYXJrZWQtc2VjcmV0LW1hcmtlZA";
    for text in [
        format!(r#"{{"pepper":{{"value":"{marked}!"}},"keyring":{{"fetch":{{"cluster":"k"}}}}}}"#),
        format!(r#"{{"pepper":{{"value":"{}"}},"keyring":{{"fetch":{{"cluster":"k"}}}}}}"#, &marked[3..]),
        format!(r#"{{"pepper":{{"value":"{marked}"}},"keyring":{{"fetch":{{"cluster":""}}}}}}"#),
        format!(r#"{{"pepper":"{marked}","keyring":{{"fetch":{{"cluster":"k"}}}}}}"#),
        format!(r#"{{"pepper":{{"{marked}":"x"}},"keyring":{{"fetch":{{"cluster":"k"}}}}}}"#),
    ] {
        let line = refused(&text);
        assert!(!line.contains(&marked[3..20]), "{line}");
    }
}

#[test]
fn the_pepper_comes_from_the_environment() {
    let mut host = host();
    host.environment.insert("GRACEKEY_PEPPER".into(), PEPPER.into());
    let text = format!(r#"{{"keyring":{{"inline":{}}}}}"#, document(1, |_| {}));
    Plugin::configure(text.as_bytes(), &host).expect("configured");
}

#[test]
fn an_inline_keyring_may_stand_in_a_string() {
    let text = serde_json::to_string(&document(1, |_| {})).expect("a string");
    configure(&inline(&text, "")).expect("configured");
}

/// Bytes that are no configuration, and headers that are no headers, end in a refusal or an answer, never in a panic.
#[test]
fn no_bytes_panic() {
    let good = inline(&document(1, |_| {}), r#","policy":{"mode":"strict"}"#).into_bytes();
    for at in 0..good.len() {
        for byte in [0, b'"', b'{', 0xff] {
            let mut wrong = good.clone();
            wrong[at] = byte;
            drop(Plugin::configure(&wrong, &host()));
        }
        drop(Plugin::configure(&good[..at], &host()));
    }
    let plugin = configure(core::str::from_utf8(&good).expect("text")).expect("configured");
    let headers =
        serialize([(":path", &b"/\xff?%"[..]), ("authorization", b"Bearer \xff"), ("\u{e9}", b"")].into_iter());
    for at in 0..headers.len() {
        for byte in [0, 1, 0x7f, 0xff] {
            let host = host();
            let mut wrong = headers.clone();
            wrong[at] = byte;
            *host.raw.borrow_mut() = Some(wrong);
            let _ = gracekey_filter::Stream::default().on_request(&plugin, &host);
            assert!(host.answer.borrow().is_some());
        }
    }
}
