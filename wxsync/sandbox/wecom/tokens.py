"""Access tokens of the WeCom stand-in: the same one during its life, voided early on order. Floor: sandbox."""

from __future__ import annotations

from collections.abc import Callable

from wxsync.sandbox.wecom.crypto import random_text

UNKNOWN, EXPIRED = 40014, 42001


class Tokens:
    """One token at a time; the caller holds the lock."""

    def __init__(self, now: Callable[[], float], life_s: float = 7200.0) -> None:
        self.life_s = life_s
        self.issued = 0
        self._now = now
        self._token = ""
        self._ends = 0.0
        self._voided: dict[str, int] = {}

    def get(self) -> tuple[str, int]:
        """Return the token and the whole seconds that it still lives."""
        if not self._token or self._now() >= self._ends:
            if self._token:
                self.void(EXPIRED)
            self._token = random_text(214)
            self._ends = self._now() + self.life_s
            self.issued += 1
        return self._token, max(0, int(self._ends - self._now()))

    def void(self, errcode: int) -> None:
        """End the present token at once; who still uses it gets this errcode."""
        if self._token:
            self._voided = {self._token: errcode}
            self._token = ""

    def fault(self, token: str) -> int:
        """Return 0 for a living token, else the errcode for it."""
        if token and token == self._token:
            return 0 if self._now() < self._ends else EXPIRED
        return self._voided.get(token, UNKNOWN)
