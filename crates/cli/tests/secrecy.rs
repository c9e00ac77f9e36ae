//! No output repeats a key, whatever was read and whatever is wrong with it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/fixture.rs"]
mod fixture;
#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use support::{Ran, Sandbox};

/// A piece of a secret that is long enough not to be there by chance.
const PIECE: usize = 6;

/// The secret parts of all keys of the fixture, in pieces.
fn pieces() -> Vec<String> {
    let secrets = (1..=9).map(|number| fixture::key(number).reveal().rsplit_once('_').unwrap().1.to_owned());
    secrets.flat_map(|secret| (0..=secret.len() - PIECE).map(move |at| secret[at..at + PIECE].to_owned())).collect()
}

#[track_caller]
fn assert_silent(ran: &Ran, pieces: &[String], what: &str) {
    let foreign = ["xyz789", "real_key"].map(str::to_owned);
    // The key id of a fixture key begins its secret, too, so it is taken out first: it may be shown.
    let mut said = format!("{}{}", ran.stdout, ran.stderr);
    for number in 1..=9 {
        said = said.replace(fixture::id(number).as_str(), "");
    }
    for piece in pieces.iter().chain(&foreign) {
        assert!(!said.contains(piece.as_str()), "{what} shows {piece:?}: {said}");
    }
}

#[test]
fn explain_repeats_no_key() {
    let (sandbox, pieces) = (Sandbox::empty(), pieces());
    fs::write(sandbox.keyring(), fixture::document().seal(&fixture::peppers()).to_json()).unwrap();
    let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/explain.in");
    let mut count = 0;
    for input in fs::read_dir(inputs).unwrap() {
        let input = input.unwrap().path();
        for json in [false, true] {
            let mut command = sandbox.command(&["explain", "--key-file"]);
            command.arg(&input).env("GRACEKEY_PEPPER", fixture::PEPPER);
            let command = if json { command.arg("--json") } else { &mut command };
            let ran = Ran::from(command.output().unwrap());
            assert!(matches!(ran.code, Some(0..=2)), "{ran:?}");
            assert_silent(&ran, &pieces, &input.display().to_string());
            count += 1;
        }
    }
    assert!(count > 90, "{count} inputs were tried");
}

#[test]
fn a_key_on_the_command_line_is_not_repeated() {
    let (sandbox, pieces) = (Sandbox::new(), pieces());
    let key = fixture::key(3);
    let (key, equals) = (key.reveal(), format!("--key-id={}", key.reveal()));
    let flag = format!("--{key}=3");
    for args in [
        &["explain", key][..],
        &["explain", "xyz789_real_key"],
        &["revoke", "--key-id", key],
        &["revoke", equals.as_str()],
        &["issue", "--client", "acme", key],
        &["issue", "--client", "acme", "--expires", key],
        &["rotate", "--grace", key, "--client", "acme"],
        &[key],
        &["issue", "--client", key],
        &["issue", "--client", "acme", "--credential", key],
        &["issue", "--client", "acme", "--scope", key],
        &["list", "--keyring", key],
        &["explain", "--key-file", key],
        &["check", key],
        &["list", "--store", key],
        &["list", "--admin-key-file", key],
        &["serve", "--admin-key-file", key],
        &["list", flag.as_str()],
    ] {
        let ran = sandbox.run(args).expect_code(2).expect_error("A key never goes on the command line");
        assert_silent(&ran, &pieces, "a usage error");
    }
}

#[test]
fn a_bad_import_repeats_no_key() {
    let (sandbox, pieces) = (Sandbox::new(), pieces());
    let key = fixture::key(3);
    let key = key.reveal();
    for text in [
        format!("{{\"{key}\":\"acme\",\"{key}\":\"globex\"}}"),
        format!("{{\"{key}\":7}}"),
        format!("{{\"acme\":\"{key}\"}}"),
        format!("{{\"acme_corp\":\"{key}\"}}"),
        format!("{{\"{key}\":\"not a client\"}}"),
        format!("{{'{key}':'acme'}}"),
        key.to_owned(),
    ] {
        let ran = sandbox.run_with(&["import"], text.as_bytes()).expect_code(1);
        assert_silent(&ran, &pieces, "import");
    }
}

/// Whatever is wrong with a store's address, its password is not repeated.
#[test]
fn an_address_that_fails_repeats_no_password() {
    let sandbox = Sandbox::new();
    let silent = |ran: Ran| {
        assert!(matches!(ran.code, Some(1 | 2)), "{ran:?}");
        assert!(!ran.stderr.contains("hunter2") && ran.stdout.is_empty(), "{ran:?}");
    };
    for address in [
        "postgres://gracekey:hunter2@[::1/keys",
        "mysql://root:hunter2@localhost/keys",
        "https://admin:hunter2@localhost",
        "https://localhost/?key=hunter2",
    ] {
        for verb in ["list", "init", "serve"] {
            silent(sandbox.run(&[verb, "--store", address]));
            silent(sandbox.command(&[verb]).env("GRACEKEY_STORE", address).output().unwrap().into());
        }
    }
    // That nobody listens there is seen only after some seconds.
    std::thread::scope(|scope| {
        let (sandbox, silent) = (&sandbox, &silent);
        for address in [
            "postgres://gracekey:hunter2@127.0.0.1:1/keys",
            "postgres://127.0.0.1:1/keys?user=gracekey&password=hunter2",
        ] {
            scope.spawn(move || silent(sandbox.run(&["list", "--store", address])));
            scope.spawn(move || {
                let mut command = sandbox.command(&["serve", "--listen", "127.0.0.1:0"]);
                silent(command.env("GRACEKEY_STORE", address).output().unwrap().into());
            });
        }
    });
}
