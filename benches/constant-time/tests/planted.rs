//! The run passes on the engine as it is, and fails on one whose comparison stops at the first difference: only so does
//! passing mean anything.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what a test needs and does not get fails it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the planted tree and everything that is built for this test go.
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

#[test]
fn the_engine_passes_and_an_early_exit_fails() {
    let valgrind = Command::new("valgrind").arg("--version").output();
    assert!(
        valgrind.is_ok_and(|output| output.status.success()),
        "valgrind is missing: run scripts/tools.sh, or install your system's package `valgrind`"
    );

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let sound = run(&root, "sound");
    let printed = String::from_utf8_lossy(&sound.stdout);
    assert!(sound.status.success(), "{printed}\n{}", String::from_utf8_lossy(&sound.stderr));
    assert!(printed.contains("memcheck: passed") && printed.contains("counts: passed"), "{printed}");

    let planted = run(&planted(&root), "unsound");
    let printed = String::from_utf8_lossy(&planted.stdout);
    assert_eq!(planted.status.code(), Some(1), "{printed}\n{}", String::from_utf8_lossy(&planted.stderr));
    assert!(printed.contains("memcheck: FAILED") && printed.contains("counts: FAILED"), "{printed}");
    assert!(printed.contains("Conditional jump or move depends on uninitialised value"), "{printed}");
    assert!(printed.contains("(secret.rs:"), "memcheck does not point at the comparison:\n{printed}");
}

/// The one command, on the tree at `root`. Each tree has a target folder of its own: cargo knows both by one name, and in a
/// shared folder would take what it built of the one for the other.
fn run(root: &Path, built: &str) -> Output {
    Command::new(root.join("scripts/constant-time.sh"))
        .arg("--quick")
        .env("CARGO_TARGET_DIR", Path::new(SCRATCH).join(built))
        // All that it takes was fetched when this test was built.
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .unwrap()
}

/// A copy of the engine and of this harness, in which the comparison stops at the first byte that differs.
fn planted(root: &Path) -> PathBuf {
    let copy = Path::new(SCRATCH).join("planted");
    let _ = fs::remove_dir_all(&copy);
    let members = ["crates/core", "benches/constant-time"];
    for folder in members {
        copy_folder(&root.join(folder), &copy.join(folder));
    }
    fs::create_dir_all(copy.join("scripts")).unwrap();
    for file in ["Cargo.lock", "rust-toolchain.toml", "scripts/constant-time.sh"] {
        fs::copy(root.join(file), copy.join(file)).unwrap();
    }

    let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let shared = &workspace[workspace.find("[workspace.package]").expect("the workspace's shared part")..];
    let head = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n");
    fs::write(copy.join("Cargo.toml"), head + shared).unwrap();

    let secret = copy.join("crates/core/src/secret.rs");
    let source = fs::read_to_string(&secret).unwrap();
    fs::write(&secret, with_early_exit(&source)).unwrap();
    copy
}

fn with_early_exit(source: &str) -> String {
    const HEAD: &str = "pub(crate) fn same(left: &Words, right: &Words) -> Choice {\n";
    const EARLY_EXIT: &str = "    for (one, other) in bytes(left).iter().zip(&bytes(right)) {
        if one != other {
            return Choice::from(0);
        }
    }
    Choice::from(1)";
    let (before, rest) = source.split_once(HEAD).expect("secret.rs has its comparison");
    let (_, after) = rest.split_once("\n}\n").expect("the comparison ends");
    assert!(!after.contains(HEAD), "there is one comparison");
    [before, HEAD, EARLY_EXIT, "\n}\n", after].concat()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "target") {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
