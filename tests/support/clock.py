"""A clock whose time moves only when a test, or a wait, moves it."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone


class FakeClock:
    """auto: a wait moves time on and returns at once; else it blocks until `advance` has moved time far enough."""

    def __init__(self, now: datetime | None = None, *, auto: bool = True, utc_offset_h: float = 8.0) -> None:
        self._now = now or datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
        self._elapsed = 0.0
        self._auto = auto
        self._zone = timezone(timedelta(hours=utc_offset_h))
        self._moved = threading.Condition()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(self._zone)

    def advance(self, seconds: float) -> None:
        with self._moved:
            self._elapsed += seconds
            self._now += timedelta(seconds=seconds)
            self._moved.notify_all()

    def set(self, now: datetime) -> None:
        """Set the wall clock, as an operator or NTP does; the monotonic one goes on."""
        self._now = now

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if self._auto:
            if not event.is_set():
                self.advance(max(0.0, timeout_s))
            return event.is_set()
        end = self._elapsed + max(0.0, timeout_s)
        with self._moved:
            while self._elapsed < end and not event.is_set():
                self._moved.wait(0.02)
        return event.is_set()
