#!/usr/bin/env bash
# Starts PostgreSQL, `gracekey serve`, the shop and nginx on loopback, gives the shop's first client a key, and says what to
# try. `run.sh --check` tries it itself and ends with 0 if every answer is as the README says.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$root/scripts/tools.sh"
cd "$root"

mode=${1:-}
folder=$(mktemp -d "${TMPDIR:-/tmp}/gracekey-gateway.XXXXXX")
chmod 755 "$folder"
started=()
finish() {
  # Only what was started here, the last one first, each by its own id.
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    kill "${started[$i]}" 2>/dev/null || true
    wait "${started[$i]}" 2>/dev/null || true
  done
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

begin() { # begin NAME COMMAND…: in the background, with its output in a file
  local name=$1
  shift
  "$@" >"$folder/$name.log" 2>&1 &
  started+=($!)
}

await() { # await NAME URL: until it answers at all
  local name=$1 url=$2
  for _ in $(seq 300); do
    if curl -s -o /dev/null "$url"; then return; fi
    sleep 0.1
  done
  echo "$name did not come up; the end of its log:" >&2
  tail -20 "$folder/$name.log" >&2
  exit 1
}

read -r gateway gracekey_port shop <<<"$(python3 - "${PORT:-0}" <<'PORTS'
import socket, sys
sockets = [socket.socket() for _ in range(3)]
for at, free in enumerate(sockets):
    free.bind(("127.0.0.1", int(sys.argv[1]) if at == 0 else 0))
print(*(free.getsockname()[1] for free in sockets))
PORTS
)"

echo "building gracekey"
cargo build --quiet --locked -p gracekey-cli
gracekey="$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')/debug/gracekey"

echo "starting PostgreSQL"
binaries=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/postgres' | sort -V | tail -1)")
as=()
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=postgres --regid=postgres --clear-groups); fi
mkdir "$folder/database"
[ "$(id -u)" != 0 ] || chown postgres: "$folder/database"
# PostgreSQL ends with its caller, however that ends.
(cd / && "${as[@]}" "$binaries/initdb" -D "$folder/database/data" -U shop --auth=trust -E UTF8 --locale=C) >"$folder/initdb.log"
begin postgres "${as[@]}" setpriv --pdeathsig QUIT -- "$binaries/postgres" -D "$folder/database/data" \
  -k "$folder/database" -c listen_addresses= -c shared_buffers=16MB
for _ in $(seq 100); do
  "$binaries/pg_isready" -q -h "$folder/database" -U shop && break
  sleep 0.1
done
for database in shop gracekey; do "$binaries/createdb" -h "$folder/database" -U shop "$database"; done

export GRACEKEY_STORE="postgres://shop@localhost/gracekey?host=$folder/database"
echo "starting gracekey serve"
begin gracekey "$gracekey" serve --pepper "$folder/pepper" --listen "127.0.0.1:$gracekey_port" \
  --policy examples/gateway/policy.json --trusted-proxy 127.0.0.1/32
await gracekey "http://127.0.0.1:$gracekey_port/readyz"

echo "starting the shop"
export SHOP_DATABASE="host=$folder/database user=shop dbname=shop"
begin shop gunicorn --chdir examples/gateway --bind "127.0.0.1:$shop" --workers 2 --no-control-socket --preload shop:app
await shop "http://127.0.0.1:$shop/health"

echo "starting nginx"
sed -e "s|@FOLDER@|$folder|g; s|@GRACEKEY@|$gracekey_port|; s|@SHOP@|$shop|; s|@GATEWAY@|$gateway|" \
  examples/gateway/nginx.conf.in >"$folder/nginx.conf"
nginx=$(PATH="$PATH:/usr/sbin" command -v nginx)
begin nginx "$nginx" -e "$folder/nginx.log" -p "$folder" -c "$folder/nginx.conf"
await nginx "http://127.0.0.1:$gateway/health"

run() { "$gracekey" --pepper "$folder/pepper" "$@"; }
KEY=$(run issue --client acme_corp --scope orders:read --scope orders:write 2>/dev/null)
READER=$(run issue --client globex --scope orders:read 2>/dev/null)
url="http://127.0.0.1:$gateway"

if [ "$mode" != --check ]; then
  cat <<TRY

The shop stands behind $url. Try:

  KEY=$KEY
  curl -i $url/orders
  curl -i $url/orders -H "Authorization: Bearer \$KEY"
  curl -i $url/orders -H "Authorization: Bearer \$KEY" --json '{"item":"tea"}'
  curl -i -X POST $url/v2/auth/rotate-key -H "Authorization: Bearer \$KEY"
  curl -i $url/orders -H "Authorization: Bearer \$KEY"      # the old key: still 200, and told so

Ctrl-C ends all of it.
TRY
  wait -n "${started[@]}"
  echo "one of the servers ended; the logs' last lines:" >&2
  tail -n 5 "$folder"/*.log >&2
  exit 1
fi

failed=0
expect() { # expect WHAT PATTERN TEXT
  if grep -qE -- "$2" <<<"$3"; then
    echo "ok    $1"
  else
    echo "WRONG $1: no /$2/ in:" >&2
    sed 's/^/      /' <<<"$3" >&2
    failed=1
  fi
}
ask() { curl -s -i --max-time 10 "$@" | tr -d '\r'; }

answer=$(ask "$url/orders")
expect "no key: 401 with the challenge" '^HTTP/1.1 401' "$answer"
expect "no key: the challenge, once" '^1$' "$(grep -ciE '^www-authenticate: Bearer' <<<"$answer")"
expect "no key: the body says what is needed" '"code":"missing"' "$answer"
answer=$(ask "$url/orders" -H "X-API-Key: nobody-knows-this-key")
expect "an unknown key: 401" '"error":"invalid_token"' "$answer"
answer=$(ask "$url/orders" -H "Authorization: Bearer $KEY" --json '{"item":"tea"}')
expect "a good key: an order is taken" '^HTTP/1.1 201' "$answer"
answer=$(ask "$url/orders" -H "Authorization: Bearer $KEY")
expect "a good key: its own orders" '"client":"acme_corp"' "$answer"
answer=$(ask "$url/orders" -H "Authorization: Bearer $READER")
expect "another client does not see them" '"client":"globex","orders":\[\]' "$answer"
answer=$(ask "$url/orders" -H "Authorization: Bearer $READER" --json '{"item":"tea"}')
expect "without the scope: 403" '^HTTP/1.1 403' "$answer"
expect "without the scope: which one" 'orders:write' "$answer"
answer=$(ask "$url/orders" -H "Authorization: Bearer $READER" -H "X-Client-Id: acme_corp" -H "X-Original-Method: GET")
expect "a spoofed client id does nothing" '"client":"globex"' "$answer"
answer=$(ask "$url/orders" -H "Authorization: Bearer $READER" -H "X-Original-Method: GET" --json '{"item":"tea"}')
expect "a spoofed method does nothing" '^HTTP/1.1 403' "$answer"
answer=$(ask "$url/health" -H "Authorization: Bearer $KEY")
expect "the key stays in front" '"saw_key":false' "$answer"
answer=$(ask -X POST "$url/v2/auth/rotate-key" -H "Authorization: Bearer $KEY")
expect "the client rotates its own key" '"new_api_key":"sk_live_' "$answer"
NEW=$(sed -n 's/.*"new_api_key":"\([^"]*\)".*/\1/p' <<<"$answer")
answer=$(ask "$url/orders" -H "Authorization: Bearer $NEW")
expect "the new key works at once" '^HTTP/1.1 200' "$answer"
answer=$(ask "$url/orders" -H "Authorization: Bearer $KEY")
expect "the old key works on" '^HTTP/1.1 200' "$answer"
expect "and is told so" 'key_status="superseded"' "$answer"
run revoke --client globex >/dev/null 2>&1 || run revoke --client globex
for _ in $(seq 50); do
  answer=$(ask "$url/orders" -H "Authorization: Bearer $READER")
  if grep -q '^HTTP/1.1 401' <<<"$answer"; then break; fi
  sleep 0.1
done
expect "a revoked key is refused, and learns why" '"code":"revoked"' "$answer"
exit "$failed"
