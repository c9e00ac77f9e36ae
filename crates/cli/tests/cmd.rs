//! What is typed and what is printed, as text files in `tests/cmd`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/fixture.rs"]
mod fixture;

use std::path::Path;

/// On a keyring whose keys and times are fixed.
#[test]
fn on_a_fixed_keyring() {
    let keyring = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixture.keyring.json");
    std::fs::write(&keyring, fixture::document().seal(&fixture::peppers()).to_json()).unwrap();
    trycmd::TestCases::new()
        .env("GRACEKEY_KEYRING", keyring.to_str().unwrap())
        .env("GRACEKEY_PEPPER", fixture::PEPPER)
        .case("tests/cmd/explain*.trycmd")
        .case("tests/cmd/list.trycmd")
        .case("tests/cmd/policy.trycmd")
        .run();
}

/// Beginning with nothing.
#[test]
fn on_a_keyring_of_its_own() {
    trycmd::TestCases::new()
        .case("tests/cmd/life.trycmd")
        .case("tests/cmd/usage.trycmd")
        .case("tests/cmd/help.trycmd")
        .run();
}
