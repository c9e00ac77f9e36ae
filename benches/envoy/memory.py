#!/usr/bin/env python3
"""Measures the memory of an Envoy by keys, workers and where the keyring comes from: the resident set once every worker
has answered, its peak, and the time until then; with --rounds also the CPU that a request costs.

`python3 benches/envoy/memory.py --envoy .tools/envoy/envoy --filter .tools/gracekey.wasm`
"""

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import run


def status_line(pid, name):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) / 1024


def status(port, key):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"x-api-key": key})
    try:
        return urllib.request.urlopen(request, timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code


def bootstrap(options, source, keys, port, feed):
    """An Envoy with one listener; the keyring comes from `source`."""
    direct = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}}}
    pepper = {"pepper": {"value": "p1:" + base64.b64encode(run.SECRET).decode()}}
    fetch = {"cluster": "feed", "timeout": "60s", "pieces": True}
    keyring = {
        "inline": lambda: {"inline": run.keyring()},
        "fetch": lambda: {"fetch": fetch},
        "shared": lambda: {"shared": "keyring"},
    }
    filters = []
    if keys:
        own = json.dumps(pepper | {"keyring": keyring[source]()})
        filters = [run.wasm(options.filter, own, "gracekey")]
    clusters = [run.cluster("feed", feed)] if feed else []
    resources = {"listeners": [run.listener("edge", port, [direct], filters)], "clusters": clusters}
    if source != "shared":
        return {"static_resources": resources}
    # One plugin on the main thread fetches for all workers.
    leader = run.wasm(options.filter, json.dumps(pepper | {"keyring": {"fetch": fetch | {"share": "keyring"}}}), "gracekey")
    service = {
        "@type": run.EXT + "wasm.v3.WasmService",
        "singleton": True,
        "config": leader["typed_config"]["config"],
    }
    extension = {"name": "envoy.bootstrap.wasm", "typed_config": service}
    return {"static_resources": resources, "bootstrap_extensions": [extension]}


def cpu(options, pid, port, key, expected):
    """CPU microseconds per request, where that is asked for."""
    if not options.rounds:
        return "-"
    rounds = [run.load("memory", pid, port, key, 1, expected)[0] for _ in range(options.rounds)]
    return f"{statistics.median(rounds):.1f}"


def measure(options, source, keys, workers, feed):
    [port] = run.free_ports(1)
    options.concurrency = workers
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        envoy = run.start(options, folder, "edge", bootstrap(options, source, keys, port, feed), [port])
        try:
            # Each new connection may go to another worker.
            good, unknown, row = run.api_key(keys // 2), run.api_key(keys + 500), 0
            while row < 16 * workers:
                found = status(port, good)
                row = row + 1 if found == 200 else 0
                if found not in (200, 503) or time.monotonic() - begun > 300:
                    sys.exit(f"answered {found}:\n" + open(os.path.join(folder, "edge.log")).read())
                time.sleep(0 if found == 200 else 0.2)
            first = time.monotonic() - begun
            refused = {status(port, run.api_key(keys + n)) for n in range(8)} if keys else {401}
            if refused != {401}:
                sys.exit(f"unknown keys were answered {refused}")
            now, peak = status_line(envoy.pid, "VmRSS"), status_line(envoy.pid, "VmHWM")
            grant, denial = (cpu(options, envoy.pid, port, *one) for one in ((good, "grant"), (unknown, "denial")))
            print(f"| {keys:,} | {source} | {workers} | {now:.0f} | {peak:.0f} | {first:.1f} | {grant} | {denial} |", flush=True)
        finally:
            envoy.terminate()
            envoy.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envoy", required=True)
    parser.add_argument("--filter", required=True)
    parser.add_argument("--keys", type=int, nargs="*", default=[0, 1000, 100_000, 1_000_000])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--sources", nargs="*", default=["inline", "fetch", "shared"])
    parser.add_argument("--rounds", type=int, default=0, help="of load, to measure what a request costs, too")
    options = parser.parse_args()
    print("| keys | keyring | workers | resident MiB | peak MiB | s until all answered | µs per grant | µs per denial |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for keys in options.keys:
        run.KEYS = keys
        # A configuration of hundreds of megabytes is none.
        sources = [source for source in options.sources if keys <= 100_000 or source != "inline"] if keys else ["none"]
        feed = None
        if set(sources) & {"fetch", "shared"}:
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "feed.py")
            server = subprocess.Popen([sys.executable, script, str(keys)], stdout=subprocess.PIPE, text=True)
            feed = int(server.stdout.readline().split()[0])
        for source in sources:
            for workers in options.workers:
                measure(options, source, keys, workers, feed)
        if feed:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
