"""Misbehaviour of a stand-in, ordered beforehand: refuse, hang, reset, cut short, once or often. Floor: sandbox."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

MIDWAY = "reset-midway"
MISDEEDS = ("reset", "close", "hang", "truncate", MIDWAY)


@dataclass(frozen=True)
class Fault:
    """What to do instead of answering.

    path: regular expression, searched in the request's raw target. method: "*" for any.
    what: an HTTP status to answer with, or one of MISDEEDS: "reset" (RST), "close" (no answer at all),
    "hang" (never an answer while the fault is in force), "truncate" (half of the real answer's body),
    "reset-midway" (RST when half of the request's body has come; such a request is not kept).
    after: let the request have its effect first, so that only the answer is lost.
    delay_s: wait so long before anything else happens. times: how many requests meet it.
    """

    path: str
    what: int | str
    method: str = "*"
    times: int = 1
    after: bool = False
    delay_s: float = 0.0
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.what, str) and self.what not in MISDEEDS:
            raise ValueError(f"unknown misdeed {self.what!r}: one of {MISDEEDS} or an HTTP status")

    def meets(self, method: str, target: str) -> bool:
        """Tell whether a request is one that this fault waits for."""
        return self.method in ("*", method) and re.search(self.path, target) is not None


class Faults:
    """The faults still in force, oldest first; any thread may call."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._left: list[tuple[Fault, int]] = []
        self._generation = 0

    def add(self, fault: Fault) -> None:
        """Put a fault in force for its next `times` requests."""
        with self._changed:
            self._left.append((fault, fault.times))

    def take(self, method: str, target: str, *, midway: bool = False) -> Fault | None:
        """Use up one turn of the first fault that meets the request; midway: of those that strike within its body."""
        with self._changed:
            for place, (fault, times) in enumerate(self._left):
                if (fault.what == MIDWAY) == midway and fault.meets(method, target):
                    self._left[place : place + 1] = [(fault, times - 1)] if times > 1 else []
                    return fault
        return None

    def clear(self) -> None:
        """Drop all faults; requests that hang lose their connection."""
        with self._changed:
            self._left.clear()
            self._generation += 1
            self._changed.notify_all()

    def hang(self, give_up: Callable[[], bool]) -> None:
        """Block until `clear` is called or give_up says so."""
        with self._changed:
            born = self._generation
            while self._generation == born and not give_up():
                self._changed.wait(0.1)
