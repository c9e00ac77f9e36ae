//! A server that means harm, or what stands in its place: it can neither write to the terminal nor keep the command busy.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::json;
use support::{Ran, Sandbox};

const KEY: &str = "sk_test_fNJTrTJN_fBvt5V917RzllzR719V5tvBfNJTrTJNf3DYAJR";
/// Clears the screen, colours it, names the window, begins a line anew and turns its text around.
const HARM: &str = "\u{1b}[2J\u{1b}[31m\u{1b}]0;title\u{7}\r\nerror: \u{9b}1m\u{7f}\u{202e}!";

/// Answers every request by its path.
fn serving(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let head = String::from_utf8_lossy(head.get(..read).unwrap()).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            // Whoever has read enough goes away.
            let _ = answer(path, &mut stream);
        }
    });
    format!("http://{address}")
}

fn say(stream: &mut TcpStream, status: u16, body: &serde_json::Value) -> std::io::Result<()> {
    let body = body.to_string();
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn run(store: &str, args: &[&str]) -> Ran {
    let sandbox = Sandbox::empty();
    let mut command = sandbox.command(args);
    command.env("GRACEKEY_STORE", store).env("GRACEKEY_ADMIN_KEY", KEY).output().unwrap().into()
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|char| char == '\n' || !(char.is_control() || char == '\u{202e}'))
}

#[test]
fn what_a_server_says_stays_text() {
    let store = serving(|path, stream| {
        let line = json!({"seq": 1, "at": "2026-01-01T00:00:00Z", "epoch": 1, "actor": HARM, "action": HARM,
            "client_id": null, "credential": null, "key_id": null, "detail": {HARM: HARM}});
        match path {
            _ if path.starts_with("/v2/audit") => say(stream, 200, &json!({"entries": [line], "next": null})),
            "/v2/import" => {
                let line = json!({"row": 1, "client_id": null, "credential": null, "key_id": null,
                    "fate": "refused", "why": HARM});
                say(stream, 400, &json!({"error_description": "", "code": "rows_refused", "lines": [line]}))
            }
            _ => say(stream, 409, &json!({"error_description": HARM, "code": "conflict"})),
        }
    });
    let sandbox = Sandbox::empty();
    let mut import = sandbox.command(&["import"]);
    std::fs::write(sandbox.path("keys"), "{}").unwrap();
    import.stdin(std::fs::File::open(sandbox.path("keys")).unwrap());
    let imported: Ran = import.env("GRACEKEY_STORE", &store).env("GRACEKEY_ADMIN_KEY", KEY).output().unwrap().into();
    let audit = run(&store, &["audit"]).expect_code(0);
    assert_eq!(audit.stdout.lines().count(), 2, "a line end makes no line: {audit:?}");
    let program = run(&store, &["audit", "--json"]).expect_code(0);
    let read: serde_json::Value = serde_json::from_str(&program.stdout).unwrap();
    assert_eq!(read["entries"][0]["actor"], HARM, "for programs it stays what it is");
    let refused = run(&store, &["list"]).expect_code(1).expect_error("\\u{1b}[2J");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    let imported = imported.expect_code(1).expect_error("refused: \\u{1b}[2J");
    for ran in [audit, program, refused, imported] {
        assert!(is_plain(&ran.stdout) && is_plain(&ran.stderr), "{ran:?}");
    }
}

#[test]
fn an_answer_without_end_is_cut() {
    let store = serving(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let chunk = [&b"10000\r\n"[..], &[b' '; 1 << 16], b"\r\n"].concat();
        loop {
            stream.write_all(&chunk)?;
        }
    });
    run(&store, &["list"]).expect_code(1).expect_error("its answer has more than 1 MiB");
    run(&store, &["audit"]).expect_code(1).expect_error("its answer has more than 16 MiB");
}

#[test]
fn a_list_without_end_is_left() {
    let store = serving(|path, stream| {
        let key = json!({"client_id": "a", "credential": "b", "generation": 1, "key_id": "00000000", "state": "current",
            "not_before": null, "expires_at": null, "superseded_at": null, "retires_at": null, "revoked_at": null,
            "window_left_seconds": null, "requests": 0, "last_used": null});
        match path {
            "/readyz" => say(stream, 200, &json!({"epoch": 1})),
            _ if path.starts_with("/v2/audit") => say(stream, 200, &json!({"entries": [], "next": 5})),
            _ => say(stream, 200, &json!({"keys": [key], "next": "a:b:1"})),
        }
    });
    run(&store, &["list"]).expect_code(1).expect_error("its next page is one that was there already");
    run(&store, &["audit", "--all"]).expect_code(1).expect_error("its next page is one that was there already");
}
