#!/usr/bin/env python3
"""What the ways to read request headers cost in one Envoy: CPU per request beyond that of a filter that does nothing.

`python3 benches/envoy/headers.py --envoy .tools/envoy/envoy --reference …`, as scripts/envoy-bench.sh knows it."""

import argparse
import statistics
import tempfile

import run

WAYS = {
    "nothing": "nothing is read",
    "read all": "the call for all headers",
    "read one": "the call for one header",
    "read four": "the call for one header, four times",
    "read property": "the property `request.headers` of one header",
    "read properties": "the property `request.headers` of four headers",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envoy", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=1)
    options = parser.parse_args()
    direct = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}}}
    ports = dict(zip(WAYS, run.free_ports(len(WAYS))))
    listeners = [
        run.listener(way, ports[way], [direct], [run.wasm(options.reference, way, "ways")]) for way in WAYS
    ]
    taken = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        envoy = run.start(options, folder, "edge", {"static_resources": {"listeners": listeners}}, ports.values(), run.MEASURED)
        try:
            for around in range(options.rounds + 1):
                for way, port in ports.items():
                    cpu, _, _ = run.load(way, envoy.pid, port, run.api_key(500), options.seconds, "grant")
                    # The first round warms up.
                    if around > 0:
                        taken[way].append(cpu)
        finally:
            envoy.terminate()
            envoy.wait()
    print("| way | CPU µs per request | beyond reading nothing |")
    print("| --- | ---: | ---: |")
    for way, what in WAYS.items():
        beyond = statistics.median(own - none for own, none in zip(taken[way], taken["nothing"]))
        print(f"| {what} | {statistics.median(taken[way]):.1f} | {beyond:+.1f} |")


if __name__ == "__main__":
    main()
