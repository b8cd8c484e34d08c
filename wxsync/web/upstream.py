"""One upstream: its connections, how many requests it has, and whether it is well. Floor: web."""

from __future__ import annotations

import socket
import ssl
import threading
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.remote.url import Url
from wxsync.web.link import Link, PlainLink, TlsLink

MAX_IDLE_S = 4.0  # shorter than the keep-alive of the usual servers (node 5 s, Apache 5 s)
MAX_AGE_LOOK_S = 0.001  # a connection that came back so lately is used without a look at it
FAILURES = 3  # in a row, before the upstream rests
LONGEST_REST_S = 30.0


class Dialer(Protocol):
    """Connects: remote.dialer's Dialer."""

    def dial(self, host: str, port: int, deadline: float) -> socket.socket:
        """Return a connected blocking socket; RemoteFault when there is none by that monotonic time."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds: until a connection stands, and for each wait on it."""

    connect: float
    answer: float


class Unreachable(Exception):
    """No connection was made, so nothing was sent."""

    def __init__(self, why: str, *, timed_out: bool) -> None:
        super().__init__(why)
        self.timed_out = timed_out


class Upstream:
    """Any thread may call; one lock guards pool, counts and health."""

    def __init__(
        self, url: Url, timeouts: Timeouts, dialer: Dialer, clock: Clock, *, max_idle: int, tls: ssl.SSLContext | None
    ) -> None:
        path = url.target.partition("?")[0].rstrip("/")
        self.name = url.authority + path
        self.base = path.encode()
        self.host_line = b"Host: " + url.authority.encode() + b"\r\n"
        self.timeouts = timeouts
        self.stale = 0  # pooled connections found unusable
        self._url = url
        self._dialer = dialer
        self._monotonic = clock.monotonic
        self._max_idle = max_idle
        self._tls = tls
        self._lock = threading.Lock()
        self._idle: deque[Link] = deque()
        self._under_way: list[None] = []
        self._failures = 0
        self._rests_until = 0.0
        self._is_on_trial = False

    def take(self) -> Link | None:
        """Return the pooled connection that came back last and is usable; None when there is none."""
        while True:
            try:
                link = self._idle.pop()
            except IndexError:
                return None
            age = self._monotonic() - link.returned_at
            if age < MAX_AGE_LOOK_S or (age < MAX_IDLE_S and link.is_usable()):
                return link
            link.close()
            self.stale += 1

    def connect(self) -> Link:
        """Return a new connection; raises Unreachable."""
        start = self._monotonic()
        deadline = start + self.timeouts.connect
        try:
            sock = self._dialer.dial(self._url.host, self._url.port, deadline)
            if self._tls is None:
                return PlainLink(sock, self.timeouts.answer)
            return TlsLink(sock, self.timeouts.answer, self._tls, self._url.host)
        except RemoteFault as fault:
            raise Unreachable(fault.what, timed_out=self._monotonic() >= deadline) from fault
        except OSError as error:
            raise Unreachable(f"TLS: {error}", timed_out=isinstance(error, TimeoutError)) from error

    def give_back(self, link: Link) -> None:
        """Keep a connection on which request and answer ended as they should."""
        link.returned_at = self._monotonic()
        self._idle.append(link)
        if len(self._idle) > self._max_idle:
            self._close_oldest()

    def close_idle(self, *, all_of_them: bool = False) -> None:
        """Close the pooled connections that are too old."""
        while self._idle and (all_of_them or self._idle[0].returned_at < self._monotonic() - MAX_IDLE_S):
            self._close_oldest()

    def _close_oldest(self) -> None:
        try:
            self._idle.popleft().close()
        except IndexError:  # another thread has taken it
            return

    @property
    def pooled(self) -> int:
        """How many connections are idle."""
        return len(self._idle)

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return len(self._under_way)

    def begin(self) -> None:
        """Count a request in."""
        self._under_way.append(None)  # atomic, and so cheaper than a number behind a lock

    def end(self) -> None:
        """Count a request out."""
        self._under_way.pop()
        if self._is_on_trial:
            with self._lock:
                self._is_on_trial = False

    @property
    def rests_until(self) -> float:
        """Until when the upstream should be left alone; 0 when it is well."""
        return self._rests_until

    def admits(self, now: float) -> bool:
        """Tell whether a request may go there; after a rest only one may, until its end is known."""
        if not self._rests_until:
            return True
        with self._lock:
            if now < self._rests_until or self._is_on_trial:
                return False
            self._is_on_trial = True
            return True

    def succeeded(self) -> None:
        """An answer's head came: it is well. A 5xx is an answer, too."""
        if self._failures:
            with self._lock:
                self._failures, self._rests_until, self._is_on_trial = 0, 0.0, False

    def failed(self) -> bool:
        """No connection, no answer, or none in time; return whether it rests for that."""
        with self._lock:
            self._failures += 1
            self._is_on_trial = False
            if self._failures < FAILURES:
                return False
            rest_s = min(LONGEST_REST_S, 2.0 ** (self._failures - FAILURES))
            self._rests_until = self._monotonic() + rest_s
            return True

    @property
    def is_well(self) -> bool:
        """Tell whether requests go there as usual."""
        return not self._rests_until
