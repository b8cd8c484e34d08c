"""Ask one upstream over one connection: send, wait, pass the answer on, keep or close the connection. Floor: web."""

from __future__ import annotations

from wxsync.clock import Clock
from wxsync.http1.refusal import Refusal
from wxsync.web.connection import ClientGone
from wxsync.web.duplex import Duplex
from wxsync.web.exchange import Exchange
from wxsync.web.link import Link, slices
from wxsync.web.reply import Reply
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
        self, exchange: Exchange, upstream: Upstream, link: Link, clock: Clock, *, max_body: int, began: float
    ) -> None:
        self._exchange = exchange
        self._upstream = upstream
        self._link = link
        self._clock = clock
        self._max_body = max_body
        self._began = began
        self._reply = Reply(exchange, clock)

    def run(self, data: bytes) -> None:
        """Send these bytes and the rest of the body, and pass the answer on.

        Raises Failed while another try can still help or an answer of our own can be given, Refusal when the answer
        cannot be used or breaks off, ClientGone.
        """
        link, reply, exchange = self._link, self._reply, self._exchange
        is_whole = False
        try:
            self._send(data)
            is_whole = exchange.body_is_read or self._upload()
            while not reply.done:
                self._pass_on()
        except ClientGone:
            link.close()
            raise
        except TimeoutError as error:
            link.close()
            raise self._failure(504, "no answer in time", error) from error
        except OSError as error:
            link.close()
            raise self._failure(502, f"connection broke: {error.strerror or error}", error) from error
        except Refusal as refusal:
            link.close()
            if refusal.status == 502 and not reply.begun:
                raise Failed(502, refusal.what, arrived=True) from refusal
            exchange.breaks_off = exchange.answered and reply.ends_by_close
            raise
        if is_whole and reply.reusable:
            self._upstream.give_back(link)
        else:
            link.close()

    def _send(self, data: bytes) -> None:
        try:
            self._link.send(data)
        except TimeoutError:
            raise
        except OSError as error:
            # A new connection may have been answered and closed before it was asked: the answer is still there then.
            if self._link.returned_at:
                raise Failed(502, "connection was closed while idle", arrived=False) from error

    def _upload(self) -> bool:
        timeouts = self._upstream.timeouts
        duplex = Duplex(
            self._exchange, self._link, self._reply, self._clock,
            max_body=self._max_body, answer_timeout_s=timeouts.answer,
        )  # fmt: skip
        return duplex.run()

    def _pass_on(self) -> None:
        reply = self._reply
        data = self._link.receive()
        if data is None:
            data = self._receive_patiently()
        if not data:
            reply.end()
            return
        is_first = reply.head is None
        reply.feed(data)
        if is_first and reply.head is not None:
            self._exchange.upstream_s = self._clock.monotonic() - self._began
            self._upstream.succeeded()

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

    def _failure(self, status: int, why: str, error: OSError) -> Exception:
        """Return what to raise: Failed before the answer's head, else a Refusal, which breaks the answer off."""
        if isinstance(error, TimeoutError) and self._reply.begun and not self._exchange.answered:
            return Refusal(504, why, closes=not self._exchange.body_is_read)
        if self._reply.begun:
            self._exchange.breaks_off = self._exchange.answered and self._reply.ends_by_close
            return Refusal(502, why, closes=False)
        return Failed(status, why, arrived=True)
