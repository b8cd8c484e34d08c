"""Worker threads, made when there is use for them and kept for the next request. Floor: web.

Few threads and a queue are fairer than many threads: with every one runnable, the interpreter's lock picks at random
and the unlucky wait for a second. So beyond a few, threads are added only while requests wait although the processor
has time to spare: then the others are blocked on an upstream or a client, and more of them do help.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from typing import Callable

from wxsync.clock import Clock
from wxsync.log import logger
from wxsync.web.connection import Connection

LOG = logger("web.workers")

FEW = 32
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
        self._tokens: queue.SimpleQueue[bool] = queue.SimpleQueue()  # one for each connection waiting; False: end
        self._lock = threading.Lock()  # guards the two counts
        self._alive = 0
        self._idle = 0
        self._measured = (0.0, 0.0)  # when, and the process's processor time then
        self.is_busy = self._waiting.__len__  # how many wait for a thread; asked after every answer

    def put(self, connection: Connection) -> None:
        """Have the connection served as soon as a thread is free."""
        connection.queued_at = self._clock.monotonic()
        self._waiting.append(connection)
        self._tokens.put(True)
        if not self._idle and self._alive < min(FEW, self._threads):
            self._start_one()

    def tick(self, now: float) -> None:
        """Add threads when requests wait without need."""
        measured_at, used_before = self._measured
        elapsed = now - measured_at
        if elapsed < TICK_S:
            return
        used = time.process_time()
        self._measured = (now, used)
        if self._waiting and not self._idle and used - used_before < BUSY_SHARE * elapsed < BUSY_SHARE:
            for _ in range(1 + self._alive // 2):
                if self._alive < self._threads:
                    self._start_one()

    def take_stale(self, before: float) -> Connection | None:
        """Take back the connection that has waited since before that time, if there is one."""
        try:
            if self._waiting[0].queued_at >= before:
                return None
            self._tokens.get_nowait()
        except (IndexError, queue.Empty):
            return None
        return self._waiting.popleft()

    def end(self) -> None:
        """Let every thread end after what it is serving."""
        with self._lock:
            alive = self._alive
        for _ in range(alive):
            self._tokens.put(False)

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
        while self._next_token():
            self._serve(self._waiting.popleft())
        with self._lock:
            self._alive -= 1

    def _next_token(self) -> bool:
        try:
            return self._tokens.get_nowait()
        except queue.Empty:
            pass
        with self._lock:
            self._idle += 1
        try:
            while True:
                try:
                    return self._tokens.get(timeout=IDLE_S)
                except queue.Empty:
                    if self._alive > FEW:
                        return False
        finally:
            with self._lock:
                self._idle -= 1
