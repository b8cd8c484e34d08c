"""Parse the head of an upstream's answer, and write it for the next hop. Floor: http1, pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from wxsync.http1.fields import PLAIN, REMEMBERED, SMALL_BLOCK, Special, nominated, sort_fields, stays, without
from wxsync.http1.grammar import LENGTH, RESPONSE_HEAD, TOKEN
from wxsync.http1.refusal import Refusal

SPECIAL = (
    b"content-length", b"transfer-encoding", b"connection",
    b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"trailer",
)  # fmt: skip
COMMON = (
    b"Accept-Ranges", b"Cache-Control", b"Content-Type", b"Date", b"ETag", b"Expires", b"Last-Modified", b"Location",
    b"Server", b"Set-Cookie", b"Vary",
)  # fmt: skip
KINDS = {
    **{spelling: name for name in SPECIAL for spelling in (name, name.title())},
    **{spelling: PLAIN for name in COMMON for spelling in (name, name.lower())},
}
SPACED_COLON = re.compile(rb"(?<=\r\n)(" + TOKEN + rb")[\t ]+:")
BODILESS = (204, 304)


class ResponseHead(NamedTuple):
    """One answer's head that is sound in itself; only `parse_response` builds it, and nobody changes it."""

    status: int
    lines: bytes  # status line and field lines to send on, without framing and Connection, each with its CRLF
    has_date: bool
    length: int | None
    chunked: bool
    keep_alive: bool
    # The whole head for a client whose connection stays, where nothing about client or request can change it; else b"".
    ready: bytes

    def bodiless(self, method: str) -> bool:
        """Tell whether no body follows, whatever the framing fields say (RFC 9112 6.3 rule 1)."""
        return self.status in BODILESS or method == "HEAD"


def parse_response(data: bytes) -> ResponseHead:
    """Parse a whole head, its empty line included; raises Refusal (502)."""
    return (_known_response if len(data) <= SMALL_BLOCK else _parse)(data)


def _parse(data: bytes) -> ResponseHead:
    match = RESPONSE_HEAD.fullmatch(data)
    if match is None:
        # RFC 9112 5.1: white space before the colon is removed from an answer, not refused as in a request.
        match = RESPONSE_HEAD.fullmatch(SPACED_COLON.sub(rb"\1:", data))
        if match is None:
            raise Refusal(502, "malformed head")
    minor_digit, status_digits, reason, block = match.groups()
    minor = 0 if minor_digit == b"0" else 1
    status = int(status_digits)
    plain, special = sort_fields(block, KINDS)
    length, chunked = _framing(special, minor)
    has_date = any(line[:5].lower() == b"date:" for line in plain)
    status_line = b"HTTP/1.1 " + status_digits + (b"" if reason is None else b" " + reason)
    lines = b"\r\n".join([status_line, *without(plain, nominated(special)), b""])
    ready = b""
    if length is not None and has_date and status >= 200 and status not in BODILESS:
        ready = lines + b"Content-Length: %d\r\n\r\n" % length
    return ResponseHead(status, lines, has_date, length, chunked, stays(special, minor), ready)


_known_response = lru_cache(REMEMBERED)(_parse)


def _framing(special: Special, minor: int) -> tuple[int | None, bool]:
    """RFC 9112 6.3; a gateway says 502 to what cannot be framed without a guess."""
    lengths, codings = special.get(b"content-length"), special.get(b"transfer-encoding")
    if codings is not None:
        if lengths is not None or minor == 0 or b",".join(codings).lower() != b"chunked":
            raise Refusal(502, "unusable Transfer-Encoding")
        return None, True
    if lengths is None:
        return None, False
    if len(lengths) != 1 or not LENGTH.fullmatch(lengths[0]):
        raise Refusal(502, "Content-Length is repeated or invalid")
    return int(lengths[0]), False
