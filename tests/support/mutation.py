"""The corpus's messages, and damage of the kind that attackers and broken clients do; from a seed, to be replayed."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

PIECES = (
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"\r\n\r\n", b"\r\n ", b"0\r\n\r\n", b"\x80", b"\x7f",
    b"Content-Length: 5\r\n", b"content-length: +5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n", b"%2e%2e/",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.1",
    b"\xc2\xb2", b"ffffffffffffffff", b"-1", b"0x5", b"GET / HTTP/1.1\r\n", b"..", b"http://h/",
    b"Connection: host\r\n",
)  # fmt: skip


def mutated(chance: random.Random, data: bytes, pool: list[bytes]) -> bytes:
    """Return the data with one to three changes; pool gives other pieces to cross it with."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((0, 1, 1, 2, 4, 16)))
        kind = chance.randrange(16) // 3
        if kind == 0:
            data = data[:at] + chance.choice(PIECES) + data[at:]
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1:]
        elif kind == 3:
            data = data[:end] + data[at:end] + data[end:]
        elif kind == 4:
            other = chance.choice(pool)
            cut = chance.randrange(len(other) + 1)
            data = data[:at] + other[cut:cut + 64] + data[at:]
        else:
            lines = data.split(b"\r\n")
            chance.shuffle(lines)
            data = b"\r\n".join(lines)
    return data


def _steps(values: object) -> list[bytes]:
    """The bytes that a case of the corpus sends, its pauses and marks aside."""
    found = []
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, list):
            found += _steps(value)
        elif isinstance(value, dict):
            found.append(base64.b64decode(value["b64"]) if "b64" in value else value["rep"][0].encode() * 50)
        elif isinstance(value, str) and not value.startswith("!"):
            found.append(value.replace("@PROXY@", "h.example").encode("latin-1"))
    return found


CASES = json.loads((Path(__file__).parents[1] / "data" / "proxy.json").read_text(encoding="utf-8"))["cases"]
REQUESTS = [b"".join(_steps(case["send"])) for case in CASES]
ANSWERS = [each for case in CASES for each in _steps(case.get("upstream", [])) if each.startswith(b"HTTP/")]
