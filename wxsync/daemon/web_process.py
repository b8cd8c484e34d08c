"""Run one of several web processes: the front on inherited listeners, its messages into the shared store.

Floor: daemon.
"""

from __future__ import annotations

import signal
from pathlib import Path

from wxsync.clock import Clock
from wxsync.daemon.front import Front
from wxsync.jobs.inbox import Inbox
from wxsync.metrics import Metrics
from wxsync.options.settings import Settings
from wxsync.store.database import Database
from wxsync.store.store import Store
from wxsync.web.child import Child, inherited

DRAIN_S = 5.0


def run(settings: Settings, clock: Clock, argument: str, state_dir: Path) -> int:
    """Serve until the parent wants the end, or is gone; argument as the parent wrote it, state_dir the parent's."""
    given = inherited(argument)
    child = Child(given, clock)
    inbox = None
    if settings.has_bot:
        store = Store(Database(state_dir / "wxsyncd.sqlite3"))
        inbox = Inbox(store, clock, child.wake, own_prefix=settings.registry.prefix)
    front = Front(
        settings,
        clock,
        child.listeners(),
        inbox=inbox,
        health=child.health,
        metrics=Metrics(Path(given.metrics)),
        shares=True,
    )
    signal.signal(signal.SIGTERM, lambda *_: child.end())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent tells when to end
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    child.start()
    front.start()
    child.ready()
    child.wait_for_end()
    front.end(DRAIN_S)
    return 0
