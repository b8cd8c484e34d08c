"""Deliver a push to the callback URL as WeCom does: 5 s for an answer with 200, else again, three times more.

Floor: sandbox.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from wxsync.sandbox.wecom import crypto, pushes
from wxsync.sandbox.wecom.crypto import Identity
from wxsync.sandbox.wecom.pushes import Envelope, Push


@dataclass(frozen=True)
class Attempt:
    """One request to the callback URL; status is None when no answer came, error says why."""

    status: int | None
    body: bytes
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Delivery:
    """All attempts for one push."""

    push: Push
    attempts: tuple[Attempt, ...]

    @property
    def is_accepted(self) -> bool:
        """Tell whether the last attempt was answered with 200."""
        return bool(self.attempts) and self.attempts[-1].status == 200


class Courier:
    """Carries callbacks; several threads may deliver at once.

    answer_within_s, repeats, pause_s: how long WeCom waits, how often it repeats, and how long it rests between.
    fresh_ciphertext: whether a repeat is encrypted anew (the vendor does not say which).
    """

    def __init__(
        self, identity: Identity, *, now: Callable[[], float], answer_within_s: float = 5.0, repeats: int = 3,
        pause_s: float = 1.0, fresh_ciphertext: bool = True,
    ) -> None:
        self.callback_url = ""
        self._identity = identity
        self._now = now
        self._answer_within_s = answer_within_s
        self._repeats = repeats
        self._pause_s = pause_s
        self._fresh_ciphertext = fresh_ciphertext
        self._ended = threading.Event()

    def verify(self, plain: str) -> Attempt:
        """Send the URL verification once, as the admin console does; the answer must be the plain text."""
        return self._request("GET", pushes.echo(self._identity, plain, self._now()))

    def deliver(self, push: Push) -> Delivery:
        """Send a push until it is answered with 200 or all repeats are used up."""
        encrypted = crypto.encrypt(self._identity, push.xml)
        attempts: list[Attempt] = []
        for turn in range(1 + self._repeats):
            if turn and self._ended.wait(self._pause_s):
                break
            if turn and self._fresh_ciphertext:
                encrypted = crypto.encrypt(self._identity, push.xml)
            attempts.append(self._request("POST", pushes.seal(self._identity, encrypted, self._now())))
            if attempts[-1].status == 200:
                break
        return Delivery(push, tuple(attempts))

    def close(self) -> None:
        """Repeat nothing any more."""
        self._ended.set()

    def _request(self, method: str, envelope: Envelope) -> Attempt:
        url = urlsplit(self.callback_url)
        began = time.monotonic()
        if not url.hostname:
            return Attempt(None, b"", 0.0, "no callback URL is set")
        connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=self._answer_within_s)
        try:
            connection.request(method, f"{url.path or '/'}?{envelope.query}", body=envelope.body or None,
                               headers={"Content-Type": "text/xml", "User-Agent": "Mozilla/4.0"})
            answer = connection.getresponse()
            body = answer.read(1 << 16)
        except (OSError, http.client.HTTPException) as cause:
            return Attempt(None, b"", time.monotonic() - began, repr(cause))
        finally:
            connection.close()
        return Attempt(answer.status, body, time.monotonic() - began)
