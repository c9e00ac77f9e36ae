#!/usr/bin/env bash
# Builds the filter as it ships, and prints where it lies. wasm-opt (Debian's binaryen) takes a sixth off its size.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
${CARGO:-cargo} build --quiet --profile wasm --target wasm32-wasip1 -p gracekey-filter
built=$target/wasm32-wasip1/wasm/gracekey_filter.wasm
shipped=.tools/gracekey.wasm
mkdir -p .tools
if [ ! -f "$shipped" ] || [ "$built" -nt "$shipped" ]; then
  command -v wasm-opt >/dev/null || { echo "wasm-build: wasm-opt is missing; run scripts/envoy-install.sh" >&2; exit 1; }
  # Nothing lies in the lowest KiB of the memory: it is the far end of the stack.
  wasm-opt -Oz --low-memory-unused --converge --enable-bulk-memory --enable-sign-ext --enable-mutable-globals --enable-nontrapping-float-to-int \
    "$built" -o "$shipped.$$"
  mv "$shipped.$$" "$shipped"
fi
bytes=$(wc -c <"$shipped")
if [ "$bytes" -gt $((400 * 1024)) ]; then
  echo "wasm-build: the filter has $bytes bytes, more than 400 KiB" >&2
  exit 1
fi
echo "$shipped"
