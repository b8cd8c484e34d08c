"""What may still lie at QingStor under a key that its job has given up: noted in the store, taken away later.

A failed upload takes its traces away at once, but that may not work, or come too early: a request that was cut off can
still take effect when its connection is gone.

Floor: jobs.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Callable

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.jobs.heartbeat import Heartbeat
from wxsync.jobs.upload.transfer import SWEEP_S
from wxsync.log.logger import logger
from wxsync.remote.stop import Stopped
from wxsync.store.database import StoreFault
from wxsync.store.store import Store

LOG = logger("jobs.upload")
FACT = "upload-leftovers"
LOOK_S = 10.0
FIRST_S = 180.0  # by then every request that was under way is over
LONGEST_S = 6 * 3600.0
KEPT_FOR = timedelta(days=3)
MOST = 200

CleanUp = Callable[[str, str, threading.Event], None]


@dataclass(frozen=True)
class Leftover:
    """One key. upload_id: of its multipart upload, "" when not known. noted, due: Unix seconds."""

    key: str
    upload_id: str
    noted: float
    due: float
    tries: int = 0


class Leftovers:
    """Any thread may note; one thread takes away."""

    def __init__(self, store: Store, clock: Clock, clean_up: CleanUp) -> None:
        """clean_up: takes away what lies under a key; raises RemoteFault, Stopped."""
        self._store = store
        self._clock = clock
        self._clean_up = clean_up
        self._changing = threading.Lock()

    def note(self, key: str, upload_id: str = "") -> None:
        """Have a key looked after in a few minutes; call it before the job forgets the key. Raises StoreFault."""
        now = self._clock.now().timestamp()
        with self._changing:
            self._write([*self._read()[1 - MOST :], Leftover(key, upload_id, now, now + FIRST_S)])

    def turn(self, stop: threading.Event, heartbeat: Heartbeat) -> float:
        """Take away what is due; return the seconds until the next look."""
        try:
            now = self._clock.now().timestamp()
            for each in [each for each in self._read() if each.due <= now]:
                heartbeat.beat(SWEEP_S)
                self._take_away(each, stop)
        except StoreFault as fault:
            LOG.error("leftovers wait for the store", why=str(fault))
        except Stopped:
            pass  # the end of the thread; the store still knows them
        return LOOK_S

    def _take_away(self, left: Leftover, stop: threading.Event) -> None:
        try:
            self._clean_up(left.key, left.upload_id, stop)
        except RemoteFault as fault:
            self._replace(left, self._later(left, fault))
        else:
            self._replace(left, None)

    def _later(self, left: Leftover, fault: RemoteFault) -> Leftover | None:
        """Return it with its next try, None when it is given up."""
        now = self._clock.now()
        if now - datetime.fromtimestamp(left.noted, now.tzinfo) > KEPT_FOR:
            LOG.error("leftover given up", key=left.key, upload=left.upload_id, why=str(fault))
            return None
        LOG.warning("leftover at QingStor", key=left.key, upload=left.upload_id, why=str(fault), tries=left.tries + 1)
        pause_s = min(LONGEST_S, FIRST_S * 2.0**left.tries)
        return replace(left, tries=left.tries + 1, due=now.timestamp() + pause_s)

    def _replace(self, old: Leftover, new: Leftover | None) -> None:
        with self._changing:
            others = [each for each in self._read() if each != old]
            self._write([*others, *([new] if new else [])])

    def _read(self) -> list[Leftover]:
        return [Leftover(**each) for each in json.loads(self._store.fact(FACT) or "[]")]

    def _write(self, leftovers: list[Leftover]) -> None:
        self._store.remember(FACT, json.dumps([asdict(each) for each in leftovers]))
