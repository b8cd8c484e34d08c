"""Look after the upstreams between requests: close what idles too long, ask for health where that is set.

Floor: web.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from wxsync.clock import Clock
from wxsync.http1.grammar import HEAD_END
from wxsync.http1.refusal import Refusal
from wxsync.http1.response import parse_response
from wxsync.log.logger import logger
from wxsync.web.link import slices
from wxsync.web.reply import MAX_HEAD
from wxsync.web.upstream import Unreachable, Upstream

LOG = logger("web.keeper")

ROUND_S = 1.0
CHECK_S = 5.0


class Keeper:
    """One thread a process. health_path: asked every CHECK_S of each upstream; "" for passive health only."""

    def __init__(self, upstreams: Sequence[Upstream], clock: Clock, *, health_path: str) -> None:
        self._upstreams = tuple(upstreams)
        self._clock = clock
        self._health_path = health_path.encode()
        self._check_at = clock.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web-keeper", daemon=True)

    def start(self) -> None:
        """Begin to look after them."""
        self._thread.start()

    def end(self) -> None:
        """End the thread and close the pooled connections."""
        self._ended.set()
        self._thread.join(ROUND_S)
        for upstream in self._upstreams:
            upstream.close_idle(all_of_them=True)

    def _run(self) -> None:
        while not self._clock.wait(self._ended, ROUND_S):
            try:
                self.round()
            except Exception:
                LOG.exception("keeper failed")

    def round(self) -> None:
        """Do once what is due."""
        for upstream in self._upstreams:
            upstream.close_idle()
        if self._health_path and self._clock.monotonic() >= self._check_at:
            self._check_at = self._clock.monotonic() + CHECK_S
            for upstream in self._upstreams:
                self._check(upstream)

    def _check(self, upstream: Upstream) -> None:
        """Ask for the health path; one that answers with 2xx or 3xx is well, any other outcome is a failure."""
        try:
            status = self._status(upstream)
        except (Unreachable, OSError, Refusal) as error:
            status, why = 0, str(error)
        else:
            why = f"status {status}"
        if 200 <= status < 400:
            upstream.succeeded()
        elif upstream.failed():
            LOG.warning("upstream is not well", upstream=upstream.name, reason=why)

    def _status(self, upstream: Upstream) -> int:
        link = upstream.connect()
        try:
            link.send(
                b"GET %b%b HTTP/1.1\r\n%bConnection: close\r\n\r\n"
                % (upstream.base, self._health_path, upstream.host_line)
            )
            data = b""
            for _ in range(slices(upstream.timeouts.answer)[0]):
                data += link.receive() or b""
                if HEAD_END in data or len(data) > MAX_HEAD:
                    break
            return parse_response(data[:data.find(HEAD_END) + 4]).status
        finally:
            link.close()
