"""Choose the upstream of a request: the one with the fewest under way among those that are well. Floor: web."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from wxsync.clock import Clock
from wxsync.web.upstream import Upstream


class Balance:
    """Any thread may call."""

    def __init__(self, upstreams: Sequence[Upstream], clock: Clock) -> None:
        self.upstreams = tuple(upstreams)
        self._clock = clock
        self._turns = itertools.count()

    def choose(self, tried: Collection[Upstream] = ()) -> Upstream | None:
        """Return an upstream that was not tried yet, None when all were.

        When every one rests, the one whose rest ends first is used: a guess is better than a refusal.
        """
        if len(self.upstreams) == 1:
            return None if tried else self.upstreams[0]
        left = [upstream for upstream in self.upstreams if upstream not in tried]
        if not left:
            return None
        turn = next(self._turns) % len(left)
        left = left[turn:] + left[:turn]  # equal ones take turns
        now = self._clock.monotonic()
        for upstream in sorted(left, key=lambda each: each.in_flight):
            if upstream.admits(now):
                return upstream
        return min(left, key=lambda each: each.rests_until)
