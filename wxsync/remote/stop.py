"""End a call to a remote service from outside: waits in slices, since a socket's wait hears no event. Floor: remote."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from wxsync.clock import Clock
from wxsync.errors import WxsyncError

SLICE_S = 0.5


class Stopped(WxsyncError):
    """The call was ended by its stop, wherever it was; no fault of the remote service."""


def check(stop: threading.Event | None, where: str) -> None:
    """Raise Stopped once stop is set."""
    if stop is not None and stop.is_set():
        raise Stopped("stopped", where=where)


def slices(clock: Clock, deadline: float, stop: threading.Event | None, where: str) -> Iterator[float]:
    """Yield how many seconds to wait next, at least once and until the deadline; raise Stopped once stop is set."""
    left = 1.0
    while left > 0:
        check(stop, where)
        left = deadline - clock.monotonic()
        yield min(max(left, 0.0), SLICE_S)
