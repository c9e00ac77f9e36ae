//! The example as a user runs it: its own process, real requests over TCP.

#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at what it did not expect")]

#[path = "../../support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use support::{Keys, Service};

/// Status line, headers and body as they came.
fn ask(address: SocketAddr, request: &str, key: Option<&str>) -> String {
    let mut stream = TcpStream::connect(address).expect("the service listens");
    let bearer = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let request =
        format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{bearer}Content-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_rotation_reaches_the_running_service_and_both_keys_work() {
    let mut keys = Keys::new();
    let old = keys.issue("acme_corp", &["logs:write"]);
    let service = Service::start(env!("CARGO_BIN_EXE_gracekey-example-axum"), keys.folder.path());
    let whoami = |key: &str| ask(service.address, "GET /whoami", Some(key));

    let answer = whoami(old.reveal());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("client acme_corp, credential default, generation 1\n"), "{answer}");
    assert!(!answer.contains("x-api-key-retires"), "{answer}");

    let new = keys.rotate("acme_corp");
    let rotated = (0..100).map(|_| {
        sleep(Duration::from_millis(100));
        whoami(new.reveal())
    });
    let answer =
        rotated.into_iter().find(|answer| answer.starts_with("HTTP/1.1 200")).expect("the new key within 10 s");
    assert!(answer.ends_with("generation 2\n"), "{answer}");

    let answer = whoami(old.reveal());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("key_status=\"superseded\""), "{answer}");
    assert!(answer.contains("x-api-key-retires: "), "{answer}");
}

#[test]
fn the_policy_holds_per_route() {
    let mut keys = Keys::new();
    let writer = keys.issue("acme_corp", &["logs:write"]);
    let reader = keys.issue("globex", &["logs:read"]);
    let service = Service::start(env!("CARGO_BIN_EXE_gracekey-example-axum"), keys.folder.path());
    let status = |request: &str, key: Option<&str>| {
        let answer = ask(service.address, request, key);
        answer.split(' ').nth(1).map(str::to_owned).unwrap_or(answer)
    };

    assert_eq!(status("GET /healthz", None), "200");
    assert_eq!(status("GET /healthz", Some("sk_live_of_nobody")), "200");
    assert_eq!(status("GET /whoami", None), "401");
    assert_eq!(status("GET /whoami", Some("sk_live_of_nobody")), "401");
    assert_eq!(status("GET /whoami", Some(reader.reveal())), "200");
    assert_eq!(status("POST /logs", Some(writer.reveal())), "200");
    assert_eq!(status("POST /logs", Some(reader.reveal())), "403");
    assert_eq!(status("POST /healthz/../logs", Some(reader.reveal())), "403");
}
