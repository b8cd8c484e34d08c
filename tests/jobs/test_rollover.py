"""Midnight by the local clock: when it is due, and that nothing is lost when GitHub is away."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from tests.support.clock import FakeClock
from wxsync.errors import RemoteFault
from wxsync.jobs.rollover import Rollover, last_due, next_due
from wxsync.store.database import Database
from wxsync.store.files import DayList
from wxsync.store.store import Store

MIDNIGHT = time(0, 0, 0)
LIST = "# request a\nnginx:latest -> nginx:latest\nredis:7.0 -> redis:7.0\n"


class ZoneClock(FakeClock):
    def __init__(self, now: datetime, zone: str) -> None:
        super().__init__(now)
        self._zone = ZoneInfo(zone)


class ListOnly:
    """GitHub's images.txt alone, away when told so."""

    def __init__(self) -> None:
        self.commits: list[tuple[str, str]] = []
        self.away = False

    def read_list(self):
        if self.away:
            raise RemoteFault("GitHub: 502", temporary=True)

    def write_list(self, text, *, message, sha):
        assert sha is None
        self.commits.append((message, text))
        return "c0ffee"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("zone", "now", "at", "last", "following"),
    [
        ("Asia/Shanghai", utc(2026, 1, 2, 15, 59, 59), MIDNIGHT, utc(2026, 1, 1, 16), utc(2026, 1, 2, 16)),
        ("Asia/Shanghai", utc(2026, 1, 2, 16), MIDNIGHT, utc(2026, 1, 2, 16), utc(2026, 1, 3, 16)),
        ("Asia/Shanghai", utc(2026, 1, 2, 3), time(12, 30), utc(2026, 1, 1, 4, 30), utc(2026, 1, 2, 4, 30)),
        # Summer time begins on 2026-03-29 and ends on 2026-10-25 at 01:00 UTC.
        ("Europe/Berlin", utc(2026, 3, 29, 12), MIDNIGHT, utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)),
        ("Europe/Berlin", utc(2026, 10, 25, 12), MIDNIGHT, utc(2026, 10, 24, 22), utc(2026, 10, 25, 23)),
    ],
)
def test_due_instants_follow_the_local_clock(zone, now, at, last, following):
    clock = ZoneClock(now, zone)
    assert last_due(now, clock, at) == last
    assert next_due(now, clock, at) == following


@pytest.fixture
def parts(tmp_path):
    database = Database(tmp_path / "s")
    clock = FakeClock(utc(2026, 1, 2, 15, 59, 58))
    yield Store(database), DayList(tmp_path / "images.txt"), ListOnly(), clock
    database.close()


def rollover(parts, **changes) -> Rollover:
    store, day_list, github, clock = parts
    made = Rollover(store, day_list, changes.get("github", github), clock, at=MIDNIGHT, is_enabled=True)
    made.start()
    return made


def test_at_midnight_the_day_goes_to_github_and_the_list_is_emptied(parts):
    _, day_list, github, clock = parts
    day_list.write(LIST)
    midnight = rollover(parts)
    assert not midnight.is_due
    assert midnight.wait_s() == 2
    clock.advance(2)
    assert midnight.is_due
    assert midnight.serve()
    assert github.commits == [("rollover 2026-01-02: 2 images", LIST)]
    assert day_list.read() == ""
    assert not midnight.is_due
    assert midnight.wait_s() == 86400


def test_a_midnight_that_fails_keeps_the_list_and_is_tried_again(parts):
    _, day_list, github, clock = parts
    day_list.write(LIST)
    midnight = rollover(parts)
    clock.advance(5)
    github.away = True
    assert not midnight.serve()
    assert day_list.read() == LIST
    assert not midnight.is_due
    assert midnight.wait_s() == 10
    clock.advance(10)
    assert midnight.is_due
    github.away = False
    assert midnight.serve()
    assert [text for _, text in github.commits] == [LIST]
    assert day_list.read() == ""


def test_a_midnight_missed_while_down_is_served_once_at_the_next_start(parts):
    _, day_list, github, clock = parts
    rollover(parts)
    day_list.write(LIST)
    clock.advance(3 * 86400)
    again = rollover(parts)
    assert again.is_due
    assert again.serve()
    assert not rollover(parts).is_due
    assert len(github.commits) == 1


def test_an_empty_list_makes_no_commit_and_without_github_it_is_only_emptied(parts):
    _, day_list, github, clock = parts
    midnight = rollover(parts)
    clock.advance(5)
    assert midnight.serve()
    day_list.write(LIST)
    clock.advance(86400)
    alone = rollover(parts, github=None)
    assert alone.serve()
    assert github.commits == []
    assert day_list.read() == ""


def test_a_mark_made_while_the_clock_was_wrong_stops_nothing(parts):
    store, day_list, _, _ = parts
    midnight = rollover(parts)
    store.remember("rollover", "2030-01-01T16:00:00+00:00")
    assert midnight.is_due
    day_list.write(LIST)
    assert midnight.serve()
    assert not midnight.is_due


def test_a_new_time_of_day_counts_from_now_on(parts):
    store, day_list, github, clock = parts
    rollover(parts)
    clock.advance(12 * 3600)
    later = Rollover(store, day_list, github, clock, at=time(6, 0), is_enabled=True)
    later.start()
    assert not later.is_due


def test_rollover_that_is_switched_off_is_never_due(parts):
    store, day_list, github, clock = parts
    off = Rollover(store, day_list, github, clock, at=MIDNIGHT, is_enabled=False)
    clock.advance(timedelta(days=2).total_seconds())
    assert not off.is_due
