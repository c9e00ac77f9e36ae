#!/usr/bin/env python3
"""Serves a keyring of many keys, with entity tags and in pieces (RFC 9110 §14): `feed.py KEYS` prints its port.

The document is written after its description and not with the project's own code, and as text, since a million keys as
Python objects would not fit."""

import http.server
import re
import sys

import run


def document(count):
    """A sealed document, and the names and digests as run.keyring() has them."""
    digests, seals = run.mac(run.SECRET, b"gracekey/1 digest"), run.mac(run.SECRET, b"gracekey/1 seal")
    clients = ",".join(f'{{"client_id":"client-{n:04}","disabled":false,"scopes":[]}}' for n in range(count))
    keys = ",".join(
        f'{{"client_id":"client-{n:04}","credential":"default",'
        f'"digest":"hmac-sha256:p1:{run.mac(digests, run.api_key(n).encode()).hex()}","expires_at":null,"generation":1,'
        f'"key_id":"{n:08}","not_before":null,"retires_at":null,"revoked_at":null,"superseded_at":null}}'
        for n in range(count)
    )
    head = f'{{"clients":[{clients}],"epoch":1,"format":"gracekey/1","issued_at":"2026-11-22T02:00:00Z","keys":[{keys}]'
    seal = run.mac(seals, (head + "}").encode()).hex()
    return f'{head},"seal":"hmac-sha256:p1:{seal}"}}'.encode()


class Feed(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    text = b""

    def do_GET(self):
        if self.headers.get("if-none-match") == '"1"':
            return self.answer(304, b"", {})
        piece = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        if not piece:
            return self.answer(200, self.text, {})
        start, end = int(piece[1]), min(int(piece[2]) + 1, len(self.text))
        self.answer(206, self.text[start:end], {"content-range": f"bytes {start}-{end - 1}/{len(self.text)}"})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {"etag": '"1"', **headers}.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    Feed.text = document(int(sys.argv[1]))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Feed)
    print(server.server_port, len(Feed.text), flush=True)
    server.serve_forever()
