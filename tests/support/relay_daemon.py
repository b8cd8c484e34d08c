"""A relay and nothing else, as a process of its own: what the daemon joins, for tests and measurements.

    python -m tests.support.relay_daemon '{"targets": ["http://127.0.0.1:80"], "port": 0, "processes": 2, ...}'

Prints the port when it serves. SIGTERM drains, SIGHUP replaces the web processes one after the other.
"""

from __future__ import annotations

import json
import resource
import signal
import socket
import sys
import tempfile
import threading
from dataclasses import dataclass, fields
from ipaddress import ip_network
from pathlib import Path

from wxsync.clock import SystemClock
from wxsync.log.file import RotatedFile
from wxsync.metrics import Metrics, exposition
from wxsync.remote.dialer import Dialer
from wxsync.remote.http import tls_context
from wxsync.remote.resolver import SystemResolver
from wxsync.remote.url import parse_url
from wxsync.web.accesslog import AccessLog, Layout
from wxsync.web.balance import Balance
from wxsync.web.child import Child, inherited
from wxsync.web.counting import FAMILIES, Counting
from wxsync.web.keeper import Keeper
from wxsync.web.processes import WebProcesses
from wxsync.web.proxy import Relay
from wxsync.web.routes import Router, Rule, health_rule
from wxsync.web.server import Server
from wxsync.web.service import Service
from wxsync.web.upstream import Timeouts, Upstream


@dataclass(frozen=True)
class Options:
    targets: tuple[str, ...]
    port: int = 0
    processes: int = 1
    prefix: str = "/wework-callback"
    trusted: tuple[str, ...] = ("127.0.0.1",)
    timeout: float = 30.0
    connect_timeout: float = 5.0
    max_body: int = 20 << 20
    health_path: str = ""
    log: str = ""
    ca_file: str = ""
    threads: int = 128
    max_connections: int = 1024
    head_timeout: float = 10.0
    body_timeout: float = 30.0
    write_timeout: float = 30.0
    idle_timeout: float = 75.0
    max_request_line: int = 8192
    max_head: int = 32768
    max_requests: int = 10000


class Part:
    """The web side of one process."""

    def __init__(self, options: Options, listener: socket.socket, metrics: Metrics, child: Child | None) -> None:
        clock = SystemClock()
        dialer = Dialer(clock, SystemResolver(clock))
        timeouts = Timeouts(options.connect_timeout, options.timeout)
        urls = [parse_url(target) for target in options.targets]
        has_tls = any(url.scheme == "https" for url in urls)  # the system's certificates take megabytes
        tls = tls_context(options.ca_file) if has_tls else None
        upstreams = [
            Upstream(
                url, timeouts, dialer, clock, max_idle=options.threads, tls=tls if url.scheme == "https" else None)
            for url in urls
        ]
        trusted = [ip_network(text) for text in options.trusted]
        self.metrics = metrics
        counting = Counting(metrics, lambda: self.service, upstreams)
        self.log = AccessLog(
            clock, count=counting.count, layout=Layout(clock, trusted, is_json=False) if options.log else None,
            lines=RotatedFile(options.log, 1 << 30, 1) if options.log else None)
        self.service = Service(options, clock, self.log, shares=child is not None)
        self.keeper = Keeper(upstreams, clock, health_path=options.health_path)
        relay = Relay(
            prefix=options.prefix, balance=Balance(upstreams, clock), trusted=trusted, max_body=options.max_body,
            clock=clock)
        rules = [relay.rule(), health_rule(child.health if child else lambda: (True, {}))]
        if child is None:
            rules.append(Rule(b"/metrics", ("GET",), self._metrics))
        self.server = Server(listener, Router(rules), self.service)

    def _metrics(self, exchange) -> None:
        self.log.flush()
        exchange.answer(200, exposition(FAMILIES, self.metrics.samples()).encode())

    def start(self) -> None:
        for each in (self.log, self.keeper, self.service, self.server):
            each.start()

    def end(self) -> None:
        self.service.drain(10.0)
        self.keeper.end()
        self.log.end()


def run_child(options: Options, argument: str) -> None:
    given = inherited(argument)
    child = Child(given, SystemClock())
    part = Part(options, child.listeners()[0][0], Metrics(Path(given.metrics)), child)
    signal.signal(signal.SIGTERM, lambda *_: child.end())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child.start()
    part.start()
    child.ready()
    child.wait_for_end()
    part.end()


def run_parent(options: Options, text: str, listener: socket.socket) -> None:
    events = [threading.Event(), threading.Event()]
    signal.signal(signal.SIGTERM, lambda *_: events[0].set())
    signal.signal(signal.SIGHUP, lambda *_: events[1].set())
    if options.processes == 1:
        part = Part(options, listener, Metrics(), None)
        part.start()
        print(listener.getsockname()[1], flush=True)
        events[0].wait()
        part.end()
        return
    with tempfile.TemporaryDirectory() as directory:
        processes = WebProcesses(
            [sys.executable, "-m", "tests.support.relay_daemon", text], [(listener, "relay")], options.processes,
            directory=Path(directory), clock=SystemClock(), metrics=Metrics(), health=lambda: (True, {}),
            wake=lambda: None)
        assert processes.start()
        print(listener.getsockname()[1], flush=True)
        while not events[0].wait(0.05):
            if events[1].is_set():
                events[1].clear()
                print("reloaded" if processes.reload() else "not reloaded", flush=True)
        processes.end()


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    given = json.loads(sys.argv[1])
    options = Options(**{each.name: given[each.name] for each in fields(Options) if each.name in given})
    if len(sys.argv) > 2:
        run_child(options, sys.argv[2])
    else:
        listener = socket.create_server(("127.0.0.1", options.port), backlog=1024)
        run_parent(options, sys.argv[1], listener)


if __name__ == "__main__":
    main()
