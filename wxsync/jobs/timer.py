"""The timer thread: midnight on time, old records forgotten, the store proven writable. Floor: jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from wxsync.clock import Clock
from wxsync.jobs.rollover import Rollover
from wxsync.log.logger import logger
from wxsync.store.database import StoreFault
from wxsync.store.store import Store

LOG = logger("jobs.timer")
TICK_S = 10.0
TIDY_EVERY_S = 3600.0
ALIVE = "alive"  # the store's key for the last tick: writing it proves that the store can be written


class Timer:
    """Sleeps at most ten seconds at a time, so that a changed clock or time zone is noticed."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        rollover: Rollover,
        *,
        history_days: float,
        on_rollover: Callable[[], None],
        on_tick: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._rollover = rollover
        self._history_days = history_days
        self._on_rollover = on_rollover
        self._on_tick = on_tick
        self._tidied: float | None = None
        self.is_store_writable = True

    def turn(self) -> float:
        """Look once at everything that is due; return the seconds until the next look."""
        self._tick(self._clock.now())
        return min(TICK_S, self._rollover.wait_s())

    def _tick(self, now: datetime) -> None:
        try:
            self._store.remember(ALIVE, now.isoformat())
            if self._tidied is None or self._clock.monotonic() - self._tidied >= TIDY_EVERY_S:
                self._store.tidy(now, history_days=self._history_days)
                self._tidied = self._clock.monotonic()
            if self._rollover.is_due:
                self._on_rollover()
            self._on_tick()
            self.is_store_writable = True
        except StoreFault as fault:
            self.is_store_writable = False
            LOG.error("store cannot be written", why=str(fault))
