"""The state directory: made, held by one daemon at a time, and the file that tells where it listens. Floor: daemon."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from wxsync.errors import ConfigError, WxsyncError
from wxsync.store.files import FileLock, write_whole

LISTENERS = "listeners.json"


class Busy(WxsyncError):
    """Something that this daemon needs is held by another process."""


class StateDir:
    """Used by the main thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / "wxsyncd.lock")
        self._listeners = path / LISTENERS

    def take(self) -> None:
        """Make it when it is not there, and hold it until the process ends. Raises ConfigError and Busy."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"不能建立状态目录：{error.strerror}", where=str(self.path), mend="改 [server] state_dir 或目录权限"
            ) from error
        if not self._lock.acquire():
            raise Busy(
                f"另一个 wxsyncd（进程 {self._lock.holder()}）正在使用这个状态目录",
                where=str(self.path.absolute()),
                mend="先停掉它，或换一个 [server] state_dir",
            )
        self._forget_listeners()  # of a run that was killed

    def publish(self, listeners: Iterable[tuple[socket.socket, str]]) -> None:
        """Write where each part listens: the sign that the daemon is ready. Raises StoreFault."""
        places = [(part, listener.getsockname()) for listener, part in listeners]
        entries = [{"part": part, "host": place[0], "port": place[1]} for part, place in places]
        text = json.dumps({"pid": os.getpid(), "listeners": entries}, indent=2)
        write_whole(self._listeners, text + "\n")

    def give_back(self) -> None:
        """Let another daemon take it."""
        self._forget_listeners()
        self._lock.release()

    def _forget_listeners(self) -> None:
        with suppress(OSError):
            self._listeners.unlink()


def enter(state_dir: Path) -> None:
    """Make the directory when it is not there, work in it from here on, as its owner. Raises WxsyncError.

    What root wrote there, the daemon that runs as another user could not read; nor may a link there lead root astray.
    """
    os.umask(0o077)  # the state holds members' messages
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chdir(state_dir)  # while still root: with DynamicUser a directory above lets no one else through
        owner = Path().stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.setgroups([])
            os.setgid(owner.st_gid)
            os.setuid(owner.st_uid)
    except OSError as error:
        raise WxsyncError(f"不能使用状态目录：{error.strerror}", where=str(state_dir), mend="检查目录和权限") from error
