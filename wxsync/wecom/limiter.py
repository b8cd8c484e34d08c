"""Keep below WeCom's limits for one member: what is over them it drops without a word. Floor: wecom, pure."""

from __future__ import annotations

from collections import deque

MINUTE_S, PER_MINUTE = 65.0, 20  # WeCom: 30 in 60 s, counted where they arrive, so a slow one may fall into the next
HOUR_S, PER_HOUR = 3600.0, 900  # WeCom: 1,000; the rest is for what was sent before a restart


class MemberLimiter:
    """Remembers for an hour when each member was sent a text; used by the one thread that sends.

    `now` is in seconds that never run backwards.
    """

    def __init__(self) -> None:
        self._sent: dict[str, deque[float]] = {}

    def delay(self, member: str, now: float) -> float:
        """Return how many seconds the member's next text has to wait, 0 for none."""
        sent = self._sent.get(member.casefold(), deque())
        return max(0.0, _wait(sent, now, PER_MINUTE, MINUTE_S), _wait(sent, now, PER_HOUR, HOUR_S))

    def record(self, member: str, now: float) -> None:
        """Note that a text went to the member, or may have."""
        for name, times in list(self._sent.items()):
            if times[-1] <= now - HOUR_S:
                del self._sent[name]
        # userids are compared without case, as WeCom does.
        self._sent.setdefault(member.casefold(), deque(maxlen=PER_HOUR)).append(now)


def _wait(sent: deque[float], now: float, most: int, span_s: float) -> float:
    """Return how long until fewer than `most` texts lie within the span."""
    return sent[-most] + span_s - now if len(sent) >= most else 0.0
