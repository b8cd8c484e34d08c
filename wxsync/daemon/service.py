"""Run the daemon: take the state directory, build the parts, serve until told to stop. Floor: daemon."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Callable

from wxsync.clock import Clock
from wxsync.daemon.bot import Bot
from wxsync.daemon.front import bind, crypto_of_bot
from wxsync.daemon.outbound import Outbound
from wxsync.daemon.signals import Signals
from wxsync.daemon.state_dir import Busy, StateDir
from wxsync.daemon.supervision import Supervision
from wxsync.daemon.web_side import WebSide
from wxsync.errors import ConfigError, WxsyncError
from wxsync.jobs.desk import Desk
from wxsync.jobs.inbox import Inbox
from wxsync.log.logger import logger
from wxsync.log.output import Output
from wxsync.options.settings import Settings
from wxsync.remote.resolver import SystemResolver
from wxsync.store.database import Database
from wxsync.store.store import Store
from wxsync.version import VERSION

LOG = logger("daemon")
OK = 0
# SIGTERM to the end takes 10 s at most: these together leave a second for the interpreter.
RELOAD_END_S, WEB_END_S, BOT_END_S = 1.0, 5.0, 3.0
FIXED = ("listen", "admin_listen", "state_dir", "processes")  # of [server]: a reload keeps the old values


class Daemon:
    """One run of the program; built and used by the main thread, reloaded by one thread at a time."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        load: Callable[[], Settings],
        log_to: Callable[[Settings], Output],
        web_process: Sequence[str],
        supervision: Supervision,
        make_store: Callable[[Database], Store] = Store,
    ) -> None:
        """load: reads the configuration anew for SIGHUP. log_to: sends the log where the settings say.

        web_process: the command that executes this program as a web process. supervision: what systemd handed over.
        make_store: for tests that watch it.
        """
        self._settings = settings
        self._clock = clock
        self._load = load
        self._log_to = log_to
        self._output = log_to(settings)
        self._make_store = make_store
        self._supervision = supervision
        self._status = ""  # what systemctl status shows
        self._state = StateDir(Path(settings.server.state_dir))
        self._store: Store | None = None
        self._bot: Bot | None = None
        self._web_process = (*web_process, str(self._state.path))
        self._changing = threading.Lock()
        self._signals = Signals()
        self._is_stopping = False
        self._wants_reload = False
        self._began = clock.monotonic()

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit status. Raises Busy, ConfigError, StoreFault at the start."""
        os.umask(0o077)  # the state holds members' messages
        self._state.take()
        _raise_file_limit()
        listeners = self._listeners()
        web = WebSide(
            self._clock,
            listeners,
            processes=self._settings.server.processes,
            command=self._web_process,
            directory=self._state.path / "web",
            health=self._health,
            wake=self._wake_bot,
        )
        self._bot = self._made_bot(self._settings)
        self._handle_signals()
        if self._bot is not None:
            self._bot.sweep()
            self._bot.start()
        try:
            web.start(self._settings, *_doors(self._bot))
            self._state.publish(listeners)
            places = [f"{part}={each.getsockname()[0]}:{each.getsockname()[1]}" for each, part in listeners]
            LOG.info("ready", version=VERSION, pid=os.getpid(), listeners=", ".join(places), state_dir=self._state.path)
            self._status = f"wxsyncd {VERSION} {' '.join(places)}"
            self._supervision.ready(self._status)
            self._serve(web)
        finally:
            self._end(web)
        return OK

    def _serve(self, web: WebSide) -> None:
        """Wait for signals; a reload runs beside, so that SIGTERM is heard meanwhile.

        The watchdog is put off only while every thread moves. A full disk or a fault elsewhere is the health route's
        business: a restart mends neither.
        """
        while not self._is_stopping:
            self._signals.wait(self._supervision.watchdog_s / 2 or 60.0)
            if not self._stuck(web):
                self._supervision.alive()
            if self._wants_reload:
                self._wants_reload = False
                threading.Thread(target=self._reload, args=(web,), name="reload", daemon=True).start()

    def _listeners(self) -> list[tuple[socket.socket, str]]:
        """Return every listener, handed over or bound here, the admin one last. Raises Busy, ConfigError."""
        server = self._settings.server
        listeners, unbound = self._supervision.of_parts(server.listen)
        for place in (*unbound, server.admin_listen):
            try:
                listeners.append((bind(place), place.part))
            except OSError as error:
                what, where = f"不能监听：{error.strerror}", f"{place.host}:{place.port}"
                if error.errno == errno.EADDRINUSE:
                    mend = "停掉占用该端口的程序，或改 [server] listen / admin_listen"
                    raise Busy(what, where=where, mend=mend) from error
                mend = "地址要是本机的，1024 以下的端口要有权限；改 [server] listen / admin_listen"
                raise ConfigError(what, where=where, mend=mend) from error
        return listeners

    def _made_bot(self, settings: Settings) -> Bot | None:
        """Build the jobs side when anything of it is configured. Raises StoreFault, ConfigError."""
        if not (settings.has_bot or settings.has_mirror or settings.has_upload):
            return None
        if settings.has_bot:
            crypto_of_bot()  # told before anything is started, or ended by a reload
        if self._store is None:
            self._store = self._make_store(Database(self._state.path / "wxsyncd.sqlite3"))
        outbound = Outbound(settings, self._clock, SystemResolver(self._clock))
        return Bot(settings, self._store, self._state.path, self._clock, outbound)

    def _reload(self, web: WebSide) -> None:
        """Do a reload between what systemd is told of it."""
        with self._changing:
            self._supervision.reloading()
            try:
                self._take_new_settings(web)
            finally:
                self._supervision.ready(self._status)

    def _take_new_settings(self, web: WebSide) -> None:
        """Go on by the configuration as it is now; a wrong one changes nothing."""
        self._output.reopen()
        web.reopen_log()
        try:
            settings = self._fixed(self._load())
            bot = self._made_bot(settings)
            self._output = self._log_to(settings)
        except WxsyncError as error:
            LOG.error("reload refused, the old configuration stays", why=str(error))
            return
        while self._bot is not None and not self._bot.stop(BOT_END_S):
            pass  # two bots on one store would do every step twice: wait until the old one's call is over
        self._settings, self._bot = settings, bot
        if bot is not None:
            bot.start()
        web.reload(settings, *_doors(bot))
        LOG.info("reloaded")

    def _fixed(self, settings: Settings) -> Settings:
        """Return the new settings with what only a restart can change kept as it is."""
        new, old = settings.server, self._settings.server
        changed = [name for name in FIXED if getattr(new, name) != getattr(old, name)]
        if changed:
            LOG.warning("restart needed", options=", ".join(f"server.{name}" for name in changed))
        return replace(settings, server=replace(new, **{name: getattr(old, name) for name in FIXED}))

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._signals.on(number, lambda: self._on_signal(stop=True))
        self._signals.on(signal.SIGHUP, lambda: self._on_signal(stop=False))

    def _on_signal(self, *, stop: bool) -> None:
        self._is_stopping = self._is_stopping or stop
        self._wants_reload = self._wants_reload or not stop

    def _end(self, web: WebSide) -> None:
        """Drain within the bounds above; what is cut off then is taken up at the next start."""
        LOG.info("draining")
        self._supervision.stopping()
        self._is_stopping = True
        self._changing.acquire(timeout=RELOAD_END_S)  # a reload under way may still end
        is_clean = web.end(WEB_END_S)
        if self._bot is not None:
            self._bot.stop(BOT_END_S)
        self._state.give_back()
        LOG.info("stopped", clean=is_clean)

    def _health(self) -> tuple[bool, dict[str, object]]:
        troubles = self._bot.troubles() if self._bot is not None else []
        if self._is_stopping:
            troubles.append("draining")
        facts: dict[str, object] = {"version": VERSION, "uptime_s": round(self._clock.monotonic() - self._began)}
        return not troubles, {**facts, "troubles": troubles} if troubles else facts

    def _stuck(self, web: WebSide) -> list[str]:
        """Return which threads are silent, empty when all is well; while a reload or the drain waits, none counts."""
        if self._changing.locked() or self._is_stopping:
            return []
        return [*(self._bot.silent() if self._bot is not None else ()), *(["web"] if web.is_silent else [])]

    def _wake_bot(self) -> None:
        if self._bot is not None:
            self._bot.wake()


def _doors(bot: Bot | None) -> tuple[Inbox | None, Desk | None]:
    """Return where the web side hands in messages and the API's requests."""
    return (bot.inbox, bot.desk) if bot else (None, None)


def _raise_file_limit() -> None:
    """Each connection is a descriptor; systems give far fewer than they allow (setrlimit(2))."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
