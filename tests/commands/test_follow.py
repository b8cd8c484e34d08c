"""Following jobs, and the file that a command hands in: what goes wrong while they are under way."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest

from tests.support.clock import FakeClock
from wxsync.commands.follow import Interrupts, follow
from wxsync.commands.handed_in import HandedIn
from wxsync.commands.office import Away
from wxsync.commands.screen import Screen
from wxsync.errors import MemberError


class Course:
    """An office whose jobs end at their n-th look; None: it is not there any more."""

    def __init__(self, looks: dict[int, int | None]) -> None:
        self.looks = looks
        self.cancelled: list[int] = []

    def job(self, number: int) -> dict[str, Any] | None:
        left = self.looks[number]
        if left is None:
            return None
        self.looks[number] = left - 1
        return {"id": number, "kind": "sync", "state": "running", "ended_at": None if left > 0 else "x", "result": "",
                "items": [], "progress": [], "is_queued": False}

    def cancel(self, number: int) -> bool:
        self.cancelled.append(number)
        raise MemberError(f"任务 #{number} 已经结束")


def followed(course: Course, *numbers: int, interrupts: int = 0) -> tuple[list[int], str]:
    out, counted, clock = io.StringIO(), Interrupts(), FakeClock()
    counted.count = interrupts
    ended = follow(course, numbers, Screen(out, clock), counted, clock)
    return [job["id"] for job in ended], out.getvalue()


def test_jobs_come_back_in_the_order_in_which_they_were_asked_for():
    assert followed(Course({1: 5, 2: 1, 3: 3}), 3, 1, 2)[0] == [3, 1, 2]


def test_a_job_that_ends_while_it_is_cancelled_is_told_and_cancelled_once():
    course = Course({1: 3})
    ended, said = followed(course, 1, interrupts=1)
    assert (ended, course.cancelled) == ([1], [1])
    assert "任务 #1 已经结束" in said


def test_a_job_that_is_not_there_any_more_is_told():
    with pytest.raises(MemberError, match="#1 不在了"):
        followed(Course({1: None}), 1)


def test_when_the_daemon_goes_away_only_the_open_jobs_are_named():
    class Leaving(Course):
        def job(self, number: int) -> dict[str, Any] | None:
            if number == 2:
                raise Away("走了", mend="看日志")
            return super().job(number)

    with pytest.raises(Away) as caught:
        followed(Leaving({1: 0}), 1, 2)
    assert "#1、#2" in caught.value.mend
    assert "看日志" in caught.value.mend


def test_a_file_is_given_block_by_block_under_a_name_that_can_be_sent(tmp_path):
    path = tmp_path / os.fsdecode(b"a\xff\nb.bin")
    path.write_bytes(os.urandom(600_000))
    file = HandedIn(path, lambda: False)
    assert file.name == "a\ufffd_b.bin"
    assert file.length == 600_000
    assert b"".join(bytes(block) for block in file) == path.read_bytes()


def test_a_file_that_shrinks_and_one_that_nobody_wants_any_more_end_the_handing_in(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 600_000)
    file = HandedIn(path, lambda: False)
    os.truncate(path, 1000)
    with pytest.raises(MemberError, match="变短"):
        list(file)
    with pytest.raises(KeyboardInterrupt):
        next(iter(HandedIn(path, lambda: True)))
