"""How a stand-in takes in request bodies: whole, or hashed and dropped; as fast as they come, or slowly.

Floor: sandbox.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import cached_property
from io import BufferedIOBase

MAX_BODY = 64 << 20
PIECE = 1 << 20
SLOW_PIECE = 64 << 10
SMALL = 1 << 20  # the list of 10,000 parts that completes an upload fits


@dataclass(frozen=True)
class Body:
    """A body that came in. content is empty when it was dropped; then digest is its MD5."""

    content: bytes
    size: int
    digest: bytes | None = None

    @cached_property
    def md5(self) -> bytes:
        """The MD5 of all of it."""
        return hashlib.md5(self.content).digest() if self.digest is None else self.digest  # noqa: S324

    def dropped(self) -> Body:
        """Return what is left to know when the content is not to be kept."""
        return Body(b"", self.size, self.md5)


class Pace:
    """How much came over one connection since when, so that it can be held to a rate."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._count = 0

    def slow_down(self, count: int, rate: float) -> None:
        """Wait until so many more bytes are due at this rate (bytes a second); time spent idle earns nothing."""
        now = time.monotonic()
        due = self._started + self._count / rate
        if due < now - 0.05:
            self._started, self._count, due = now, 0, now
        self._count += count
        time.sleep(max(0.0, self._started + self._count / rate - now))


class Bodies:
    """The rules of one server; a test may change them at any time.

    keeps: False hashes and drops what is larger than 1 MiB. rate: bytes a second over each connection.
    max_bytes: of one body.
    """

    def __init__(self) -> None:
        self.max_bytes = MAX_BODY
        self.keeps = True
        self.rate: float | None = None

    def read(self, stream: BufferedIOBase, length: int, pace: Pace) -> Body:
        """Return a body of exactly this length; ConnectionError when the client ends before."""
        digest = hashlib.md5()  # noqa: S324  # the services' choice
        keeps = self.keeps or length <= SMALL
        content = bytearray(length if keeps else 0)
        piece = memoryview(bytearray(0 if keeps else PIECE))
        done = 0
        while done < length:
            step = min(length - done, SLOW_PIECE if self.rate else PIECE)
            target = memoryview(content)[done : done + step] if keeps else piece[:step]
            got = stream.readinto(target)
            if not got:
                raise ConnectionError("the client ended in the middle of a body")
            if not keeps:
                digest.update(target[:got])
            done += got
            if self.rate:
                pace.slow_down(got, self.rate)
        return Body(bytes(content), length) if keeps else Body(b"", length, digest.digest())
