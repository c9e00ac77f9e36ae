#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: Rust components by rustup, everything else into .tools, and
# valgrind by apt. Sourced by scripts/test.sh; run alone it only installs.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# A program of its own: what the shell alone has, tests can't start.
need() { type -P "$1" >/dev/null; }

apt() { # apt PROGRAM PACKAGE...
  need "$1" && return
  shift
  if ! need apt-get; then
    echo "tools: something is missing; install what Debian has as $* and run this again" >&2
    exit 1
  fi
  local sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "tools: installing $*" >&2
  $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 || {
    $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  }
}

if ! need rustup; then
  echo "tools: rustup is missing; see https://rustup.rs" >&2
  exit 1
fi
channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
# Automatic installation may be switched off, so the toolchain of rust-toolchain.toml is asked for.
rustup toolchain list | grep -q "^$channel-" || rustup toolchain install "$channel" --profile minimal
rustup component add --toolchain "$channel" clippy rustfmt 2>/dev/null
rustup target add --toolchain "$channel" wasm32-wasip1 thumbv7em-none-eabihf 2>/dev/null

# A compiler alone links nothing: it needs the C library's files, too.
echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null || apt no-such-program gcc libc6-dev
apt python3 python3
apt valgrind valgrind
# PostgreSQL's servers lie off the PATH; the store's tests start their own.
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || apt no-such-program postgresql
# The store's tests drop rights, fill small disks of their own, and make certificates.
apt setpriv util-linux
apt unshare util-linux
apt mount mount
apt openssl openssl
apt kill procps
apt curl curl
# The proxy that asks the server before each request; Debian keeps it off the PATH of most users.
PATH="$PATH:/usr/sbin" apt nginx nginx-light
# /proc/self holds no debug symbols of libc on a bare machine, and memcheck asks for them.
if need dpkg && ! dpkg -s libc6-dbg >/dev/null 2>&1; then apt no-such-program libc6-dbg; fi

# Python's packages carry prebuilt programs: the test runner, the linters, and the peers that tests talk to.
venv="$root/.tools/venv"
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv" >/dev/null 2>&1 || { apt no-such-program python3-venv && python3 -m venv "$venv"; }
fi
if ! cmp -s scripts/requirements.txt "$venv/installed.txt"; then
  "$venv/bin/pip" install -q --disable-pip-version-check -r scripts/requirements.txt
  cp scripts/requirements.txt "$venv/installed.txt"
fi
export PATH="$venv/bin:$PATH"
