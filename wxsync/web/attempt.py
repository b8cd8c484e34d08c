"""Ask one upstream over one connection: send, wait, pass the answer on, keep or close the connection. Floor: web."""

from __future__ import annotations

from wxsync.clock import Clock
from wxsync.http1.refusal import Refusal
from wxsync.web.connection import ClientGone
from wxsync.web.duplex import Duplex
from wxsync.web.exchange import Exchange
from wxsync.web.link import Link, slices
from wxsync.web.reply import Reply, pass_whole
from wxsync.web.upstream import Upstream


class Failed(Exception):
    """The upstream gave no answer. status: what the client is told; arrived: the request may have been read there."""

    def __init__(self, status: int, why: str, *, arrived: bool) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.arrived = arrived


class Attempt:
    """Made for one try and run once, by the thread that serves the exchange."""

    def __init__(
        self, exchange: Exchange, upstream: Upstream, link: Link, clock: Clock, *, max_body: int
    ) -> None:
        self._exchange = exchange
        self._upstream = upstream
        self._link = link
        self._clock = clock
        self._max_body = max_body
        self._reply: Reply | None = None
        self._begun = False  # a byte of an answer came

    def run(self, data: bytes) -> None:
        """Send these bytes and the rest of the body, and pass the answer on.

        Raises Failed while another try can still help or an answer of our own can be given, Refusal when the answer
        cannot be used or breaks off, ClientGone.
        """
        link = self._link
        try:
            is_reusable = self._converse(data)
        except ClientGone:
            link.close()
            raise
        except TimeoutError as error:
            link.close()
            raise self._failure(504, "no answer in time") from error
        except OSError as error:
            link.close()
            raise self._failure(502, f"connection broke: {error.strerror or error}") from error
        except Refusal as refusal:
            link.close()
            if refusal.status == 502 and not self._has_begun():
                raise Failed(502, refusal.what, arrived=True) from refusal
            self._mark_break()
            raise
        if is_reusable:
            self._upstream.give_back(link)
        else:
            link.close()

    def _converse(self, data: bytes) -> bool:
        """Send, receive and pass on; tell whether the connection can be used again."""
        exchange = self._exchange
        self._send(data)
        if exchange.body_is_read:
            answer = self._receive()
            self._begun = bool(answer)
            head = pass_whole(exchange, answer)
            if head is not None:
                self._head_came()
                return head.keep_alive
            reply = self._reply = Reply(exchange, self._clock)
            is_whole = True
            self._feed(reply, answer)
        else:
            reply = self._reply = Reply(exchange, self._clock)
            is_whole = self._upload(reply)
        while not reply.done:
            self._feed(reply, self._receive())
        return is_whole and reply.reusable

    def _send(self, data: bytes) -> None:
        try:
            self._link.send(data)
        except TimeoutError:
            raise
        except OSError as error:
            # A new connection may have been answered and closed before it was asked: the answer is still there then.
            if self._link.returned_at:
                raise Failed(502, "connection was closed while idle", arrived=False) from error

    def _upload(self, reply: Reply) -> bool:
        duplex = Duplex(
            self._exchange, self._link, reply, self._clock,
            max_body=self._max_body, answer_timeout_s=self._upstream.timeouts.answer,
        )  # fmt: skip
        return duplex.run()

    def _feed(self, reply: Reply, data: bytes) -> None:
        if not data:
            reply.end()
            return
        self._begun = True
        is_first = reply.head is None
        reply.feed(data)
        if is_first and reply.head is not None:
            self._head_came()

    def _head_came(self) -> None:
        self._exchange.upstream_s = self._clock.monotonic() - self._exchange.began
        self._upstream.succeeded()

    def _receive(self) -> bytes:
        data = self._link.receive()
        return self._receive_patiently() if data is None else data

    def _receive_patiently(self) -> bytes:
        """Wait slice by slice; a client that has left meanwhile ends the upstream's work, too."""
        count, _ = slices(self._upstream.timeouts.answer)
        for _ in range(count - 1):  # the first is over
            if self._exchange.connection.is_gone():
                raise ClientGone
            data = self._link.receive()
            if data is not None:
                return data
        raise TimeoutError

    def _failure(self, status: int, why: str) -> Exception:
        """Return what to raise: Failed while nothing of an answer came, else a Refusal."""
        if not self._has_begun():
            return Failed(status, why, arrived=True)
        self._mark_break()
        return Refusal(status, why, closes=False)

    def _has_begun(self) -> bool:
        return self._begun or (self._reply is not None and self._reply.begun)

    def _mark_break(self) -> None:
        reply = self._reply
        self._exchange.breaks_off = reply is not None and self._exchange.answered and reply.ends_by_close
