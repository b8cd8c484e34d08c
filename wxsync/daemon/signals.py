"""Wait for signals in the main thread, whichever thread the kernel gives them to. Floor: daemon."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress


class Signals:
    """Made, and waited on, by the main thread.

    The kernel may give a signal to any thread (signal(7)), while Python runs its handlers in the main thread only, when
    that moves: one that waits for a lock would sleep on to its time-out. A byte on the wake-up descriptor is written by
    the very thread that got the signal.
    """

    def __init__(self) -> None:
        self._heard, self._told = socket.socketpair()
        self._heard.setblocking(False)
        self._told.setblocking(False)

    def on(self, number: int, act: Callable[[], None]) -> None:
        """Have act called in the main thread when this signal comes."""
        signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        signal.signal(number, lambda *_: act())

    def wait(self, timeout_s: float) -> None:
        """Return after a signal that has come since the last wait, else after the seconds."""
        select.select([self._heard], [], [], timeout_s)
        with suppress(BlockingIOError):
            while self._heard.recv(4096):
                pass
