"""Administrators hear of the token's end 14, 7 and 1 days before, once each, whatever is restarted."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tests.support.clock import FakeClock
from wxsync.jobs.tokenwatch import TokenWatch
from wxsync.remote.github import expiry
from wxsync.store.database import Database
from wxsync.store.store import Store

DAY = 86400.0


class Heard:
    def __init__(self, token_expires: datetime | None) -> None:
        self.token_expires = token_expires


@pytest.fixture
def site(tmp_path):
    """A clock, a store, and a function that makes a watch as a new process does."""
    clock, database = FakeClock(), Database(tmp_path / "s")
    store = Store(database)

    def watch(expires: datetime | None, token: str = "ghp_1", admins: tuple[str, ...] = ("boss", "lisi")):
        return TokenWatch(store, clock, Heard(expires), token=token, admins=admins, on_texts=lambda: None)

    yield clock, store, watch
    database.close()


def firsts(store: Store) -> list[tuple[str, str]]:
    return [(each.member, each.text.splitlines()[0].partition("（")[0]) for each in store.outbox()]


def test_each_warning_is_sent_once_to_each_administrator(site):
    clock, store, watch = site
    expires = clock.now() + timedelta(days=30)
    one = watch(expires)
    for _ in range(31 * 24):
        one.look()
        watch(None).look()  # restarted, and GitHub was not called since
        clock.advance(3600)
    assert firsts(store) == [(member, f"⏰ GitHub 令牌{when}") for when in ("14 天后到期", "7 天后到期", "一天之内到期")
                             for member in ("boss", "lisi")]
    assert all(each.job == 0 for each in store.outbox())


def test_only_the_most_urgent_warning_is_sent_after_a_long_silence(site):
    clock, store, watch = site
    one = watch(clock.now() + timedelta(days=5), admins=("boss",))
    one.look()
    clock.advance(6 * DAY)
    one.look()
    one.look()
    assert firsts(store) == [("boss", "⏰ GitHub 令牌5 天后到期"), ("boss", "⏰ GitHub 令牌已经到期")]


def test_another_token_starts_anew_and_one_without_an_end_is_silent(site):
    clock, store, watch = site
    watch(clock.now() + timedelta(days=1)).look()
    watch(None, token="ghp_2").look()
    assert len(store.outbox()) == 2
    watch(clock.now() + timedelta(days=10), token="ghp_2").look()
    assert len(store.outbox()) == 4
    assert "ghp" not in (store.fact("github token") or "")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-02-01 08:00:00 UTC", datetime(2026, 2, 1, 8, tzinfo=timezone.utc)),
        ("2026-02-01 08:00:00 +0800", datetime(2026, 2, 1, tzinfo=timezone.utc)),
        ("2026-02-01 08:00:00 -0130", datetime(2026, 2, 1, 9, 30, tzinfo=timezone.utc)),
        ("2026-02-30 08:00:00 UTC", None),
        ("2026-02-01 08:00:00 CET", None),
        ("tomorrow", None),
        ("", None),
        (None, None),
    ],
)
def test_the_header_is_read_in_both_forms(text, wanted):
    assert expiry.read(text) == wanted
