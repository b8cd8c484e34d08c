"""Store one file under a key while it comes in: by one PUT, or in parts by several workers. Floor: jobs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from wxsync.jobs.upload.asking import Asker
from wxsync.jobs.upload.buffers import Buffers
from wxsync.jobs.upload.crew import Askers, Crew
from wxsync.jobs.upload.intake import Filled, Intake, Source
from wxsync.jobs.upload.traces import Trace, Traces, abort
from wxsync.remote.qingstor.bucket import Bucket, Part
from wxsync.remote.qingstor.calls import Call
from wxsync.remote.qingstor.faults import Kind, QingStorFault

T = TypeVar("T")


@dataclass(frozen=True)
class Order:
    """What to store where. name: as which browsers save it."""

    source: Source
    key: str
    content_type: str
    name: str
    on_upload_id: Callable[[str], None]
    on_progress: Callable[[int], None]


@dataclass(frozen=True)
class Transferred:
    """A file that is stored: its size in bytes and its sha256 in hex."""

    size: int
    sha256: str


class Storing:
    """One file's way into the bucket; traces tells at any time what an end here would leave. Used by one thread."""

    def __init__(
        self, bucket: Bucket, asker: Asker, askers: Askers, order: Order, *, workers: int, part_size: int,
        stop: threading.Event,
    ) -> None:
        """asker: of the calling thread; askers: make one for each worker."""
        self.traces = Traces(order.key)
        self._bucket = bucket
        self._asker = asker
        self._askers = askers
        self._order = order
        self._workers = workers
        self._stop = stop
        self._halt = threading.Event()
        stops = (stop, self._halt)
        self._buffers = Buffers(workers, *stops)
        self._intake = Intake(
            order.source, self._buffers, least=part_size, on_progress=order.on_progress, stops=stops)

    def run(self) -> Transferred:
        """Store the file and check that as many bytes lie there. Raises the source's errors, QingStorFault, Stopped."""
        parts = self._intake.parts()
        first = next(parts)
        if first.is_whole:
            self._put(first)
        else:
            self._multipart(first, parts)
        stored = self._asker.ask(self._bucket.size(self._order.key))
        if stored != self._intake.size:
            raise QingStorFault(Kind.CORRUPT, f"{stored} bytes are stored, {self._intake.size} were sent",
                                where=f"QingStor {self._order.key}")
        return Transferred(self._intake.size, self._intake.sha256)

    def _put(self, only: Filled) -> None:
        order, md5 = self._order, hashlib.md5(only.view).digest()  # noqa: S324 - the service's choice
        self._ask(Trace.OBJECT, self._bucket.put(
            order.key, only.view, md5=md5, content_type=order.content_type, name=order.name))

    def _multipart(self, first: Filled, others: Iterator[Filled]) -> None:
        upload_id = self._begin()

        def send_part(asker: Asker, part: Filled, md5: bytes) -> Part:
            return asker.ask(self._bucket.put_part(self._order.key, upload_id, part.number, part.view, md5=md5))

        with Crew(self._workers, self._askers, send_part, self._buffers, self._halt) as crew:
            crew.send(first)
            for part in others:
                crew.send(part)
            parts = crew.finish(self._stop)
        self._complete(upload_id, parts)

    def _begin(self) -> str:
        """Return the id of the one open upload; one that a lost answer left behind is dropped at once."""
        order = self._order
        call = self._bucket.initiate(order.key, content_type=order.content_type, name=order.name)
        upload_id, is_doubtful = self._ask(Trace.UPLOAD, call)
        self.traces.upload_id = upload_id
        order.on_upload_id(upload_id)
        if is_doubtful:
            for other in self._asker.ask(self._bucket.open_uploads(order.key)):
                if other != upload_id:
                    abort(self._bucket, self._asker, order.key, other)
        self.traces.maybe.discard(Trace.UPLOAD)
        return upload_id

    def _complete(self, upload_id: str, parts: list[Part]) -> None:
        """Join the parts. When an earlier try did it and only its answer was lost, the look at the size decides."""
        try:
            self._ask(Trace.OBJECT, self._bucket.complete(self._order.key, upload_id, parts))
        except QingStorFault as fault:
            if fault.kind is not Kind.UPLOAD_MISSING or Trace.OBJECT not in self.traces.maybe:
                raise
        self.traces.upload_id = ""

    def _ask(self, trace: Trace, call: Call[T]) -> tuple[T, bool]:
        """Ask for what leaves a trace, none when it is refused for sure; tell too whether an earlier try may have."""
        doubts: list[QingStorFault] = []
        self.traces.maybe.add(trace)
        try:
            return self._asker.ask(call, doubts=doubts), bool(doubts)
        except QingStorFault:
            if not doubts:
                self.traces.maybe.discard(trace)
            raise
