"""Send a request's body on while it comes, with an eye on the upstream, which may answer before it is whole.

Floor: web.
"""

from __future__ import annotations

import select

from wxsync.clock import Clock
from wxsync.http1.bodies import chunk
from wxsync.http1.refusal import Refusal
from wxsync.web.connection import ClientGone
from wxsync.web.exchange import Exchange
from wxsync.web.limits import BLOCK
from wxsync.web.link import Link
from wxsync.web.reply import Reply

ERRORS = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Duplex:
    """One body on its way: at most one block is held, and neither side is read while the other does not take it."""

    def __init__(
        self, exchange: Exchange, link: Link, reply: Reply, clock: Clock, *, max_body: int, answer_timeout_s: float
    ) -> None:
        self._exchange = exchange
        self._link = link
        self._reply = reply
        self._clock = clock
        self._max_body = max_body
        self._answer_timeout_s = answer_timeout_s
        self._client = exchange.connection
        self._pending = b""
        self._progress_at = 0.0

    def run(self) -> bool:
        """Send the rest of the body; tell whether all was sent (False: the upstream answered whole, or hung up).

        Raises Refusal (400, 408, 413 for the client's faults, 502 for the upstream's), ClientGone, TimeoutError.
        """
        self._exchange.invite()
        self._progress_at = self._clock.monotonic()
        while self._pending or not self._exchange.body_is_read:
            if not self._step():
                return False
        return True

    def _step(self) -> bool:
        client_ready, link_events = self._wait()
        if link_events & (select.POLLIN | ERRORS) and not self._answer():
            return False
        if self._pending:
            if link_events & select.POLLOUT and not self._send():
                return False
        elif client_ready:
            self._read()
        return True

    def _wait(self) -> tuple[bool, int]:
        """Wait until one side is ready; return whether the client is, and the events of the link."""
        poll = select.poll()
        poll.register(self._link.fileno(), select.POLLIN | (select.POLLOUT if self._pending else 0))
        if not self._pending:
            poll.register(self._client.fd, select.POLLIN)
        allowed_s = self._answer_timeout_s if self._pending else self._client.limits.body_timeout
        left_s = self._progress_at + allowed_s - self._clock.monotonic()
        events = dict(poll.poll(max(0.0, left_s) * 1000))
        if not events:
            if self._pending:
                raise TimeoutError
            raise Refusal(408, "no byte of the body in time")
        return self._client.fd in events, events.get(self._link.fileno(), 0)

    def _answer(self) -> bool:
        """Pass on what the upstream says early; tell whether it still wants the rest of the body."""
        data = self._link.receive_now()
        if data is None:
            return True
        if data == b"":
            self._reply.end()
            return False
        self._reply.feed(data)
        return not self._reply.done

    def _send(self) -> bool:
        try:
            sent = self._link.send_some(self._pending)
        except TimeoutError:
            raise
        except OSError:
            # It has hung up, perhaps after an answer: the caller looks for that before it says 502.
            return False
        self._pending = self._pending[sent:]
        self._progress_at = self._clock.monotonic()
        return True

    def _read(self) -> None:
        data = self._client.receive_now(BLOCK)
        if data == b"":
            raise ClientGone
        if data:
            self._pending = encoded(self._exchange, self._exchange.feed(data))
            if self._exchange.bytes_in > self._max_body:
                raise Refusal(413, "body is too large")
            self._progress_at = self._clock.monotonic()


def encoded(exchange: Exchange, block: bytes) -> bytes:
    """Return a block of the body as it goes on, with the last chunk when the body is at its end."""
    if not exchange.request.fields.chunked:
        return block
    return (chunk(block) if block else b"") + (chunk(b"") if exchange.body_is_read else b"")
