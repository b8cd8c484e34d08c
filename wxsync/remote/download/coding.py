"""Take gzip or deflate off a stream, in bounded pieces. Floor: remote, pure."""

from __future__ import annotations

import zlib
from typing import Callable

CODINGS = ("gzip", "x-gzip", "deflate")
BLOCK_BYTES = 64 << 10
HEAD_BYTES = 2  # of zlib's own frame: less of it cannot tell whether a server means the bare stream by deflate
_GZIP, _ZLIB, _RAW = 31, 15, -15  # wbits
_MAGIC = b"\x1f\x8b"


class Undecodable(Exception):
    """The stream is not of its coding, or ends too early."""


class Decoder:
    """Reads coded bytes by `read`, which fills a buffer and returns 0 at the end; gives the decoded ones.

    No more than a buffer is decoded at a time, so that a bomb costs nothing before somebody counts.
    """

    def __init__(self, coding: str, read: Callable[[memoryview], int]) -> None:
        self._read = read
        self._block = memoryview(bytearray(BLOCK_BYTES))
        self._is_gzip = coding != "deflate"
        self._unzip = zlib.decompressobj(_GZIP if self._is_gzip else _ZLIB)
        self._tail = b""  # coded bytes that came and were not decoded yet
        self._is_begun = False

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with decoded bytes; 0 at the sound end. Raises Undecodable, and what `read` raises."""
        while True:
            if self._unzip.eof and not self._begin_member():
                return self._drain()
            if not self._tail and not self._fill(1 if self._is_begun else HEAD_BYTES):
                return self._end(buffer)
            if (count := self._decode(buffer)) > 0:
                return count

    def _decode(self, buffer: memoryview) -> int:
        try:
            data = self._unzip.decompress(self._tail, len(buffer))
        except zlib.error as error:
            if self._is_gzip or self._is_begun:
                raise Undecodable(f"not of its coding: {error}") from error
            self._unzip = zlib.decompressobj(_RAW)  # RFC 9110 8.4.1.2: some servers send it so
            self._is_begun = True
            return self._decode(buffer)
        self._is_begun = True
        self._tail = self._unzip.unconsumed_tail or self._unzip.unused_data
        buffer[: len(data)] = data
        return len(data)

    def _begin_member(self) -> bool:
        """Go on with the next member of a gzip stream (RFC 1952 2.2); what follows and is none is padding."""
        if not (self._is_gzip and self._fill(len(_MAGIC)) and self._tail.startswith(_MAGIC)):
            return False
        self._unzip = zlib.decompressobj(_GZIP)
        return True

    def _fill(self, wanted: int) -> bool:
        """Read until so many bytes wait; tell whether there is at least one."""
        while len(self._tail) < wanted and (count := self._read(self._block)):
            self._tail += bytes(self._block[:count])
        return bool(self._tail)

    def _drain(self) -> int:
        while self._read(self._block):
            pass
        return 0

    def _end(self, buffer: memoryview) -> int:
        """Return what the decoder still holds; the coding's own end must have come, unless nothing came at all."""
        if not self._is_begun:
            return 0
        if (count := self._decode(buffer)) or self._unzip.eof:
            return count
        raise Undecodable("ends before its coding does")
