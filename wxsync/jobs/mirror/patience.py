"""How often and how long one call to a registry is tried again. Floor: jobs."""

from __future__ import annotations

import random
import threading

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.log.logger import logger
from wxsync.remote.stop import check

LOG = logger("jobs.mirror")
TRIES = 4  # beyond the first, without progress between them
BACKOFF_S = (0.1, 0.5, 2.0, 4.0)
LONGEST_WAIT_S = 300.0  # a registry that asks for more gets no other try: the member learns it and may come back


class Patience:
    """Counts the tries of one call, or of one blob; used by one thread."""

    def __init__(self, clock: Clock, stop: threading.Event, deadline: float) -> None:
        self._clock = clock
        self._stop = stop
        self._deadline = deadline
        self._tries = 0

    def progressed(self) -> None:
        """Begin to count anew: the last try brought something."""
        self._tries = 0

    def wait_out(self, fault: RemoteFault) -> None:
        """Wait until another try is worth it; raise the fault when none is, Stopped when there is no more need."""
        pause_s = fault.retry_after_s
        if pause_s is None:
            pause_s = BACKOFF_S[min(self._tries, len(BACKOFF_S) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 no secret
        is_hopeless = not fault.temporary or self._tries >= TRIES or pause_s > LONGEST_WAIT_S
        if is_hopeless or self._clock.monotonic() + pause_s > self._deadline:
            raise fault
        self._tries += 1
        LOG.info("registry call again", why=str(fault), tries=self._tries, again_s=round(pause_s, 2))
        self._clock.wait(self._stop, pause_s)
        check(self._stop, fault.where)
