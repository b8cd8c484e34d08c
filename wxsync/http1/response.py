"""Parse the head of an upstream's answer, and tell how its body is framed. Floor: http1, pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from wxsync.http1.grammar import LENGTH, RESPONSE_HEAD, TOKEN, list_items
from wxsync.http1.refusal import Refusal

SPECIAL = (
    b"content-length", b"transfer-encoding", b"connection",
    b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"trailer",
)  # fmt: skip
PLAIN, DATE = b"", b"date"
COMMON = (
    b"Accept-Ranges", b"Cache-Control", b"Content-Type", b"ETag", b"Expires", b"Last-Modified", b"Location", b"Server",
    b"Set-Cookie", b"Vary",
)  # fmt: skip
KINDS = {
    **{spelling: name for name in (*SPECIAL, DATE) for spelling in (name, name.title())},
    **{spelling: PLAIN for name in COMMON for spelling in (name, name.lower())},
}
SPACED_COLON = re.compile(rb"(?<=\r\n)(" + TOKEN + rb")[\t ]+:")


class ResponseHead(NamedTuple):
    """One answer's head that is sound in itself; only `parse_response` builds it."""

    status: int
    status_text: bytes  # status and reason phrase as sent
    minor: int
    plain: list[bytes]  # the lines to pass on, raw and in order
    special: dict[bytes, list[bytes]]
    has_date: bool
    length: int | None
    chunked: bool
    keep_alive: bool

    def bodiless(self, method: str) -> bool:
        """Tell whether no body follows, whatever the framing fields say (RFC 9112 6.3 rule 1)."""
        return self.status in (204, 304) or method == "HEAD" or self.status < 200


def parse_response(data: bytes) -> ResponseHead:
    """Parse a whole head, its empty line included; raises Refusal (502)."""
    match = RESPONSE_HEAD.fullmatch(data)
    if match is None:
        # RFC 9112 5.1: white space before the colon is removed from an answer, not refused as in a request.
        match = RESPONSE_HEAD.fullmatch(SPACED_COLON.sub(rb"\1:", data))
        if match is None:
            raise Refusal(502, "malformed head")
    minor_digit, status, reason, block = match.groups()
    plain: list[bytes] = []
    special: dict[bytes, list[bytes]] = {}
    has_date = False
    for line in block.split(b"\r\n"):
        name, _, value = line.partition(b":")
        kind = KINDS.get(name)
        if kind is None:
            kind = KINDS.get(name.lower(), PLAIN)
        if kind is PLAIN:
            plain.append(line)
        elif kind is DATE:
            has_date = True
            plain.append(line)
        else:
            special.setdefault(kind, []).append(value.strip(b" \t"))
    plain.pop()  # what follows the last CRLF
    minor = 0 if minor_digit == b"0" else 1
    length, chunked = _framing(special, minor)
    connection = special.get(b"connection")
    return ResponseHead(
        int(status), status if reason is None else status + b" " + reason, minor, plain, special, has_date, length,
        chunked, minor == 1 if connection is None else _stays(connection, minor),
    )  # fmt: skip


def _framing(special: dict[bytes, list[bytes]], minor: int) -> tuple[int | None, bool]:
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


def _stays(connection: list[bytes], minor: int) -> bool:
    options = [option.lower() for option in list_items(connection)]
    return b"close" not in options and (minor == 1 or b"keep-alive" in options)
