"""Show on stderr how far jobs are: bars that are drawn again on a terminal, else a line for each change. Floor: cli."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TextIO

from wxsync.clock import Clock
from wxsync.commands import shown
from wxsync.commands.shown import Told

RATE_AFTER_S = 1.0


class Screen:
    """Used by one thread; call `clear` before anything else is printed."""

    def __init__(self, out: TextIO, clock: Clock) -> None:
        self._out = out
        self._clock = clock
        self.is_terminal = out.isatty()
        self._drawn = 0
        self._told: dict[int, str] = {}
        self._began: dict[tuple[int, int], tuple[float, int]] = {}  # when an item was first seen to move, and how far

    def show(self, jobs: Sequence[Told]) -> None:
        """Tell how far these open jobs are."""
        if self.is_terminal:
            columns = shutil.get_terminal_size().columns - 1
            self.clear()
            lines = [line for job in jobs for line in shown.course(job, self._rates(job), columns)]
            self._out.write("".join(f"{line}\n" for line in lines))
            self._drawn = len(lines)
        else:
            for job in jobs:
                (line, *_) = shown.course(job, [], 1000)
                if self._told.get(job["id"]) != line:
                    self._told[job["id"]] = line
                    self._out.write(f"{line}\n")
        self._out.flush()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self.clear()
        self._out.write(f"{line}\n")
        self._out.flush()

    def clear(self) -> None:
        """Take away what was drawn."""
        if self._drawn:
            self._out.write(f"\x1b[{self._drawn}A\x1b[J")  # ECMA-48: cursor up, erase below
            self._out.flush()
            self._drawn = 0

    def _rates(self, job: Told) -> list[float | None]:
        return [self._rate(job["id"], place, amount["done"]) for place, amount in enumerate(job["progress"])]

    def _rate(self, job: int, place: int, done: int) -> float | None:
        if not done:
            return None
        now = self._clock.monotonic()
        since, before = self._began.setdefault((job, place), (now, done))
        return max(0, done - before) / (now - since) if now - since >= RATE_AFTER_S else None
