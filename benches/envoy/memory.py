#!/usr/bin/env python3
"""Measures the memory of an Envoy by workers and keys, with the keyring inline: the resident set once every worker has
answered, and the time until the first answer. Started as `python3 benches/envoy/memory.py --envoy … --filter …`."""

import argparse
import base64
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request

import run


def resident(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def status(port, key):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"x-api-key": key})
    try:
        return urllib.request.urlopen(request, timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envoy", required=True)
    parser.add_argument("--filter", required=True)
    parser.add_argument("--keys", type=int, nargs="*", default=[0, 1000, 100_000])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    options = parser.parse_args()
    print("| keys | workers | resident MiB | s until the first answer |")
    print("| ---: | ---: | ---: | ---: |")
    for keys in options.keys:
        run.KEYS = keys
        configuration = {
            "pepper": {"value": "p1:" + base64.b64encode(run.SECRET).decode()},
            "keyring": {"inline": run.keyring()},
        }
        direct = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}}}
        for workers in options.workers:
            [port] = run.free_ports(1)
            filters = [run.wasm(options.filter, json.dumps(configuration), "gracekey")] if keys else []
            bootstrap = {"static_resources": {"listeners": [run.listener("edge", port, [direct], filters)]}}
            with tempfile.TemporaryDirectory() as folder:
                options.concurrency = workers
                begun = time.monotonic()
                envoy = run.start(options, folder, "edge", bootstrap, [port])
                try:
                    expected = {200}
                    found = {status(port, run.api_key(min(500, keys - 1))) for _ in range(8 * workers)}
                    first = time.monotonic() - begun
                    if found != expected:
                        sys.exit(f"answered {found}")
                    print(f"| {keys:,} | {workers} | {resident(envoy.pid):.0f} | {first:.1f} |", flush=True)
                finally:
                    envoy.terminate()
                    envoy.wait()


if __name__ == "__main__":
    main()
