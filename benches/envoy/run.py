#!/usr/bin/env python3
"""Measures what a filter costs in one Envoy: CPU per request and latency, side by side, in interleaved rounds.

Started by scripts/envoy-bench.sh, which builds what it needs. Prints a Markdown table.
CPU per request is what the kernel accounts to the Envoy process under load, divided by the requests that wrk counted.
The upstream and the ext_authz server are another Envoy process, which does not count.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

KEYS = 1000
SECRET = b"a pepper for measurements, public"
EXT = "type.googleapis.com/envoy.extensions."


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def api_key(number):
    return f"measured-key-{number:06}-0123456789abcdefghijklmnopqrstuv"  # 52 bytes; a grown key has 55


def keyring():
    """A sealed keyring document, written after its description and not with the project's own code."""
    digests, seals = mac(SECRET, b"gracekey/1 digest"), mac(SECRET, b"gracekey/1 seal")
    document = {
        "format": "gracekey/1",
        "epoch": 1,
        "issued_at": "2026-11-22T02:00:00Z",
        "clients": [{"client_id": f"client-{n:04}", "disabled": False, "scopes": []} for n in range(KEYS)],
        "keys": [
            {
                "client_id": f"client-{n:04}",
                "credential": "default",
                "digest": f"hmac-sha256:p1:{mac(digests, api_key(n).encode()).hex()}",
                "expires_at": None,
                "generation": 1,
                "key_id": f"{n:08}",
                "not_before": None,
                "retires_at": None,
                "revoked_at": None,
                "superseded_at": None,
            }
            for n in range(KEYS)
        ],
    }
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    document["seal"] = f"hmac-sha256:p1:{mac(seals, canonical).hex()}"
    return document


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(secret):
    parts = [{"alg": "HS256", "typ": "JWT", "kid": "k"}, {"iss": "bench", "sub": "client-0500", "exp": 4102444800}]
    text = ".".join(unpadded(json.dumps(part).encode()) for part in parts)
    return f"{text}.{unpadded(mac(secret, text.encode()))}"


def wasm(path, configuration, vm):
    return {
        "name": "wasm",
        "typed_config": {
            "@type": EXT + "filters.http.wasm.v3.Wasm",
            "config": {
                "name": vm,
                "vm_config": {
                    "vm_id": vm,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": path}},
                },
                "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
            },
        },
    }


def lua():
    table = ",".join(f'["{api_key(n)}"]="client-{n:04}"' for n in range(KEYS))
    code = f"""
local clients = {{{table}}}
function envoy_on_request(handle)
  local headers = handle:headers()
  local key = headers:get("x-api-key")
  local client = key and clients[key]
  if client == nil then
    handle:respond({{[":status"] = "401"}}, "unauthorized")
  else
    headers:remove("x-api-key")
    headers:replace("x-client-id", client)
  end
end"""
    return {
        "name": "lua",
        "typed_config": {
            "@type": EXT + "filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": code},
        },
    }


def filters(options):
    """For each variant: its filter for a grant and for a denial."""
    secret = b"0123456789abcdef0123456789abcdef"
    jwks = {"keys": [{"kty": "oct", "alg": "HS256", "kid": "k", "k": unpadded(secret)}]}
    ours = {
        "pepper": {"value": "p1:" + base64.b64encode(SECRET).decode()},
        "keyring": {"inline": keyring()},
    }
    same = lambda value: (value, value)
    return {
        "no filter": same(None),
        "native api_key_auth": same(
            {
                "name": "api_key_auth",
                "typed_config": {
                    "@type": EXT + "filters.http.api_key_auth.v3.ApiKeyAuth",
                    "credentials": [{"key": api_key(n), "client": f"client-{n:04}"} for n in range(KEYS)],
                    "key_sources": [{"header": "x-api-key"}],
                    "forwarding": {"header": "x-client-id", "hide_credentials": True},
                },
            }
        ),
        "wasm, nothing": same(wasm(options.reference, "nothing", "nothing")),
        "wasm, the same host calls": (
            wasm(options.reference, "grant", "calls"),
            wasm(options.reference, "denial", "calls"),
        ),
        "gracekey": same(wasm(options.filter, json.dumps(ours), "gracekey")),
        "gracekey, filter_state off": same(wasm(options.filter, json.dumps(ours | {"filter_state": False}), "quiet")),
        "lua": same(lua()),
        "ext_authz": same(
            {
                "name": "ext_authz",
                "typed_config": {
                    "@type": EXT + "filters.http.ext_authz.v3.ExtAuthz",
                    "http_service": {
                        "server_uri": {"uri": "http://authz", "cluster": "authz", "timeout": "1s"},
                        "authorization_request": {},
                    },
                    "allowed_headers": {"patterns": [{"exact": "x-api-key"}]},
                },
            }
        ),
        "jwt_authn": same(
            {
                "name": "jwt_authn",
                "typed_config": {
                    "@type": EXT + "filters.http.jwt_authn.v3.JwtAuthentication",
                    "providers": {
                        "p": {
                            "issuer": "bench",
                            "local_jwks": {"inline_string": json.dumps(jwks)},
                            "from_headers": [{"name": "x-api-key"}],
                        }
                    },
                    "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}],
                },
            }
        ),
    }, jwt(secret)


def listener(name, port, routes, http_filters):
    router = {"name": "router", "typed_config": {"@type": EXT + "filters.http.router.v3.Router"}}
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "http",
                        "typed_config": {
                            "@type": EXT + "filters.network.http_connection_manager.v3.HttpConnectionManager",
                            "stat_prefix": "bench",
                            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
                            "http_filters": http_filters + [router],
                        },
                    }
                ]
            }
        ],
    }


def cluster(name, port):
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


# What is measured has a core to itself; what drives it and what stands behind it share the other.
MEASURED, OTHERS = ["taskset", "-c", "0"], ["taskset", "-c", "1"]


def start(options, folder, name, bootstrap, ports, core=()):
    path = os.path.join(folder, name + ".json")
    with open(path, "w") as file:
        json.dump(bootstrap, file)
    log = open(os.path.join(folder, name + ".log"), "w")
    process = subprocess.Popen(
        [*core, options.envoy, "-c", path, "--concurrency", str(getattr(options, "concurrency", 1))]
        + ["--disable-hot-restart", "--log-level", "error"],
        stdout=log,
        stderr=log,
    )
    for port in ports:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None:
                    sys.exit(f"Envoy ended:\n{open(log.name).read()}")
                time.sleep(0.1)
        else:
            sys.exit("Envoy is not ready")
    return process


def cpu_seconds(pid):
    """What the kernel has accounted to all threads of a process, in seconds with nanosecond steps."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
        except FileNotFoundError:
            pass
    return total / 1e9


UNITS = {"us": 1, "ms": 1000, "s": 1_000_000}


def micros(text):
    number, unit = re.fullmatch(r"([0-9.]+)(us|ms|s)", text).groups()
    return float(number) * UNITS[unit]


def load(name, pid, port, key, seconds, expected):
    command = OTHERS + ["wrk", "-t1", "-c8", f"-d{seconds}", "--latency", "-H", f"x-api-key: {key}"]
    before = cpu_seconds(pid)
    out = subprocess.run(command + [f"http://127.0.0.1:{port}/v1"], capture_output=True, text=True, check=True).stdout
    cpu = cpu_seconds(pid) - before
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    refused = int(refused.group(1)) if refused else 0
    if refused != (0 if expected == "grant" else requests):
        sys.exit(f"{name}: {refused} of {requests} refused where a {expected} was expected")
    quantile = lambda percent: micros(re.search(rf"\n\s+{percent}%\s+(\S+)", out).group(1))
    return cpu / requests * 1e6, quantile(50), quantile(99)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envoy", required=True)
    parser.add_argument("--filter", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1)
    options = parser.parse_args()

    variants, token = filters(options)
    upstream, authz, *ports = free_ports(2 + len(variants) * 4)
    good = api_key(500)
    wrong = api_key(KEYS + 500)
    clusters = [cluster("upstream", upstream), cluster("authz", authz)]
    direct = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}}}
    proxied = {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}
    known = {"prefix": "/", "headers": [{"name": "x-api-key", "string_match": {"exact": good}}]}
    refuse = {"match": {"prefix": "/"}, "direct_response": {"status": 401}}

    listeners, cells = [], []
    for name, pair in variants.items():
        for verdict, http_filter in zip(("grant", "denial"), pair):
            if name in ("no filter", "wasm, nothing") and verdict == "denial":
                continue
            for way, route in (("direct", direct), ("upstream", proxied)):
                # A denial never reaches what stands behind.
                if verdict == "denial" and way == "upstream":
                    continue
                port = ports.pop()
                listeners.append(listener(f"{name} {verdict} {way}", port, [route], [http_filter] if http_filter else []))
                key = (token if name == "jwt_authn" else good) if verdict == "grant" else wrong
                cells.append((name, verdict, way, port, key))

    with tempfile.TemporaryDirectory() as folder:
        behind = {
            "static_resources": {
                "listeners": [
                    listener("upstream", upstream, [direct], []),
                    listener("authz", authz, [{"match": known, "direct_response": {"status": 200}}, refuse], []),
                ]
            }
        }
        servers = [start(options, folder, "behind", behind, [upstream, authz], OTHERS)]
        try:
            bootstrap = {"static_resources": {"listeners": listeners, "clusters": clusters}}
            edge = start(options, folder, "edge", bootstrap, [port for _, _, _, port, _ in cells], MEASURED)
            servers.append(edge)
            results = {}
            for around in range(options.rounds + 1):
                for name, verdict, way, port, key in cells:
                    measured = load(name, edge.pid, port, key, options.seconds, verdict)
                    # The first round warms up: V8 compiles what runs often.
                    if around > 0:
                        results.setdefault((verdict, way), {}).setdefault(name, []).append(measured)
        finally:
            for server in servers:
                server.terminate()
                server.wait()
    report(results)


def report(results):
    for (verdict, way), variants in results.items():
        print(f"\n{verdict}, {'direct response' if way == 'direct' else 'real upstream'}:\n")
        print("| filter | CPU µs per request | to the same host calls | to api_key_auth | p50 µs | p99 µs |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        rounds = lambda name: [cpu for cpu, _, _ in variants[name]]
        for name, measured in variants.items():
            # Ratios within each round, so that what slows a whole round down counts on both sides.
            against = lambda other: statistics.median(a / b for a, b in zip(rounds(name), rounds(other)))
            cpu, p50, p99 = (statistics.median(column) for column in zip(*measured))
            calls, native = against("wasm, the same host calls"), against("native api_key_auth")
            print(f"| {name} | {cpu:.1f} | {calls:.2f} | {native:.2f} | {p50:.0f} | {p99:.0f} |")


if __name__ == "__main__":
    main()
