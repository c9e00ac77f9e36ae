#!/usr/bin/env python3
"""Where the time goes until a filter answers, by the timestamps of Envoy's own log: V8 compiles the module once for the
process; then each worker makes a VM out of that and configures the plugin in it.

`python3 benches/envoy/start.py --envoy .tools/envoy/envoy --filter .tools/gracekey.wasm --reference …`, as
scripts/envoy-bench.sh knows it."""

import argparse
import base64
import datetime
import json
import os
import re
import statistics
import subprocess
import tempfile
import time

import run

LINE = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})\]\[(\d+)\].*\[wasm\] \[[^]]*\] (.*)")


def start(envoy, filters):
    """The milliseconds that a start took: compiling, a worker's VM, and configuring the plugin in it."""
    [port] = run.free_ports(1)
    direct = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    bootstrap = {"static_resources": {"listeners": [run.listener("edge", port, [direct], filters)]}}
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "edge.json"), "w") as file:
            json.dump(bootstrap, file)
        path = os.path.join(folder, "log")
        command = [envoy, "-c", file.name, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        with open(path, "w") as log:
            process = subprocess.Popen(command + ["--component-log-level", "wasm:trace"], stderr=log)
        steps, main = [], str(process.pid)
        try:
            for _ in range(300):
                time.sleep(0.1)
                with open(path) as log:
                    found = [LINE.match(line) for line in log]
                steps = [(datetime.datetime.fromisoformat(one[1]), one[2], one[3]) for one in found if one]
                # The one worker is the other thread.
                if any(thread != main and "proxy_on_configure return" in text for _, thread, text in steps):
                    break
        finally:
            process.terminate()
            process.wait()
    at = lambda what, own: next(moment for moment, thread, text in steps if own(thread) and what in text)
    on_main, on_worker = (lambda thread: thread == main), (lambda thread: thread != main)
    millis = lambda begin, end: (end - begin).total_seconds() * 1000
    return (
        millis(at("Base Wasm created", on_main), at("_initialize return", on_main)),
        millis(at("Thread-Local Wasm created", on_worker), at("[host->vm] proxy_on_configure", on_worker)),
        millis(at("[host->vm] proxy_on_configure", on_worker), at("proxy_on_configure return", on_worker)),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envoy", required=True)
    parser.add_argument("--filter", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    ours = {
        "pepper": {"value": "p1:" + base64.b64encode(run.SECRET).decode()},
        "keyring": {"inline": run.keyring()},
    }
    variants = {
        "wasm, nothing": [run.wasm(options.reference, "nothing", "nothing")],
        f"gracekey, {run.KEYS:,} inline keys": [run.wasm(options.filter, json.dumps(ours), "gracekey")],
    }
    print("| filter | compiled by V8, once, ms | a worker's VM, ms | configured, ms |")
    print("| --- | ---: | ---: | ---: |")
    rounds = {name: [] for name in variants}
    for _ in range(options.rounds):
        for name, filters in variants.items():
            rounds[name].append(start(options.envoy, filters))
    for name, taken in rounds.items():
        columns = [statistics.median(column) for column in zip(*taken)]
        print(f"| {name} | " + " | ".join(f"{value:.0f}" for value in columns) + " |")


if __name__ == "__main__":
    main()
