"""Serve requests: the loop of one connection, and the threads and waiting room that all listeners of a process share.

Floor: web.
"""

from __future__ import annotations

import gc
import threading

from wxsync.clock import Clock
from wxsync.http1.answer import answer_head, http_date, plain_text
from wxsync.http1.grammar import HEAD_END
from wxsync.http1.refusal import Refusal
from wxsync.http1.request import check_limits, parse_request
from wxsync.log.logger import logger
from wxsync.web.account import Account, Recorder
from wxsync.web.connection import ClientGone, Connection
from wxsync.web.exchange import PLAIN_TEXT, Exchange
from wxsync.web.limits import Limits
from wxsync.web.lobby import ACCEPTS, Lobby
from wxsync.web.workers import Workers

LOG = logger("web.service")

SILENT_S = 30.0  # the lobby's thread goes round at least four times a second
TEXT = ("Content-Type", PLAIN_TEXT)


class Service:
    """One a process: start it, have Servers listen on it, drain it at the end.

    shares: other processes accept from the same listeners, so none of them takes many connections at once.
    """

    def __init__(self, limits: Limits, clock: Clock, recorder: Recorder, *, shares: bool = False) -> None:
        self.limits = limits
        self._clock = clock
        self._recorder = recorder
        self.lobby = Lobby(limits, clock, recorder, accepts=1 if shares else ACCEPTS)
        self._workers = Workers(self.serve, limits.threads, clock)
        self._thread = threading.Thread(target=self.lobby.run, args=(self._workers,), name="web-lobby", daemon=True)
        self._draining = False

    def start(self) -> None:
        """Begin to serve.

        What stands here now stays, so the collector need not look at it again and again; and since requests make no
        cycles, it looks seldom: each look stops every thread for milliseconds.
        """
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        self._thread.start()

    @property
    def is_silent(self) -> bool:
        """Tell whether the thread that accepts and gives out work does not move any more."""
        return self._clock.monotonic() - self._workers.ticked_at > SILENT_S

    def drain(self, deadline_s: float) -> bool:
        """Stop accepting, let what is under way end within the seconds; tell whether all did. Then all is closed.

        The listeners are closed at once, so that whoever comes now is refused or goes to another process.
        """
        if self._draining:
            return self.lobby.is_empty()
        self._draining = True
        self.lobby.stop_listening()
        stopped_at = self._clock.monotonic()
        end = self._clock.monotonic() + deadline_s
        pause = threading.Event()
        while not self._is_over(stopped_at) and self._clock.monotonic() < end:
            self._clock.wait(pause, 0.01)
        is_clean = self.lobby.is_empty()
        self.lobby.end()
        self._workers.end()
        self._thread.join(deadline_s)
        return is_clean

    def _is_over(self, stopped_at: float) -> bool:
        """Tell whether nothing is left: the lobby has gone round since, so it holds no connection just accepted."""
        has_seen = self._workers.ticked_at > stopped_at or not self._thread.is_alive()
        return has_seen and self.lobby.is_empty()

    def serve(self, connection: Connection) -> None:
        """Serve the connection until it has nothing to be done, then park or close it; the body of a worker."""
        try:
            while self._serve_next(connection):
                pass
        except ClientGone:
            self.lobby.forget(connection)
        except Exception:
            LOG.exception("connection failed", peer=connection.peer)
            self.lobby.forget(connection)

    def _serve_next(self, connection: Connection) -> bool:
        """Read on and serve one request when its head is whole; tell whether the connection stays with this thread."""
        data = connection.buffer
        if not data:
            return self._read_on(connection)
        # An empty line before the request line is skipped, once (RFC 9112 2.2).
        start = 2 if data.startswith(b"\r\n") else 0
        end = data.find(HEAD_END, start) + 4
        if end < 4:
            return self._read_on(connection)
        connection.buffer = data[end:]
        data = data[start:end]
        connection.served += 1
        try:
            head = parse_request(data, max_line=self.limits.max_request_line, max_fields=self.limits.max_head)
        except Refusal as refusal:
            return self._refuse_head(connection, refusal)
        may_keep = connection.served < self.limits.max_requests and not self._draining
        exchange = Exchange(connection, head, self._clock, may_keep=may_keep)
        self._run_route(connection, exchange)
        exchange.ended = self._clock.monotonic()
        self._recorder.record(exchange)
        return self._after(connection, exchange)

    def _read_on(self, connection: Connection) -> bool:
        if connection.buffer:
            try:
                check_limits(connection.buffer, max_line=self.limits.max_request_line, max_fields=self.limits.max_head)
            except Refusal as refusal:
                return self._refuse_head(connection, refusal)
            data = connection.receive_now()
        else:
            data = connection.receive_moment()
        if data is None:
            self.lobby.park(connection)
            return False
        if not data:
            self.lobby.forget(connection)
            return False
        if not connection.buffer:
            connection.begun = self._clock.monotonic()
            connection.buffer = data
        else:
            connection.buffer += data
        return True

    def _run_route(self, connection: Connection, exchange: Exchange) -> None:
        try:
            connection.find(exchange.request)(exchange)
        except Refusal as refusal:
            self._refuse(exchange, refusal)
        except ClientGone:
            exchange.keeps = False
            exchange.reason = exchange.reason or "client left"
        except Exception:
            LOG.exception("route failed", method=exchange.method)
            exchange.may_keep = False
            self._refuse(exchange, Refusal(500, "fault inside"))
        else:
            if not exchange.answered:
                LOG.error("route gave no answer", method=exchange.method)
                self._refuse(exchange, Refusal(500, "fault inside"))

    def _refuse(self, exchange: Exchange, refusal: Refusal) -> None:
        """Answer with the refusal's status; when an answer has begun, break it off so that the client sees that."""
        exchange.reason = refusal.what
        if exchange.answered:
            exchange.keeps = False
            return
        exchange.may_keep = exchange.may_keep and not refusal.closes
        try:
            exchange.answer(refusal.status, plain_text(refusal.status), headers=refusal.fields)
        except ClientGone:
            exchange.keeps = False

    def _refuse_head(self, connection: Connection, refusal: Refusal) -> bool:
        """Answer a head that cannot be served, and close: nobody knows where the next request would begin."""
        account = Account(connection.peer, connection.begun, None, refusal.status, refusal.what)
        body = plain_text(refusal.status)
        date = ("Date", http_date(self._clock.now()))
        size = ("Content-Length", str(len(body)))
        data = answer_head(refusal.status, (date, *refusal.fields, TEXT, size, ("Connection", "close"))) + body
        account.bytes_out = len(data)
        account.ended = self._clock.monotonic()
        self._recorder.record(account)
        connection.send(data)
        self.lobby.linger(connection)
        return False

    def _after(self, connection: Connection, exchange: Exchange) -> bool:
        if exchange.keeps:
            if connection.buffer:
                connection.begun = exchange.ended
            elif self._workers.is_busy():
                # A thread waits a moment for the next request, but not while others wait for a thread.
                self.lobby.park(connection)
                return False
            return True
        if exchange.breaks_off:
            self.lobby.forget(connection, reset=True)
        else:
            self.lobby.linger(connection)
        return False
