"""Rewrite heads on their way through a gateway: hop-by-hop fields out, Host, Via and X-Forwarded-* in.

Floor: http1, pure.
"""

from __future__ import annotations

import re

from wxsync.http1.grammar import list_items
from wxsync.http1.request import RequestHead
from wxsync.http1.response import ResponseHead

HARMLESS_OPTIONS = {b"close", b"keep-alive", b"te", b"upgrade"}  # they name no field that would go on anyway
CHUNKED_LINE = b"Transfer-Encoding: chunked\r\n"
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


def nominated(connection: list[bytes]) -> set[bytes]:
    """Return the lower-case names of the fields that Connection declares to be for one hop (RFC 9110 7.6.1)."""
    return {option.lower() for option in list_items(connection)} - HARMLESS_OPTIONS


def _without(lines: list[bytes], names: set[bytes]) -> list[bytes]:
    return [line for line in lines if line.partition(b":")[0].lower() not in names]


def request_lines(head: RequestHead, *, peer: bytes, trusted: bool, via: bytes) -> bytes:
    """Return the field lines to send on, without Host and framing, each with its CRLF.

    From a trusted peer the forwarding fields are kept and added to; from any other they are replaced by what is seen
    here. via is our own name.
    """
    plain, special = head.plain, head.special
    if b"connection" in special:
        names = nominated(special[b"connection"])
        if names:
            plain = _without(plain, names)
            # Host and the framing are made anew for each hop, so naming them changes nothing.
            special = {name: values for name, values in special.items() if name not in names}
    before = special.get(b"via")
    own_via = (b"1.1 " if head.minor else b"1.0 ") + via
    lines = [
        *plain,
        *_forwarding(special, head.authority, peer, trusted=trusted),
        b"Via: " + (b", ".join([*list_items(before), own_via]) if before else own_via),
        b"",
    ]
    if b"max-forwards" in special:
        lines[-1:-1] = [b"Max-Forwards: " + value for value in _hops(head.method, special[b"max-forwards"])]
    return b"\r\n".join(lines)


def _forwarding(special: dict[bytes, list[bytes]], authority: bytes, peer: bytes, *, trusted: bool) -> list[bytes]:
    if not trusted:
        lines = [b"X-Forwarded-For: " + peer, b"X-Forwarded-Proto: http"]
        return [*lines, b"X-Forwarded-Host: " + authority] if authority else lines
    hosts = (authority,) if authority else ()
    chain = [*list_items(special.get(b"x-forwarded-for", ())), peer]
    return [
        *(b"X-Real-IP: " + value for value in special.get(b"x-real-ip", ())),
        b"X-Forwarded-For: " + b", ".join(chain),
        *(b"X-Forwarded-Proto: " + value for value in special.get(b"x-forwarded-proto", (b"http",))),
        *(b"X-Forwarded-Host: " + value for value in special.get(b"x-forwarded-host", hosts)),
    ]


def hops_left(head: RequestHead) -> int | None:
    """Return Max-Forwards of an OPTIONS request, None when it has none that counts (RFC 9110 7.6.2)."""
    values = head.special.get(b"max-forwards", ())
    if head.method != "OPTIONS" or len(values) != 1 or not re.fullmatch(rb"[0-9]{1,9}", values[0]):
        return None
    return int(values[0])


def _hops(method: str, values: list[bytes]) -> list[bytes]:
    if method == "OPTIONS" and len(values) == 1 and re.fullmatch(rb"[0-9]{1,9}", values[0]):
        return [b"%d" % max(0, int(values[0]) - 1)]
    return values


def framing_line(head: RequestHead) -> bytes:
    """Return the line that frames the body on the next hop, with its CRLF; none for no body."""
    if head.chunked:
        return CHUNKED_LINE
    return b"" if head.length is None else b"Content-Length: %d\r\n" % head.length


def response_lines(head: ResponseHead) -> bytes:
    """Return status line and field lines to send back, without framing and Connection, each with its CRLF."""
    plain = head.plain
    if b"connection" in head.special:
        names = nominated(head.special[b"connection"])
        if names:
            plain = _without(plain, names)
    return b"\r\n".join([b"HTTP/1.1 " + head.status_text, *plain, b""])
