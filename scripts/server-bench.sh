#!/usr/bin/env bash
# What forward auth and the feed of the server cost. Prints Markdown; options go on to benches/server/run.py.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v wrk >/dev/null || { echo "server-bench: wrk is missing; install Debian's package wrk" >&2; exit 1; }
ulimit -n 8192
cargo build --quiet --release -p gracekey-server --example stage
exec python3 benches/server/run.py --stage "${CARGO_TARGET_DIR:-$PWD/target}/release/examples/stage" "$@"
