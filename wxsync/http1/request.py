"""Parse a request head strictly into its meaning: target, framing, connection, fields. Floor: http1, pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from wxsync.http1.fields import (
    MAX_FIELD_LINES,
    PLAIN,
    REMEMBERED,
    SMALL_BLOCK,
    Special,
    list_items,
    sort_fields,
    stays,
)
from wxsync.http1.grammar import (
    BARE_LF,
    FIELD_BLOCK,
    FIELD_LINE,
    HOST,
    LENGTH,
    REQUEST_LINE,
    VERSION,
)
from wxsync.http1.refusal import Refusal

SPECIAL = (
    b"host", b"content-length", b"transfer-encoding", b"connection", b"expect",
    b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"trailer", b"proxy-authorization",
    b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip", b"via", b"max-forwards",
)  # fmt: skip
FORGED = b"x_forwarded"
# CGI and WSGI know no difference between these and the fields written with "-", so they never go on.
UNDERSCORED = (b"x_forwarded_for", b"x_forwarded_proto", b"x_forwarded_host", b"x_real_ip")
COMMON = (
    b"Accept", b"Accept-Encoding", b"Accept-Language", b"Authorization", b"Cache-Control", b"Content-Type", b"Cookie",
    b"Origin", b"Pragma", b"Referer", b"User-Agent",
)  # fmt: skip
KINDS = {
    **{spelling: name for name in SPECIAL for spelling in (name, name.title(), name.upper())},
    **dict.fromkeys(UNDERSCORED, FORGED),
    **{spelling: PLAIN for name in COMMON for spelling in (name, name.lower())},
}
ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)([/?].*)?")


class Fields(NamedTuple):
    """What the field lines of a request say; shared by all requests with the same lines, so never changed."""

    plain: list[bytes]  # the lines of no meaning here, raw and in order
    special: Special  # the values of the fields named in SPECIAL
    host: bytes  # b"" for HTTP/1.0 without it
    length: int | None  # the declared length of the body
    chunked: bool
    keep_alive: bool  # the client wishes to use the connection again
    expects_continue: bool

    @property
    def has_body(self) -> bool:
        """Tell whether bytes of a body follow the head."""
        return self.chunked or bool(self.length)


class RequestHead(NamedTuple):
    """One request head that is sound in itself; only `parse_request` builds it."""

    method: str
    target: bytes  # origin-form byte for byte, or "*"; of CONNECT the authority
    path: bytes  # what stands before the first "?"
    query: bytes  # what stands after it
    minor: int  # 0 or 1 of HTTP/1.x
    authority: bytes  # of an absolute-form target, else of Host
    block: bytes  # the field lines as sent, each with its CRLF
    fields: Fields

    @property
    def length(self) -> int | None:
        """The declared length of the body."""
        return self.fields.length

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of all lines of the field, in order; name in lower case."""
        if name in self.fields.special:
            return self.fields.special[name]
        pairs = (line.split(b":", 1) for line in self.fields.plain)
        return [value.strip(b" \t") for key, value in pairs if key.lower() == name]


def parse_request(data: bytes, *, max_line: int, max_fields: int) -> RequestHead:
    """Parse a whole head, its empty line included; raises Refusal. The limits are bytes of line and field section."""
    if len(data) > max_line:
        check_limits(data, max_line=max_line, max_fields=max_fields)
    line, _, block = data[:-2].partition(b"\r\n")
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _line_fault(line)
    method, target, minor_digit = match.groups()
    minor = 0 if minor_digit == b"0" else 1
    fields = (_known_fields if len(block) <= SMALL_BLOCK else parse_fields)(block, minor)
    authority = fields.host
    if not target.startswith(b"/"):
        target, authority = _other_form(method, target, authority)
    path, _, query = target.partition(b"?")
    return RequestHead(method.decode("ascii"), target, path, query, minor, authority, block, fields)


def parse_fields(block: bytes, minor: int) -> Fields:
    """Parse the field lines of a request of HTTP/1.minor; raises Refusal."""
    if not FIELD_BLOCK.fullmatch(block):
        raise _field_fault(block)
    if block.count(b"\r\n") > MAX_FIELD_LINES:
        raise Refusal(431, "too many field lines")
    plain, special = sort_fields(block, KINDS)
    host = _host(special.get(b"host"), minor)
    length, chunked = _framing(special, minor)
    expects = b"expect" in special and _expects_continue(special[b"expect"], minor)
    return Fields(plain, special, host, length, chunked, stays(special, minor), expects)


_known_fields = lru_cache(REMEMBERED)(parse_fields)


def check_limits(data: bytes, *, max_line: int, max_fields: int) -> None:
    """Refuse the bytes of a head, whole or not, that are over a limit or can no longer become one."""
    start = 2 if data.startswith(b"\r\n") else 0
    end = data.find(b"\r\n", start, start + max_line + 2)
    if end < 0:
        if len(data) - start > max_line:
            raise Refusal(414, "request line too long")
    elif len(data) - end - 4 > max_fields:
        raise Refusal(431, "head too large")
    if BARE_LF.search(data):
        raise Refusal(400, "line ends without CR")


def _host(values: list[bytes] | None, minor: int) -> bytes:
    """RFC 9112 3.2: exactly one valid Host for 1.1; a 1.0 client may have none."""
    if values is None:
        if minor:
            raise Refusal(400, "no Host")
        return b""
    if len(values) != 1 or not HOST.fullmatch(values[0]):
        raise Refusal(400, "Host is repeated or invalid")
    return values[0]


def _other_form(method: bytes, target: bytes, authority: bytes) -> tuple[bytes, bytes]:
    """Return (target, authority) of a target that is not in origin-form (RFC 9112 3.2.2 to 3.2.4)."""
    if (target == b"*" and method == b"OPTIONS") or (method == b"CONNECT" and HOST.fullmatch(target)):
        return target, authority
    match = ABSOLUTE.fullmatch(target)
    if match is None or not HOST.fullmatch(match[1]):
        raise Refusal(400, "target has no known form")
    rest: bytes = match[2] or (b"*" if method == b"OPTIONS" else b"/")
    return (b"/" + rest if rest.startswith(b"?") else rest), match[1]


def _framing(special: Special, minor: int) -> tuple[int | None, bool]:
    """RFC 9112 6.3, and nothing that two readers could understand differently."""
    lengths, codings = special.get(b"content-length"), special.get(b"transfer-encoding")
    if codings is not None:
        if lengths is not None:
            raise Refusal(400, "both Content-Length and Transfer-Encoding")
        if minor == 0:
            raise Refusal(400, "Transfer-Encoding in HTTP/1.0")
        coding = b",".join(codings).lower()
        if coding != b"chunked":
            names = list_items([coding])
            unknown = names[-1:] == [b"chunked"] and b"chunked" not in names[:-1]
            raise Refusal(501 if unknown else 400, "Transfer-Encoding is not chunked")
        return None, True
    if lengths is None:
        return None, False
    if len(lengths) != 1 or not LENGTH.fullmatch(lengths[0]):
        raise Refusal(400, "Content-Length is repeated or invalid")
    return int(lengths[0]), False


def _expects_continue(values: list[bytes], minor: int) -> bool:
    if minor == 0:  # RFC 9110 10.1.1: ignored from a 1.0 client
        return False
    if b",".join(values).lower() != b"100-continue":
        raise Refusal(417, "unknown expectation")
    return True


def _line_fault(line: bytes) -> Refusal:
    """Say why a request line is not of the grammar."""
    parts = line.split(b" ")
    version = VERSION.fullmatch(parts[-1])
    if len(parts) == 3 and version is not None and version[1] != b"1":
        return Refusal(505, "HTTP version not supported")
    return Refusal(400, "malformed request line")


def _field_fault(block: bytes) -> Refusal:
    """Say why field lines are not of the grammar."""
    bad = next(line for line in block.split(b"\r\n") if not FIELD_LINE.fullmatch(line))
    if bad[:1] in (b" ", b"\t"):
        return Refusal(400, "folded field line")
    return Refusal(400, "malformed field line" if b":" in bad else "field line without a colon")
