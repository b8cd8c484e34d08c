"""Requests over a kept connection to each origin. Floor: remote."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from wxsync.clock import Clock
from wxsync.errors import Bug
from wxsync.http1.refusal import Refusal
from wxsync.log.logger import logger
from wxsync.remote.broken import Break, BrokenExchange
from wxsync.remote.exchange import SILENCE_S, Request, Response
from wxsync.remote.head import MAX_FIELD_LINES, MAX_HEAD_BYTES, Head, parse_head, parse_status_line, request_head
from wxsync.remote.incoming import Answer, body_of
from wxsync.remote.url import Url, parse_url
from wxsync.remote.wire import BLOCK_BYTES, Wire

LOG = logger("remote.http")
MAX_IDLE_S = 30.0  # firewalls forget a silent connection and then swallow what is sent on it
JOINED_BYTES = 16 << 10  # a body up to this size goes out in one packet with its head
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")  # RFC 9110 9.2.2: these may be sent again unasked


class Dials(Protocol):
    """What opens connections: remote.dialer."""

    def dial(
        self, host: str, port: int, deadline: float, *, stop: threading.Event | None = None
    ) -> socket.socket:
        """Return a connected socket, or raise RemoteFault or Stopped before anything of the request was sent."""


@dataclass(frozen=True)
class _Call:
    """One request, ready to be sent."""

    request: Request
    url: Url
    head: bytes
    deadline: float
    silence_s: float

    @property
    def where(self) -> str:
        """Return what faults and logs name: never the query."""
        return f"{self.request.method} {self.url.shown}"

    @property
    def may_repeat(self) -> bool:
        """Tell whether sending it twice does no harm and is possible."""
        body = self.request.body
        return self.request.method in _IDEMPOTENT and (body is None or isinstance(body, (bytes, bytearray, memoryview)))

    def pieces(self) -> Iterator[memoryview]:
        """Yield head and body in order; raise Bug when a body is not as long as it said."""
        body = self.request.body
        if body is None:
            yield memoryview(self.head)
        elif isinstance(body, (bytes, bytearray, memoryview)):
            view = memoryview(body).cast("B")
            if len(view) <= JOINED_BYTES:
                yield memoryview(self.head + bytes(view))
            else:
                yield memoryview(self.head)
                yield view
        else:
            yield memoryview(self.head)
            left = body.length
            for piece in body:
                left -= len(piece)
                if left < 0:
                    break
                yield piece
            if left:
                raise Bug("a request body is not as long as it said", where=self.where)


class HttpSession:
    """Implements `remote.exchange.Session`. keeps: whether connections stay open for the next request."""

    def __init__(
        self,
        dialer: Dials,
        clock: Clock,
        *,
        user_agent: str,
        tls: ssl.SSLContext,
        stop: threading.Event | None = None,
        keeps: bool = True,
    ) -> None:
        self._dialer = dialer
        self._clock = clock
        self._user_agent = user_agent
        self._tls = tls
        self._stop = stop
        self._keeps = keeps
        self._wires: set[Wire] = set()  # every open connection
        self._kept: dict[tuple[str, str, int], Wire] = {}  # those between two exchanges
        self._is_closed = False

    def open(self, request: Request, *, deadline: float, silence_s: float = SILENCE_S) -> Answer:
        """Send the request and return its answer when the head is there, whatever the status.

        Raises RemoteFault when no sound head came in time, AddressRefused when the address is not allowed, Stopped.
        """
        started = self._clock.monotonic()
        url = parse_url(request.url)
        body = request.body
        length = None if body is None else memoryview(body).nbytes if isinstance(
            body, (bytes, bytearray, memoryview)) else body.length
        head = request_head(request, url, user_agent=self._user_agent, length=length, keeps=self._keeps)
        call = _Call(request, url, head, deadline, silence_s)
        answer = self._answer(call)
        took = round(self._clock.monotonic() - started, 3)
        LOG.debug("answer", call=call.where, status=answer.status, took=took)
        return answer

    def send(self, request: Request, *, timeout_s: float = 30.0, max_bytes: int = 8 << 20) -> Response:
        """Send the request and return the whole answer, whatever its status.

        Raises RemoteFault when no whole answer came within timeout_s (dialling, TLS, sending and reading together),
        when its body has more than max_bytes, its head more than 64 KiB, or its framing is unsound.
        """
        answer = self.open(request, deadline=self._clock.monotonic() + timeout_s, silence_s=timeout_s)
        try:
            body = bytearray()
            block = memoryview(bytearray(BLOCK_BYTES))
            is_large = request.method != "HEAD" and (answer.length or 0) > max_bytes
            while not is_large and (count := answer.readinto(block)):
                body += block[:count]
                is_large = len(body) > max_bytes
        finally:
            answer.close()
        if is_large:
            where = f"{request.method} {parse_url(request.url).shown}"
            raise BrokenExchange(Break.UNSOUND, "answer too large", where=where)
        return Response(answer.status, answer.headers, bytes(body))

    def close(self) -> None:
        """Close every connection, also under an answer that is still being read."""
        self._is_closed = True
        self._kept.clear()
        for wire in tuple(self._wires):
            self._drop(wire)

    def _answer(self, call: _Call) -> Answer:
        wire = self._take(call.url)
        if wire is not None:
            try:
                return self._exchange(wire, call)
            except BrokenExchange as fault:
                if fault.cause is not Break.ENDED or wire.received or not call.may_repeat:
                    raise
            LOG.debug("kept connection had ended", call=call.where)
        return self._exchange(self._dialled(call), call)

    def _take(self, url: Url) -> Wire | None:
        """Return the origin's kept connection if it is still fit for use."""
        wire = self._kept.pop(url.origin, None)
        if wire is None or (self._clock.monotonic() - wire.returned_at < MAX_IDLE_S and not wire.has_input()):
            return wire
        self._drop(wire)
        return None

    def _dialled(self, call: _Call) -> Wire:
        url = call.url
        until = min(call.deadline, self._clock.monotonic() + call.silence_s)
        wire = Wire(self._dialer.dial(url.host, url.port, until, stop=self._stop), self._clock, self._stop)
        self._wires.add(wire)
        if url.scheme == "https":
            with ExitStack() as on_failure:
                on_failure.callback(self._drop, wire)
                self._begin(wire, call)
                wire.start_tls(self._tls, url.host)
                on_failure.pop_all()
        return wire

    def _begin(self, wire: Wire, call: _Call) -> None:
        wire.begin(call.where, deadline=call.deadline, silence_s=call.silence_s, allowance=MAX_HEAD_BYTES)

    def _exchange(self, wire: Wire, call: _Call) -> Answer:
        with ExitStack() as on_failure:
            on_failure.callback(self._drop, wire)
            self._begin(wire, call)
            early = _sent(wire, call.pieces())
            head = early or _final_head(wire)
            body = body_of(head, call.request.method, wire)
            on_failure.pop_all()
        is_kept = self._keeps and head.is_kept and early is None
        return Answer(head, body, partial(self._release, wire, call.url, is_kept))

    def _release(self, wire: Wire, url: Url, is_kept: bool, is_over: bool) -> None:
        wire.returned_at = self._clock.monotonic()
        if is_kept and is_over and not self._is_closed and url.origin not in self._kept:
            self._kept[url.origin] = wire
        else:
            self._drop(wire)

    def _drop(self, wire: Wire) -> None:
        self._wires.discard(wire)
        wire.close()


def _sent(wire: Wire, pieces: Iterator[memoryview]) -> Head | None:
    """Send the pieces; return the answer's head when it came before their end, and send no more then."""
    for piece in pieces:
        left = piece
        while left:
            count = wire.send(left)
            if not count and (head := _head(wire)).status >= 200:
                return head
            left = left[count:]
    return None


def _final_head(wire: Wire) -> Head:
    """Read over every 1xx, not 100 alone (RFC 9110 15.2); their bytes count together."""
    while (head := _head(wire)).status < 200:
        pass
    return head


def _head(wire: Wire) -> Head:
    try:
        with wire.as_one_wait():
            return _read_head(wire)
    except Refusal as refusal:
        raise wire.unsound(refusal.what) from refusal


def _read_head(wire: Wire) -> Head:
    status = parse_status_line(wire.line())
    if status.code == 101:
        raise wire.unsound("protocol switched unasked")
    lines: list[bytes] = []
    while line := wire.line():
        if len(lines) == MAX_FIELD_LINES:
            raise wire.unsound("too many header lines")
        lines.append(line)
    return parse_head(status, lines)
