#!/usr/bin/env bash
# Packs the filter as the OCI image that Istio's WasmPlugin takes, and pushes it. Without an argument it shows that this
# works: it pushes to a registry on loopback, and compares what comes back.
#   scripts/wasm-image.sh [registry.example.com/gracekey/filter:0.1.0]
set -euo pipefail
cd "$(dirname "$0")/.."
for part in buildah skopeo; do
  command -v "$part" >/dev/null || { echo "wasm-image: $part is missing; install Debian's package $part" >&2; exit 1; }
done
filter=$(scripts/wasm-build.sh)
work=$(mktemp -d)
registry_pid=""
trap '[ -z "$registry_pid" ] || kill "$registry_pid"; rm -rf "$work"' EXIT
cp "$filter" "$work/plugin.wasm"
printf 'FROM scratch\nCOPY plugin.wasm ./\n' >"$work/Containerfile"

image=${1:-}
secure=true
if [ -z "$image" ]; then
  command -v docker-registry >/dev/null ||
    { echo "wasm-image: docker-registry is missing; install Debian's package docker-registry" >&2; exit 1; }
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  cat >"$work/registry.yml" <<YAML
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$port"}
YAML
  docker-registry serve "$work/registry.yml" >/dev/null 2>&1 &
  registry_pid=$!
  image=127.0.0.1:$port/gracekey/filter:test
  secure=false
  for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" >/dev/null && break || sleep 0.1; done
fi

store=(--root "$work/store" --runroot "$work/run" --storage-driver vfs)
buildah "${store[@]}" bud --isolation chroot -q -t "$image" "$work" >/dev/null
buildah "${store[@]}" push -q --tls-verify=$secure "$image" "docker://$image"

skopeo copy -q --src-tls-verify=$secure "docker://$image" "dir:$work/back"
layer=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["layers"][0]["digest"].split(":")[1])' \
  "$work/back/manifest.json")
tar -xzOf "$work/back/$layer" plugin.wasm 2>/dev/null >"$work/back.wasm" || tar -xOf "$work/back/$layer" plugin.wasm >"$work/back.wasm"
cmp "$filter" "$work/back.wasm"
echo "$image: $(wc -c <"$filter") bytes of plugin.wasm, pushed and read back"
