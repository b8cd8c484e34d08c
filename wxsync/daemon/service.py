"""Run the daemon: take the state directory, build the parts, listen, serve until told to stop. Floor: daemon."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Callable

from wxsync.clock import Clock
from wxsync.daemon.bot import Bot
from wxsync.errors import ConfigError, WxsyncError
from wxsync.log import Output, logger
from wxsync.options.addresses import Listener
from wxsync.options.settings import Settings
from wxsync.remote.dialer import Dialer
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.resolver import SystemResolver
from wxsync.remote.url import parse_url
from wxsync.store.database import Database
from wxsync.store.files import FileLock, write_whole
from wxsync.store.store import Store
from wxsync.version import VERSION
from wxsync.web.account import NoRecorder
from wxsync.web.balance import Balance
from wxsync.web.callback import Callback
from wxsync.web.proxy import Relay
from wxsync.web.routes import Router, Rule, health_rule
from wxsync.web.server import Server
from wxsync.web.service import Service
from wxsync.web.upstream import Timeouts, Upstream

LOG = logger("daemon")
POOLED = 64  # kept connections to each upstream
DRAIN_S = 9.0  # SIGTERM to the end takes 10 s at most
OK, BUSY = 0, 75


class Busy(WxsyncError):
    """Something that this daemon needs is held by another process."""


class Daemon:
    """One run of the program; built and used by the main thread."""

    def __init__(
        self, settings: Settings, clock: Clock, output: Output, *, make_store: Callable[[Database], Store] = Store
    ) -> None:
        """make_store: what keeps the state, for tests that watch it."""
        self._settings = settings
        self._clock = clock
        self._output = output
        self._make_store = make_store
        self._state_dir = Path(settings.server.state_dir)
        self._lock = FileLock(self._state_dir / "wxsyncd.lock")
        self._stopping = threading.Event()
        self._began = clock.monotonic()
        self._dialer = Dialer(clock, SystemResolver(clock))
        self._tls = tls_context(settings.egress.ca_file)
        self._bot: Bot | None = None
        self._web = Service(settings.server, clock, NoRecorder())

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit status. Raises Busy, ConfigError, StoreFault at the start."""
        self._take_state_dir()
        try:
            servers = self._listen()
            self._handle_signals()
            if self._bot is not None:
                self._bot.start()
            self._web.start()
            for _, server in servers:
                server.start()
            self._publish(servers)
            LOG.info("ready", version=VERSION, pid=os.getpid(), listeners=len(servers))
            while not self._stopping.wait(60.0):
                pass
            self._drain()
        finally:
            self._lock.release()
        return OK

    def _take_state_dir(self) -> None:
        try:
            self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"不能建立状态目录：{error.strerror}",
                where=str(self._state_dir),
                mend="改 [server] state_dir 或目录权限",
            ) from error
        if not self._lock.acquire():
            raise Busy(
                f"另一个 wxsyncd（进程 {self._lock.holder()}）正在使用这个状态目录",
                where=str(self._state_dir),
                mend="先停掉它，或换一个 [server] state_dir",
            )
        with suppress(FileNotFoundError):
            (self._state_dir / "listeners.json").unlink()  # of a run that was killed

    def _bot_rules(self) -> list[Rule]:
        """Build the bot; return the routes that feed it."""
        try:
            # Here and not at the top: an installation that only relays has no pycryptodome.
            from wxsync.wecom.crypto import Crypto  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ConfigError(
                "机器人需要 pycryptodome，没有安装",
                mend="pip install --require-hashes -r systemd/pycryptodome.lock，或解压到 vendor 目录",
            ) from error
        wecom = self._settings.wecom
        store = self._make_store(Database(self._state_dir / "wxsyncd.sqlite3"))
        transport = HttpTransport(self._dialer, self._clock, user_agent=f"wxsyncd/{VERSION}", tls=self._tls)
        self._bot = Bot(self._settings, store, self._state_dir, self._clock, direct=transport, auto=transport)
        crypto = Crypto(wecom.token, wecom.encoding_aes_key, wecom.corp_id)
        callback = Callback(crypto, self._bot.inbox, self._clock, agent_id=wecom.agent_id)
        return [callback.rule(wecom.path)]

    def _relay_rules(self) -> list[Rule]:
        """Build the relay; return its route."""
        proxy = self._settings.proxy
        timeouts = Timeouts(proxy.connect_timeout, proxy.timeout)
        upstreams = [
            Upstream(parse_url(target), timeouts, self._dialer, self._clock, max_idle=POOLED, tls=self._tls)
            for target in proxy.targets
        ]
        relay = Relay(
            prefix=proxy.prefix,
            balance=Balance(upstreams, self._clock),
            trusted=self._settings.server.trusted_proxies,
            max_body=proxy.max_body,
            clock=self._clock,
        )
        return [relay.rule()]

    def _listen(self) -> list[tuple[str, Server]]:
        """Bind every listener with the routes of its part, the admin one last."""
        health = health_rule(self._health)
        bot = self._bot_rules() if self._settings.has_bot else []
        relay = self._relay_rules() if self._settings.has_relay else []
        rules = {"bot": [health, *bot], "relay": [health, *relay], "all": [health, *bot, *relay], "admin": [health]}
        places = [(place.part, place) for place in self._settings.server.listen]
        places.append(("admin", self._settings.server.admin_listen))
        return [(part, self._bind(place, Router(rules[part]))) for part, place in places]

    def _bind(self, place: Listener, router: Router) -> Server:
        try:
            return Server((place.host, place.port), router, self._web)
        except OSError as error:
            raise Busy(
                f"不能监听：{error.strerror}",
                where=f"{place.host}:{place.port}",
                mend="停掉占用该端口的程序，或改 [server] listen / admin_listen",
            ) from error

    def _publish(self, servers: list[tuple[str, Server]]) -> None:
        listeners = [
            {"part": part, "host": str(server.server_address[0]), "port": server.server_address[1]}
            for part, server in servers
        ]
        text = json.dumps({"pid": os.getpid(), "listeners": listeners}, indent=2)
        write_whole(self._state_dir / "listeners.json", text + "\n")

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        signal.signal(signal.SIGHUP, lambda *_: self._output.reopen())

    def _drain(self) -> None:
        LOG.info("draining")
        end = self._clock.monotonic() + DRAIN_S
        is_clean = self._web.drain(DRAIN_S / 2)
        if self._bot is not None:
            self._bot.stop(end - self._clock.monotonic())
        LOG.info("stopped", clean=is_clean)

    def _health(self) -> tuple[bool, dict[str, object]]:
        troubles = self._bot.troubles() if self._bot is not None else []
        if self._stopping.is_set():
            troubles.append("draining")
        facts: dict[str, object] = {"version": VERSION, "uptime_s": round(self._clock.monotonic() - self._began)}
        return not troubles, {**facts, "troubles": troubles} if troubles else facts
