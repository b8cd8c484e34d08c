"""Cut a file into parts while it comes in, and count its sha256. Floor: jobs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from wxsync.errors import RemoteFault
from wxsync.jobs.upload.buffers import Buffers
from wxsync.jobs.upload.sizing import MAX_PARTS, part_size
from wxsync.remote.qingstor.faults import Kind, QingStorFault
from wxsync.remote.stop import check


class Source(Protocol):
    """Where the file comes from. It is read by one thread; whoever opened it closes it."""

    @property
    def name(self) -> str:
        """Return the file's name."""

    @property
    def length(self) -> int | None:
        """Return how many bytes there will be, None when that is not announced."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the buffer with what comes next and return how many bytes, 0 at the sound end; raise when it broke."""


@dataclass(frozen=True)
class Filled:
    """A part that is ready to go: view is what of the buffer counts. is_whole: it is the whole file."""

    number: int
    buffer: bytearray
    view: memoryview
    is_whole: bool = False


class Intake:
    """The one reader of a source; size and sha256 are those of the file when `parts` has ended."""

    def __init__(
        self, source: Source, buffers: Buffers, *, least: int, on_progress: Callable[[int], None],
        stops: tuple[threading.Event, ...],
    ) -> None:
        """least: the smallest part. stops: events of which each ends it between two reads."""
        self.size = 0
        self._source = source
        self._buffers = buffers
        self._least = least
        self._on_progress = on_progress
        self._stops = stops
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Return the digest of what came in so far, in hex."""
        return self._digest.hexdigest()

    def parts(self) -> Iterator[Filled]:
        """Yield the parts in order, at least one; whoever gets a part gives its buffer back.

        Whether the first is the only one is known before it is yielded: by the length, else by reading on by one read.
        Raises what the source raises, RemoteFault when its length is not what it announced, and Stopped.
        """
        number, have, buffer = 0, 0, self._buffer(0)
        while True:
            view = memoryview(buffer)[: self._size(number)]
            have += self._fill(view[have:])
            following, ahead = None, 0
            if number == 0 and have == len(view) and self._source.length is None:
                following = self._buffer(1)
                ahead = self._fill(memoryview(following)[: self._size(1)], at_once=True)
            is_last = have < len(view) or self.size == self._source.length or (following is not None and not ahead)
            if is_last:
                self._check_end(has_ended=have < len(view))
            if have or not number:
                yield Filled(number, buffer, view[:have], is_whole=is_last and not number)
            if is_last:
                return
            number, have = number + 1, ahead
            buffer = following or self._buffer(number)

    def _size(self, number: int) -> int:
        return part_size(number, length=self._source.length, least=self._least)

    def _buffer(self, number: int) -> bytearray:
        if number >= MAX_PARTS:
            raise QingStorFault(Kind.TOO_LARGE, "the file has more parts than QingStor takes", where="upload")
        length = self._source.length
        return self._buffers.take(self._size(number) if length is None else min(self._size(number), max(1, length)))

    def _fill(self, view: memoryview, *, at_once: bool = False) -> int:
        """Read until the view is full or the source has ended (at_once: one read); return how many bytes."""
        count = 0
        while count < len(view):
            for stop in self._stops:
                check(stop, "upload")
            got = self._source.readinto(view[count:])
            if not got:
                break
            count += got
            self.size += got
            self._on_progress(self.size)
            if at_once:
                break
        self._digest.update(view[:count])
        return count

    def _check_end(self, *, has_ended: bool) -> None:
        """A source that ends early, or goes on after its length, would make an object that is not the file."""
        length = self._source.length
        goes_on = not has_ended and length is not None and self._source.readinto(memoryview(bytearray(1))) > 0
        if goes_on or length not in (None, self.size):
            raise RemoteFault("the source has another length than it announced", where=self._source.name,
                              mend="源文件的长度与声明的不符，可能正在被修改，请稍后重新发送")
