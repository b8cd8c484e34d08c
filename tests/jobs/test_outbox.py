"""Texts reach their member in order, through faults, limits and restarts, against the WeCom stand-in."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone

import pytest

from tests.support.clock import FakeClock
from wxsync.clock import SystemClock
from wxsync.jobs.outbox import Outbox
from wxsync.remote.dialer import Dialer
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.resolver import SystemResolver
from wxsync.sandbox.wecom.stand_in import WeCom
from wxsync.store.database import Database, StoreFault
from wxsync.store.records import JobRecord
from wxsync.store.store import Store
from wxsync.wecom.client import WeComClient

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


class Post:
    """A store with jobs that owe texts, the stand-in, and an outbox between the two."""

    def __init__(self, directory) -> None:
        self.directory = directory
        self.clock = FakeClock(NOW)
        self.wecom = WeCom(now=lambda: self.clock.now().timestamp())
        self.database = Database(directory / "s")
        self.store = Store(self.database)
        self.restart()

    def restart(self) -> None:
        identity, real = self.wecom.identity, SystemClock()
        transport = HttpTransport(Dialer(real, SystemResolver(real)), real, user_agent="test", tls=tls_context(""))
        client = WeComClient(transport, self.clock, api_base=self.wecom.url, corp_id=identity.corp_id,
                             secret=identity.secret, agent_id=identity.agent_id)
        self.outbox = Outbox(self.store, self.clock, client)

    def owe(self, member: str, *texts: str) -> None:
        number = self.store.add(JobRecord(0, "help", member, "accepted", "", {}, self.clock.now()))
        self.store.save(self.store.job(number), self.clock.now(), texts=texts)

    def close(self) -> None:
        self.wecom.close()
        self.database.close()


@pytest.fixture
def post(tmp_path):
    made = Post(tmp_path)
    yield made
    made.close()


def test_texts_of_all_members_go_out_in_order(post):
    post.owe("zhangsan", "eins #1", "zwei #1")
    post.owe("lisi", "drei #2")
    assert post.outbox.turn() == 5.0
    assert post.wecom.answers("zhangsan") == ["eins #1", "zwei #1"]
    assert post.wecom.answers("lisi") == ["drei #2"]
    assert post.store.outbox() == []


def test_a_text_that_must_wait_holds_back_the_members_later_ones_only(post):
    post.wecom.refuse_next("message/send", -1)
    post.owe("zhangsan", "eins #1", "zwei #1")
    post.owe("lisi", "drei #2")
    pause = post.outbox.turn()
    assert post.wecom.answers("zhangsan") == []
    assert post.wecom.answers("lisi") == ["drei #2"]
    assert 0 < pause <= 5
    post.clock.advance(60)
    post.outbox.turn()
    assert post.wecom.answers("zhangsan") == ["eins #1", "zwei #1"]


def test_a_text_whose_answer_was_lost_is_shown_once(post):
    post.wecom.server.fail_next("message/send", "close", after=True)
    post.owe("zhangsan", "eins #1")
    post.outbox.turn()
    post.restart()
    post.clock.advance(60)
    post.outbox.turn()
    assert post.wecom.answers("zhangsan") == ["eins #1"]
    assert len(post.wecom.server.seen("POST", "message/send")) == 2


def test_a_member_who_does_not_exist_does_not_block_the_others(post):
    post.wecom.refuse_next("message/send", 81013)
    post.owe("nobody", "eins #1")
    post.owe("lisi", "zwei #2")
    post.outbox.turn()
    assert post.wecom.answers("lisi") == ["zwei #2"]
    assert post.store.outbox() == []


def test_a_wrong_setting_stops_all_sending_for_a_while_and_loses_nothing(post):
    post.wecom.api.trusted = False
    post.owe("zhangsan", "eins #1")
    post.owe("lisi", "zwei #2")
    assert post.outbox.turn() == 5.0
    assert len(post.wecom.server.seen("POST", "message/send")) == 1
    post.wecom.api.trusted = True
    assert post.outbox.turn() == 5.0
    assert post.wecom.answers("zhangsan") == []
    post.clock.advance(601)
    post.outbox.turn()
    assert post.wecom.answers("zhangsan") == ["eins #1"]
    assert post.wecom.answers("lisi") == ["zwei #2"]


def test_more_than_twenty_texts_a_minute_wait_instead_of_being_dropped(post):
    texts = [f"text {n} #1" for n in range(25)]
    post.owe("zhangsan", *texts)
    post.outbox.turn()
    assert len(post.wecom.answers("zhangsan")) == 20
    post.clock.advance(66)
    post.outbox.turn()
    assert post.wecom.answers("zhangsan") == texts
    assert post.wecom.api.dropped == []


def test_what_could_not_be_delivered_for_three_days_is_given_up(post):
    post.owe("zhangsan", "eins #1")
    post.clock.advance(timedelta(days=3, seconds=1).total_seconds())
    post.outbox.turn()
    assert post.store.outbox() == []
    assert post.wecom.answers("zhangsan") == []


def test_a_store_that_takes_nothing_does_not_repeat_what_was_sent(post):
    post.owe("zhangsan", "eins #1")
    post.database._connection.execute("PRAGMA busy_timeout=10")
    lock = sqlite3.connect(post.directory / "s", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        with pytest.raises(StoreFault):
            post.outbox.turn()
    lock.rollback()
    lock.close()
    post.outbox.turn()
    assert post.store.outbox() == []
    assert len(post.wecom.server.seen("POST", "message/send")) == 1
