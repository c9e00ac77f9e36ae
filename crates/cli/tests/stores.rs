//! Which place counts, and what is wrong with a store is said.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::fs;

use support::{Ran, Sandbox};

#[test]
fn the_command_line_counts_before_the_environment() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init", "--store", "sqlite:gracekey.db"]).expect_code(0);
    sandbox.issue("in-the-file");
    sandbox.run(&["issue", "--store", "sqlite:gracekey.db", "--client", "in-the-store"]).expect_code(0);
    let list = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = sandbox.command(&["list"]);
        Ran::from(command.args(args).envs(variables.iter().copied()).output().unwrap())
    };
    let (file, store) = ("gracekey.keyring.json", "sqlite:gracekey.db");
    for (args, variables, found) in [
        (&[][..], &[][..], "in-the-file"),
        (&[], &[("GRACEKEY_STORE", store)], "in-the-store"),
        (&["--keyring", file], &[("GRACEKEY_STORE", store)], "in-the-file"),
        (&["--store", store], &[("GRACEKEY_KEYRING", file)], "in-the-store"),
        (&[], &[("GRACEKEY_STORE", ""), ("GRACEKEY_KEYRING", file)], "in-the-file"),
    ] {
        let ran = list(args, variables).expect_code(0);
        assert!(ran.stdout.contains(found), "{found} is not in {ran:?}");
    }
    let both = list(&[], &[("GRACEKEY_STORE", store), ("GRACEKEY_KEYRING", file)]);
    both.expect_code(2).expect_error("are both set; say which with --keyring or --store");
    let both = list(&["--store", store, "--keyring", file], &[]);
    both.expect_code(2).expect_error("--keyring and --store name two places");
}

#[test]
fn what_is_wrong_with_a_store_is_said() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("text.db"), "no database, but quite some text that is long enough to be read as one")
        .unwrap();
    fs::create_dir(sandbox.path("folder.db")).unwrap();
    for (store, code, said) in [
        ("gracekey.db", 2, "write sqlite:<path>, postgres://"),
        ("sqlite:", 1, "its address names no file"),
        ("sqlite:text.db", 1, "its file is no SQLite database"),
        ("sqlite:folder.db", 1, "sqlite:folder.db: "),
        ("sqlite:nowhere/x.db", 1, "nowhere/x.db"),
        ("postgres://gracekey@127.0.0.1:1/keys", 1, "is the database running, and is its address right?"),
    ] {
        let ran = sandbox.run(&["issue", "--store", store, "--client", "acme_corp"]);
        assert_eq!(ran.stdout, "");
        ran.expect_code(code).expect_error(said);
    }
}

/// Progress is for people who watch. Nobody does here.
#[test]
fn a_long_import_says_nothing_on_its_way_when_nobody_watches() {
    let sandbox = Sandbox::empty();
    sandbox.run(&["init", "--store", "sqlite:gracekey.db"]).expect_code(0);
    let rows: String = (0..2000).map(|number| format!("some-foreign-key-{number},client-{}\n", number % 100)).collect();
    let text = format!("key,client_id\n{rows}");
    let ran = sandbox.run_with(&["import", "--store", "sqlite:gracekey.db"], text.as_bytes()).expect_code(0);
    assert_eq!(ran.stdout.lines().count(), 2000);
    assert_eq!(
        ran.stderr,
        "2000 keys were taken in and work as before; delete the plain text, and rotate them one by one\n"
    );
}

/// On a store it stands beside the others, but no verifier ever gets it.
#[test]
fn a_key_that_opens_the_server_is_explained_as_verifiers_see_it() {
    let sandbox = Sandbox::new();
    let store = "sqlite:gracekey.db";
    sandbox.run(&["init", "--store", store]).expect_code(0);
    let issue = |client, scope| {
        let ran = sandbox.run(&["issue", "--store", store, "--client", client, "--scope", scope]).expect_code(0);
        ran.stdout.into_bytes()
    };
    let (callers, operators) = (issue("acme_corp", "logs:write"), issue("ops", "gracekey:admin"));
    sandbox.run_with(&["explain", "--store", store], &callers).expect_code(0);
    let ran = sandbox.run_with(&["explain", "--store", store], &operators).expect_code(1);
    assert!(ran.stdout.contains("DENIED 401: unknown"), "{ran:?}");
    assert!(ran.stdout.contains("or opens the server alone"), "{ran:?}");
}
