"""All of the web side: served in this process, or by several with only the admin listener here. Floor: daemon."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from wxsync.clock import Clock
from wxsync.daemon.front import Front, Health
from wxsync.errors import WxsyncError
from wxsync.log.logger import logger
from wxsync.metrics import Metrics, exposition
from wxsync.options.settings import Settings
from wxsync.web.api import Api, Bounds, Desk
from wxsync.web.callback import Inbox
from wxsync.web.counting import FAMILIES
from wxsync.web.exchange import Exchange
from wxsync.web.gate import Gate
from wxsync.web.processes import WebProcesses
from wxsync.web.routes import Rule

LOG = logger("daemon.web")
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class WebSide:
    """Started, reloaded and ended by one thread at a time. listeners stay the caller's: each front gets duplicates."""

    def __init__(
        self,
        clock: Clock,
        listeners: Sequence[tuple[socket.socket, str]],
        *,
        processes: int,
        command: Sequence[str],
        directory: Path,
        health: Health,
        wake: Callable[[], None],
    ) -> None:
        """command: what executes this program as a web process. wake: of the jobs, when a web process stored one."""
        self._clock = clock
        self._health = health
        self._metrics = Metrics()
        self._front: Front | None = None
        self._own = list(listeners) if processes == 1 else [each for each in listeners if each[1] == "admin"]
        self._processes: WebProcesses | None = None
        if processes > 1:
            self._processes = WebProcesses(
                command,
                [each for each in listeners if each[1] != "admin"],
                processes,
                directory=directory,
                clock=clock,
                metrics=self._metrics,
                health=health,
                wake=wake,
            )

    def start(self, settings: Settings, inbox: Inbox | None, desk: Desk | None) -> None:
        """Begin to serve; desk: None when there are no jobs.

        Raises WxsyncError when the web processes cannot be started, ConfigError.
        """
        self._front = self._made(settings, inbox, desk)
        self._front.start()
        if self._processes is not None and not self._processes.start():
            raise WxsyncError(
                "接收请求的进程没有启动成功", where="[server] processes", mend="看前面的日志，或设 processes = 1"
            )

    def reload(self, settings: Settings, inbox: Inbox | None, desk: Desk | None) -> None:
        """Serve by the new settings; what is under way ends by the old ones, and no connection is refused."""
        old, fresh = self._front, self._made(settings, inbox, desk)
        fresh.start()
        self._front = fresh
        if old is not None:
            old.end(settings.server.write_timeout)
        if self._processes is not None and not self._processes.reload():
            LOG.error("web processes kept the old configuration")

    def end(self, deadline_s: float) -> bool:
        """Drain everything; tell whether all ended within the seconds."""
        is_clean = self._front is None or self._front.end(deadline_s)
        if self._processes is not None:
            self._processes.end(deadline_s)
        return is_clean

    @property
    def is_silent(self) -> bool:
        """Tell whether this process accepts and serves no more; the web processes are their supervisor's matter."""
        return self._front is not None and self._front.is_silent

    def reopen_log(self) -> None:
        """Open the access log's file anew."""
        if self._front is not None:
            self._front.reopen_log()

    def _made(self, settings: Settings, inbox: Inbox | None, desk: Desk | None) -> Front:
        listeners = [(listener.dup(), part) for listener, part in self._own]
        gate = Gate(settings.server.admin_listen, settings.server.admin_token)
        api = Api(desk, gate, Bounds(settings.upload.max_bytes, settings.upload.deadline))
        rules = [Rule(b"/metrics", ("GET", "HEAD"), self._answer_metrics), api.rule()]
        return Front(
            settings,
            self._clock,
            listeners,
            inbox=inbox if any(part != "admin" for _, part in listeners) else None,
            health=self._health,
            metrics=self._metrics,
            admin=rules,
        )

    def _answer_metrics(self, exchange: Exchange) -> None:
        if self._front is not None:
            self._front.flush()
        samples = self._metrics.samples()
        if self._processes is not None:
            samples = [*samples, *self._processes.samples()]
        exchange.answer(200, exposition(FAMILIES, samples).encode(), METRICS_TYPE)
