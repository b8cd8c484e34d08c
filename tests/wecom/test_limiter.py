"""How many texts a member gets in a minute and in an hour."""

from __future__ import annotations

import pytest

from wxsync.wecom.limiter import MemberLimiter


def send(limiter: MemberLimiter, member: str, count: int, start: float = 0.0, step: float = 0.0) -> None:
    for number in range(count):
        limiter.record(member, start + number * step)


def test_twenty_go_at_once_and_the_next_waits_for_the_first() -> None:
    limiter = MemberLimiter()
    send(limiter, "zhangsan", 19, start=100)
    assert limiter.delay("zhangsan", 100) == 0
    send(limiter, "zhangsan", 1, start=110)
    assert limiter.delay("zhangsan", 120) == pytest.approx(45)
    assert limiter.delay("zhangsan", 165) == 0


def test_after_the_wait_each_text_frees_one_place() -> None:
    limiter = MemberLimiter()
    send(limiter, "a", 20, step=1)
    assert limiter.delay("a", 65) == 0
    send(limiter, "a", 1, start=65)
    assert limiter.delay("a", 65) == pytest.approx(1)


def test_members_do_not_wait_for_each_other() -> None:
    limiter = MemberLimiter()
    send(limiter, "a", 20)
    assert limiter.delay("b", 1) == 0


def test_a_member_is_the_same_in_any_case() -> None:
    limiter = MemberLimiter()
    send(limiter, "ZhangSan", 10)
    send(limiter, "zhangsan", 10)
    assert limiter.delay("ZHANGSAN", 1) > 0


def test_an_hour_has_its_own_limit() -> None:
    limiter = MemberLimiter()
    send(limiter, "a", 900, step=3.5)
    assert limiter.delay("a", 3200) == pytest.approx(400)
    assert limiter.delay("a", 3600) == 0


def test_whoever_was_sent_nothing_for_an_hour_is_forgotten() -> None:
    limiter = MemberLimiter()
    for number in range(50):
        limiter.record(f"m{number}", number)
    limiter.record("late", 3649)
    assert set(limiter._sent) == {"late"}


def test_never_more_than_wecom_delivers() -> None:
    limiter, now, sent = MemberLimiter(), 0.0, []
    for _ in range(2500):
        now += limiter.delay("a", now)
        limiter.record("a", now)
        sent.append(now)
    for most, span in ((30, 60), (1000, 3600)):
        assert all(sent[at + most] - sent[at] > span for at in range(len(sent) - most))
