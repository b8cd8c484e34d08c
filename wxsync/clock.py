"""Time, injected: now, monotonic, local time, waiting; so midnight and time-outs can be tested. Floor: ground."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """Where all code that depends on time gets it from."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards, for deadlines."""

    def local(self, instant: datetime) -> datetime:
        """Return the instant in the machine's time zone, aware."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until the event is set or the time is over; tell whether it is set."""


class SystemClock:
    """The machine's own clock and time zone."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return seconds that never run backwards, for deadlines."""
        return time.monotonic()

    def local(self, instant: datetime) -> datetime:
        """Return the instant in the machine's time zone, aware."""
        return instant.astimezone()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until the event is set or the time is over; tell whether it is set."""
        return event.wait(max(0.0, timeout_s))
