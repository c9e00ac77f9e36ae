//! The demo, as a newcomer runs it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use support::Sandbox;

#[test]
fn a_bounded_demo_tells_the_whole_story() {
    let ran = Sandbox::empty().run(&["demo", "--for", "6s"]).expect_code(0);
    for part in [
        "rotated: both keys work until",
        "caller 1 took the new key",
        "caller 3 took the new key",
        "the window closes",
        "\n  authentication-info: key_id=\"",
        "\", key_status=\"superseded\", key_retires=\"",
        "\n  x-api-key-retires: 20",
        "\n  HTTP/1.1 401 Unauthorized",
        "\n  www-authenticate: Bearer realm=\"api\", error=\"invalid_token\"",
        "\"code\":\"superseded\"",
        "gracekey_auth_success_total{generation=\"previous\"}",
        "gracekey_auth_failures_total{reason=\"superseded\"}",
        "gracekey_previous_key_requests_total{client_id=\"acme_corp\"}",
        "rotates that one by itself: POST /v2/auth/rotate-key",
        "\n  HTTP/1.1 200 OK: hello acme_corp, this is key ",
        ", generation 3\n",
        "every answer as it should be: not one 401 while the window was open.",
        "gracekey demo --listen",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}'), "no colours where no terminal is");
    assert!(!ran.stdout.contains("UNEXPECTED"));
    assert!(ran.stdout.lines().count() <= 45, "it fits one screen");
    assert_eq!(ran.stderr, "");
}

#[test]
fn its_result_is_there_for_programs() {
    let ran = Sandbox::empty().run(&["demo", "--for", "5s", "--json"]).expect_code(0);
    let result: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(result["unexpected"].as_array().map(Vec::len), Some(0), "{result}");
    for count in ["requests", "old_key", "new_key", "denied_after_window"] {
        assert!(result[count].as_u64().is_some_and(|count| count > 0), "{count} in {result}");
    }
    assert!(ran.stderr.contains("HTTP/1.1 401 Unauthorized"));
}

#[test]
fn an_address_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = Sandbox::empty().run(&["demo", "--for", "5s", "--listen", &address]);
    ran.expect_code(1).expect_error(&format!("the demo can't listen on {address}"));
}

#[test]
fn what_it_made_goes_when_it_is_ended() {
    let sandbox = Sandbox::empty();
    let mut command = sandbox.command(&["demo", "--listen", "127.0.0.1:0"]);
    let mut demo =
        command.env("TMPDIR", sandbox.folder()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    let mut lines = BufReader::new(demo.stdout.take().unwrap());
    while !told.contains("explain --key-file key") {
        assert!(lines.read_line(&mut told).unwrap() > 0, "{told}");
    }
    assert!(told.contains("It stays up until Ctrl-C."), "{told}");
    assert_eq!(std::fs::read_dir(sandbox.folder()).unwrap().count(), 1, "its folder");
    support::serving::signal("TERM", &demo);
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(sandbox.folder()).unwrap().count(), 0, "its folder is gone");
}
