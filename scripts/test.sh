#!/usr/bin/env bash
# Everything that must pass, in one command. Installs what is missing first (scripts/tools.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

step "tools"
source scripts/tools.sh

scripts/envoy-install.sh

step "format and spelling"
cargo fmt --all --check
cargo fmt --all --check --manifest-path fuzz/Cargo.toml
typos

step "licences, duplicates and sources of dependencies"
cargo deny --log-level warn check bans licenses sources

step "lints"
cargo clippy --quiet --workspace --all-targets --locked -- -D warnings
# And what only the constant-time harness compiles.
cargo clippy --quiet -p gracekey-core -p gracekey-constant-time --locked -- --cfg gracekey_memcheck -D warnings

step "the engine without std"
scripts/no-std.sh

step "the filter as it ships"
scripts/wasm-build.sh

step "tests"
cargo nextest run --workspace --locked

step "nginx, Flask and PostgreSQL behind the server"
examples/gateway/run.sh --check

step "documentation and its examples"
cargo test --workspace --doc --quiet --locked
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --lib --no-deps --locked

step "fuzz seeds on stable"
cargo test --quiet --manifest-path fuzz/Cargo.toml --locked

step "done"
