"""Tells whether a thread still moves: it promises when it will be heard of next. Floor: jobs."""

from __future__ import annotations

from wxsync.clock import Clock
from wxsync.remote.exchange import Request, Response, Transport

SILENT_S = 30.0  # the health route answers 503 when a thread is silent for longer than it promised


class Heartbeat:
    """One thread beats, any thread asks. A remote call that hangs is no silence: its deadline is promised first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due = clock.monotonic() + SILENT_S

    def beat(self, busy_s: float = 0.0) -> None:
        """Promise to be heard of again after at most busy_s and the usual 30 s."""
        self._due = self._clock.monotonic() + busy_s + SILENT_S

    @property
    def is_late(self) -> bool:
        """Tell whether the promise was broken."""
        return self._clock.monotonic() > self._due


class BeatingTransport:
    """A transport that promises each request's own deadline to the heartbeat of the thread that uses it."""

    def __init__(self, transport: Transport, heartbeat: Heartbeat) -> None:
        self._transport = transport
        self._heartbeat = heartbeat

    def send(self, request: Request, *, timeout_s: float = 30.0, max_bytes: int = 8 << 20) -> Response:
        """Send as the transport within does."""
        self._heartbeat.beat(timeout_s)
        try:
            return self._transport.send(request, timeout_s=timeout_s, max_bytes=max_bytes)
        finally:
            self._heartbeat.beat()
