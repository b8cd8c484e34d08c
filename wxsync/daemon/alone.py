"""Run the jobs in a command's own process, while no daemon holds the state directory. Floor: daemon."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from wxsync.clock import Clock
from wxsync.daemon.bot import Bot
from wxsync.daemon.outbound import Outbound
from wxsync.daemon.state_dir import StateDir
from wxsync.errors import ConfigError
from wxsync.jobs.desk import Desk
from wxsync.options.settings import Settings
from wxsync.remote.resolver import SystemResolver
from wxsync.store.database import Database
from wxsync.store.store import Store

END_S = 3.0


class Alone:
    """The jobs side without web side and without WeCom: what is owed to members waits for the daemon.

    Used by one thread: take, open, perhaps start, end.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        # Without the secret there is no bot; who may do what in the chat stays, for messages that wait in the store.
        self._settings = replace(settings, wecom=replace(settings.wecom, secret=""))
        self._clock = clock
        self._state = StateDir(Path(settings.server.state_dir))
        self._bot: Bot | None = None
        self._runs = False
        self._database: Database | None = None

    def take(self) -> None:
        """Hold the state directory. Raises Busy when a daemon, or another command, has it; ConfigError, StoreFault."""
        os.umask(0o077)  # the state holds members' messages
        self._state.take()

    def open(self) -> Desk:
        """Open the store; nothing runs yet. Raises ConfigError when no part has jobs, StoreFault."""
        settings = self._settings
        if not (settings.has_mirror or settings.has_upload):
            mend = "补上 [registry] 和 [github]，或 [qingstor]，再用 check-config 检查"
            raise ConfigError("没有配置镜像同步，也没有配置文件上传", mend=mend)
        self._database = Database(self._state.path / "wxsyncd.sqlite3")
        outbound = Outbound(settings, self._clock, SystemResolver(self._clock))
        self._bot = Bot(settings, Store(self._database), self._state.path, self._clock, outbound)
        return self._bot.desk

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


def become_owner(state_dir: Path) -> None:
    """Give up root's rights for those of the state directory's owner.

    What root wrote there, the daemon that runs as another user could not read.
    """
    try:
        owner = state_dir.stat()
    except OSError:
        return  # it is not there yet, or whoever takes it tells what is wrong
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
