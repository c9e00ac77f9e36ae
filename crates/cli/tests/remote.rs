//! A running server as the place of the keys: what goes wrong on the way to it, and what only it knows.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;

use gracekey_core::Timestamp;
use gracekey_store::{Store, Usage};
use support::serving::Serving;
use support::{Ran, Sandbox};

const KEY: &str = "sk_test_fNJTrTJN_fBvt5V917RzllzR719V5tvBfNJTrTJNf3DYAJR";

fn list(sandbox: &Sandbox, store: &str, key: &str) -> Ran {
    sandbox.command(&["list", "--store", store]).env("GRACEKEY_ADMIN_KEY", key).output().unwrap().into()
}

#[test]
fn the_admin_key_is_told_from_what_it_may_do() {
    let sandbox = Sandbox::empty();
    let serving = Serving::start(&sandbox, &[], &[]);
    let url = serving.url();
    let ran = list(&sandbox, url, KEY).expect_code(1).expect_error("the admin key is not accepted: ");
    assert!(!ran.stderr.contains("fBvt5V"), "{ran:?}");
    let reader = serving.run(&sandbox, &["issue", "--client", "reader", "--scope", "gracekey:read"]).expect_code(0);
    let reader = reader.stdout.trim_end();
    list(&sandbox, url, reader).expect_code(0);
    let issue = ["issue", "--store", url, "--client", "acme_corp"];
    let ran: Ran = sandbox.command(&issue).env("GRACEKEY_ADMIN_KEY", reader).output().unwrap().into();
    ran.expect_code(1).expect_error("the admin key may not do this: ").expect_error("gracekey:write");
    assert!(!list(&sandbox, url, reader).stdout.contains("acme_corp"));

    list(&sandbox, url, "").expect_code(2).expect_error("set GRACEKEY_ADMIN_KEY");
    list(&sandbox, url, "short").expect_code(1).expect_error("GRACEKEY_ADMIN_KEY: the admin key is none");
    fs::write(sandbox.path("key"), serving.admin_key()).unwrap();
    fs::set_permissions(sandbox.path("key"), fs::Permissions::from_mode(0o644)).unwrap();
    let args = ["list", "--store", url, "--admin-key-file", "key"];
    sandbox.run(&args).expect_code(1).expect_error("others may read the admin key (mode 644); type: chmod 600 key");
}

/// Answers one connection with that, whatever was asked.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer.as_bytes());
    });
    format!("http://{address}")
}

#[test]
fn what_is_no_gracekey_server_is_said() {
    let sandbox = Sandbox::empty();
    for (answer, said) in [
        ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\nsorry", "not as a gracekey server does"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "its answer is not understood"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhello", "its answer was cut"),
        ("no HTTP at all, and this goes on\r\n\r\n", "the connection was cut"),
    ] {
        list(&sandbox, &answering(answer), KEY).expect_code(1).expect_error(said);
    }
    list(&sandbox, "http://127.0.0.1:1", KEY).expect_code(1).expect_error("is `gracekey serve` running there");
    list(&sandbox, "http://192.0.2.1", KEY).expect_code(2).expect_error("keys would go over the network in plain text");
}

#[test]
fn a_certificate_is_checked() {
    let sandbox = Sandbox::empty();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(sandbox.folder())
        .output();
    let made = made.unwrap_or_else(|_| panic!("openssl is missing; install Debian's package `openssl`"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let serving = Serving::start(&sandbox, &["--tls-cert", "cert.pem", "--tls-key", "key.pem"], &[]);
    let (_, port) = serving.url().rsplit_once(':').unwrap();
    let list = |store: &str, trusted: bool| {
        let mut command = sandbox.command(&["list", "--store", store]);
        command.env("GRACEKEY_ADMIN_KEY", serving.admin_key());
        if trusted {
            command.env("SSL_CERT_FILE", sandbox.path("cert.pem"));
        }
        Ran::from(command.output().unwrap())
    };
    assert!(list(&format!("https://localhost:{port}"), true).expect_code(0).stdout.contains("gracekey-admin"));
    let untrusted = list(&format!("https://127.0.0.1:{port}"), true).expect_code(1);
    untrusted.expect_error("its certificate is not trusted").expect_error("SSL_CERT_FILE");
    list(&format!("http://localhost:{port}"), true).expect_code(1).expect_error("if it serves TLS, write https://");
    let plain = Serving::start(&Sandbox::empty(), &[], &[]);
    let (_, port) = plain.url().rsplit_once(':').unwrap();
    list(&format!("https://localhost:{port}"), true).expect_code(1).expect_error("there is no TLS");
}

/// Reports that a key was used just now, as a verifier does.
fn report(sandbox: &Sandbox, key: &str) {
    let key_id = key.rsplit('_').nth(1).unwrap().parse().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the command that is tested reads the same clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let now = Timestamp::from_unix_seconds(now.try_into().unwrap()).unwrap();
    let usage = Usage { key_id, requests: 17, last_used: now };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::connect(&format!("sqlite:{}", sandbox.path("gracekey.db").display())).await.unwrap();
        assert_eq!(store.record_usage(&[usage], None, now).await.unwrap(), 1);
        store.close().await;
    });
}

/// On a server and on its store, said with the same words.
#[test]
fn who_would_get_a_401_is_known_beforehand() {
    let sandbox = Sandbox::empty();
    let serving = Serving::start(&sandbox, &[], &[]);
    let on_both = |args: &[&str]| {
        let on_server = serving.run(&sandbox, args);
        let on_store = sandbox.run(&[args, &["--store", "sqlite:gracekey.db"]].concat());
        assert_eq!(on_server.stdout, on_store.stdout);
        assert_eq!((on_server.code, on_store.code, on_server.stderr == on_store.stderr), (Some(0), Some(0), true));
        on_server.stdout
    };
    let run = |args: &[&str]| serving.run(&sandbox, args).expect_code(0).stdout.trim_end().to_owned();
    let old = run(&["issue", "--client", "acme_corp"]);
    let new = run(&["rotate", "--client", "acme_corp"]);
    run(&["issue", "--client", "globex"]);
    report(&sandbox, &old);
    let foreseen = on_both(&["close-window", "--client", "acme_corp", "--dry-run"]);
    assert!(foreseen.contains("17 requests") && foreseen.ends_with("would get a 401: acme_corp\n"), "{foreseen}");
    let foreseen = on_both(&["revoke", "--client", "acme_corp", "--dry-run", "--json"]);
    let foreseen: serde_json::Value = serde_json::from_str(&foreseen).unwrap();
    assert_eq!(foreseen["would_get_401"], serde_json::json!(["acme_corp"]));
    let counted: Vec<_> =
        foreseen["would_end"].as_array().unwrap().iter().map(|key| &key["requests_last_day"]).collect();
    assert_eq!(counted, [17, 0]);
    assert!(on_both(&["revoke", "--client", "globex", "--dry-run"]).contains("nobody used them in the last day"));
    let listed = on_both(&["list", "--client", "acme_corp", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((listed["keys"][0]["requests"].as_u64(), listed["keys"][1]["requests"].as_u64()), (Some(17), Some(0)));
    assert!(listed["keys"][0]["last_used"].is_string() && listed["keys"][1]["last_used"].is_null());

    // A key that was used is not lost, whatever an operator thinks.
    report(&sandbox, &new);
    let ran = serving.run(&sandbox, &["rotate", "--client", "acme_corp", "--lost"]).expect_code(1);
    ran.expect_error("was rotated already and its successor");
    assert_eq!(run(&["close-window", "--client", "acme_corp"]).lines().count(), 1);
}

#[test]
fn an_export_holds_no_key_of_the_server_itself() {
    let sandbox = Sandbox::empty();
    let serving = Serving::start(&sandbox, &[], &[]);
    serving.run(&sandbox, &["issue", "--client", "acme_corp"]).expect_code(0);
    let on_server = serving.run(&sandbox, &["export"]).expect_code(0).stdout;
    let on_store = sandbox.run(&["export", "--store", "sqlite:gracekey.db"]).expect_code(0).stdout;
    assert!(on_server.contains("acme_corp") && !on_server.contains("gracekey-admin"), "{on_server}");
    assert_eq!(on_server, on_store);
    fs::rename(sandbox.path("gracekey.pepper"), sandbox.path("moved")).unwrap();
    assert_eq!(serving.run(&sandbox, &["export"]).expect_code(0).stdout, on_server, "no pepper is needed for it");
    let ran = serving.command(&sandbox, &["explain"]).stdin(Stdio::null()).output().unwrap();
    Ran::from(ran).expect_code(1).expect_error("--pepper names a copy of the server's");
}
