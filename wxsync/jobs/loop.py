"""A thread that takes turns: each does what is due and says how long to wait for the next. Floor: jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable

from wxsync.clock import Clock
from wxsync.jobs.heartbeat import Heartbeat
from wxsync.log.logger import logger

LOG = logger("jobs.loop")
AFTER_A_FAULT_S = 1.0


class Loop:
    """One thread of the jobs side. wake and stop may be called by any thread."""

    def __init__(self, name: str, clock: Clock, heartbeat: Heartbeat) -> None:
        self.name = name
        self.heartbeat = heartbeat
        self._clock = clock
        self._woken = threading.Event()
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def start(self, turn: Callable[[], float]) -> None:
        """Begin to take turns; turn returns the seconds after which the next is due at the latest."""
        self._thread = threading.Thread(target=self._run, args=(turn,), name=self.name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have the next turn now, or right after the one under way."""
        self._woken.set()

    def stop(self, timeout_s: float) -> bool:
        """Take no further turn; wait for the one under way, and tell whether it ended in time.

        A turn that is cut off by the end of the process is harmless: each of its steps can be repeated.
        """
        self._is_stopping = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(max(0.0, timeout_s))
        return self._thread is None or not self._thread.is_alive()

    def _run(self, turn: Callable[[], float]) -> None:
        while not self._is_stopping:
            self._woken.clear()
            self.heartbeat.beat()
            try:
                pause_s = turn()
            except Exception:  # the top of a thread: it must go on, whatever one turn met
                LOG.exception("turn broke", thread=self.name)
                pause_s = AFTER_A_FAULT_S
            if not self._is_stopping:
                self._clock.wait(self._woken, pause_s)
