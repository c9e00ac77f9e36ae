#!/usr/bin/env bash
# wasm-entries.sh IN OUT: leaves a filter the entries that ours uses. The SDK exports one for each event that a proxy
# knows, and the proxy calls all that are there, for each request: those that do nothing cost, too.
set -euo pipefail
entries=(
  memory _initialize proxy_abi_version_0_2_1 proxy_on_memory_allocate
  proxy_on_vm_start proxy_on_configure proxy_on_tick proxy_on_http_call_response
  proxy_on_context_create proxy_on_done proxy_on_delete
  proxy_on_request_headers proxy_on_request_body proxy_on_request_trailers proxy_on_response_headers
)
graph=$(printf '{"name":"%s","root":true,"export":"%s"},' $(printf '%s\n' "${entries[@]}" | sed 'p'))
trap 'rm -f "$2.entries"' EXIT
echo "[${graph%,}]" >"$2.entries"
wasm-metadce --graph-file "$2.entries" --enable-bulk-memory --enable-sign-ext --enable-mutable-globals \
  --enable-nontrapping-float-to-int "$1" -o "$2" >/dev/null
