//! `gracekey serve`: its first start, its refusals, its end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use gracekey_core::{Pepper, PepperId};
use support::serving::Serving;
use support::{Ran, Sandbox};

#[test]
fn the_first_start_makes_what_is_needed_and_the_next_ones_nothing() {
    let sandbox = Sandbox::empty();
    let serving = Serving::start(&sandbox, &[], &[]);
    assert!(serving.admin_key().starts_with("sk_live_"), "the key alone is printed: {}", serving.admin_key());
    for name in ["gracekey.pepper", "gracekey.db"] {
        assert_eq!(fs::metadata(sandbox.path(name)).unwrap().mode() & 0o777, 0o600, "{name}");
    }
    let key = serving.run(&sandbox, &["issue", "--client", "acme_corp"]).expect_code(0).stdout;
    let admin_key = serving.admin_key().to_owned();
    let ran = serving.end().expect_code(0).expect_error("a new pepper `p1`").expect_error("is shown this once");
    assert!(!ran.stderr.contains(&admin_key), "a key stands in no log: {ran:?}");

    let pepper = fs::read(sandbox.path("gracekey.pepper")).unwrap();
    let serving = Serving::start(&sandbox, &[], &[]);
    assert_eq!(serving.admin_key(), "");
    let store = serving.url().to_owned();
    let listed = sandbox.command(&["list", "--store", &store]).env("GRACEKEY_ADMIN_KEY", &admin_key).output().unwrap();
    assert!(Ran::from(listed).expect_code(0).stdout.contains("acme_corp"));
    let ran = serving.end().expect_code(0);
    assert!(!ran.stderr.contains("new"), "{ran:?}");
    assert_eq!(fs::read(sandbox.path("gracekey.pepper")).unwrap(), pepper);

    // What it leaves behind is a store like any other.
    let mut explain = sandbox.command(&["explain", "--store", "sqlite:gracekey.db", "--key-file", "key"]);
    fs::write(sandbox.path("key"), key).unwrap();
    Ran::from(explain.output().unwrap()).expect_code(0);
}

#[test]
fn the_admin_key_may_go_to_a_file() {
    let sandbox = Sandbox::empty();
    fs::write(sandbox.path("there"), "something").unwrap();
    let ran = sandbox.run(&["serve", "--listen", "127.0.0.1:0", "--admin-key-file", "there"]);
    ran.expect_code(1).expect_error("there: is there already").expect_error("name a file that is not there yet");
    assert_eq!(fs::read_to_string(sandbox.path("there")).unwrap(), "something");
    let serving = Serving::start(&sandbox, &["--admin-key-file", "admin-key"], &[]);
    assert_eq!(serving.admin_key(), "");
    assert_eq!(fs::metadata(sandbox.path("admin-key")).unwrap().mode() & 0o777, 0o600);
    let args = ["list", "--store", serving.url(), "--admin-key-file", "admin-key"];
    assert!(sandbox.run(&args).expect_code(0).stdout.contains("gracekey-admin"));
}

#[test]
fn an_admin_key_that_nobody_can_read_is_not_made() {
    let sandbox = Sandbox::empty();
    let mut command = sandbox.command(&["serve", "--listen", "127.0.0.1:0"]);
    let ran = Ran::from(command.stdout(std::process::Stdio::null()).output().unwrap());
    ran.expect_code(1).expect_error("the new key would be lost; nothing was changed");
    assert!(Serving::start(&sandbox, &[], &[]).admin_key().starts_with("sk_live_"));
}

#[test]
fn an_address_that_is_taken_is_said_before_anything_is_made() {
    let sandbox = Sandbox::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = sandbox.run(&["serve", "--listen", &address]).expect_code(1);
    ran.expect_error(&format!("{address}: nothing was started")).expect_error("another program listens there");
    assert_eq!(fs::read_dir(sandbox.folder()).unwrap().count(), 0);
}

#[test]
fn what_stands_in_the_way_is_said_before_anything_is_made() {
    let sandbox = Sandbox::empty();
    let listen = ["serve", "--listen", "127.0.0.1:0"];
    for (more, said) in [
        (&["--tls-cert", "no.pem", "--tls-key", "no.pem"][..], "no.pem: can't be read"),
        (&["--admin-key-file", "nowhere/key"], "nowhere/key: the admin key of this new store can't be written there"),
    ] {
        sandbox.run(&[&listen[..], more].concat()).expect_code(1).expect_error(said);
        assert_eq!(fs::read_dir(sandbox.folder()).unwrap().count(), 0);
    }
}

#[test]
fn a_store_that_others_may_write_is_not_served() {
    let sandbox = Sandbox::empty();
    Serving::start(&sandbox, &[], &[]).end().expect_code(0);
    let mode = |mode| fs::set_permissions(sandbox.path("gracekey.db"), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o660);
    let ran = sandbox.run(&["serve", "--listen", "127.0.0.1:0"]).expect_code(1);
    ran.expect_error("gracekey.db: others may write the store (mode 660)").expect_error("type: chmod 600 gracekey.db");
    mode(0o644);
    let ran = Serving::start(&sandbox, &[], &[]).end().expect_code(0);
    ran.expect_error("gracekey.db: others may read the store (mode 644)");
}

/// The system ends a process whose file grows over a limit, unless it says otherwise.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_files_ends_changes_and_not_the_server() {
    let sandbox = Sandbox::empty();
    let serving = Serving::start(&sandbox, &[], &[]);
    serving.limit("--fsize=50000");
    let issued = |client: u32| serving.run(&sandbox, &["issue", "--client", &format!("client-{client}")]);
    let refused = (0..100).map(issued).find(|ran| ran.code != Some(0)).unwrap();
    refused.expect_code(1).expect_error("the store");
    serving.run(&sandbox, &["list"]).expect_code(0);
    assert_eq!(serving.end().code, Some(0));
}

/// Without a word the operator sees a server that hangs.
#[cfg(target_os = "linux")]
#[test]
fn too_many_open_files_are_said() {
    let sandbox = Sandbox::empty();
    let serving = Serving::start(&sandbox, &[], &[]);
    serving.limit("--nofile=4:");
    let held = TcpStream::connect(serving.url().strip_prefix("http://").unwrap()).unwrap();
    serving.wait_for("a connection can't be accepted: ");
    serving.limit("--nofile=1024:");
    drop(held);
    serving.run(&sandbox, &["list"]).expect_code(0);
    serving.end().expect_code(0).expect_error("raise their limit");
}

#[test]
fn a_store_with_keys_never_gets_another_pepper() {
    let sandbox = Sandbox::empty();
    Serving::start(&sandbox, &[], &[]).end().expect_code(0);
    let pepper = sandbox.path("gracekey.pepper");
    fs::rename(&pepper, sandbox.path("moved")).unwrap();
    let ran = sandbox.run(&["serve", "--listen", "127.0.0.1:0"]).expect_code(1);
    ran.expect_error("its keys are digested with the pepper `p1`, and gracekey.pepper is not there");
    assert!(!pepper.exists());
    let id: PepperId = "p2".parse().unwrap();
    let other = Pepper::text(id, &[9; 32]);
    let ran = sandbox.command(&["serve", "--listen", "127.0.0.1:0"]).env("GRACEKEY_PEPPER", &*other).output().unwrap();
    Ran::from(ran).expect_code(1).expect_error("the pepper `p1`, and the one at hand is `p2`");
    let id: PepperId = "p1".parse().unwrap();
    let other = Pepper::text(id, &[9; 32]);
    for args in
        [&["serve", "--listen", "127.0.0.1:0"][..], &["issue", "--store", "sqlite:gracekey.db", "--client", "a"]]
    {
        let ran = sandbox.command(args).env("GRACEKEY_PEPPER", &*other).output().unwrap();
        Ran::from(ran).expect_code(1).expect_error("has that id but is another: every key would be unknown");
    }
    let id: PepperId = "p2".parse().unwrap();
    let other = Pepper::text(id, &[9; 32]);
    let both = format!("{},{}", &*other, fs::read_to_string(sandbox.path("moved")).unwrap().trim_end());
    Serving::start(&sandbox, &[], &[("GRACEKEY_PEPPER", &both)]).end().expect_code(0);
}

#[test]
fn what_is_wrong_with_its_options_is_said() {
    let sandbox = Sandbox::empty();
    fs::write(sandbox.path("no.pem"), "nothing").unwrap();
    fs::write(sandbox.path("policy.json"), "{\"modes\":1}").unwrap();
    let listen = ["serve", "--listen", "127.0.0.1:0"];
    for (more, code, said) in [
        (&["--keyring", "x.json"][..], 2, "a server works on a store, not on a keyring file"),
        (&["--store", "https://keys.example.com"], 2, "not on another server"),
        (&["--tls-cert", "no.pem"], 2, "--tls-key"),
        (&["--tls-cert", "no.pem", "--tls-key", "no.pem"], 1, "no.pem: "),
        (&["--policy", "policy.json"], 1, "policy.json: modes: unknown field `modes`"),
        (&["--trusted-proxy", "example.com"], 2, "not an address or a range like 10.0.0.0/8"),
        (&["--max-grace", "31d"], 2, "a grace is at most 30d"),
        (
            &["--store", "sqlite:/nowhere/x.db"],
            1,
            "sqlite:/nowhere/x.db: the store: its file /nowhere/x.db can't be made",
        ),
    ] {
        sandbox.run(&[&listen[..], more].concat()).expect_code(code).expect_error(said);
    }
}
