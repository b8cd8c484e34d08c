"""The course of an upload job: every end has one answer, and nothing stays at QingStor that nobody will take away."""

from __future__ import annotations

import gc
import json
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.records import recorded
from tests.support.upload_site import LEAST, Bytes, Site, content_of
from wxsync.clock import SystemClock
from wxsync.jobs import events
from wxsync.jobs.heartbeat import Heartbeat
from wxsync.jobs.job import Job, advance, from_record, to_record
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.progress import Progress
from wxsync.jobs.results import File
from wxsync.jobs.upload.buffers import Buffers
from wxsync.jobs.upload.course import Tools, UploadCourse
from wxsync.jobs.upload.crew import Crew
from wxsync.jobs.upload.intake import Filled
from wxsync.jobs.upload.leftovers import FACT, FIRST_S, KEPT_FOR, LOOK_S, Leftovers
from wxsync.store.database import Database
from wxsync.store.store import Store

LINK = "https://example.com/file.bin"


class Opened(Bytes):
    """A source that is closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


class Origin:
    """One file for each job; how often it was opened."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.opened = 0

    def files(self, job):
        return (File(LINK, LINK),)

    def open(self, job, place, stop, left_s):
        self.opened += 1
        return Opened(self.content)


class Desk:
    """A store, one upload job in it and its course."""

    def __init__(self, directory, *, size: int = 10, deadline_s: float = 60.0, clock=None) -> None:
        self.database = Database(directory / "state.sqlite3")
        self.store = Store(self.database)
        self.site = Site(clock=clock)
        self.clock = clock or self.site.clock
        self.origin = Origin(content_of(size))
        self.stop = threading.Event()
        self.number = self.store.add(to_record(Job(0, "upload", "zhangsan", LINK, SystemClock().now())))
        self.ledger = Ledger(self.store, self.clock, lambda: None)
        self.progress = Progress()
        transfer = self.site.transfer()
        self.leftovers = Leftovers(
            self.store, self.clock, lambda key, upload_id, stop: transfer.clean_up(key, upload_id, stop=stop))
        self.course = UploadCourse(Tools(
            store=self.store, ledger=self.ledger, clock=self.clock, origin=self.origin,
            transfer=transfer, leftovers=self.leftovers, progress=self.progress, new_key=lambda name: "k.bin",
            bucket="tmp", deadline_s=deadline_s))

    @property
    def job(self) -> Job:
        return from_record(self.store.job(self.number))

    @property
    def leftovers_known(self) -> list[dict]:
        return json.loads(self.store.fact(FACT) or "[]")

    @property
    def texts(self) -> list[str]:
        return [text.text for text in self.store.outbox()]

    def run(self) -> Job:
        self.course.run(self.job, self.stop)
        return self.job

    def begin(self, *, ago_s: float = 0.0, upload_id: str = "", key: str = "k.bin") -> None:
        """Put the job where a process that was killed has left it."""
        began = SystemClock().now() - timedelta(seconds=ago_s)
        job = advance(self.job, events.Fetching((File(LINK, LINK),), began))
        job = advance(job, events.Uploading((replace(job.files[0], key=key, upload_id=upload_id),)))
        self.ledger.save(job)

    def close(self) -> None:
        self.site.close()
        self.database.close()


@pytest.fixture
def desk(tmp_path):
    made: list[Desk] = []

    def make(**options):
        made.append(Desk(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def later(here: Desk, seconds: float, stop: threading.Event | None = None) -> None:
    """Take a turn of the sweep so much later."""
    now = SystemClock().now() + timedelta(seconds=seconds + 1)
    here.site.clock.now = lambda: now
    try:
        here.leftovers.turn(stop or threading.Event(), Heartbeat(here.clock))
    finally:
        del here.site.clock.now


def test_a_file_is_stored_and_told(desk):
    here = desk()
    job = here.run()
    assert (job.result, job.state) == ("succeeded", "ended")
    assert here.texts[-1].startswith("✅ 文件上传成功！")
    assert here.progress.of(job.id, 1)[0].done == 0


def test_a_job_cancelled_before_a_restart_is_not_uploaded_after_it(desk):
    here = desk()
    here.begin()
    assert here.store.cancel(here.number, "zhangsan")
    job = here.run()
    assert (job.result, here.origin.opened, here.site.objects) == ("cancelled", 0, {})
    assert here.texts[-1].startswith("⚠️ 已取消")


@pytest.mark.parametrize("size", [10, 2 * LEAST])
def test_a_cancel_while_the_link_is_made_comes_too_late(desk, size):
    """The file is whole at QingStor: told as such, instead of left there and called cancelled."""
    here = desk(size=size, clock=SystemClock())
    here.site.server.fail_next("k.bin", 200, method="HEAD", body=here.origin.content)  # the size, as it is
    here.site.server.fail_next("k.bin", "hang", 9, method="HEAD")  # the look as anybody

    def cancel():
        here.site.server.wait_seen("HEAD", "k.bin", count=2)
        here.site.server.wait_seen("HEAD", "k.bin", count=2)
        here.store.cancel(here.number, "admin")
        here.stop.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    job = here.run()
    thread.join()
    assert job.result == "succeeded"
    assert here.site.objects == {"k.bin": here.origin.content}
    assert here.texts[-1].startswith("✅ 文件上传成功！")
    assert "取消" not in here.texts[-1]


@pytest.mark.parametrize("size", [10, 3 * LEAST])
def test_the_deadline_ends_an_upload_that_qingstor_takes_no_bytes_of(desk, size):
    here = desk(size=size, deadline_s=2.0, clock=SystemClock())
    here.site.server.fail_next("k.bin", "hang", 99, method="PUT")
    started = time.monotonic()
    job = here.run()
    assert time.monotonic() - started < 6
    assert (job.result, here.site.objects, here.site.store.open_uploads()) == ("timed_out", {}, [])
    assert "没有在总时限 2 秒 内完成" in here.texts[-1]


def test_a_cancel_is_answered_in_time_when_qingstor_hangs_altogether(desk):
    here = desk(size=3 * LEAST, clock=SystemClock())
    here.site.server.fail_next("part_number", "hang", 99, method="PUT")
    here.site.server.fail_next("k.bin", "hang", 99, method="DELETE")
    told = []

    def cancel():
        here.site.server.wait_seen("PUT", "part_number")
        here.store.cancel(here.number, "zhangsan")
        told.append(time.monotonic())
        here.stop.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    job = here.run()
    thread.join()
    assert time.monotonic() - told[0] < 2.2
    assert job.result == "cancelled"
    (left,) = here.site.store.open_uploads()
    here.site.server.faults.clear()
    later(here, FIRST_S)
    assert (left in here.site.store.open_uploads(), here.site.objects, here.leftovers_known) == (False, {}, [])


@pytest.mark.parametrize("size", [10, 5 * LEAST])
@pytest.mark.parametrize("what", [400, 503, "reset-midway"])
def test_a_failure_frees_the_memory_of_its_parts_at_once(desk, size, what):
    here = desk(size=size)
    here.site.server.fail_next("k.bin", what, 99, method="PUT")
    gc.collect()
    gc.disable()
    try:
        assert here.run().result == "failed"
        kept = [type(each).__name__ for each in gc.get_objects() if isinstance(each, (Buffers, Crew, Filled))]
    finally:
        gc.enable()
    assert kept == []


def test_an_abort_that_fails_is_tried_again_until_it_works(desk):
    here = desk(size=3 * LEAST)
    here.site.server.fail_next("part_number", 400, 9, method="PUT")
    here.site.server.fail_next("upload_id", 503, 99, method="DELETE")
    assert here.run().result == "failed"
    assert len(here.site.store.open_uploads()) == 1
    later(here, FIRST_S - 60)
    assert here.leftovers_known[0]["tries"] == 0
    later(here, FIRST_S)
    assert here.leftovers_known[0]["tries"] == 1
    here.site.server.faults.clear()
    later(here, 3 * FIRST_S)
    assert (here.site.store.open_uploads(), here.leftovers_known) == ([], [])


def test_an_object_that_appears_after_the_failure_is_taken_away(desk):
    """QingStor may still join the parts when the connection that asked for it is gone."""
    here = desk(size=3 * LEAST)
    here.site.server.fail_next("upload_id", "reset", 9, method="POST")
    assert here.run().result == "failed"
    assert here.site.objects == {}
    here.site.run(Bytes(b"late"))
    later(here, FIRST_S)
    assert (here.site.objects, here.leftovers_known) == ({}, [])


def test_what_never_goes_is_given_up_and_named_in_the_log(desk):
    here = desk(size=10)
    here.site.server.fail_next("k.bin", 403, 99, method="DELETE")
    here.leftovers.note("k.bin", "id")
    later(here, 3600)
    assert here.leftovers_known[0]["tries"] == 1
    with recorded("jobs.upload") as told:
        later(here, KEPT_FOR.total_seconds() + 3600)
    assert here.leftovers_known == []
    assert vars(told.all[-1])["fields"]["upload"] == "id"


def test_what_cannot_be_cleaned_after_a_restart_is_noted_and_the_upload_begins_anew(desk):
    here = desk(size=10)
    here.begin(upload_id="gone", key="old.bin")
    here.site.server.fail_next("old.bin", 503, 99, method="DELETE")
    assert here.run().result == "succeeded"
    assert [each["key"] for each in here.leftovers_known] == ["old.bin"]


def test_a_stop_ends_the_sweep_and_forgets_nothing(desk):
    here = desk()
    here.leftovers.note("k.bin")
    stop = threading.Event()
    stop.set()
    later(here, FIRST_S, stop)
    assert len(here.leftovers_known) == 1


def test_a_store_that_breaks_does_not_end_the_sweeps(desk):
    here = desk()
    here.database.close()
    assert here.leftovers.turn(threading.Event(), Heartbeat(here.clock)) == LOOK_S
