"""Worker threads, made when there is use for them and kept for the next request. Floor: web.

While there is a thread for each busy connection it stays with it, which is fastest. With more connections than that,
few threads and a queue are fairer and cheaper: with many runnable, the interpreter's lock picks at random, and the
unlucky wait for a second. So beyond a few, threads serve only while requests wait although the processor has time to
spare: then the others are blocked on an upstream or a client, and more of them do help.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from typing import Callable

from wxsync.clock import Clock
from wxsync.log.logger import logger
from wxsync.web.connection import Connection

LOG = logger("web.workers")

FEW = 32  # threads that may stay with their connections, while they are enough for all
FEWER = 16  # threads that serve a longer queue
TICK_S = 0.01
IDLE_S = 10.0  # a thread beyond the few ends after so long without work
BUSY_SHARE = 0.7  # of one processor: above it more threads would only wait for the interpreter


class Workers:
    """put is called by any thread, tick and take_stale by the lobby's."""

    def __init__(self, serve: Callable[[Connection], None], threads: int, clock: Clock) -> None:
        self._serve = serve
        self._threads = threads
        self._clock = clock
        self._waiting: deque[Connection] = deque()
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()  # each wakes one idle thread, perhaps for nothing
        self._lock = threading.Lock()  # guards the two counts
        self._alive = 0
        self._idle = 0
        self._ended = False
        self._allowed = FEWER  # threads that may serve a queue, by what the processor has to spare
        self._measured = (clock.monotonic(), time.process_time())  # when, and the process's processor time then
        self.is_busy = self._waiting.__len__  # how many wait for a thread; asked after every answer

    def put(self, connection: Connection) -> None:
        """Have the connection served as soon as a thread is free."""
        connection.queued_at = self._clock.monotonic()
        self._waiting.append(connection)
        if self._has_place():
            self._call_one()

    @property
    def ticked_at(self) -> float:
        """When `tick` was called last, or these workers were made."""
        return self._measured[0]

    def tick(self, now: float) -> None:
        """Add threads when requests wait without need."""
        measured_at, used_before = self._measured
        elapsed = now - measured_at
        if elapsed < TICK_S:
            return
        used = time.process_time()
        self._measured = (now, used)
        if not self._waiting:
            return
        if used - used_before < BUSY_SHARE * elapsed < BUSY_SHARE:
            more = 1 + self._allowed // 2
            self._allowed = min(self._threads, self._allowed + more)
            for _ in range(more):
                self._call_one()
        elif self._allowed > FEWER:
            self._allowed -= 1

    def _has_place(self) -> bool:
        """Tell whether one more thread may serve."""
        allowed = max(FEW, self._allowed) if len(self._waiting) <= FEWER else self._allowed
        return self._alive - self._idle < min(allowed, self._threads)

    def _call_one(self) -> None:
        if self._idle:
            self._calls.put(None)
        elif self._alive < self._threads:
            self._start_one()

    def take_stale(self, before: float) -> Connection | None:
        """Take back the connection that has waited since before that time, if there is one."""
        try:
            return self._waiting.popleft() if self._waiting[0].queued_at < before else None
        except IndexError:  # a worker has taken the last one
            return None

    def end(self) -> None:
        """Let every thread end after what it is serving."""
        self._ended = True
        with self._lock:
            alive = self._alive
        for _ in range(alive):
            self._calls.put(None)

    def _start_one(self) -> None:
        with self._lock:
            self._alive += 1
        try:
            threading.Thread(target=self._run, name="web-worker", daemon=True).start()
        except RuntimeError as error:  # the system has no thread to give: go on with those there are
            LOG.error("no thread to be had", error=str(error))
            with self._lock:
                self._alive -= 1

    def _run(self) -> None:
        while (connection := self._next()) is not None:
            self._serve(connection)
        with self._lock:
            self._alive -= 1

    def _next(self) -> Connection | None:
        """Return what waits, at once while there is something; None when the thread shall end."""
        with self._lock:
            self._idle += 1  # from here on `put` calls; what was put before is found by looking again
        try:
            while not self._ended:
                if self._has_place():
                    with contextlib.suppress(IndexError):
                        return self._waiting.popleft()
                try:
                    self._calls.get(timeout=IDLE_S)
                except queue.Empty:
                    if self._alive > FEW:
                        return None
            return None
        finally:
            with self._lock:
                self._idle -= 1
