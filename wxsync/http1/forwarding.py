"""Write a request's head for the next hop: hop-by-hop fields out, Via and X-Forwarded-* in. Floor: http1, pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from wxsync.http1.fields import REMEMBERED, SMALL_BLOCK, Special, list_items, nominated, without
from wxsync.http1.request import Fields, RequestHead, parse_fields

HOPS = re.compile(rb"[0-9]{1,9}")
# "." or "..", plain or encoded, also between encoded slashes and before path parameters (some servers read "..;" so).
DOT_PAIR = re.compile(rb"(?:\.|%2[eE]){2}")
SEPARATORS = re.compile(rb"/|%2[fF]|\\|%5[cC]")


def leaves_prefix(rest: bytes) -> bool:
    """Tell whether a path's dot segments lead above its beginning, read as the most lenient upstream reads them."""
    if not DOT_PAIR.search(rest):
        return False
    depth = 0
    for segment in SEPARATORS.split(rest):
        name = segment.partition(b";")[0].lower().replace(b"%2e", b".")
        if name == b"..":
            depth -= 1
            if depth < 0:
                return True
        elif name not in (b"", b"."):
            depth += 1
    return False


class Hop(NamedTuple):
    """Where a request came from, and what it is told about that."""

    peer: bytes  # the address of the client or of the proxy before us
    is_trusted: bool  # its forwarding fields are kept and added to; of any other peer they are replaced
    via: bytes  # our own name


def forwarded_fields(head: RequestHead, hop: Hop) -> bytes:
    """Return what follows Host in the head for the next hop: field lines, framing, the empty line."""
    if len(head.block) > SMALL_BLOCK or b"max-forwards" in head.fields.special:
        return _forwarded(head.fields, head.method, head.minor, head.authority, hop)
    return _known_forwarded(head.block, head.minor, head.authority, hop)


@lru_cache(REMEMBERED)
def _known_forwarded(block: bytes, minor: int, authority: bytes, hop: Hop) -> bytes:
    return _forwarded(parse_fields(block, minor), "", minor, authority, hop)


def _forwarded(fields: Fields, method: str, minor: int, authority: bytes, hop: Hop) -> bytes:
    names = nominated(fields.special)
    # Host and the framing are made anew for each hop, so naming them changes nothing.
    special = {name: values for name, values in fields.special.items() if name not in names}
    via_items = [*list_items(special.get(b"via", ())), (b"1.1 " if minor else b"1.0 ") + hop.via]
    return b"\r\n".join([
        *without(fields.plain, names),
        *(b"Max-Forwards: " + value for value in _hops(method, special.get(b"max-forwards", []))),
        *_forwarding(special, authority, hop),
        b"Via: " + b", ".join(via_items),
        *_framing(fields),
        b"", b"",
    ])


def _forwarding(special: Special, authority: bytes, hop: Hop) -> list[bytes]:
    if not hop.is_trusted:
        lines = [b"X-Forwarded-For: " + hop.peer, b"X-Forwarded-Proto: http"]
        return [*lines, b"X-Forwarded-Host: " + authority] if authority else lines
    hosts = (authority,) if authority else ()
    chain = [*list_items(special.get(b"x-forwarded-for", ())), hop.peer]
    return [
        *(b"X-Real-IP: " + value for value in special.get(b"x-real-ip", ())),
        b"X-Forwarded-For: " + b", ".join(chain),
        *(b"X-Forwarded-Proto: " + value for value in special.get(b"x-forwarded-proto", (b"http",))),
        *(b"X-Forwarded-Host: " + value for value in special.get(b"x-forwarded-host", hosts)),
    ]


def _framing(fields: Fields) -> list[bytes]:
    if fields.chunked:
        return [b"Transfer-Encoding: chunked"]
    return [] if fields.length is None else [b"Content-Length: %d" % fields.length]


def hops_left(head: RequestHead) -> int | None:
    """Return Max-Forwards of an OPTIONS request, None when it has none that counts (RFC 9110 7.6.2)."""
    values = head.fields.special.get(b"max-forwards", ())
    if head.method != "OPTIONS" or len(values) != 1 or not HOPS.fullmatch(values[0]):
        return None
    return int(values[0])


def _hops(method: str, values: list[bytes]) -> list[bytes]:
    if method == "OPTIONS" and len(values) == 1 and HOPS.fullmatch(values[0]):
        return [b"%d" % max(0, int(values[0]) - 1)]
    return values
