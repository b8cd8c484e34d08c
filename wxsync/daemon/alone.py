"""Run the jobs in a command's own process, while no daemon holds the state directory. Floor: daemon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wxsync.clock import Clock
from wxsync.daemon.bot import Bot
from wxsync.daemon.outbound import Outbound
from wxsync.daemon.state_dir import Busy, StateDir
from wxsync.errors import ConfigError
from wxsync.jobs.desk import Desk
from wxsync.options.settings import Settings
from wxsync.remote.resolver import SystemResolver
from wxsync.store.database import Database
from wxsync.store.store import Store

END_S = 3.0


def no_jobs() -> ConfigError:
    """Return the error of a configuration by which nothing but the relay runs."""
    mend = "补上 [registry] 和 [github]，或 [qingstor]，再用 check-config 检查"
    return ConfigError("没有配置镜像同步，也没有配置文件上传", mend=mend)


class Alone:
    """The jobs side without web side and without WeCom: what is owed to members waits for the daemon.

    Works in the present directory, which `state_dir.enter` made the state directory. Used by one thread: take, open,
    perhaps start, end.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        # Without the secret there is no bot; who may do what in the chat stays, for messages that wait in the store.
        self._settings = replace(settings, wecom=replace(settings.wecom, secret=""))
        self._clock = clock
        self._state = StateDir(Path())
        self._bot: Bot | None = None
        self._runs = False
        self._database: Database | None = None

    def take(self) -> None:
        """Hold the state directory. Raises Busy when a daemon, or another command, has it; ConfigError, StoreFault."""
        self._state.take()

    def open(self) -> Desk:
        """Open the store; nothing runs yet.

        Raises ConfigError when no part has jobs, StoreFault, Busy when only the daemon itself can come here.
        """
        settings = self._settings
        if not (settings.has_mirror or settings.has_upload):
            raise no_jobs()
        self._refuse_hidden()
        self._database = Database(self._state.path / "wxsyncd.sqlite3")
        outbound = Outbound(settings, self._clock, SystemResolver(self._clock))
        self._bot = Bot(settings, Store(self._database), self._state.path, self._clock, outbound)
        return self._bot.desk

    @staticmethod
    def _refuse_hidden() -> None:
        """SQLite opens by the whole path, and with DynamicUser= nobody but root comes through /var/lib/private."""
        place = Path.cwd()
        try:
            place.stat()
        except PermissionError as error:
            what = "守护进程没有运行，它的状态目录只有 systemd 能替它打开"
            raise Busy(what, where=str(place), mend="先执行 systemctl start wxsyncd，再重复这个命令") from error

    def start(self) -> None:
        """Run the jobs, those too that a former process left open. Raises StoreFault."""
        if self._bot is not None:
            self._bot.sweep()
            self._bot.start()
            self._runs = True

    def end(self) -> None:
        """Stop and let a daemon take the directory; a job that is cut off goes on when the next one runs."""
        if self._bot is not None and self._runs:
            self._bot.stop(END_S)
        if self._database is not None:
            self._database.close()
        self._state.give_back()
