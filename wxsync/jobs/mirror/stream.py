"""Read a blob from its source to the end, hashed on the way, over as many connections as break. Floor: jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from wxsync.errors import RemoteFault
from wxsync.jobs.mirror.failure import SourceBroke
from wxsync.jobs.mirror.patience import Patience
from wxsync.jobs.mirror.tally import Tally
from wxsync.remote.registry.faults import Kind, RegistryFault
from wxsync.remote.registry.manifest import Descriptor
from wxsync.remote.registry.repository import Blob, Repository

MARK_EVERY = 16 << 20  # bytes; at most so many are read again when the destination has to be served anew


class Stream:
    """The bytes of one blob, from the first or from where the destination is; used by one thread.

    It can be iterated again, from another offset, as a request body that failed must be sent again: the hash goes on
    from the last mark before it.
    """

    def __init__(
        self,
        source: Repository,
        blob: Descriptor,
        *,
        patience: Patience,
        tally: Tally,
        buffer: memoryview,
        deadline: float,
    ) -> None:
        self._source = source
        self._blob = blob
        self._patience = patience
        self._tally = tally
        self._buffer = buffer
        self._deadline = deadline
        self._algorithm = blob.digest.partition(":")[0]
        self._hash = hashlib.new(self._algorithm)
        self._marks = [(0, self._hash.copy())]
        self._position = 0
        self._offset = 0
        self.length = blob.size  # bytes that the next iteration yields

    @property
    def is_sound(self) -> bool:
        """Tell whether all bytes have been read and are what the digest says."""
        return self._position == self._blob.size and self._hash.hexdigest() == self._blob.digest.partition(":")[2]

    def seek(self, offset: int) -> None:
        """Have the next iteration begin at this byte."""
        self._offset = offset
        self.length = self._blob.size - offset
        if self._position != offset:
            self._marks = [mark for mark in self._marks if mark[0] <= offset]
            self._position, marked = self._marks[-1]
            self._hash = marked.copy()

    def __iter__(self) -> Iterator[memoryview]:
        """Yield the bytes from the offset on; the buffer is used again for the next piece. Raises SourceBroke."""
        while self._position < self._blob.size:
            try:
                yield from self._read_on()
            except RemoteFault as fault:
                try:
                    self._patience.wait_out(fault)
                except RemoteFault:
                    raise SourceBroke(fault) from fault

    def _read_on(self) -> Iterator[memoryview]:
        """Yield what one more answer of the source brings."""
        blob = self._source.blob(self._blob.digest, start=self._position, deadline=self._deadline)
        body = blob.body
        try:
            self._check_length(blob)
            over = self._position - blob.start  # a source that knows no ranges begins at 0
            while self._position < self._blob.size:
                count = body.readinto(self._buffer)
                if not count:
                    raise self._wrong(f"{self._position} bytes instead of {self._blob.size}")
                piece = self._buffer[:count]
                self._tally.at(self._blob.digest, self._position, count)
                skipped = min(over, count)
                over -= skipped
                yield from self._taken(piece[skipped:])
            if body.readinto(self._buffer):
                raise self._wrong(f"more than {self._blob.size} bytes")
        finally:
            body.close()

    def _taken(self, piece: memoryview) -> Iterator[memoryview]:
        if not piece:
            return
        if self._position + len(piece) > self._blob.size:
            raise self._wrong(f"more than {self._blob.size} bytes")
        start = self._position
        self._hash.update(piece)
        self._position += len(piece)
        self._patience.progressed()
        if self._position - self._marks[-1][0] >= MARK_EVERY:
            self._marks.append((self._position, self._hash.copy()))
        if self._position > self._offset:
            yield piece[max(0, self._offset - start) :]

    def _check_length(self, blob: Blob) -> None:
        announced = blob.body.length
        if announced is not None and blob.start + announced != self._blob.size:
            raise self._wrong(f"{blob.start + announced} bytes instead of {self._blob.size}")

    def _wrong(self, what: str) -> RegistryFault:
        return RegistryFault(Kind.DIGEST_MISMATCH, what, where=self._source.where("GET", self._blob.digest))
