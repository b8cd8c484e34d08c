"""Write the head of a request and parse that of its answer. Floor: remote, pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wxsync.errors import Bug
from wxsync.http1.fields import list_items
from wxsync.http1.grammar import LENGTH, TEXT, TOKEN
from wxsync.http1.refusal import Refusal
from wxsync.remote.exchange import Request
from wxsync.remote.url import Url

MAX_HEAD_BYTES = 64 << 10  # of an answer, all 1xx before it too
MAX_FIELD_LINES = 100  # of one head

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: " + TEXT + rb")?")
_NAME = re.compile(TOKEN)
_TEXT = re.compile(TEXT)
_TOKEN = re.compile(TOKEN.decode(), re.ASCII)
_SENDABLE = re.compile(r"[\t\x20-\x7e]*", re.ASCII)
_WITH_LENGTH = ("POST", "PUT", "PATCH")  # RFC 9110 8.6: these say 0 when they have no body
_OURS = {"host", "connection", "content-length", "transfer-encoding", "expect", "te", "trailer", "upgrade"}


class StatusLine(NamedTuple):
    """Status and the number behind `HTTP/1.`; only `parse_status_line` builds it."""

    code: int
    minor: int


@dataclass(frozen=True)
class Head:
    """An answer's head; only `parse_head` builds it. length: as announced, None when it was not."""

    status: int
    headers: tuple[tuple[str, str], ...]
    length: int | None
    is_chunked: bool
    is_kept: bool  # the peer will take another request on this connection

    def bodiless(self, method: str) -> bool:
        """Tell whether no body follows, whatever the fields say (RFC 9112 6.3)."""
        return method == "HEAD" or self.status in (204, 304) or self.status < 200


def request_head(request: Request, url: Url, *, user_agent: str, length: int | None, keeps: bool) -> bytes:
    """Return request line and fields with the empty line; length is the body's, None when there is none.

    Raises Bug, which shows no value, for a field that is repeated, cannot be sent, or is for this module to set.
    """
    given = {name.lower(): value for name, value in request.headers}
    bad = [name for name, value in request.headers
           if name.lower() in _OURS or not (_TOKEN.fullmatch(name) and _SENDABLE.fullmatch(value))]
    if bad or len(given) != len(request.headers) or not _TOKEN.fullmatch(request.method):
        raise Bug("a request field is repeated or cannot be sent", where=", ".join(bad) or request.method)
    fields = [("Host", url.authority)]
    fields += [(name, value) for name, value in (("User-Agent", user_agent), ("Accept-Encoding", "identity"))
               if name.lower() not in given]
    fields += request.headers
    if length is not None or request.method in _WITH_LENGTH:
        fields.append(("Content-Length", str(length or 0)))
    if not keeps:
        fields.append(("Connection", "close"))
    lines = [f"{request.method} {url.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("ascii")


def parse_status_line(line: bytes) -> StatusLine:
    """Parse an answer's first line, without its end; raise Refusal (502) when this is no HTTP/1 answer."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Refusal(502, "no HTTP/1 answer")
    return StatusLine(int(match[2]), int(match[1]))


def parse_head(status: StatusLine, lines: Sequence[bytes]) -> Head:
    """Parse the field lines, each without its end; raise Refusal (502) when they are unsound.

    Values come as latin-1 text. A folded value is joined by a space (RFC 9112 5.2).
    """
    fields = _fields(lines)
    options = [each.lower() for each in list_items(_values(fields, b"connection"))]
    is_kept = b"close" not in options and (status.minor > 0 or b"keep-alive" in options)
    length, is_chunked = _framing(fields)
    headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in fields)
    return Head(status.code, headers, length, is_chunked, is_kept)


_Fields = list[tuple[bytes, bytes]]


def _fields(lines: Sequence[bytes]) -> _Fields:
    fields: _Fields = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:
            name, value = fields.pop()
            value += b" " + line.strip(b" \t")
        else:
            name, colon, value = line.partition(b":")
            name = name.rstrip(b" \t")  # RFC 9112 5.1: removed from an answer
            if not colon or not _NAME.fullmatch(name):
                raise Refusal(502, "broken header line")
        if not _TEXT.fullmatch(value):
            raise Refusal(502, "broken header line")
        fields.append((name, value.strip(b" \t")))
    return fields


def _values(fields: _Fields, wanted: bytes) -> list[bytes]:
    return [value for name, value in fields if name.lower() == wanted]


def _framing(fields: _Fields) -> tuple[int | None, bool]:
    """RFC 9112 6.3: one way to read the length or none; the same length twice is taken as one."""
    codings = _values(fields, b"transfer-encoding")
    lengths = {each.strip(b" \t") for value in _values(fields, b"content-length") for each in value.split(b",")}
    if codings and (lengths or [each.lower() for each in codings] != [b"chunked"]):
        raise Refusal(502, "unsound Transfer-Encoding")
    if len(lengths) > 1 or not all(LENGTH.fullmatch(each) for each in lengths):
        raise Refusal(502, "unsound Content-Length")
    return (int(lengths.pop()) if lengths else None), bool(codings)
