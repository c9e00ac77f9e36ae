//! Each kind of bad input has an answer of its own, and nothing is lost by it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/fixture.rs"]
mod fixture;
#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use gracekey_core::{Document, Pepper, PepperId};
use support::Sandbox;

/// Writes a keyring and tries to read and to change it: both say the same, and the file stays as it is.
#[track_caller]
fn refused(text: &str, said: &str) {
    let sandbox = Sandbox::empty();
    fs::write(sandbox.keyring(), text).unwrap();
    for args in [&["list"][..], &["check"], &["issue", "--client", "acme_corp"], &["rotate", "--client", "acme_corp"]] {
        let ran = sandbox.command(args).env("GRACEKEY_PEPPER", fixture::PEPPER).output().unwrap();
        let ran = support::Ran::from(ran).expect_code(1).expect_error("error: gracekey.keyring.json: ");
        assert_eq!(ran.stdout, "");
        ran.expect_error(said);
    }
    assert_eq!(fs::read_to_string(sandbox.keyring()).unwrap(), text);
}

fn good() -> String {
    fixture::document().seal(&fixture::peppers()).to_json()
}

/// The fixture with a change, properly sealed.
fn sealed(change: impl FnOnce(&mut Document)) -> String {
    let mut document = fixture::document();
    change(&mut document);
    document.seal(&fixture::peppers()).to_json()
}

#[test]
fn an_empty_keyring() {
    refused("", "is empty");
}

#[test]
fn a_cut_keyring() {
    refused(good().split_at(700).0, "it was cut");
}

#[test]
fn no_json() {
    refused("clients: []\n", "is not JSON");
}

#[test]
fn a_newer_format() {
    refused(&good().replace("gracekey/1", "gracekey/2"), "format `gracekey/2`");
}

#[test]
fn an_unknown_field() {
    refused(&good().replace("\"epoch\"", "\"comment\":1,\"epoch\""), "unknown field `comment`");
}

#[test]
fn a_bad_time() {
    refused(&good().replacen("2024-01-01T00:00:00Z", "yesterday", 1), "keys[0].superseded_at");
}

#[test]
fn a_bad_digest() {
    refused(&good().replacen("hmac-sha256:test:", "hmac-sha256:test:zz", 1), "keys[0].digest");
}

#[test]
fn a_bad_seal() {
    refused(&good().replace("\"disabled\":true", "\"disabled\":false"), "the document was altered");
}

#[test]
fn no_seal() {
    let (head, _) = good().split_once("\"seal\":").map(|(head, tail)| (head.to_owned(), tail.to_owned())).unwrap();
    refused(&format!("{head}\"seal\":null}}"), "is not sealed");
}

#[test]
fn two_equal_digests() {
    refused(&sealed(|document| document.keys[1].digest = document.keys[0].digest), "keys[1].digest");
}

#[test]
fn two_equal_key_ids() {
    refused(&sealed(|document| document.keys[1].key_id = document.keys[0].key_id), "keys[1].key_id");
}

#[test]
fn a_key_of_an_unknown_client() {
    refused(&sealed(|document| document.keys[0].client_id = "nobody".parse().unwrap()), "keys[0].client_id");
}

#[test]
fn a_keyring_of_another_pepper() {
    let id: PepperId = "test".parse().unwrap();
    let other = Pepper::text(id, &[9; 32]);
    let sandbox = Sandbox::empty();
    fs::write(sandbox.keyring(), good()).unwrap();
    let ran = sandbox.command(&["list"]).env("GRACEKEY_PEPPER", &*other).output().unwrap();
    support::Ran::from(ran).expect_code(1).expect_error("the pepper is not the one that it was sealed with");
    let other_id = fixture::PEPPER.replace("test:", "p9:");
    let ran = sandbox.command(&["list"]).env("GRACEKEY_PEPPER", other_id).output().unwrap();
    support::Ran::from(ran).expect_code(1).expect_error("made with pepper `test`, and the peppers at hand are `p9`");
}

#[test]
fn no_keyring_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.keyring()).unwrap();
    let before = fs::read_dir(sandbox.folder()).unwrap().count();
    sandbox
        .run(&["issue", "--client", "a"])
        .expect_code(1)
        .expect_error("there is no keyring; `gracekey init` makes one");
    assert_eq!(fs::read_dir(sandbox.folder()).unwrap().count(), before);
}

#[test]
fn a_pepper_that_others_may_read() {
    let sandbox = Sandbox::new();
    let pepper = sandbox.path("gracekey.pepper");
    assert_eq!(fs::metadata(&pepper).unwrap().mode() & 0o777, 0o600, "init makes it so");
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&pepper, fs::Permissions::from_mode(mode)).unwrap();
        sandbox.run(&["list"]).expect_code(1).expect_error("type: chmod 600 gracekey.pepper");
    }
}

#[test]
fn a_folder_in_the_place_of_a_pepper_or_a_key() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list", "--pepper", "."]).expect_code(1).expect_error("error: .: is a folder; name the file in it");
    let server = ["list", "--store", "http://127.0.0.1:1", "--admin-key-file", "."];
    sandbox.run(&server).expect_code(1).expect_error("that holds the admin key");
}

#[test]
fn keys_without_a_header() {
    let sandbox = Sandbox::new();
    for text in ["acme_corp,a-key-from-elsewhere", "key;client_id\na-key-from-elsewhere;acme_corp"] {
        let ran = sandbox.run_with(&["import"], text.as_bytes()).expect_code(1);
        ran.expect_error("the first line names the columns: key,client_id and if wanted credential,scopes");
    }
    let ran = sandbox.run_with(&["import"], br#"["a-key-from-elsewhere"]"#).expect_code(1);
    ran.expect_error(r#"write {"<key>":"<client id>"}"#);
}

#[test]
fn a_pepper_that_is_none() {
    let sandbox = Sandbox::new();
    let cases = [
        ("", "the pepper is empty"),
        ("p1:AAAA", "the pepper has 3 bytes and needs at least 32"),
        ("AAAA", "the pepper has no id"),
        ("p1:!!!!", "not base64"),
        ("P 1:AAAA", "a pepper's id is"),
    ];
    for (text, said) in cases {
        fs::write(sandbox.path("gracekey.pepper"), text).unwrap();
        sandbox.run(&["list"]).expect_code(1).expect_error("error: gracekey.pepper: ").expect_error(said);
        let ran = sandbox.command(&["list"]).env("GRACEKEY_PEPPER", text).output().unwrap();
        support::Ran::from(ran).expect_code(1).expect_error("error: GRACEKEY_PEPPER: ").expect_error(said);
    }
}

#[test]
fn a_pepper_file_counts_before_the_environment() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["list", "--pepper", "gracekey.pepper"]);
    support::Ran::from(command.env("GRACEKEY_PEPPER", "nonsense").output().unwrap()).expect_code(0);
    let mut command = sandbox.command(&["list"]);
    support::Ran::from(command.env("GRACEKEY_PEPPER", "nonsense").output().unwrap()).expect_code(1);
}

#[test]
fn init_overwrites_nothing() {
    let sandbox = Sandbox::new();
    let content = || {
        let read = |name: &str| fs::read(sandbox.path(name)).ok();
        (read("gracekey.pepper"), read("gracekey.keyring.json"))
    };
    let before = content();
    sandbox.run(&["init"]).expect_code(1).expect_error("never overwritten");
    assert_eq!(content(), before);
    fs::remove_file(sandbox.keyring()).unwrap();
    sandbox.run(&["init"]).expect_code(0);
    assert_eq!(content().0, before.0, "the pepper that was there is used");
}

#[test]
fn a_change_keeps_mode_and_link() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("real")).unwrap();
    fs::rename(sandbox.keyring(), sandbox.path("real/keyring.json")).unwrap();
    symlink("real/keyring.json", sandbox.keyring()).unwrap();
    fs::set_permissions(sandbox.path("real/keyring.json"), fs::Permissions::from_mode(0o640)).unwrap();
    sandbox.issue("acme_corp");
    assert!(fs::symlink_metadata(sandbox.keyring()).unwrap().is_symlink());
    assert_eq!(fs::metadata(sandbox.keyring()).unwrap().mode() & 0o777, 0o640);
    assert!(sandbox.run(&["list"]).stdout.contains("acme_corp"));
}

#[test]
fn an_argument_that_is_no_unicode() {
    let sandbox = Sandbox::new();
    let client = std::ffi::OsStr::from_bytes(b"acme\xff");
    let ran = sandbox.command(&["issue", "--client"]).arg(client).output().unwrap();
    support::Ran::from(ran).expect_code(2).expect_error("invalid UTF-8");
}

/// What no server should be sent is explained all the same.
#[test]
fn a_request_beyond_all_measure() {
    let sandbox = Sandbox::new();
    let key = sandbox.issue("acme_corp");
    let huge = format!("X-API-Key: {}\n", "A".repeat(1 << 20));
    let forty = format!("X-API-Key: {key}\n").repeat(40);
    let two = format!("Authorization: Bearer {key}\nAuthorization: Bearer {key}\n");
    let nul = format!("X-API-Key: {key}\0\n");
    let not_utf8 = [b"X-API-Key: ".as_slice(), key.as_bytes(), b"\xff\n"].concat();
    let endless = format!("X-API-Key: {key}\nnonsense\n").repeat(200_000);
    let curl = format!("curl {} http://localhost", "-H nonsense ".repeat(200_000));
    let cases: [(&[u8], &str); 7] = [
        (endless.as_bytes(), "more header lines, at which explain did not look"),
        (curl.as_bytes(), "a -H without a colon between name and value"),
        (huge.as_bytes(), "a key has 8 to 512 bytes, and this has 1048576"),
        (forty.as_bytes(), "DENIED 400: ambiguous"),
        (two.as_bytes(), "DENIED 400: ambiguous"),
        (nul.as_bytes(), "is not visible ASCII"),
        (&not_utf8, "is not visible ASCII"),
    ];
    for (input, said) in cases {
        let ran = sandbox.run_with(&["explain"], input).expect_code(1);
        assert!(ran.stdout.contains(said), "{said:?} is not in {}", ran.stdout);
        assert!(ran.stdout.lines().count() <= 50, "it stays readable");
    }
}

#[test]
fn a_keyring_that_never_ends() {
    let sandbox = Sandbox::empty();
    for args in [&["list", "--keyring", "/dev/zero"][..], &["issue", "--client", "acme_corp", "--keyring", "/dev/zero"]]
    {
        let ran = sandbox.command(args).env("GRACEKEY_PEPPER", fixture::PEPPER).output().unwrap();
        support::Ran::from(ran).expect_code(1).expect_error("error: /dev/zero: is a pipe or a device");
    }
}
