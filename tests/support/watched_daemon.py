"""The daemon with a store that ends the process right after a chosen state was stored, and a clock set ahead or fast.

    watched_daemon.py --config FILE [--die-after STATE] [--ahead SECONDS] [--since EPOCH --speed FACTOR]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from wxsync.clock import SystemClock
from wxsync.config.load import load
from wxsync.config.sources import surroundings
from wxsync.daemon.service import Daemon
from wxsync.daemon.supervision import Supervision
from wxsync.log.output import setup
from wxsync.store.database import Database
from wxsync.store.store import Store

DIE_AFTER = ""


class AheadClock(SystemClock):
    """The machine's clock, but later; only `now`, as after a long time switched off."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return super().now() + self._ahead


class FastClock(SystemClock):
    """A clock that runs `speed` times as fast since an instant, so that nobody waits for minutes."""

    def __init__(self, since: float, speed: float) -> None:
        self._since, self._speed = since, speed

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._since + (time.time() - self._since) * self._speed, timezone.utc)

    def monotonic(self) -> float:
        return super().monotonic() * self._speed

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return super().wait(event, timeout_s / self._speed)


class DyingStore(Store):
    """As a power cut: what was stored is stored, nothing after it happens."""

    def accept(self, *args, **kwargs):
        number = super().accept(*args, **kwargs)
        self._die_at("accepted", number)
        return number

    def save(self, job, *args, **kwargs):
        super().save(job, *args, **kwargs)
        self._die_at("cancelling", kwargs.get("cancels"))
        if job.kind in {"sync", "upload"}:
            self._die_at("posting" if job.state == "committed" and "posted_at" in job.data else job.state, job.id)
            if job.data.get("is_noticed"):
                self._die_at("noticed", job.id)

    def _die_at(self, state: str, number: int | None) -> None:
        if number and state == DIE_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    global DIE_AFTER
    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    parser.add_argument("--die-after", default="")
    parser.add_argument("--ahead", type=float, default=0.0)
    parser.add_argument("--since", type=float, default=0.0)
    parser.add_argument("--speed", type=float, default=1.0)
    arguments = parser.parse_args()
    DIE_AFTER = arguments.die_after
    settings = load(arguments.config, None, surroundings(os.environ, is_root=os.geteuid() == 0)).settings

    def make_store(database: Database) -> Store:
        return DyingStore(database)

    return Daemon(
        settings,
        FastClock(arguments.since, arguments.speed) if arguments.since else AheadClock(arguments.ahead),
        load=lambda: settings,
        log_to=lambda settings: setup(settings.log, settings.secrets(), os.environ),
        web_process=(),
        supervision=Supervision(),
        make_store=make_store,
    ).run()


if __name__ == "__main__":
    sys.exit(main())
