#!/usr/bin/env python3
"""Rotation under load: steady load with an old and a new key while the fetched keyring document changes again and again,
then revocations, each with the time until the last worker refuses the key.

`python3 benches/envoy/rotation.py --envoy .tools/envoy/envoy --filter .tools/gracekey.wasm --changes 100 --seconds 60`
"""

import argparse
import base64
import http.server
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import memory
import run

NAMES = ["old", "new", "revoked"]


def document(epoch, revoked):
    digests, seals = run.mac(run.SECRET, b"gracekey/1 digest"), run.mac(run.SECRET, b"gracekey/1 seal")

    def key(number, name):
        return {
            "client_id": "acme",
            "credential": "default" if number < 2 else "other",
            "digest": f"hmac-sha256:p1:{run.mac(digests, run.api_key(number).encode()).hex()}",
            "expires_at": None,
            "generation": number % 2 + 1,
            "key_id": f"key{number:05}",
            "not_before": None,
            "retires_at": "2099-01-01T00:00:00Z" if name == "old" else None,
            "revoked_at": "2026-01-01T00:00:00Z" if name == "revoked" and revoked else None,
            "superseded_at": "2026-01-01T00:00:00Z" if name == "old" else None,
        }

    keyring = {
        "format": "gracekey/1",
        "epoch": epoch,
        "issued_at": "2026-11-22T02:00:00Z",
        "clients": [{"client_id": "acme", "disabled": False, "scopes": []}],
        "keys": [key(number, name) for number, name in enumerate(NAMES)],
    }
    canonical = json.dumps(keyring, sort_keys=True, separators=(",", ":")).encode()
    keyring["seal"] = f"hmac-sha256:p1:{run.mac(seals, canonical).hex()}"
    return json.dumps(keyring).encode()


class Feed(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    epoch, revoked = 1, False

    def do_GET(self):
        # Who waits hears of a change at once, and else that there was none.
        wait = re.fullmatch(r"wait=(\d+)", self.headers.get("prefer", ""))
        over = time.monotonic() + (int(wait[1]) if wait else 0)
        while self.headers.get("if-none-match") == f'"{Feed.epoch}"' and time.monotonic() < over:
            time.sleep(0.005)
        tag = f'"{Feed.epoch}"'
        fresh = self.headers.get("if-none-match") == tag
        body = b"" if fresh else document(Feed.epoch, Feed.revoked)
        self.send_response(304 if fresh else 200)
        self.send_header("etag", tag)
        if not fresh:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def settled(port, wanted, times=24):
    """Waits until that many new connections in a row, which spread over the workers, get the status."""
    begun, row = time.monotonic(), 0
    last = begun
    while row < times:
        if memory.status(port, run.api_key(2)) == wanted:
            row += 1
        else:
            row, last = 0, time.monotonic()
        if time.monotonic() - begun > 30:
            sys.exit(f"it never answered {wanted}")
    return last - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envoy", required=True)
    parser.add_argument("--filter", required=True)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--revocations", type=int, default=10)
    options = parser.parse_args()
    options.concurrency = 2
    feed = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Feed)
    threading.Thread(target=feed.serve_forever, daemon=True).start()
    configuration = {
        "pepper": {"value": "p1:" + base64.b64encode(run.SECRET).decode()},
        "keyring": {"fetch": {"cluster": "feed", "wait": "30s"}},
    }
    direct = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}}}
    [port] = run.free_ports(1)
    edge = run.listener("edge", port, [direct], [run.wasm(options.filter, json.dumps(configuration), "gracekey")])
    bootstrap = {"static_resources": {"listeners": [edge], "clusters": [run.cluster("feed", feed.server_port)]}}
    with tempfile.TemporaryDirectory() as folder:
        envoy = run.start(options, folder, "edge", bootstrap, [port])
        try:
            settled(port, 200)
            loads = [
                subprocess.Popen(
                    ["wrk", "-t1", "-c8", f"-d{options.seconds}", "-H", f"x-api-key: {run.api_key(number)}"]
                    + [f"http://127.0.0.1:{port}/"],
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for number in (0, 1)
            ]
            for _ in range(options.changes):
                time.sleep(options.seconds / options.changes)
                Feed.epoch += 1
            for name, load in zip(NAMES, loads):
                out = load.communicate()[0]
                requests = re.search(r"(\d+) requests in", out).group(1)
                unexpected = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
                errors = re.search(r"Socket errors: .*", out)
                print(f"{name} key: {requests} requests, {unexpected.group(1) if unexpected else 0} unexpected answers"
                      f"{', ' + errors.group(0) if errors else ''}", flush=True)
            print(f"keyring epochs: {Feed.epoch}")
            taken = []
            for _ in range(options.revocations):
                Feed.revoked, Feed.epoch = True, Feed.epoch + 1
                taken.append(settled(port, 401))
                Feed.revoked, Feed.epoch = False, Feed.epoch + 1
                settled(port, 200)
            print(f"a revocation reached the last worker after {min(taken):.2f} to {max(taken):.2f} s, "
                  f"median {statistics.median(taken):.2f} s, of {len(taken)}")
        finally:
            envoy.terminate()
            envoy.wait()


if __name__ == "__main__":
    main()
