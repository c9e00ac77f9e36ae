#!/usr/bin/env bash
# What keys live through, at full size: 200 kills of the server on SQLite and on PostgreSQL, 1,000 clients that rotate
# themselves within a minute at a service and at an Envoy, and 100 revocations seen by 20 services and 3 Envoys. Half an
# hour; prints what it measured.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
scripts/envoy-install.sh
scripts/wasm-build.sh
# The clients and verifiers share this machine with the server, so each test gets it alone.
GRACEKEY_CLIENTS=${GRACEKEY_CLIENTS:-1000} GRACEKEY_SECONDS=${GRACEKEY_SECONDS:-60} GRACEKEY_LAYERS=${GRACEKEY_LAYERS:-20} \
  GRACEKEY_ENVOYS=${GRACEKEY_ENVOYS:-3} GRACEKEY_REVOCATIONS=${GRACEKEY_REVOCATIONS:-100} \
  cargo test --locked -p gracekey-cli --test life -- --nocapture --test-threads 1
# One named test builds no examples, and this is the server that is killed.
cargo build --locked -p gracekey-server --example store_server
GRACEKEY_KILLS=${GRACEKEY_KILLS:-200} cargo test --locked -p gracekey-server --test suite killed -- --nocapture --test-threads 1
