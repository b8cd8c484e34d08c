"""A real session of the daemon's own transport that remembers what it was asked and got an answer for."""

from __future__ import annotations

from functools import lru_cache

from wxsync.clock import SystemClock
from wxsync.remote.address import Guard
from wxsync.remote.dialer import Dialer, Policy
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.resolver import SystemResolver


@lru_cache
def _tls():
    """Return the one TLS context: reading the system's roots takes longer than the tests that need none."""
    return tls_context("")


class RecordingSession:
    """asked: (method, URL, headers in lower case) of each answered request, in order.

    guarded: inner addresses are refused but for the ports on 127.0.0.1 that `let` opens.
    """

    def __init__(self, stop=None, *, guarded=False):
        self.asked = []
        self._stop = stop
        self._session = self._made(Guard() if guarded else None)

    def let(self, port):
        """Open one port on this machine to a guarded session."""
        self._session = self._made(Guard((f"127.0.0.1:{port}",)))

    def _made(self, guard):
        clock = SystemClock()
        dialer = Dialer(clock, SystemResolver(clock), policy=Policy(guard=guard))
        return HttpTransport(dialer, clock, user_agent="tests", tls=_tls()).session(self._stop)

    def open(self, request, *, deadline, silence_s=30.0):
        answer = self._session.open(request, deadline=deadline, silence_s=silence_s)
        self.asked.append((request.method, request.url, {name.lower(): value for name, value in request.headers}))
        return answer

    def send(self, request, *, timeout_s=30.0, max_bytes=8 << 20):
        return self._session.send(request, timeout_s=timeout_s, max_bytes=max_bytes)

    def close(self):
        self._session.close()
