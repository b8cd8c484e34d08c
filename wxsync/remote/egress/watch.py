"""Try the egress proxy at the start, every few minutes, and when a tunnel failed. Floor: remote."""

from __future__ import annotations

import threading

from wxsync.clock import Clock
from wxsync.log.logger import logger
from wxsync.remote.egress.tunnel import ProxyFault
from wxsync.remote.egress.way import EgressWay
from wxsync.remote.stop import Stopped
from wxsync.remote.url import Url

LOG = logger("remote.egress")
CHECK_S = 5.0
EVERY_S = 120.0


class EgressWatch:
    """A thread that opens a tunnel to a host and notes whether that worked; nothing is sent through it."""

    def __init__(self, way: EgressWay, target: Url, clock: Clock) -> None:
        self._way = way
        self._target = target
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="egress-watch", daemon=True)

    def start(self) -> None:
        """Log that there is a proxy and begin to try; what dials before the first result takes it to work."""
        self._way.announce()
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End the thread, which takes a second at most; tell whether it ended in time."""
        self._stopping.set()
        self._way.doubted.set()
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def check(self) -> None:
        """Open one tunnel, within CHECK_S; raise Stopped."""
        until = self._clock.monotonic() + CHECK_S
        try:
            self._way.open(self._target.host, self._target.port, until, self._stopping).close()
        except ProxyFault as fault:
            self._way.settle(fault)
        else:
            self._way.settle(None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._way.doubted.clear()
            try:
                self.check()
            except Stopped:
                return
            except Exception:  # the top of a thread: the next try is due all the same
                LOG.exception("egress check broke")
            if not self._stopping.is_set():
                self._clock.wait(self._way.doubted, EVERY_S)
