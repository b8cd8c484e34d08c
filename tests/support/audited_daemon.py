"""The daemon under an audit hook that writes down every connection, datagram, look-up and program that it starts.

    audited_daemon.py RECORD --config FILE

One JSON line an event: its name, what it is about, and whether who may cause it did (wxsync/remote/connect.py for a
connection, wxsync/remote/resolver.py for a look-up). Pauses of a minute and more are cut to a second.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from wxsync.clock import SystemClock
from wxsync.config.load import load
from wxsync.config.sources import surroundings
from wxsync.daemon.service import Daemon
from wxsync.daemon.supervision import Supervision
from wxsync.log.output import setup
from wxsync.options.settings import Settings

MAKERS = {  # audit event (docs.python.org, audit events table): what is in the path of the only file that may cause it
    "socket.connect": "wxsync/remote/connect.py",
    "socket.getaddrinfo": "wxsync/remote/resolver.py",
    "subprocess.Popen": "/Crypto/",  # pycryptodome asks file(1) about the interpreter
    **dict.fromkeys((
        "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo", "socket.sendto", "socket.sendmsg",
        "os.system", "os.posix_spawn", "os.exec", "os.fork", "os.forkpty"), ""),
}
WITH_ADDRESS = ("socket.connect", "socket.sendto", "socket.sendmsg")


class HurriedClock(SystemClock):
    """Real time, but nobody pauses for minutes."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return super().wait(event, timeout_s if timeout_s < 60 else 1.0)


def record_to(descriptor: int) -> None:
    """Write down each event from here on."""

    def hook(event: str, args: tuple[object, ...]) -> None:
        maker = MAKERS.get(event)
        if maker is None:
            return
        about = args[1] if event in WITH_ADDRESS else args[0]
        if event in WITH_ADDRESS and not isinstance(about, tuple):
            return  # AF_UNIX, which leads nowhere else
        files = _callers()
        is_theirs = bool(maker) and any(maker in name for name in files)
        line = {"event": event, "about": repr(about), "is_expected": is_theirs, "callers": files[:8]}
        if isinstance(about, tuple):
            line["port"] = about[1]
        os.write(descriptor, (json.dumps(line) + "\n").encode())

    sys.addaudithook(hook)


def _callers() -> list[str]:
    frame, files = sys._getframe(2), []
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    return files


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("record")
    parser.add_argument("--config")
    arguments = parser.parse_args()
    record_to(os.open(arguments.record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))

    def settings() -> Settings:
        return load(arguments.config, None, surroundings(os.environ, is_root=os.geteuid() == 0)).settings

    return Daemon(
        settings(),
        HurriedClock(),
        load=settings,
        log_to=lambda settings: setup(settings.log, settings.secrets(), os.environ),
        web_process=(),
        supervision=Supervision(),
    ).run()


if __name__ == "__main__":
    sys.exit(main())
