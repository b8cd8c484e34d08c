"""The threads that send parts, each over a session of its own. Floor: jobs."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from wxsync.jobs.upload.asking import Asker
from wxsync.jobs.upload.buffers import Buffers
from wxsync.jobs.upload.intake import Filled
from wxsync.remote.qingstor.bucket import Part
from wxsync.remote.stop import Stopped, check

Askers = Callable[[threading.Event], AbstractContextManager[Asker]]
SendPart = Callable[[Asker, Filled, bytes], Part]


class Crew:
    """Up to so many workers, started as parts come; a context manager that ends and joins them all.

    The first failure of a worker sets halt, which ends the others; it is raised when the context is left, unless an
    error of the caller's own came before it. Used by one thread.
    """

    def __init__(
        self, workers: int, askers: Askers, send_part: SendPart, buffers: Buffers, halt: threading.Event
    ) -> None:
        """send_part: gets the part and its MD5. halt: set it to end the workers within a second."""
        self._workers = workers
        self._askers = askers
        self._send_part = send_part
        self._buffers = buffers
        self._halt = halt
        self._waiting: queue.SimpleQueue[Filled | None] = queue.SimpleQueue()  # bounded by the buffers
        self._threads: list[threading.Thread] = []
        self._parts: list[Part] = []
        self._failures: list[BaseException] = []

    def __enter__(self) -> Crew:
        return self

    def send(self, part: Filled) -> None:
        """Hand a part over; its buffer is given back when it has arrived."""
        self._waiting.put(part)
        if len(self._threads) < self._workers:
            thread = threading.Thread(target=self._work, name=f"upload-{len(self._threads)}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self, stop: threading.Event) -> list[Part]:
        """Wait until all parts have arrived and return them; stop ends the wait."""
        self._dismiss()
        for thread in self._threads:
            while thread.is_alive():
                thread.join(0.1)
                check(stop, "upload")
        return self._parts

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._halt.set()
        self._dismiss()
        for thread in self._threads:
            thread.join()
        # The caller is told to stop when a worker failed; the failure is what happened.
        if self._failures and (error is None or isinstance(error, Stopped)):
            raise self._failures[0] from None

    def _dismiss(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)

    def _work(self) -> None:
        try:
            with self._askers(self._halt) as asker:
                while (part := self._waiting.get()) is not None:
                    if self._halt.is_set():
                        return
                    md5 = hashlib.md5(part.view).digest()  # noqa: S324 - the service's choice
                    self._parts.append(self._send_part(asker, part, md5))
                    self._buffers.give(part.buffer)
        except Exception as error:  # noqa: BLE001 - the top of a thread; raised again where the crew is left
            self._failures.append(error)
            self._halt.set()
