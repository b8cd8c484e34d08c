"""Midnight: the day's list goes to GitHub once more and the local one is emptied. Floor: jobs."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from wxsync.clock import Clock
from wxsync.errors import WxsyncError
from wxsync.jobs import imagelist
from wxsync.log.logger import logger
from wxsync.remote.github.client import GitHub
from wxsync.store.files import DayList
from wxsync.store.store import Store

LOG = logger("jobs.rollover")
FACT = "rollover"  # the store's key for the last midnight that was served
TIME_FACT = "rollover.time"  # and for the time of day that it was
RETRY_S = (10.0, 30.0, 60.0, 300.0)


class Rollover:
    """Knows which midnight is due and serves it. Used by the sync thread only, so no job writes the list meanwhile.

    github is None when there is none: then the list is only emptied.
    """

    def __init__(
        self, store: Store, day_list: DayList, github: GitHub | None, clock: Clock, *, at: time, is_enabled: bool
    ) -> None:
        self._store = store
        self._day_list = day_list
        self._github = github
        self._clock = clock
        self._at = at
        self._is_enabled = is_enabled
        self._tries = 0
        self._not_before = 0.0

    def start(self) -> None:
        """On the first start, and with a new time of day, there is no midnight to catch up with. Raises StoreFault."""
        if self._store.fact(FACT) is None or self._store.fact(TIME_FACT) != self._at.isoformat():
            self._store.remember(FACT, last_due(self._clock.now(), self._clock, self._at).isoformat())
            self._store.remember(TIME_FACT, self._at.isoformat())

    @property
    def is_due(self) -> bool:
        """Tell whether a midnight has passed that was not served, and a failed try has rested. Raises StoreFault."""
        if not self._is_enabled or self._clock.monotonic() < self._not_before:
            return False
        fact, now = self._store.fact(FACT), self._clock.now()
        if fact is None:
            return True
        served = datetime.fromisoformat(fact)
        # A mark beyond the next midnight was made while the clock was wrong.
        return served < last_due(now, self._clock, self._at) or served > next_due(now, self._clock, self._at)

    def wait_s(self) -> float:
        """Return the seconds until the next midnight, or the next try of one that failed."""
        now = self._clock.now()
        resting = self._not_before - self._clock.monotonic()
        if resting > 0:
            return resting
        return (next_due(now, self._clock, self._at) - now).total_seconds()

    def serve(self) -> bool:
        """Upload and empty the list; tell whether it is done. On a fault everything stays and is tried again."""
        due = last_due(self._clock.now(), self._clock, self._at)
        try:
            text = self._day_list.read()
            images = imagelist.count_images(text)
            if self._github is not None and images:
                day = self._clock.local(due - timedelta(seconds=1)).date()  # the day that has just ended
                self._upload(self._github, text, f"rollover {day}: {images} images")
            self._day_list.write("")
            self._store.remember(FACT, due.isoformat())
        except WxsyncError as fault:
            pause = RETRY_S[min(self._tries, len(RETRY_S) - 1)]
            self._tries += 1
            self._not_before = self._clock.monotonic() + pause
            LOG.error("rollover failed, the list is kept", why=str(fault), tries=self._tries, again_s=pause)
            return False
        self._tries = 0
        LOG.info("rollover done", images=images, due=due.isoformat())
        return True

    @staticmethod
    def _upload(github: GitHub, text: str, message: str) -> None:
        found = github.read_list()
        if found is None or found.text != text:
            github.write_list(text, message=message, sha=found.sha if found else None)


def last_due(now: datetime, clock: Clock, at: time) -> datetime:
    """Return the newest instant up to now at which the local clock shows this time of day."""
    today = _on_day_of(now, clock, at)
    return today if today <= now else _on_day_of(now - timedelta(days=1), clock, at)


def next_due(now: datetime, clock: Clock, at: time) -> datetime:
    """Return the next instant after now at which the local clock shows this time of day."""
    today = _on_day_of(now, clock, at)
    return today if today > now else _on_day_of(now + timedelta(days=1), clock, at)


def _on_day_of(instant: datetime, clock: Clock, at: time) -> datetime:
    local = clock.local(instant)
    guess = local.replace(hour=at.hour, minute=at.minute, second=at.second, microsecond=0)
    # Summer time may begin or end between the two: take the offset that holds at the guessed moment.
    shift = (clock.local(guess).utcoffset() or timedelta()) - (guess.utcoffset() or timedelta())
    return guess - shift
