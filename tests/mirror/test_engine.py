"""The engine's steps: results as they come, cancelling, time-outs, going on after the end of a process."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.mirror.conftest import cancelled, item, job_of
from tests.support.shelf import Shelf, noise
from wxsync.errors import RemoteFault
from wxsync.jobs import events
from wxsync.jobs.mirror.lane import Registries
from wxsync.jobs.progress import Amount
from wxsync.jobs.sync import ActionsSync
from wxsync.sandbox.registry.images import digest_of
from wxsync.store.files import DayList


class Broken(Registries):
    """Every thread breaks at once."""

    def lane(self, stop):
        raise ZeroDivisionError


def slow(pair, name="slow", seconds=30.0):
    """Put an image there whose layer the source does not hand out for so long."""
    layer = noise(2000, name)
    Shelf(pair.from_, f"docker.io/library/{name}").image("1", layers=(layer,))
    pair.from_.server.fail_next(f"/blobs/{digest_of(layer)}", 200, delay_s=seconds)
    return item(f"{name}:1")


def test_results_are_told_as_they_come(pair):
    fast, late = item("nginx:1"), slow(pair)
    job = pair.run(fast, late, until=lambda job: job.items[0].result)
    assert (job.state, [each.result for each in job.items]) == ("copying", ["succeeded", ""])
    assert pair.steps[:1] == [events.Copying()]
    assert isinstance(pair.steps[-1], events.Copied)


@pytest.mark.parametrize("moment", ["announced", "copying"])
def test_a_cancelled_job_ends_within_two_seconds_and_tells_what_is_there(pair, moment):
    engine = pair.engine()
    job = job_of(item("nginx:1"), slow(pair))
    if moment == "copying":
        job = pair.go_on(engine, job, until=lambda job: job.items[0].result)
    began = time.monotonic()
    job = pair.go_on(engine, cancelled(job, by="lisi"))
    assert time.monotonic() - began < 2
    assert (job.result, job.reason) == ("cancelled", "由 lisi 取消")
    assert [each.result for each in job.items] == [
        "succeeded" if moment == "copying" else "cancelled", "cancelled"]
    assert (pair.digest("slow:1"), pair.to.content.faults()) == ("", [])
    assert engine.stop(2)


def test_a_job_that_is_done_when_it_is_cancelled_is_told_as_done(pair):
    engine = pair.engine()
    job = pair.run(item("nginx:1"), engine=engine, until=lambda job: job.items[0].result)
    assert pair.go_on(engine, cancelled(job)).result == "succeeded"


def test_a_job_ends_at_its_deadline_with_what_is_known(pair):
    job = pair.run(item("nginx:1"), slow(pair), engine=pair.engine(deadline_s=1.0))
    assert job.result == "timed_out"
    assert [(each.result, each.reason) for each in job.items] == [
        ("succeeded", ""), ("timed_out", "到时仍没有复制完")]


def test_the_deadline_counts_from_the_jobs_beginning(pair):
    job = job_of(slow(pair))
    old = replace(job, state="copying", started_at=job.started_at - timedelta(hours=3))
    assert pair.go_on(pair.engine(deadline_s=7200), old, within_s=3).result == "timed_out"


def test_another_process_goes_on_with_what_is_open(pair):
    first = pair.engine()
    held = slow(pair)
    job = pair.run(item("nginx:1"), held, engine=first, until=lambda job: job.items[0].result)
    assert first.stop(2)
    pair.from_.server.requests.clear()
    job = pair.go_on(pair.engine(), job)
    assert [each.result for each in job.items] == ["succeeded", "succeeded"]
    assert not pair.from_.server.seen("GET", "/nginx/")
    assert pair.is_whole() or pair.to.content.uploads  # the first process's upload is the destination's to forget


def test_blobs_that_arrived_before_the_end_of_a_process_are_not_fetched_again(pair):
    """Neither those of the image itself nor those that only another, open image of the job has."""
    base, top = noise(3000, "base"), noise(3000, "top")
    for name in ("one", "two"):
        Shelf(pair.from_, f"docker.io/library/{name}").image("1", layers=(base, top if name == "one" else b"two"))
    pair.from_.server.fail_next(f"/blobs/{digest_of(top)}", 200, delay_s=30)
    first = pair.engine(workers=1)
    pair.run(item("one:1"), engine=first, until=lambda _: digest_of(base) in pair.to.content.blobs)
    time.sleep(0.05)  # its holder is noted right after the destination has it
    assert first.stop(2)
    job = pair.run(item("two:1"), item("one:1"), engine=pair.engine(workers=1))
    assert [each.result for each in job.items] == ["succeeded", "succeeded"]
    assert pair.from_.content.served[digest_of(base)] == len(base)


def test_what_another_engine_began_is_not_gone_on_with(pair):
    job = replace(job_of(item("nginx:1")), state="running", run_id=7)
    with pytest.raises(RemoteFault, match="engine") as caught:
        pair.engine().step(job)
    assert pair.engine().retry_s(job, caught.value, 0) is None
    days = DayList(pair.directory / "images.txt")
    actions = ActionsSync(None, days, pair.clock, poll_s=1, wait_s=1, follow_s=1)  # asked for nothing
    with pytest.raises(RemoteFault, match="engine"):
        actions.step(replace(job, state="copying"))
    assert actions.stop(0)


def test_a_job_for_another_destination_is_not_gone_on_with(pair):
    """The configuration was changed meanwhile: what the member was told names the other registry."""
    job = replace(job_of(item("nginx:1")), prefix="old.example/team/")
    for state in ("announced", "copying"):
        engine = pair.engine()
        with pytest.raises(RemoteFault, match="registry") as caught:
            engine.step(replace(job, state=state))
        assert engine.retry_s(job, caught.value, 0) is None
    assert (pair.digest("nginx:1"), (pair.directory / "images.txt").exists()) == ("", False)
    done = replace(job, state="copying", items=(replace(job.items[0], result="succeeded"),))
    assert pair.go_on(pair.engine(), done).result == "succeeded"


def test_progress_is_told_now_and_then(pair):
    layer = noise(3 << 20)
    Shelf(pair.from_, "docker.io/library/app").image("1", layers=(layer,))
    pair.to.server.fail_next("/blobs/uploads", 202, delay_s=30, method="PATCH")
    engine = pair.engine(first_news_s=0.2)
    pair.run(item("app:1"), engine=engine, until=lambda _: isinstance((pair.steps or [0])[-1], events.Progressed))
    news = pair.steps[-1]
    assert news.total > len(layer)
    assert 0 <= news.done <= news.total
    watch = engine._watch
    assert watch.news_after_s == 0.4


def test_bytes_are_reported_for_the_bars(pair):
    job = pair.run(item("nginx:1"))
    assert pair.progress.of(12, 1) == [Amount(job.items[0].size, job.items[0].size)]
    engine = pair.engines[-1]
    pair.go_on(engine, job_of(item("redis:1"), number=13))
    assert pair.progress.of(12, 1) == [Amount()]


def test_a_broken_thread_ends_the_job_with_an_answer(pair):
    job = pair.run(item("nginx:1"), engine=pair.engine(kind=Broken))
    assert (job.result, job.items[0].reason) == ("failed", "程序内部错误，已写入日志，请联系管理员")


def test_a_hundred_images_in_one_job(pair):
    job = pair.run(*[item(f"tiny{n}:1") for n in range(100)])
    assert {each.result for each in job.items} == {"succeeded"}
    assert pair.is_whole()


def test_the_place_of_an_upload_is_the_destination_alone(pair):
    """A Location that leads elsewhere gets neither the blob nor the login."""
    elsewhere = pair.from_.server.url
    pair.to.server.fail_next("/blobs/uploads", 202, 20, method="POST", headers=(("Location", f"{elsewhere}/take"),))
    job = pair.run(item("nginx:1"))
    assert job.items[0].result == "failed"
    assert not pair.from_.server.seen(path="/take")
    assert json.dumps(job.items[0].reason)
