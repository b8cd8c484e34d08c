"""What systemd hands to a service, and what the service tells it: sd_notify, watchdog, sockets. Floor: daemon.

By sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3). Without systemd nothing is handed over and nothing is told.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass

from wxsync.errors import ConfigError
from wxsync.options.addresses import PARTS, Listener

FIRST_FD = 3  # SD_LISTEN_FDS_START
MOST_FDS = 64
_NAMES = (
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
    "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID",
)
_NUMBER = re.compile("[0-9]{1,15}", re.ASCII)
_PART_MEND = f"socket 单元里写 FileDescriptorName=，值是其中之一：{'、'.join(PARTS)}"

_SOCKET_MEND = "socket 单元里用 ListenStream=地址:端口，不写 Accept=yes"


@dataclass(frozen=True)
class Supervision:
    """What was handed over; the empty one is a run without systemd.

    address: the notification socket. watchdog_s: how long systemd bears silence, 0 for ever. sockets: listening
    sockets, each with the name that its socket unit gives it.
    """

    address: str = ""
    watchdog_s: float = 0.0
    sockets: tuple[tuple[socket.socket, str], ...] = ()

    def tell(self, *lines: str) -> None:
        """Send the lines to systemd; what cannot be sent is lost, for that must never stop the daemon."""
        if not self.address:
            return
        place = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.setblocking(False)
            notify.sendto("\n".join(lines).encode(), place)

    def ready(self, status: str) -> None:
        """Tell that every listener accepts; status is what `systemctl status` shows."""
        self.tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Tell that a reload has begun; `ready` ends it."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Tell that the drain has begun."""
        self.tell("STOPPING=1")

    def alive(self) -> None:
        """Put the watchdog off."""
        if self.watchdog_s:
            self.tell("WATCHDOG=1")

    def of_parts(self, listen: Iterable[Listener]) -> tuple[list[tuple[socket.socket, str]], list[Listener]]:
        """Return the handed sockets with their parts, and which configured listeners are still to be bound.

        A socket stands in for the configured listeners of its part and for one on its port. Raises ConfigError for a
        name that is no part, and for a part that is off.
        """
        configured = list(listen)
        parts = {each.part for each in configured}
        for _, name in self.sockets:
            if name not in PARTS:
                raise ConfigError("systemd 交来的套接字不知道属于哪一部分", where=name, mend=_PART_MEND)
            if name != "all" and not parts & {name, "all"}:
                raise ConfigError(
                    "systemd 交来了套接字，但这一部分没有启用", where=name,
                    mend="停用它的 socket 单元（systemctl disable --now），或补上这一部分的配置")
        names = {name for _, name in self.sockets}
        ports = {each.getsockname()[1] for each, _ in self.sockets}
        return list(self.sockets), [
            each for each in configured if each.part not in names and (each.port == 0 or each.port not in ports)]


def take(environ: MutableMapping[str, str], pid: int) -> Supervision:
    """Return what the environment of process pid hands over, and take it out of there: children must not inherit it."""
    given = {name: environ.pop(name, "") for name in _NAMES}
    watchdog_s = 0.0
    if given["WATCHDOG_PID"] in {"", str(pid)}:
        watchdog_s = _number(given["WATCHDOG_USEC"]) / 1e6
    count = min(_number(given["LISTEN_FDS"]), MOST_FDS) if given["LISTEN_PID"] == str(pid) else 0
    names = given["LISTEN_FDNAMES"].split(":")
    sockets = tuple(
        (_adopted(FIRST_FD + place), names[place] if place < len(names) else "") for place in range(count))
    return Supervision(given["NOTIFY_SOCKET"], watchdog_s, sockets)


def _number(text: str) -> int:
    return int(text) if _NUMBER.fullmatch(text) else 0


def _adopted(descriptor: int) -> socket.socket:
    """Return the socket on a descriptor that no child may inherit. Raises ConfigError when it is no listening one."""
    try:
        os.set_inheritable(descriptor, False)
        adopted = socket.socket(fileno=descriptor)
        is_listening = bool(adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        is_tcp = adopted.family in {socket.AF_INET, socket.AF_INET6} and adopted.type == socket.SOCK_STREAM
    except OSError as error:
        what = f"systemd 交来的描述符不能用：{error.strerror}"
        raise ConfigError(what, where=str(descriptor), mend=_SOCKET_MEND) from error
    if not (is_listening and is_tcp):
        raise ConfigError("systemd 交来的不是监听的 TCP 套接字", where=str(descriptor), mend=_SOCKET_MEND)
    return adopted
