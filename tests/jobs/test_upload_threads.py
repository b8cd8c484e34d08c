"""The upload threads: side by side, each job once, stopped and taken up again."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import pytest

from tests.support.daemon import wait_for
from wxsync.clock import SystemClock
from wxsync.jobs.job import Job
from wxsync.jobs.upload.threads import UploadThreads
from wxsync.store.database import StoreFault

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def job(number: int) -> Job:
    return Job(number, "upload", "zhangsan", "https://example.com/a.pdf", NOW)


class Runs:
    """Courses that last until they are let go or stopped."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.stopped: list[int] = []
        self.let_go = threading.Event()
        self.fault: Exception | None = None

    def __call__(self, job: Job, stop: threading.Event) -> None:
        self.begun.append(job.id)
        if self.fault:
            fault, self.fault = self.fault, None
            raise fault
        while not (self.let_go.wait(0.01) or stop.is_set()):
            pass
        if stop.is_set():
            self.stopped.append(job.id)


@pytest.fixture
def runs():
    return Runs()


@pytest.fixture
def threads(runs):
    made = UploadThreads(SystemClock(), runs, workers=2, busy_s=60, sweep=lambda *_: 5.0)
    yield made
    assert made.stop(10)


def test_two_run_side_by_side_and_the_third_waits(threads, runs):
    threads.start()
    for number in (1, 2, 3):
        threads.hand_over(job(number))
    wait_for(lambda: len(runs.begun) == 2, "two courses")
    assert sorted(runs.begun) == [1, 2]
    assert threads.ahead == 2
    runs.let_go.set()
    wait_for(lambda: sorted(runs.begun) == [1, 2, 3], "the third")
    wait_for(lambda: not threads.has(3), "its end")
    assert threads.ahead == 0
    assert not any(loop.heartbeat.is_late for loop in threads.loops)


def test_a_job_under_way_is_stopped_and_others_go_on(threads, runs):
    threads.start([job(1), job(2)])
    wait_for(lambda: len(runs.begun) == 2, "both courses")
    assert threads.cancel(1)
    wait_for(lambda: not threads.has(1), "the end of the cancelled one")
    assert runs.stopped == [1]
    assert threads.has(2)


def test_an_end_cuts_off_what_is_under_way_and_begins_nothing_more(runs):
    threads = UploadThreads(SystemClock(), runs, workers=1, busy_s=60, sweep=lambda *_: 5.0)
    threads.start([job(1), job(2)])
    wait_for(lambda: runs.begun == [1], "the first course")
    assert threads.stop(10)
    assert (runs.begun, runs.stopped) == ([1], [1])


def test_a_store_that_takes_nothing_is_waited_for(threads, runs):
    runs.fault = StoreFault("full")
    threads.start([job(1)])
    wait_for(lambda: runs.begun, "the first try")
    threads.cancel(1)  # ends the wait at once
    wait_for(lambda: runs.begun == [1, 1], "the second try")


def test_a_course_that_breaks_is_forgotten_and_the_thread_goes_on(threads, runs):
    runs.fault = RuntimeError("broken")
    threads.start([job(1)])
    wait_for(lambda: not threads.has(1) and runs.begun == [1], "the end of the broken one")
    threads.hand_over(job(2))
    wait_for(lambda: 2 in runs.begun, "the next one")


def test_a_cancelled_job_that_waits_again_is_left_to_its_own_course(threads, runs):
    """What it has done already, only its course knows how to end; the reception ends what was never begun."""
    threads.start([job(1), job(2), job(3)])
    threads.hand_over(job(4))
    wait_for(lambda: len(runs.begun) == 2, "two courses")
    assert threads.cancel(3)
    assert not threads.cancel(4)
    assert threads.has(3)
    assert not threads.has(4)
    runs.let_go.set()
    wait_for(lambda: 3 in runs.begun, "the third")


def test_what_was_left_behind_is_taken_away_beside_the_courses():
    swept = threading.Event()

    def sweep(stop, heartbeat):
        swept.set()
        return 0.0 if stop.wait(5) else 1.0

    threads = UploadThreads(SystemClock(), lambda job, stop: None, workers=1, busy_s=60, sweep=sweep)
    threads.start()
    assert swept.wait(5)
    assert threads.stop(2)
