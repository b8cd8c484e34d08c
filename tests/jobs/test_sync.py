"""A sync job's way through GitHub's faults, by a clock that jumps: one right answer each, never two runs."""

from __future__ import annotations

import json
import sqlite3
import time
from datetime import datetime, timedelta, timezone

import pytest

from tests.support.clock import FakeClock
from wxsync.clock import SystemClock
from wxsync.jobs import events, results
from wxsync.jobs import job as lives
from wxsync.jobs.engine import Step, SwitchedOff
from wxsync.jobs.heartbeat import Heartbeat
from wxsync.jobs.job import Job, from_record, to_record
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.rollover import Rollover
from wxsync.jobs.slot import Slot
from wxsync.jobs.sync import ActionsSync
from wxsync.jobs.worker import Worker
from wxsync.remote.dialer import Dialer
from wxsync.remote.github.client import GitHub
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.resolver import SystemResolver
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.github.stand_in import GitHub as StandIn
from wxsync.store.database import Database
from wxsync.store.files import DayList, FileLock
from wxsync.store.store import Store

FINAL = "✅❌⚠ℹ"


class Halting:
    """An engine that does nothing while the job is in one state."""

    def __init__(self, engine) -> None:
        self._engine = engine
        self.at = ""

    def step(self, job):
        return Step(None, 5.0) if job.state == self.at else self._engine.step(job)

    def retry_s(self, job, fault, tries):
        return self._engine.retry_s(job, fault, tries)


class Bench:
    """A worker on a store of its own, driven turn by turn."""

    def __init__(self, directory, github: StandIn, **options: float) -> None:
        self.clock = FakeClock(datetime.now(timezone.utc))
        self.directory = directory
        self.github = github
        self.options = {"poll_s": 5.0, "wait_s": 300.0, "follow_s": 21600.0, **options}
        self.day_list = DayList(directory / "images.txt")
        self.database = Database(directory / "s")
        self.store = Store(self.database)
        self.freed: list[bool] = []
        self.request_id = "20260102-030405-a1b2"
        self.restart()

    def restart(self, engine=None, prefix: str = "r.io/ns/", precheck=None) -> None:
        """A new process on the same store."""
        self.slot = Slot(FileLock(self.directory / "lock"))
        client = self.client()
        self.rollover = Rollover(self.store, self.day_list, client, self.clock, at=datetime.min.time(),
                                 is_enabled=True)
        self.rollover.start()
        self.engine = Halting(engine or ActionsSync(
            client, self.day_list, self.clock, **self.options))
        self.worker = Worker(
            store=self.store, ledger=Ledger(self.store, self.clock, lambda: None), clock=self.clock,
            engine=self.engine, slot=self.slot, rollover=self.rollover, heartbeat=Heartbeat(self.clock),
            precheck=precheck, prefix=prefix, new_request_id=lambda: self.request_id, wake=lambda: None,
            on_slot_free=lambda: self.freed.append(True))
        self.worker.resume()

    def client(self) -> GitHub:
        real = SystemClock()
        transport = HttpTransport(Dialer(real, SystemResolver(real)), real, user_agent="t", tls=tls_context(""))
        return GitHub(transport, api_base=self.github.url, token=self.github.token, repo=self.github.repo,
                      branch="main", workflow="docker-image-sync.yml")

    def ask(self, text: str = "nginx:latest, redis:7.0") -> int:
        number = self.store.add(to_record(Job(0, "sync", "zhangsan", text, self.clock.now())))
        assert self.slot.take(number)
        self.worker.hand_over(from_record(self.store.job(number)))
        return number

    def texts(self) -> list[str]:
        return [each.text for each in self.store.outbox()]

    def run(self, within_s: float = 15.0) -> str:
        """Take turns until the final answer is owed; return it."""
        end = time.monotonic() + within_s
        while not any(text[0] in FINAL for text in self.texts()):
            assert time.monotonic() < end, self.texts()
            self.clock.advance(max(0.01, self.worker.turn()))
        finals = [text for text in self.texts() if text[0] in FINAL]
        assert len(finals) == 1
        assert self.store.open_jobs() == []
        assert self.slot.job == 0
        return finals[0]

    def run_to(self, state: str) -> Job:
        """Take turns until the job is in the state, and leave it there."""
        self.engine.at = state
        for _ in range(200):
            self.clock.advance(max(0.01, self.worker.turn()))
            job = from_record(self.store.open_jobs()[0])
            if job.state == state:
                self.engine.at = ""
                return job
        raise AssertionError(f"never {state}")

    def close(self) -> None:
        self.database.close()


@pytest.fixture
def github():
    made = StandIn()
    made.pace = Pace(queued=0.01, plan=0.01, image=0.02)
    yield made
    made.close()


@pytest.fixture
def bench(tmp_path, github):
    made = Bench(tmp_path, github)
    yield made
    made.close()


def test_an_older_server_names_no_run_so_it_is_found_by_its_request(bench, github):
    github.dispatching.details = "ignore"
    bench.ask()
    assert bench.run().startswith("✅ 镜像同步完成！成功 2 个\n")
    assert len(github.dispatches) == 1


def test_a_dispatch_answered_500_after_it_was_taken_is_found_and_not_sent_again(bench, github):
    github.server.fail_next("/dispatches", 500, after=True)
    bench.ask()
    assert bench.run().startswith("✅")
    assert len(github.dispatches) == 1


def test_a_dispatch_answered_500_and_not_taken_is_reported_after_a_minute(bench, github):
    github.server.fail_next("/dispatches", 500)
    bench.ask()
    began = bench.clock.now()
    answer = bench.run()
    assert answer.startswith("❌ 镜像同步失败：成功 0 个，失败 2 个\n原因：GitHub 没有确认启动工作流")
    assert 60 <= (bench.clock.now() - began).total_seconds() < 90
    assert github.dispatches == []


def test_a_dispatch_that_never_left_is_sent_when_github_is_there_again(bench, github):
    bench.ask()
    bench.run_to("committed")
    github.server.down()
    for _ in range(3):
        bench.clock.advance(bench.worker.turn())
    github.server.up()
    assert bench.run().startswith("✅")
    assert len(github.dispatches) == 1


def test_a_process_that_died_before_it_sent_the_dispatch_sends_it_a_minute_later(bench, github):
    bench.ask()
    job = bench.run_to("committed")
    bench.store.save(to_record(lives.advance(job, events.Posting(bench.clock.now()))), bench.clock.now())
    bench.slot.give_back(job.id)
    bench.restart()
    assert bench.slot.job == job.id
    began = bench.clock.now()
    assert bench.run().startswith("✅")
    assert (bench.clock.now() - began).total_seconds() >= 60
    assert len(github.dispatches) == 1


def test_a_lost_dispatch_is_searched_for_as_long_as_github_is_away(bench, github):
    github.server.fail_next("/dispatches", "close", after=True)
    github.server.fail_next("/runs", 503, times=12)
    bench.ask()
    assert bench.run().startswith("✅")
    assert len(github.dispatches) == 1


def test_a_lost_dispatch_stays_lost_over_a_restart(bench, github):
    github.server.fail_next("/dispatches", 500)
    bench.ask()
    bench.engine.at = "never"
    while not any(job.data.get("is_answer_lost") for job in bench.store.open_jobs()):
        bench.clock.advance(max(0.01, bench.worker.turn()))
    bench.slot.give_back(1)
    bench.restart()
    assert "GitHub 没有确认启动工作流" in bench.run()
    assert github.dispatches == []


def test_a_commit_that_is_listed_late_is_waited_for(bench, github):
    bench.ask()
    bench.run()
    for text in bench.store.outbox():
        bench.store.settle(text, bench.clock.now())
    github.server.fail_next(r"/contents/", "close", method="PUT", after=True)
    former = json.dumps([{"sha": github.commits()[0].sha}]).encode()
    github.server.fail_next(r"/commits\?", 200, body=former)
    bench.request_id = "20260102-030405-b2c3"
    bench.ask("mysql:8.0")
    assert bench.run().startswith("✅")
    assert github.dispatches[1].inputs["commit"] == github.commits()[1].sha


def test_after_an_outage_longer_than_the_wait_a_first_fault_is_tried_again(bench, github):
    bench.ask()
    bench.run_to("announced")
    bench.slot.give_back(1)
    bench.clock.advance(400)
    bench.restart()
    github.server.fail_next("/contents/", 503)
    assert bench.run().startswith("✅")


def test_a_run_that_ended_while_the_daemon_was_down_for_long_is_told_as_it_is(bench, github):
    bench.ask()
    bench.run_to("running")
    bench.slot.give_back(1)
    bench.clock.advance(7 * 3600)
    end = time.monotonic() + 10
    while github.run(github.dispatches[0].run_id).status != "completed":
        assert time.monotonic() < end
    bench.restart()
    assert bench.run().startswith("✅ 镜像同步完成！成功 2 个")


def test_a_rate_limit_while_the_run_goes_on_holds_back_no_notice(bench, github):
    github.pace = Pace(image=3600)
    bench.ask()
    bench.run_to("running")
    github.server.fail_next(r"/runs/", 403, times=1000, headers=(("Retry-After", "3000"),))
    began = bench.clock.now()
    while not any(text.startswith("⏳") for text in bench.texts()):
        assert (bench.clock.now() - began).total_seconds() < 310
        bench.clock.advance(max(0.01, bench.worker.turn()))
    assert bench.slot.job == 0


def test_a_clock_that_is_set_while_a_job_runs_changes_no_deadline(bench, github):
    github.pace = Pace(image=3600)
    bench.ask()
    bench.run_to("running")
    bench.clock.advance(1)
    bench.clock.set(bench.clock.now() + timedelta(days=1))
    for _ in range(5):
        bench.clock.advance(bench.worker.turn())
    assert bench.store.open_jobs()[0].state == "running"
    bench.clock.set(bench.clock.now() - timedelta(days=2))
    github.finish(github.dispatches[0].run_id)
    assert bench.run().startswith("✅")


def test_the_answer_names_the_registry_that_the_request_went_to(bench, github):
    bench.ask()
    bench.run_to("running")
    bench.slot.give_back(1)
    bench.restart(prefix="other.io/new/")
    assert "docker pull r.io/ns/nginx:latest" in bench.run()
    assert github.dispatches[0].inputs["registry"] == "r.io"


def test_a_listing_that_lags_behind_the_run_is_read_again(bench, github):
    bench.ask()
    bench.run_to("running")
    end = time.monotonic() + 10
    while github.run(github.dispatches[0].run_id).status != "completed":
        assert time.monotonic() < end
    github.server.fail_next(r"/jobs\?", 200, body=b'{"total_count": 0, "jobs": []}', times=2)
    assert bench.run().startswith("✅ 镜像同步完成！成功 2 个")


def test_annotations_that_are_no_json_cost_no_answer(bench, github):
    github.server.fail_next("/annotations", 200, body=b"<html>captive portal", times=1000)
    bench.ask("nginx:latest, no-such:1")
    assert bench.run().startswith("❌ 镜像同步失败：成功 1 个，失败 1 个\n2. no-such:1：")


def test_a_local_list_that_cannot_be_used_ends_in_an_answer_not_in_silence(bench, github):
    (bench.directory / "images.txt").mkdir()
    bench.ask()
    answer = bench.run()
    assert answer.startswith("❌ 镜像同步失败：成功 0 个，失败 2 个\n原因：")
    assert "images.txt" in answer


def test_a_list_that_grows_for_ever_is_cut_before_the_workflow_refuses_it(bench, github):
    old = "".join(f"# request 20250101-000000-{n:05d}\nnginx:{n} -> nginx:{n}\n" for n in range(20_000))
    bench.day_list.write(old)
    bench.ask()
    assert bench.run().startswith("✅")
    assert len(github.text("images.txt")) <= 512 << 10
    assert "20250101-000000-19999" in github.text("images.txt")


def test_a_run_that_never_appears_is_reported(bench, github):
    github.dispatching.details = "ignore"
    github.pace = Pace(visible=3600)
    bench.ask()
    answer = bench.run()
    assert "一直没有出现对应的工作流运行" in answer


def test_a_new_run_that_is_not_yet_visible_is_waited_for_and_a_deleted_one_is_told(bench, github):
    github.pace = Pace(visible=0.2, queued=0.01, plan=0.01, image=3600)
    bench.ask()
    bench.run_to("running")
    end = time.monotonic() + 10
    while github.server.seen("GET", r"/runs/\d+$")[-1:] == [] or time.monotonic() < end - 9.5:
        bench.worker.turn()
        time.sleep(0.02)
    github.delete(github.dispatches[0].run_id)
    bench.clock.advance(31)
    answer = bench.run()
    assert answer.startswith("❌ 镜像同步失败：成功 0 个，失败 2 个\n原因：GitHub 上找不到这次工作流运行")


def test_a_run_cancelled_by_hand_is_told_as_cancelled(bench, github):
    github.pace = Pace(image=3600)
    bench.ask()
    bench.run_to("running")
    github.cancel(github.dispatches[0].run_id)
    answer = bench.run()
    assert answer.startswith("⚠️ 已取消\n取消前已同步 0 个，未同步 2 个")


def test_reasons_that_cannot_be_read_at_first_are_read_again(bench, github):
    github.actions.can_annotate = False
    github.server.fail_next(r"/jobs/\d+/logs", 502, times=3)
    bench.ask("nginx:latest, no-such:1")
    assert "2. no-such:1：镜像或标签不存在" in bench.run()


def test_reasons_that_stay_unreadable_do_not_hold_back_the_answer(bench, github):
    github.server.fail_next("/annotations", 502, times=1000)
    bench.ask("nginx:latest, no-such:1")
    assert bench.run().startswith("❌ 镜像同步失败：成功 1 个，失败 1 个\n2. no-such:1：")


def test_github_away_for_an_hour_while_the_run_goes_on_costs_no_answer(bench, github):
    bench.ask()
    bench.run_to("running")
    github.server.down()
    end = bench.clock.now() + timedelta(hours=1)
    while bench.clock.now() < end:
        bench.clock.advance(max(0.1, bench.worker.turn()))
    github.server.up()
    assert bench.run().startswith("✅")


def test_github_away_to_the_end_is_told_as_timed_out(bench, github):
    bench.ask()
    bench.run_to("running")
    github.server.down()
    answer = bench.run(within_s=60)
    assert answer.startswith("❌ 镜像同步超时\n已确认成功 0 个，失败 0 个，没有结果 2 个")


@pytest.mark.parametrize("times", [3, 4])
def test_before_the_dispatch_a_fault_is_tried_three_times_more(bench, github, times):
    github.server.fail_next("/contents/", 502, times=times)
    bench.ask()
    failure = "❌ 镜像同步失败：成功 0 个，失败 2 个\n原因：GitHub 暂时不可用"
    assert bench.run().startswith("✅" if times == 3 else failure)
    assert len(github.dispatches) == (1 if times == 3 else 0)


def test_a_rate_limit_is_waited_out_when_it_is_short_and_told_when_it_is_long(bench, github):
    github.server.fail_next("/contents/", 403, headers=(("Retry-After", "120"),))
    bench.ask()
    began = bench.clock.now()
    assert bench.run().startswith("✅")
    assert (bench.clock.now() - began).total_seconds() >= 120


def test_a_rate_limit_longer_than_the_wait_is_told_with_its_time(bench, github):
    github.server.fail_next("/contents/", 403, headers=(("Retry-After", "3000"),))
    bench.ask()
    assert "50 分钟后恢复" in bench.run()
    assert github.dispatches == []


def test_destinations_of_a_running_job_count_as_owned_and_failed_images_leave_no_owner(bench, github):
    bench.ask("no-such/redis:7.0")
    assert bench.run().startswith("❌")
    assert bench.store.owners() == []
    for text in bench.store.outbox():
        bench.store.settle(text, bench.clock.now())
    now, item = bench.clock.now(), results.Item("redis:7.0", "docker.io/library/redis", "redis:7.0")
    other = bench.store.add(to_record(Job(
        0, "sync", "lisi", "redis:7.0", now, state="running", is_noticed=True, started_at=now, items=(item,))))
    bench.ask("quay.io/other/redis:7.0")
    bench.worker.turn()
    assert "quay.io/other/redis:7.0 → r.io/ns/other_redis:7.0" in bench.texts()[0]
    assert bench.store.job(other).state == "running"


def test_two_images_for_one_destination_refuse_the_message(bench, github):
    bench.ask("nginx:1.27 -> web:v3, redis:7.0 -> web:v3")
    answer = bench.run()
    assert answer.startswith("⚠️ 没有开始\n- redis:7.0 -> web:v3：")
    assert github.dispatches == []


def test_rollover_waits_for_a_job_between_announced_and_dispatched(bench, github):
    bench.ask()
    bench.run_to("committed")
    bench.engine.at = "committed"
    bench.store.remember("rollover", (bench.clock.now() - timedelta(days=2)).isoformat())
    bench.worker.turn()
    assert bench.day_list.read() != ""
    bench.engine.at = ""
    assert bench.run().startswith("✅")
    bench.worker.turn()
    assert bench.day_list.read() == ""
    assert bench.rollover.wait_s() > 0


class Breaks:
    """An engine with a fault of its own."""

    def step(self, job):
        raise KeyError("broken")

    def retry_s(self, job, fault, tries):
        return None


@pytest.mark.parametrize("engine", [Breaks(), SwitchedOff()])
def test_an_engine_that_breaks_or_is_switched_off_ends_in_an_answer(bench, engine):
    bench.restart(engine)
    bench.ask()
    assert bench.run().startswith("❌ 镜像同步失败")


def test_a_message_that_no_longer_parses_as_a_sync_ends_in_an_answer(bench):
    bench.ask("你好")
    assert bench.run().startswith("❌ 镜像同步失败\n程序内部错误")


@pytest.mark.parametrize("state", ["accepted", "announced", "running"])
def test_a_store_that_cannot_be_written_holds_the_job_and_loses_nothing(bench, github, state):
    bench.ask()
    if state != "accepted":
        bench.run_to(state)
    bench.database._connection.execute("PRAGMA busy_timeout=10")
    lock = sqlite3.connect(bench.directory / "s", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    time.sleep(0.2)  # the stand-in's run is over by then
    for _ in range(3):
        bench.clock.advance(max(0.1, bench.worker.turn()))
    lock.rollback()
    lock.close()
    assert bench.run().startswith("✅ 镜像同步完成！成功 2 个")
    assert len(github.dispatches) == 1
    assert len(github.commits()) == 1


@pytest.mark.parametrize("engine", [SwitchedOff(), Breaks()])
def test_a_failure_that_cannot_be_stored_is_stored_later(bench, engine):
    bench.restart(engine)
    bench.ask()
    bench.run_to("announced")
    bench.database._connection.execute("PRAGMA busy_timeout=10")
    lock = sqlite3.connect(bench.directory / "s", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    for _ in range(4):
        bench.clock.advance(max(0.1, bench.worker.turn()))
    lock.rollback()
    lock.close()
    assert bench.run().startswith("❌ 镜像同步失败")


@pytest.mark.parametrize("state", ["announced", "committed", "dispatched", "running"])
@pytest.mark.parametrize("is_new_process", [False, True])
def test_a_sync_is_cancelled_in_every_state(bench, github, state, is_new_process):
    github.pace = Pace(image=3600)
    number = bench.ask()
    bench.run_to(state)
    cancel(bench, number)
    if is_new_process:
        bench.slot.give_back(number)
        bench.restart()
    else:
        bench.worker.hurry(number)
    assert bench.run().startswith("⚠️ 已取消\n取消前已同步 0 个，未同步 2 个\n1. nginx:latest\n2. redis:7.0\n")
    assert [github.run(each.run_id).conclusion for each in github.dispatches] == [
        "cancelled"] * (state in {"dispatched", "running"})


def test_a_sync_is_cancelled_before_it_is_announced(bench, github):
    cancel(bench, bench.ask())
    assert bench.run() == "⚠️ 已取消\n还没有开始，没有同步任何镜像。\n#1"
    assert github.commits() == []


def test_a_dispatch_that_may_have_been_sent_is_searched_for_a_minute_before_a_cancelled_sync_ends(bench, github):
    number = bench.ask()
    bench.run_to("committed")
    bench.engine.at = "committed"
    job = from_record(bench.store.open_jobs()[0])
    bench.store.save(to_record(lives.advance(job, events.Posting(bench.clock.now()))), bench.clock.now())
    cancel(bench, number)
    bench.slot.give_back(number)
    began = bench.clock.now()
    bench.restart()
    assert bench.run().startswith("⚠️ 已取消\n")
    assert 60 <= (bench.clock.now() - began).total_seconds() < 90
    assert github.dispatches == []


@pytest.mark.parametrize("status", [500, 404])
def test_a_cancel_call_that_fails_is_repeated(bench, github, status):
    github.pace = Pace(image=3600)
    number = bench.ask()
    bench.run_to("running")
    cancel(bench, number)
    github.server.fail_next("/cancel$", status, times=2)
    assert bench.run().startswith("⚠️ 已取消\n")
    assert len(github.server.seen("POST", "/cancel$")) == 3


def cancel(bench: Bench, number: int) -> None:
    """Mark the job as its member's 取消 does."""
    command = bench.store.add(to_record(Job(0, "cancel", "zhangsan", "取消", bench.clock.now())))
    ended = lives.advance(from_record(bench.store.job(command)), events.Ended("succeeded", bench.clock.now()))
    bench.store.save(to_record(ended), bench.clock.now(), cancels=number)
