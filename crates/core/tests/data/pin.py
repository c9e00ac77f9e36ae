"""Computes pinned.json with Python's own hmac, hashlib and zlib: python3 pin.py > pinned.json"""

import hashlib
import hmac
import json
import zlib

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def checksum(text):
    crc, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        digits = BASE62[digit] + digits
    return digits


def minted(prefix, entropy):
    """Uniform characters: a byte of 248 or more is passed over."""
    digits = [BASE62[byte % 62] for byte in entropy if byte < 248]
    body = f"{prefix}_{''.join(digits[:8])}_{''.join(digits[8:40])}"
    return body + checksum(body)


def pepper(secret):
    labels = ["gracekey/1 digest", "gracekey/1 seal"]
    return {label: mac(secret, label.encode()) for label in labels}


def canonical(document):
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


secrets = [bytes(range(32)), bytes(range(255, 155, -1)), b"gracekey" * 8]
texts = ["8_bytes!", "xyz789_real_key", "sk_live_3fK9aB2c_" + "0" * 32, "k" * 55, "k" * 56, "k" * 512]
entropies = [bytes(range(96)), bytes(range(255, 159, -1)), bytes([247, 248, 255, 0, 61, 62] * 16)]
prefixes = ["sk_live", "sk_test", "a", "acme_eu_1"]

generation = {
    "client_id": "acme_corp", "credential": "default", "digest": "hmac-sha256:p1:" + "9f" * 32,
    "expires_at": None, "generation": 2, "key_id": "3fK9aB2c", "not_before": "2026-11-22T02:00:00Z",
    "retires_at": None, "revoked_at": None, "superseded_at": None,
}
documents = [
    {"clients": [], "epoch": 0, "format": "gracekey/1", "issued_at": "1970-01-01T00:00:00Z", "keys": []},
    {
        "clients": [
            {"client_id": "acme_corp", "disabled": False, "scopes": ["logs:read", "logs:write"]},
            {"client_id": "beta/1", "disabled": True, "scopes": []},
        ],
        "epoch": 9007199254740991, "format": "gracekey/1", "issued_at": "2026-11-22T02:00:00Z",
        "keys": [
            generation,
            generation | {"key_id": "00000000", "digest": "hmac-sha256:p1:" + "00" * 32, "generation": 1,
                          "superseded_at": "2026-11-22T02:00:00Z", "retires_at": "2026-11-23T02:00:00Z"},
        ],
    },
]

print(json.dumps({
    "peppers": [{
        "secret": secret.hex(),
        "subkeys": {label: subkey.hex() for label, subkey in pepper(secret).items()},
        "digests": [{"key": text, "digest": mac(pepper(secret)["gracekey/1 digest"], text.encode()).hex()} for text in texts],
        "seals": [{
            "document": document,
            "canonical": canonical(document),
            "seal": mac(pepper(secret)["gracekey/1 seal"], canonical(document).encode()).hex(),
        } for document in documents],
    } for secret in secrets],
    "minted": [
        {"prefix": prefix, "entropy": entropy.hex(), "key": minted(prefix, entropy)}
        for prefix in prefixes for entropy in entropies
    ],
    "checksums": [
        {"text": text, "crc32": zlib.crc32(text.encode()), "base62": checksum(text)}
        for text in [f"{prefix}_{part * 8}_{part * 32}" for prefix in prefixes for part in "0Az"]
    ],
}, indent=1))
