"""Take a body out of the bytes that carry it: by length, in chunks, or until the end. Floor: http1, pure.

Each decoder is fed blocks as they come and gives back what of them is body; nothing is reserved by a declared size.
"""

from __future__ import annotations

from typing import Protocol

from wxsync.http1.grammar import CHUNK_SIZE, FIELD_LINE
from wxsync.http1.refusal import Refusal

MAX_CHUNK_LINE = 1024
MAX_TRAILERS = 8192


class Decoder(Protocol):
    """done: the end was seen, and rest holds the bytes after it; feed must not be called any more."""

    done: bool
    rest: bytes

    def feed(self, data: bytes) -> bytes:
        """Return the part of the body that these bytes bring, perhaps none; raises Refusal (400)."""


class LengthDecoder:
    """A body of so many bytes."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = not length
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return what of these bytes belongs to the body."""
        if len(data) < self._left:
            self._left -= len(data)
            return data
        self.done, self.rest = True, data[self._left:]
        return data[:self._left] if self.rest else data


class CloseDecoder:
    """A body that ends with the connection; who reads the connection knows when."""

    def __init__(self) -> None:
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return these bytes."""
        return data


class ChunkedDecoder:
    """A chunked body (RFC 9112 7.1); extensions and trailers are checked and dropped."""

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._pending = b""  # the beginning of a line, at most MAX_CHUNK_LINE bytes
        self._left = 0  # bytes of the chunk still to come
        self._after_data = False  # the CRLF behind a chunk's data is due
        self._trailers = -1  # bytes of trailers so far; -1 before the last chunk

    def feed(self, data: bytes) -> bytes:
        """Return the data of the chunks in these bytes."""
        if self._pending:
            data, self._pending = self._pending + data, b""
        out: list[bytes] = []
        at = 0
        while at < len(data) and not self.done:
            if self._left:
                piece = data[at:at + self._left]
                out.append(piece)
                at += len(piece)
                self._left -= len(piece)
                self._after_data = not self._left
                continue
            end = data.find(b"\r\n", at, at + MAX_CHUNK_LINE)
            if end < 0:
                self._keep(data[at:])
                break
            self._line(data[at:end])
            at = end + 2
        if self.done:
            self.rest = data[at:]
        return out[0] if len(out) == 1 else b"".join(out)

    def _keep(self, part: bytes) -> None:
        """Hold back the beginning of a line, unless it can no longer become one."""
        if len(part) >= MAX_CHUNK_LINE or (self._after_data and part != b"\r"):
            raise Refusal(400, "malformed chunk")
        self._pending = part

    def _line(self, line: bytes) -> None:
        if self._after_data:
            if line:
                raise Refusal(400, "chunk longer than its size")
            self._after_data = False
        elif self._trailers >= 0:
            self._trailer(line)
        else:
            match = CHUNK_SIZE.fullmatch(line)
            if match is None:
                raise Refusal(400, "malformed chunk size")
            self._left = int(match[1], 16)
            if not self._left:
                self._trailers = 0

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.done = True
            return
        self._trailers += len(line)
        if self._trailers > MAX_TRAILERS or not FIELD_LINE.fullmatch(line):
            raise Refusal(400, "malformed trailers")


def chunk(data: bytes) -> bytes:
    """Return the data as one chunk; of no data the last chunk, which ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
