"""Measures the server: forward auth beside a bare handler, and the feed with many keys. See README.md."""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import time
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")


class Stage:
    """The process that is measured: a server and a bare axum handler, each on a port of its own."""

    def __init__(self, binary, keys):
        self.keys = keys
        self.process = subprocess.Popen([binary, str(keys)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)

    def cpu(self):
        """Seconds of CPU that the process has used."""
        with open(f"/proc/{self.about['process']}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident(self):
        """Bytes of memory."""
        with open(f"/proc/{self.about['process']}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def request(self, method, path, headers=(), body=None):
        request = urllib.request.Request(f"http://{self.about['gracekey']}{path}", method=method)
        request.add_header("authorization", f"Bearer {self.about['admin']}")
        for name, value in headers:
            request.add_header(name, value)
        if body is not None:
            request.add_header("content-type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=120) as answer:
            return dict((name.lower(), value) for name, value in answer.headers.items()), answer.read()

    def metric(self, name):
        text = self.request("GET", "/metrics")[1].decode()
        found = re.search(rf"^gracekey_{name} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def change(self, number):
        """One change, as an operator makes it."""
        self.request("POST", "/v2/clients", body={"client_id": f"new-{number}-{time.time_ns()}"})


# Forward auth


def load(stage, address, seconds, connections):
    """Requests per second, and microseconds of the process's CPU for each."""
    headers = {
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Uri": "/v1/logs?limit=5",
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Host": "api.example.com",
        "X-Forwarded-Proto": "https",
        "User-Agent": "curl/8.5.0",
        "Accept": "*/*",
        "Authorization": f"Bearer {stage.about['caller']}",
    }
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    before = stage.cpu()
    output = subprocess.run(command + [f"http://{address}/verify"], capture_output=True, text=True, check=True).stdout
    used = stage.cpu() - before
    assert "Non-2xx" not in output, output
    requests = int(re.search(r"(\d+) requests in", output)[1])
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]), used * 1e6 / requests


def forward_auth(stage, rounds, seconds, connections):
    rates = {"bare": [], "gracekey": []}
    costs = {"bare": [], "gracekey": []}
    for at in range(rounds + 1):
        for name in ("bare", "gracekey") if at % 2 else ("gracekey", "bare"):
            rate, cost = load(stage, stage.about[name], seconds, connections)
            if at > 0:  # the first warms up
                rates[name].append(rate)
                costs[name].append(cost)
    median = statistics.median
    print(f"\n{stage.keys:,} keys, {connections} connections, {rounds} rounds of {seconds} s each, medians:\n")
    print("| | requests per second | CPU µs per request |\n| --- | ---: | ---: |")
    for name, words in (("bare", "a bare axum handler"), ("gracekey", "/verify, granted")):
        print(f"| {words} | {median(rates[name]):,.0f} | {median(costs[name]):.1f} |")
    ratios = [own / bare for own, bare in zip(rates["gracekey"], rates["bare"])]
    print(f"\n/verify reaches {median(ratios):.0%} of the bare handler's rate (rounds: {min(ratios):.0%} to {max(ratios):.0%}).")


# The feed


async def poll(stage, tag, wait, packed, name="bench"):
    """One poll on a connection of its own: when the answer began and ended, its tag and its size."""
    host, port = stage.about["gracekey"].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
    head = f"GET /v2/keyring HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {stage.about['admin']}\r\n"
    head += f"x-gracekey-verifier: {name}\r\nconnection: close\r\nprefer: wait={wait}\r\n"
    head += f"if-none-match: {tag}\r\n" if tag else ""
    head += "accept-encoding: gzip\r\n" if packed else ""
    writer.write((head + "\r\n").encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    began = time.monotonic()
    size = 0
    while piece := await reader.read(1 << 20):
        size += len(piece)
    ended = time.monotonic()
    writer.close()
    found = re.search(rb"etag: (.+?)\r\n", answer)
    return int(answer.split(b" ", 2)[1]), began, ended, found[1].decode() if found else None, size


async def changes(stage, number, pollers, packed):
    """Some changes, each seen by all pollers before the next."""
    _, _, _, tag, size = await poll(stage, None, 60, packed)
    renders, transfers = stage.metric("feed_renders_total"), stage.metric("feed_transfers_total")
    firsts, lasts, cpus = [], [], []
    for at in range(number):
        waiting = [asyncio.create_task(poll(stage, tag, 60, packed, f"bench-{at}")) for at in range(pollers)]
        while stage.metric("feed_pollers") < pollers:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        before, start = stage.cpu(), time.monotonic()
        await asyncio.to_thread(stage.change, at)
        replies = await asyncio.gather(*waiting)
        cpus.append(stage.cpu() - before)
        assert {reply[0] for reply in replies} == {200} and len({reply[3] for reply in replies}) == 1
        firsts.append(min(reply[1] for reply in replies) - start)
        lasts.append(max(reply[2] for reply in replies) - start)
        tag, size = replies[0][3], replies[0][4]
    renders = (stage.metric("feed_renders_total") - renders) / number
    transfers = (stage.metric("feed_transfers_total") - transfers) / number / pollers
    median = statistics.median
    form = "gzip" if packed else "plain"
    print(
        f"| {form} | {pollers} | {median(firsts) * 1000:.0f} | {median(lasts) * 1000:.0f} | {renders:.2f} | {transfers:.2f} "
        f"| {median(cpus):.2f} | {size:,} | {size / stage.keys:.1f} |"
    )


async def idle(stage, pollers, seconds):
    """CPU of the process while so many wait, each beginning anew when its time is over."""
    tag = (await poll(stage, None, 60, True))[3]
    answers = 0

    async def wait(at):
        nonlocal answers
        await asyncio.sleep(at / pollers * 10)
        while True:
            status = (await poll(stage, tag, 60, True, f"idle-{at}"))[0]
            assert status == 304, status
            answers += 1

    before = stage.cpu()
    await asyncio.sleep(5)
    alone = (stage.cpu() - before) / 5
    tasks = [asyncio.create_task(wait(at)) for at in range(pollers)]
    while stage.metric("feed_pollers") < pollers:
        await asyncio.sleep(0.2)
    before, answers, start = stage.cpu(), 0, time.monotonic()
    await asyncio.sleep(seconds)
    spent = time.monotonic() - start
    share = (stage.cpu() - before) / spent
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(
        f"\n{pollers:,} idle long-polls over {spent:.0f} s, in which {answers:,} were answered and begun anew: "
        f"{share:.2%} of a core; the server with none: {alone:.2%}."
    )


def feed(stage, number, pollers, seconds):
    print(f"\nThe feed with {stage.keys:,} keys, {number} changes for each row, medians. Times are from the moment that a change")
    print("is asked for over HTTP.\n")
    print("| encoding | pollers | first byte ms | last byte of the last poller ms | renders per change | transfers per poller and change | CPU s per change | bytes | bytes per key |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for packed in (False, True):
        for count in (1, pollers):
            asyncio.run(changes(stage, number, count, packed))
    asyncio.run(idle(stage, 1000, seconds))
    print(f"\nMemory of the process at the end: {stage.resident() / 1e6:.0f} MB.")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", required=True, help="the built example `stage`")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of each round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--changes", type=int, default=5)
    parser.add_argument("--pollers", type=int, default=20)
    parser.add_argument("--idle", type=int, default=60, help="seconds of idle polling")
    parser.add_argument("--only", choices=["verify", "feed"])
    options = parser.parse_args()
    stage = Stage(options.stage, options.keys)
    try:
        if options.only != "feed":
            forward_auth(stage, options.rounds, options.seconds, options.connections)
        if options.only != "verify":
            feed(stage, options.changes, options.pollers, options.idle)
    finally:
        stage.end()


main()
