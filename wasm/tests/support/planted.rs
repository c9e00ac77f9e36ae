//! A filter with a flaw on purpose: its comparison of digests stops at the first byte that differs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::parts::root;

/// Builds it from a copy of the tree, as small and as quickly as its purpose allows: without optimization.
pub(crate) fn filter() -> PathBuf {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let copy = scratch.join("planted-filter");
    fs::remove_dir_all(&copy).ok();
    let members = ["crates/core", "wasm"];
    for folder in members {
        copy_folder(&root().join(folder), &copy.join(folder));
    }
    for file in ["Cargo.lock", "rust-toolchain.toml"] {
        fs::copy(root().join(file), copy.join(file)).expect("a file of the workspace");
    }
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace");
    let shared = workspace.find("[workspace.package]").and_then(|at| workspace.get(at..)).expect("its shared part");
    let head = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n");
    fs::write(copy.join("Cargo.toml"), head + shared).expect("the workspace of the copy");
    let secret = copy.join("crates/core/src/secret.rs");
    let source = fs::read_to_string(&secret).expect("the comparison");
    fs::write(&secret, with_early_exit(&source)).expect("the flaw");

    // A target folder of its own: cargo knows both filters by one name. All that it takes was fetched for this test.
    let target = scratch.join("planted-filter-target");
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--target", "wasm32-wasip1", "-p", "gracekey-filter", "--target-dir"])
        .arg(&target)
        .current_dir(&copy)
        .env_remove("CARGO_TARGET_DIR")
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("wasm32-wasip1/debug/gracekey_filter.wasm")
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
    [before, HEAD, EARLY_EXIT, "\n}\n", after].concat()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder of the tree").map(|entry| entry.expect("a readable folder")) {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
