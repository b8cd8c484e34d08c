"""Bring the stored texts to their members, in order for each, until each is delivered or given up. Floor: jobs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from wxsync.clock import Clock
from wxsync.log.logger import logger
from wxsync.store.records import OutboxText
from wxsync.store.store import Store
from wxsync.wecom.client import CoolingDown, Delivered, Delivery, GivenUp, Later
from wxsync.wecom.limiter import MemberLimiter

LOG = logger("jobs.outbox")
IDLE_S = 5.0
KEPT_FOR = timedelta(days=3)  # what could not be delivered for so long has lost its worth


class Sends(Protocol):
    """What sends one text: wecom.client."""

    def send_text(self, member: str, text: str, *, attempt: int = 0, duplicate_check: bool = True) -> Delivery:
        """Send and return what became of it."""


class Outbox:
    """Runs in its own thread. A text that went out just before a crash is sent again; WeCom drops the repetition."""

    def __init__(self, store: Store, clock: Clock, client: Sends) -> None:
        self._store = store
        self._clock = clock
        self._client = client
        self._limiter = MemberLimiter()
        # What became of texts, until the store knows it: a store that takes nothing must not repeat the sending.
        self._outcomes: dict[int, Delivery] = {}

    def turn(self) -> float:
        """Send every text that is due; return the seconds until the next one. Raises StoreFault."""
        waiting: dict[str, float] = {}  # members whose next text must wait: the later ones wait behind it
        for text in self._store.outbox():
            now = self._clock.now()
            if text.id in self._outcomes:
                self._settle(text, self._outcomes[text.id], waiting)
                continue
            if text.member in waiting:
                continue
            if now - text.created_at > KEPT_FOR:
                self._give_up(text, now, f"{KEPT_FOR.days} 天内未能送达")
                continue
            wait_s = max(
                (text.due_at - now).total_seconds(), self._limiter.delay(text.member, self._clock.monotonic())
            )
            if wait_s > 0:
                waiting[text.member] = wait_s
                continue
            outcome = self._client.send_text(text.member, text.text, attempt=text.attempts)
            if isinstance(outcome, CoolingDown):
                return min(IDLE_S, outcome.after_s)
            self._limiter.record(text.member, self._clock.monotonic())  # a text whose fate is unknown may count too
            self._outcomes[text.id] = outcome
            self._settle(text, outcome, waiting)
        return min([IDLE_S, *waiting.values()])

    def _settle(self, text: OutboxText, outcome: Delivery, waiting: dict[str, float]) -> None:
        now = self._clock.now()
        if isinstance(outcome, GivenUp):
            self._give_up(text, now, outcome.reason)
        elif isinstance(outcome, Delivered):
            note = f"not reached: {','.join(outcome.unreached)}" if outcome.unreached else ""
            self._store.settle(text, now, note)
            LOG.info("text delivered", job=text.job, attempts=text.attempts + 1)
        elif isinstance(outcome, Later):
            self._store.postpone(text, now + timedelta(seconds=outcome.after_s))
            waiting[text.member] = outcome.after_s
            LOG.warning("text waits", job=text.job, why=outcome.reason, again_s=outcome.after_s)
        self._outcomes.pop(text.id, None)

    def _give_up(self, text: OutboxText, now: datetime, reason: str) -> None:
        self._store.settle(text, now, f"given up: {reason}")
        LOG.error("text given up", job=text.job, member=text.member, why=reason)
