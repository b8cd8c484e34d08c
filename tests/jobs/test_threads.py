"""Threads that take turns, the beat that tells whether they still move, and the slot they share."""

from __future__ import annotations

import threading

import pytest

from tests.support.clock import FakeClock
from tests.support.daemon import wait_for
from wxsync.clock import SystemClock
from wxsync.jobs.heartbeat import BeatingTransport, Heartbeat
from wxsync.jobs.loop import Loop
from wxsync.jobs.rollover import Rollover
from wxsync.jobs.slot import Slot
from wxsync.jobs.timer import ALIVE, Timer
from wxsync.remote.exchange import Request, Response
from wxsync.store.database import Database
from wxsync.store.files import DayList, FileLock
from wxsync.store.store import Store


def test_a_loop_goes_on_after_a_turn_that_broke_and_stops_when_told():
    clock = SystemClock()
    loop = Loop("test", clock, Heartbeat(clock))
    turns = []

    def turn() -> float:
        turns.append(len(turns))
        if len(turns) == 1:
            loop.wake()
            raise ValueError("once")
        return 3600.0

    loop.start(turn)
    wait_for(lambda: len(turns) == 2, "the turn after the broken one")
    loop.wake()
    wait_for(lambda: len(turns) == 3, "the woken turn")
    assert loop.stop(5.0)


def test_a_loop_that_hangs_in_its_turn_is_left_behind():
    clock = SystemClock()
    loop, entered, gate = Loop("test", clock, Heartbeat(clock)), threading.Event(), threading.Event()

    def turn() -> float:
        entered.set()
        return float(gate.wait(20))

    loop.start(turn)
    assert entered.wait(20)
    assert not loop.stop(0.05)
    gate.set()
    assert loop.stop(5.0)
    assert Loop("never started", clock, Heartbeat(clock)).stop(0.0)


def test_a_thread_is_late_when_it_breaks_its_promise():
    clock = FakeClock()
    beat = Heartbeat(clock)
    clock.advance(29)
    assert not beat.is_late
    clock.advance(2)
    assert beat.is_late
    beat.beat(busy_s=60)
    clock.advance(89)
    assert not beat.is_late


def test_a_remote_call_that_hangs_is_no_silence():
    clock = FakeClock()
    beat = Heartbeat(clock)

    class Slow:
        def send(self, request, *, timeout_s, max_bytes):
            clock.advance(55)
            assert not beat.is_late
            return Response(200, (), b"")

    transport = BeatingTransport(Slow(), beat)
    assert transport.send(Request("GET", "http://127.0.0.1/"), timeout_s=30).status == 200
    clock.advance(29)
    assert not beat.is_late
    clock.advance(2)
    assert beat.is_late


def test_the_slot_is_for_one_job_in_one_process(tmp_path):
    slot, other = Slot(FileLock(tmp_path / "lock")), Slot(FileLock(tmp_path / "lock"))
    assert slot.take(1)
    assert slot.take(1)
    assert not slot.take(2)
    assert not other.take(3)
    slot.give_back(2)
    assert slot.job == 1
    slot.give_back(1)
    assert slot.job == 0
    assert other.take(3)
    other.give_back(3)


@pytest.fixture
def timer_parts(tmp_path):
    clock = FakeClock()
    database = Database(tmp_path / "s")
    store = Store(database)
    woken = []
    rollover = Rollover(store, DayList(tmp_path / "images.txt"), None, clock, at=clock.local(clock.now()).time(),
                        is_enabled=True)
    rollover.start()
    timer = Timer(store, clock, rollover, history_days=90, on_rollover=lambda: woken.append(clock.now()),
                  on_tick=lambda: None)
    yield clock, store, timer, woken, database
    database.close()


def test_the_timer_ticks_every_ten_seconds_and_wakes_the_rollover_on_time(timer_parts):
    clock, store, timer, woken, _ = timer_parts
    assert timer.turn() == 10.0
    assert woken == []
    assert store.fact(ALIVE) == clock.now().isoformat()
    clock.advance(86400 - 3)
    assert timer.turn() == 3.0
    clock.advance(3)
    timer.turn()
    assert woken == [clock.now()]


def test_the_timer_tells_when_the_store_cannot_be_written(timer_parts):
    _, _, timer, _, database = timer_parts
    database.close()
    timer.turn()
    assert not timer.is_store_writable
