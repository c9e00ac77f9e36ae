#!/usr/bin/env bash
# Builds the engine for a processor that has no operating system, and so no `std`: neither the crate nor anything that it
# depends on may need one. Then shows that this check can fail.
set -euo pipefail
cd "$(dirname "$0")/.."

target=thumbv7em-none-eabihf
channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
if ! rustup target list --toolchain "$channel" --installed | grep -qx "$target"; then
  rustup target add --toolchain "$channel" "$target"
fi

cargo build --quiet --locked -p gracekey-core --lib --target "$target"

# The harness for constant time is the one file that says `extern crate std`. With it the same build must break, and for
# that reason.
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
if cargo rustc --quiet --locked -p gracekey-core --lib --target "$target" -- --cfg gracekey_memcheck 2>"$errors"; then
  echo "no-std: built with \`extern crate std\`; $target should have no std, so this check shows nothing" >&2
  exit 1
fi
if ! grep -q "can't find crate for \`std\`" "$errors"; then
  cat "$errors" >&2
  echo "no-std: the build with \`extern crate std\` broke, but for another reason" >&2
  exit 1
fi
echo "no-std: gracekey-core builds for $target, and does not with \`extern crate std\`"
