"""The callback route: verify, store once, answer; no request waits for the jobs. Floor: web."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from wxsync.clock import Clock
from wxsync.http1.refusal import Refusal
from wxsync.log.logger import logger
from wxsync.store.database import StoreFault
from wxsync.web.exchange import Exchange
from wxsync.web.routes import Rule
from wxsync.wecom.envelope import Message, is_fresh, read_message, seen_keys, verify_url
from wxsync.wecom.refusal import CallbackRefused

if TYPE_CHECKING:  # an installation that only relays has no pycryptodome
    from wxsync.wecom.crypto import Crypto

LOG = logger("web.callback")

MAX_BODY = 1 << 20
WARNINGS_A_MINUTE = 20


class Inbox(Protocol):
    """Where messages go; called by request threads at the same time."""

    def accept(self, message: Message, seen: tuple[bytes, ...]) -> bool:
        """Store message and keys in one transaction; False when one of the keys is there already.

        Raises StoreFault, and has then stored nothing.
        """


class Callback:
    """Answers WeCom: GET with the decrypted echo, POST with an empty 200 once the message is stored."""

    def __init__(self, crypto: Crypto, inbox: Inbox, clock: Clock, *, agent_id: int) -> None:
        self._crypto = crypto
        self._inbox = inbox
        self._clock = clock
        self._agent_id = agent_id
        self._refusals = _BoundedWarnings(clock)
        self._stale = _BoundedWarnings(clock)

    def rule(self, path: str) -> Rule:
        """Return the rule for the router."""
        return Rule(path.encode("ascii"), ("GET", "POST"), self.answer)

    def answer(self, exchange: Exchange) -> None:
        """Answer either method. Whatever check fails, the answer is the same; only the log tells which it was."""
        try:
            if exchange.method == "GET":
                self._verify(exchange)
            else:
                self._take(exchange)
        except CallbackRefused as refused:
            self._refusals.warn("callback refused", check=refused.check, what=refused.what, peer=exchange.peer)
            raise Refusal(403, "callback refused", closes=False) from refused

    def _verify(self, exchange: Exchange) -> None:
        echo = verify_url(exchange.query, self._crypto)
        LOG.info("callback address verified", peer=exchange.peer)
        exchange.answer(200, echo)

    def _take(self, exchange: Exchange) -> None:
        if exchange.request.length is None:
            raise Refusal(411, "callback without Content-Length")
        body = exchange.body(MAX_BODY)
        envelope = read_message(exchange.query, body, self._crypto, agent_id=self._agent_id)
        message = envelope.message
        if is_fresh(message, self._clock.now()):
            self._store(message, seen_keys(message, envelope.encrypted))
        else:
            # A wrong clock looks exactly like a replay; only the two times tell them apart.
            self._stale.warn("stale message dropped", create_time=message.create_time,
                             now=int(self._clock.now().timestamp()), peer=exchange.peer)
        exchange.answer(200)

    def _store(self, message: Message, seen: tuple[bytes, ...]) -> None:
        try:
            is_new = self._inbox.accept(message, seen)
        except StoreFault as fault:
            LOG.error("message not stored", error=str(fault))
            # WeCom repeats the push: the only second chance that this message has.
            raise Refusal(503, "message not stored", closes=False) from fault
        event = "message stored" if is_new else "message seen before"
        LOG.info(event, member=message.from_user, type=message.msg_type, event_name=message.event)


class _BoundedWarnings:
    """Writes so many warnings a minute; those left out are counted and told with the next one. Any thread may call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since = clock.monotonic()
        self._count = 0

    def warn(self, event: str, **fields: object) -> None:
        """Write the warning, or only count it."""
        now = self._clock.monotonic()
        with self._lock:
            left_out = 0
            if now - self._since >= 60:
                left_out = max(0, self._count - WARNINGS_A_MINUTE)
                self._since, self._count = now, 0
            self._count += 1
            is_over = self._count > WARNINGS_A_MINUTE
        if is_over:
            return
        if left_out:
            fields["left_out"] = left_out
        LOG.warning(event, **fields)
