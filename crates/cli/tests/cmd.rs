//! What is typed and what is printed, as text files in `tests/cmd`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/fixture.rs"]
mod fixture;
#[path = "support/mod.rs"]
mod support;

use std::path::Path;

use support::Sandbox;
use support::postgres::Postgres;
use support::serving::Serving;
use trycmd::TestCases;

/// On a keyring whose keys and times are fixed.
#[test]
fn on_a_fixed_keyring() {
    let keyring = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixture.keyring.json");
    std::fs::write(&keyring, fixture::document().seal(&fixture::peppers()).to_json()).unwrap();
    TestCases::new()
        .env("GRACEKEY_KEYRING", keyring.to_str().unwrap())
        .env("GRACEKEY_PEPPER", fixture::PEPPER)
        .case("tests/cmd/explain*.trycmd")
        .case("tests/cmd/list.trycmd")
        .case("tests/cmd/policy.trycmd")
        .run();
}

/// Beginning with nothing.
#[test]
fn on_nothing() {
    TestCases::new().case("tests/cmd/init.trycmd").case("tests/cmd/usage.trycmd").case("tests/cmd/help.trycmd").run();
}

/// Files of the same commands and the same answers, wherever the keys live.
fn run(cases: &[&str], variable: &str, place: &str) {
    let tests = TestCases::new();
    tests.env("GRACEKEY_PEPPER", fixture::PEPPER).env(variable, place);
    tests.register_bin("sleep", trycmd::schema::Bin::Path(support::found("sleep")));
    for case in cases {
        tests.case(format!("tests/cmd/{case}.trycmd"));
    }
    tests.run();
}

#[test]
fn on_a_keyring_file() {
    let sandbox = Sandbox::empty();
    let init = sandbox.command(&["init"]).env("GRACEKEY_PEPPER", fixture::PEPPER).output().unwrap();
    support::Ran::from(init).expect_code(0);
    run(&["life"], "GRACEKEY_KEYRING", sandbox.keyring().to_str().unwrap());
}

#[test]
fn on_sqlite() {
    let sandbox = Sandbox::empty();
    let address = |name: &str| format!("sqlite:{}", sandbox.path(name).display());
    run(&["life"], "GRACEKEY_STORE", &address("life.db"));
    run(&["store"], "GRACEKEY_STORE", &address("store.db"));
}

#[test]
fn on_postgresql() {
    let server = Postgres::start();
    run(&["life"], "GRACEKEY_STORE", &server.address());
    let server = Postgres::start();
    run(&["store"], "GRACEKEY_STORE", &server.address());
}

#[test]
fn on_a_server() {
    for case in ["life", "store"] {
        let sandbox = Sandbox::empty();
        let serving = Serving::start(&sandbox, &[], &[("GRACEKEY_PEPPER", fixture::PEPPER)]);
        let tests = TestCases::new();
        tests.env("GRACEKEY_PEPPER", fixture::PEPPER).env("GRACEKEY_STORE", serving.url());
        tests.env("GRACEKEY_ADMIN_KEY", serving.admin_key());
        tests.register_bin("sleep", trycmd::schema::Bin::Path(support::found("sleep")));
        tests.case(format!("tests/cmd/{case}.trycmd"));
        tests.run();
        assert_eq!(serving.end().code, Some(0));
    }
}
