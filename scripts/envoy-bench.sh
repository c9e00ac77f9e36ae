#!/usr/bin/env bash
# What the filter costs in the real Envoy, beside Envoy's own filters and beside what any wasm filter costs.
# Prints Markdown tables, then what the ways to read headers cost, and where the time of a start goes. Options go on to
# the measurements under load: --rounds 5 --seconds 1
set -euo pipefail
cd "$(dirname "$0")/.."
command -v wrk >/dev/null || { echo "envoy-bench: wrk is missing; install Debian's package wrk" >&2; exit 1; }
scripts/envoy-install.sh >/dev/null
filter=$(scripts/wasm-build.sh)
target=${CARGO_TARGET_DIR:-$PWD/target}
cargo build --quiet --release --target wasm32-wasip1 --manifest-path benches/envoy/reference/Cargo.toml \
  --target-dir "$target/reference"
reference=$target/reference/reference.wasm
scripts/wasm-entries.sh "$target/reference/wasm32-wasip1/release/gracekey_reference_filter.wasm" "$reference"
python3 benches/envoy/run.py --envoy .tools/envoy/envoy --filter "$filter" --reference "$reference" "$@"
printf '\nThe ways to read headers:\n\n'
python3 benches/envoy/headers.py --envoy .tools/envoy/envoy --reference "$reference" "$@"
printf '\nThe start:\n\n'
python3 benches/envoy/start.py --envoy .tools/envoy/envoy --filter "$filter" --reference "$reference"
