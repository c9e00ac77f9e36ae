#!/usr/bin/env bash
# Runs the examples of Envoy, with the very same files and filter, in other versions of it: every answer that their README
# shows, the notice, gRPC, the metrics, and a keyring that changes under way. Installs each into .tools first, some 100 MB.
#   scripts/envoy-versions.sh [1.39.3 ...]
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 1.39.3 1.37.0 1.36.4
for version in "$@"; do
  ENVOY_VERSION=$version scripts/envoy-install.sh
  ENVOY_VERSION=$version cargo nextest run --locked -p gracekey-filter -E 'binary(example) | binary(following)'
done
