#!/usr/bin/env bash
# Shows that a verification takes constant time: see benches/constant-time/README.md.
#
#   scripts/constant-time.sh            memcheck, instruction counts, and dudect (timed: a quiet machine, some minutes)
#   scripts/constant-time.sh --quick    memcheck and instruction counts
#   scripts/constant-time.sh --dudect   dudect alone
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
  "") parts="memcheck counts dudect" ;;
  --quick) parts="memcheck counts" ;;
  --dudect) parts="dudect" ;;
  *) sed -n '2,7p' "$0" >&2; exit 2 ;;
esac

if [ "$parts" != dudect ] && ! command -v valgrind >/dev/null; then
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  # memcheck wants the debug symbols of the C library too.
  command -v apt-get >/dev/null && $sudo apt-get install -y -qq valgrind libc6-dbg >&2 || {
    echo "constant-time: valgrind is missing, and apt could not install it; install it and run this again" >&2
    exit 1
  }
fi

# A folder of its own: the flag opens the engine to the harness, and must not end up in anything that is shipped. What
# is measured is compiled as a release is, with line numbers for what memcheck finds.
target="${CARGO_TARGET_DIR:-$PWD/target}/constant-time"
unset CARGO_ENCODED_RUSTFLAGS
RUSTFLAGS="--cfg gracekey_memcheck" CARGO_TARGET_DIR="$target" CARGO_PROFILE_RELEASE_DEBUG=line-tables-only \
  cargo build --quiet --release --package gracekey-constant-time
harness="$target/release/gracekey-constant-time"

failed=0
for part in $parts; do
  case "$part" in
    memcheck)
      valgrind --quiet --tool=memcheck --leak-check=no --error-limit=no --num-callers=8 --log-file="$target/memcheck.log" \
        "$harness" memcheck || { failed=1; head -n 16 "$target/memcheck.log"; }
      ;;
    counts)
      dumps=$(mktemp -d "$target/counts.XXXXXX")
      valgrind --quiet --tool=callgrind --collect-atstart=no --callgrind-out-file="$dumps/count" "$harness" count
      "$harness" report "$dumps" || failed=1
      rm -r "$dumps"
      ;;
    dudect)
      "$harness" dudect || failed=1
      ;;
  esac
done
exit "$failed"
