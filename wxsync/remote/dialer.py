"""The one way out: a host and a port become a connected socket within a deadline. Floor: remote."""

from __future__ import annotations

import socket
import threading

from wxsync.clock import Clock
from wxsync.remote.connect import connect
from wxsync.remote.resolver import Resolver


class Dialer:
    """Dials for everything that leaves this program. Any thread may call."""

    def __init__(self, clock: Clock, resolver: Resolver) -> None:
        self._clock = clock
        self._resolver = resolver

    def dial(
        self, host: str, port: int, deadline: float, *, stop: threading.Event | None = None
    ) -> socket.socket:
        """Return a connected socket in blocking mode; deadline is an instant of the clock's monotonic time.

        Raises RemoteFault (temporary, nothing sent) on an unknown name, a refusal or when the time is over, and
        Stopped within a second after stop was set.
        """
        addresses = self._resolver.addresses(host, port, deadline, stop)
        return connect(host, port, addresses, clock=self._clock, deadline=deadline, stop=stop)
