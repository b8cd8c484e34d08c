"""What the whole suite needs."""

from __future__ import annotations

import sys
import threading


class _OneAtATime:
    """`sys` for the threading module, whose threads install their trace function one after the other.

    CPython before 3.12 refuses a trace function while another thread installs its own: under coverage, a thread that
    starts at that very moment dies ("Cannot install a trace function while another trace function is being installed").
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> object:
        return getattr(sys, name)

    def settrace(self, function: object) -> None:
        with self._lock:
            sys.settrace(function)  # type: ignore[arg-type]


if sys.version_info < (3, 12):
    threading._sys = _OneAtATime()  # type: ignore[attr-defined]
