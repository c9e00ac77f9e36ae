//! The example called by a gRPC client of another make, as its own process.

#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at what it did not expect")]

#[path = "../../support/mod.rs"]
mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Keys, Service};

/// What Python's grpcio saw of one call with each of the keys, as JSON texts.
fn seen(address: SocketAddr, keys: &[&str]) -> Vec<serde_json::Value> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../.tools/venv/bin/python");
    assert!(python.exists(), "Python with grpcio is missing: run scripts/tools.sh, which installs it into .tools");
    let mut client = Command::new(python)
        .arg(here.join("tests/client.py"))
        .arg(address.to_string())
        .arg(here.join("proto"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    client.stdin.take().expect("its input").write_all(keys.join("\n").as_bytes()).expect("the keys are taken");
    let output = client.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "the client failed: run scripts/tools.sh for grpcio and grpcio-tools");
    let text = String::from_utf8(output.stdout).expect("JSON");
    let calls: Vec<_> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(calls.len(), keys.len(), "{text}");
    calls
}

#[test]
fn grpcio_reads_status_message_and_notice() {
    let mut keys = Keys::new();
    let old = keys.issue("acme_corp", &["logs:write"]);
    let new = keys.rotate("acme_corp");
    let reader = keys.issue("globex", &[]);
    let service = Service::start(env!("CARGO_BIN_EXE_gracekey-example-tonic"), keys.folder.path());
    let calls = seen(service.address, &["", "sk_live_of_nobody", new.reveal(), old.reveal(), reader.reveal()]);
    let [missing, unknown, current, superseded, unscoped] = calls.as_slice() else { panic!("five calls") };

    assert_eq!(missing["code"], "UNAUTHENTICATED");
    let message = "An API key is needed: send it as `authorization: Bearer <key>` or `x-api-key: <key>`.";
    assert_eq!(missing["message"], message);
    assert_eq!(unknown["code"], "UNAUTHENTICATED");
    assert_eq!(unknown["message"], "This API key is not valid.");

    assert_eq!(current["code"], "OK");
    assert_eq!(current["client_id"], "acme_corp");
    assert!(current["initial_metadata"]["x-api-key-retires"].is_null(), "{current}");

    assert_eq!(superseded["code"], "OK");
    let info = superseded["initial_metadata"]["authentication-info"].as_str().expect("the notice as metadata");
    let key_id = old.key_id().expect("a key id");
    assert!(info.starts_with(&format!("key_id=\"{key_id}\", key_status=\"superseded\", key_retires=\"")), "{info}");
    assert!(superseded["initial_metadata"]["x-api-key-retires"].is_string(), "{superseded}");

    assert_eq!(unscoped["code"], "PERMISSION_DENIED");
    assert_eq!(unscoped["message"], "This request needs the scope logs:write.");
}
