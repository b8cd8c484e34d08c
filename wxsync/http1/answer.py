"""Write the head of an answer of our own. Floor: http1, pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

REASONS = {
    100: "Continue", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 303: "See Other",
    304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict", 411: "Length Required",
    413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 417: "Expectation Failed",
    421: "Misdirected Request", 422: "Unprocessable Content", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
    507: "Insufficient Storage",
}  # fmt: skip
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(instant: datetime) -> str:
    """Return an instant in UTC in the form of RFC 9110 5.6.7; strftime would follow the locale."""
    return (
        f"{DAYS[instant.weekday()]}, {instant.day:02} {MONTHS[instant.month - 1]} {instant.year:04} "
        f"{instant.hour:02}:{instant.minute:02}:{instant.second:02} GMT"
    )


def answer_head(status: int, fields: Iterable[tuple[str, str]]) -> bytes:
    """Return status line and fields. A field with a line end is a fault of the caller: ValueError."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, '')}", *(f"{name}: {value}" for name, value in fields)]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a header field holds a line end")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def connection_field(*, keeps: bool, minor: int) -> tuple[tuple[str, str], ...]:
    """Return the Connection field that a client of HTTP/1.minor needs to see; none where the default of 9.3 holds."""
    if not keeps:
        return (("Connection", "close"),)
    return () if minor else (("Connection", "keep-alive"),)


def plain_text(status: int) -> bytes:
    """Return the short body of an answer made here: the reason phrase, nothing that tells about the inside."""
    return f"{status} {REASONS.get(status, '')}\n".encode("ascii")
