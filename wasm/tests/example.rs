//! The configurations of examples/envoy in the real Envoy: what their README says is what they do.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/example.rs"]
#[expect(dead_code, reason = "only GET is sent here")]
mod example;
#[path = "support/exchange.rs"]
#[expect(dead_code, reason = "the comparison with vectors is for the conformance run")]
mod exchange;
#[path = "support/feed.rs"]
#[expect(dead_code, reason = "this feed is asked and does not tell by itself")]
mod feed;
#[path = "support/http1.rs"]
mod http1;
#[path = "support/parts.rs"]
#[expect(dead_code, reason = "this Envoy has the time of day")]
mod parts;
#[path = "../../crates/core/tests/support/vector.rs"]
mod vector;

use std::process::Command;
use std::time::Duration;

use example::Example;
use feed::Feed;
use gracekey_core::{Document, Peppers, SealedDocument};

const RETIRED: &str = "sk_test_T4f2dKvW_7i5gNyZAl8jQ1cDoBmT4fGrEpW7iJuHs2p7VMN";
const OLD: &str = "sk_test_wJ0bCnOz_M3eFqR2P6hItU5S9kLwX8VCnOzaBYFqR3DjZTg";
const CURRENT: &str = "sk_test_HsT4f2dK_vW7i5gNyZAl8jQ1cDoBmT4fGrEpW7iJu1ZBkA5";
const GLOBEX: &str = "sk_test_kLwJ0bCn_OzM3eFqR2P6hItU5S9kLwX8VCnOzaBYF2EHR9C";

#[test]
fn the_inline_example_does_what_its_readme_says() {
    let example = Example::start("envoy.yaml", None);
    let upstream = |client: &str, key: &str| format!("client={client} key={key} authorization=-\n");

    let reply = example.get("/v1/logs", Some(CURRENT));
    assert_eq!((reply.status, reply.text()), (200, upstream("acme_corp", "HsT4f2dK")));
    assert_eq!(reply.header("authentication-info"), None);
    let reply = example.get("/v1/logs", Some(OLD));
    assert_eq!((reply.status, reply.text()), (200, upstream("acme_corp", "wJ0bCnOz")));
    let notice = r#"key_id="wJ0bCnOz", key_status="superseded", key_retires="2036-11-22T02:00:00Z""#;
    assert_eq!(reply.header("authentication-info").as_deref(), Some(notice));
    assert_eq!(reply.header("x-api-key-retires").as_deref(), Some("2036-11-22T02:00:00Z"));

    for (target, key, status, what) in [
        ("/v1/logs", None, 401, r#""code":"missing""#),
        ("/v1/logs", Some("nobody-knows-this-key"), 401, r#""code":"unknown""#),
        ("/v1/logs", Some(RETIRED), 401, "was rotated and stopped working at 2026-11-21T02:00:00Z."),
        ("/admin", Some(CURRENT), 403, "This request needs the scope admin."),
        ("/admin", Some(GLOBEX), 200, "client=globex"),
        ("/healthz", None, 200, "client=-"),
        ("/public", None, 200, "client=-"),
        ("/limited", Some(CURRENT), 200, "client=acme_corp"),
        ("/limited", Some(CURRENT), 200, "client=acme_corp"),
        ("/limited", Some(CURRENT), 429, "local_rate_limited"),
        ("/limited", Some(GLOBEX), 200, "client=globex"),
    ] {
        let reply = example.get(target, key);
        assert_eq!(reply.status, status, "{target}: {}", reply.text());
        assert!(reply.text().contains(what), "{target}: {}", reply.text());
    }

    let counted = [
        "gracekey_requests_total{} 12",
        r#"gracekey_auth_success_total{generation="current"} 6"#,
        r#"gracekey_auth_success_total{generation="previous"} 1"#,
        r#"gracekey_auth_failures_total{reason="missing"} 1"#,
        r#"gracekey_auth_failures_total{reason="unknown"} 1"#,
        r#"gracekey_auth_failures_total{reason="superseded"} 1"#,
        r#"gracekey_auth_failures_total{reason="insufficient_scope"} 1"#,
        r#"gracekey_previous_key_requests_total{client_id="acme_corp"} 1"#,
        "gracekey_keyring_epoch{} 1",
    ];
    let metrics = example.metrics_with(counted[0]);
    for line in counted {
        assert!(metrics.lines().any(|own| own == line), "{line} is not in\n{metrics}");
    }
    assert!(metrics.contains(r#"gracekey_rotation_window_remaining_seconds{client_id="acme_corp"}"#), "{metrics}");

    let log = example.stop();
    let line = "GET /v1/logs 401 gracekey_superseded client=acme_corp key=T4f2dKvW generation=1 reason=superseded";
    assert!(log.contains(line), "{line} is not in\n{log}");
    for secret in [RETIRED, OLD, CURRENT, GLOBEX, "Z3JhY2VrZXk"] {
        assert!(!log.contains(secret), "the log tells a secret:\n{log}");
    }
}

#[test]
fn a_real_grpc_client_reads_the_status() {
    let example = Example::start("envoy.yaml", None);
    let script = r"
import sys, grpc
channel = grpc.insecure_channel('unix:' + sys.argv[1])
try:
    channel.unary_unary('/logs.Logs/Write')(b'', timeout=10)
except grpc.RpcError as error:
    print(error.code().name, error.details())
";
    let python = parts::root().join(".tools/venv/bin/python");
    assert!(python.exists(), "{} is missing; run scripts/tools.sh", python.display());
    let run = Command::new(python).args(["-c", script]).arg(example.socket(10_000)).output().expect("python runs");
    let said = String::from_utf8_lossy(&run.stdout);
    let expected =
        "UNAUTHENTICATED An API key is needed: send it as `authorization: Bearer <key>` or `x-api-key: <key>`.";
    assert_eq!(said.trim(), expected, "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn the_fetched_keyring_changes_under_way() {
    let text = std::fs::read_to_string(parts::root().join("examples/envoy/keyring.json")).expect("the keyring");
    let pepper = std::fs::read_to_string(parts::root().join("examples/envoy/pepper.txt")).expect("the pepper");
    let peppers: Peppers = pepper.parse().expect("a pepper");
    let next = |epoch: u64, edit: &dyn Fn(&mut Document)| {
        let sealed = SealedDocument::parse(text.as_bytes()).expect("a document");
        let mut document = sealed.open(&peppers).expect("sealed");
        document.epoch = epoch;
        edit(&mut document);
        document.seal(&peppers).to_json()
    };
    let revoke = |document: &mut Document| {
        for key in &mut document.keys {
            key.revoked_at = Some(document.issued_at);
        }
    };

    let feed = Feed::serve(String::new());
    let example = Example::start("envoy-fetch.yaml", Some(feed.socket()));
    assert_eq!(example.get("/v1/logs", Some(CURRENT)).status, 503, "without a keyring");
    feed.offer(&text);
    example.until(CURRENT, 200);
    feed.offer(&next(2, &revoke));
    example.until(CURRENT, 401);
    assert!(example.get("/v1/logs", Some(CURRENT)).text().contains("was revoked at"));
    feed.offer(&next(3, &|_| {}));
    example.until(CURRENT, 200);
    // None of these may take the place of what is held.
    for bad in [next(2, &revoke), next(4, &revoke).replace(":4,", ":5,"), "{".into(), String::new()] {
        let asked = feed.asked();
        feed.offer(&bad);
        feed.wait_until_asked(asked + 2);
        assert_eq!(example.get("/v1/logs", Some(CURRENT)).status, 200);
    }
    feed.offer(&next(3, &|_| {}));
    let confirmed = feed.confirmed();
    feed.wait_until_confirmed(confirmed + 1);
    std::thread::sleep(Duration::from_millis(200));
    let log = example.stop();
    for line in ["epoch: 2 is older than 3", "seal: does not fit", "it was cut", "epoch 3 stays in use"] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
}

#[test]
fn a_keyring_for_all_workers_is_fetched_once() {
    let read = |name: &str| {
        std::fs::read_to_string(parts::root().join("examples/envoy").join(name)).expect("a file of the example")
    };
    let (text, peppers) = (read("keyring.json"), read("pepper.txt").parse::<Peppers>().expect("a pepper"));
    let feed = Feed::serve(text.clone());
    let example = Example::start("envoy-shared.yaml", Some(feed.socket()));
    example.until(CURRENT, 200);
    assert_eq!(example.get("/v1/logs", Some(OLD)).header("x-api-key-retires").as_deref(), Some("2036-11-22T02:00:00Z"));
    assert_eq!(example.get("/admin", Some(CURRENT)).status, 403);
    assert_eq!(example.get("/admin", Some(GLOBEX)).status, 200);
    assert_eq!(example.get("/v1/logs", Some("nobody-knows-this-key")).status, 401);
    assert!(example.get("/v1/logs", Some(RETIRED)).text().contains("stopped working at 2026-11-21T02:00:00Z."));
    let heads = feed.heads();
    assert!(heads.iter().all(|head| head.contains("range: bytes=0-")), "{heads:?}");
    assert_eq!(heads.iter().filter(|head| !head.contains("if-none-match")).count(), 1, "fetched once: {heads:?}");
    let mut document = SealedDocument::parse(text.as_bytes()).expect("a document").open(&peppers).expect("sealed");
    document.epoch = 2;
    for key in &mut document.keys {
        key.revoked_at = Some(document.issued_at);
    }
    feed.offer(&document.seal(&peppers).to_json());
    example.until(CURRENT, 401);
}
