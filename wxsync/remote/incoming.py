"""The body of an answer, read piece by piece as its head says it is framed. Floor: remote."""

from __future__ import annotations

import re
from typing import Callable, Protocol

from wxsync.errors import Bug
from wxsync.http1.grammar import CHUNK_SIZE, FIELD_LINE
from wxsync.remote.head import MAX_HEAD_BYTES, Head
from wxsync.remote.wire import Wire

_SIZE = re.compile(CHUNK_SIZE.pattern + rb"[\t ]*")  # some servers pad the number with spaces


class Body(Protocol):
    """Reads one way of framing. is_over: nothing is left to read, known without waiting."""

    is_over: bool

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next; 0 at the sound end."""


class Answer:
    """Implements `remote.exchange.Incoming`.

    release is called once, with whether the connection can carry another exchange.
    """

    def __init__(self, head: Head, body: Body, release: Callable[[bool], None]) -> None:
        self.status = head.status
        self.headers = head.headers
        self.length = head.length
        self._body = body
        self._release: Callable[[bool], None] | None = release

    def header(self, name: str) -> str | None:
        """Return the first value of the field, the name compared without case, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next and return how many bytes, 0 at the body's sound end."""
        if self._body.is_over:
            self.close()
            return 0
        if self._release is None or not buffer:
            raise Bug("an answer is read after its close, or into no buffer")
        return self._body.readinto(buffer) or self.readinto(buffer)

    def close(self) -> None:
        """Let go; the connection is used again only when the body was read to its end."""
        if self._release is not None:
            release, self._release = self._release, None
            release(self._body.is_over)


def body_of(head: Head, method: str, wire: Wire) -> Body:
    """Return what reads the body that follows this head (RFC 9112 6.3)."""
    if head.bodiless(method):
        return MeasuredBody(wire, 0)
    if head.is_chunked:
        return ChunkedBody(wire)
    return ClosedBody(wire) if head.length is None else MeasuredBody(wire, head.length)


class MeasuredBody:
    """A body of so many bytes."""

    def __init__(self, wire: Wire, length: int) -> None:
        self.is_over = not length
        self._wire = wire
        self._left = length

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next; 0 at the sound end."""
        count = self._wire.readinto(buffer[: self._left])
        if not count:
            raise self._wire.ended()
        self._left -= count
        self.is_over = not self._left
        return count


class ClosedBody:
    """A body that ends with the connection."""

    def __init__(self, wire: Wire) -> None:
        self.is_over = False
        self._wire = wire

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next; 0 at the sound end."""
        count = self._wire.readinto(buffer)
        self.is_over = not count
        return count


class ChunkedBody:
    """A chunked body (RFC 9112 7.1); extensions and trailers are checked and dropped.

    The lines may take as much as what they carry, and a head's worth beside it.
    """

    def __init__(self, wire: Wire) -> None:
        self.is_over = False
        self._wire = wire
        self._left = 0
        self._is_after_data = False  # the empty line behind a chunk's data is due
        wire.allowance = MAX_HEAD_BYTES

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next; 0 at the sound end."""
        if not self._left:
            with self._wire.as_one_wait():
                self._next_chunk()
            if self.is_over:
                return 0
        count = self._wire.readinto(buffer[: self._left])
        if not count:
            raise self._wire.ended()
        self._left -= count
        self._wire.allowance += count
        return count

    def _next_chunk(self) -> None:
        if self._is_after_data and self._wire.line():
            raise self._wire.unsound("chunk longer than its size")
        self._is_after_data = True
        match = _SIZE.fullmatch(self._wire.line())
        if match is None:
            raise self._wire.unsound("malformed chunk size")
        self._left = int(match[1], 16)
        if not self._left:
            self._read_trailers()
            self.is_over = True

    def _read_trailers(self) -> None:
        while line := self._wire.line():
            if not FIELD_LINE.fullmatch(line):
                raise self._wire.unsound("malformed trailers")
