"""Limits of a server under test, and a server to test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from wxsync.clock import SystemClock
from wxsync.web.account import Account, Recorder
from wxsync.web.routes import Router
from wxsync.web.server import Server
from wxsync.web.service import Service


@dataclass(frozen=True)
class TestLimits:
    __test__ = False

    threads: int = 16
    max_connections: int = 64
    head_timeout: float = 5.0
    body_timeout: float = 5.0
    write_timeout: float = 5.0
    idle_timeout: float = 10.0
    max_request_line: int = 8192
    max_head: int = 32768
    max_requests: int = 1000


class Accounts:
    """Keeps every account, for tests to look at."""

    def __init__(self) -> None:
        self.all: list[Account] = []

    def record(self, account: Account) -> None:
        self.all.append(account)


@contextmanager
def running(
    router: Router, limits: TestLimits | None = None, recorder: Recorder | None = None
) -> Iterator[tuple[Server, Service]]:
    """A server on a free port of 127.0.0.1 with its service; drained at the end."""
    service = Service(limits or TestLimits(), SystemClock(), recorder or Accounts())
    server = Server(("127.0.0.1", 0), router, service)
    service.start()
    server.start()
    try:
        yield server, service
    finally:
        service.drain(1.0)
        server.server_close()
