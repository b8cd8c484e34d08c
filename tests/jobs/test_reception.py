"""The reception: what it answers by itself, and what it leaves to others."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from tests.support.clock import FakeClock
from wxsync.jobs import events
from wxsync.jobs.job import Job, advance, from_record, to_record
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.reception import Reception
from wxsync.jobs.results import File
from wxsync.jobs.slot import Slot
from wxsync.jobs.upload.threads import UploadThreads
from wxsync.store.database import Database, StoreFault
from wxsync.store.files import FileLock
from wxsync.store.store import Store

LINK = "https://example.com/a.pdf?token=secret"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


class Desk:
    """A reception with its store and slot, and what it handed over."""

    def __init__(self, directory, *, store_type: type[Store] = Store, run=lambda job, stop: None, **options) -> None:
        self.clock = FakeClock(NOW)
        self.database = Database(directory / "s")
        self.store = store_type(self.database)
        self.slot = Slot(FileLock(directory / "lock"))
        self.handed_over: list[Job] = []
        self.hurried: list[int] = []
        # As long as they are not started, jobs wait.
        self.uploads = UploadThreads(self.clock, run, workers=1, busy_s=1, sweep=lambda *_: 5.0)
        self.reception = Reception(
            store=self.store, ledger=Ledger(self.store, self.clock, lambda: None), clock=self.clock, slot=self.slot,
            hand_over=self.handed_over.append, hurry=self.hurried.append, uploads=self.uploads,
            own_prefix="r.io/ns/",
            **{"missing": {"mirror": (), "upload": ()}, "allow_users": (), "admin_users": (), "is_queueing": False,
               "max_queue": 20, **options})

    def receive(self, text: str, kind: str = "sync") -> int:
        return self.store.add(to_record(Job(0, kind, "zhangsan", text, NOW)))

    def answer(self) -> str:
        self.reception.turn()
        (text,) = self.store.outbox()
        return text.text


@pytest.fixture
def desk(tmp_path):
    made: list[Desk] = []

    def make(**options) -> Desk:
        made.append(Desk(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.database.close()


def test_a_sync_is_handed_over_once_though_the_reception_looks_again(desk):
    here = desk()
    number = here.receive("nginx:latest")
    here.reception.turn()
    here.reception.turn()
    assert [job.id for job in here.handed_over] == [number]
    assert here.slot.job == number


def test_a_job_that_ended_since_it_was_read_is_not_handed_over_again(desk):
    """The worker ends a job, and frees its slot, between the reception's look at the store and at the slot."""

    class Stale(Store):
        def open_jobs(self):
            seen = super().open_jobs()
            for record in seen:
                super().save(to_record(advance(from_record(record), events.Ended("refused", NOW))), NOW)
            return seen

    here = desk(store_type=Stale)
    here.receive("nginx:latest")
    here.reception.turn()
    assert here.handed_over == []
    assert here.slot.job == 0


def test_a_sync_beside_another_processs_is_told_to_wait(desk, tmp_path):
    here = desk()
    other = FileLock(tmp_path / "lock")
    assert other.acquire()
    here.receive("nginx:latest")
    assert here.answer().startswith("⚠️ 已有任务正在处理中\n另一个进程")
    other.release()


def test_an_upload_is_handed_over_once_though_the_reception_looks_again(desk):
    here = desk()
    number = here.receive(LINK, "upload")
    here.reception.turn()
    here.reception.turn()
    assert here.uploads.has(number)
    assert here.uploads.cancel(number) is False
    assert not here.uploads.has(number)


def test_an_upload_without_its_settings_names_them(desk):
    here = desk(missing={"mirror": (), "upload": ("qingstor.access_key_id",)})
    here.receive(LINK, "upload")
    assert here.answer().startswith("⚠️ 没有开始\n文件上传没有启用，请联系管理员补上配置：qingstor.access_key_id。")


def test_an_upload_behind_others_is_told_so_once_and_one_too_many_is_refused(desk):
    occupied, released = threading.Event(), threading.Event()

    def occupy(job, stop):
        occupied.set()
        released.wait(10)

    here = desk(run=occupy, max_queue=2)
    here.uploads.start()
    here.receive(LINK, "upload")
    here.reception.turn()
    assert occupied.wait(10)
    for _ in range(3):
        here.receive(LINK, "upload")
    here.reception.turn()
    here.reception.turn()
    released.set()
    assert here.uploads.stop(10)
    assert [text.text.splitlines()[0] for text in here.store.outbox()] == [
        "📥 已加入队列，前面还有 1 个任务", "📥 已加入队列，前面还有 2 个任务", "⚠️ 已有任务正在处理中"]


def test_cancelling_an_upload_that_waits_ends_it(desk):
    here = desk()
    number = here.receive(LINK, "upload")
    here.reception.turn()
    here.receive("取消", "cancel")
    here.reception.turn()
    assert [text.text.splitlines()[0] for text in here.store.outbox()] == [
        f"ℹ️ 正在取消任务 #{number}（zhangsan）", "⚠️ 已取消"]
    assert "没有上传任何文件" in here.store.outbox()[-1].text
    assert not here.uploads.has(number)


def test_retrying_an_upload_hands_over_a_job_that_repeats_it(desk):
    here = desk()
    number = here.receive(LINK, "upload")
    failed = from_record(here.store.job(number))
    for event in (events.Fetching((File("https://example.com/a.pdf", LINK),), NOW), events.Ended("failed", NOW)):
        failed = advance(failed, event)
    here.store.save(to_record(failed), NOW)
    again = here.receive("重试", "retry")
    here.reception.turn()
    assert here.uploads.has(again)
    repeated = from_record(here.store.job(again))
    assert (repeated.kind, repeated.retry_of) == ("upload", number)


def test_a_local_files_upload_cannot_be_retried_from_the_chat(desk):
    here = desk()
    spooled = replace(Job(0, "upload", "zhangsan", "a.pdf", NOW), spooled="f00")
    number = here.store.add(to_record(spooled))
    failed = advance(from_record(here.store.job(number)), events.Fetching((File("a.pdf"),), NOW))
    here.store.save(to_record(advance(failed, events.Ended("failed", NOW))), NOW)
    here.receive("重试", "retry")
    assert f"任务 #{number} 上传的是本地文件" in here.answer()


def test_a_local_file_is_an_upload_whatever_its_name_says(desk):
    here = desk()
    number = here.store.add(to_record(replace(Job(0, "upload", "cli", "nginx:latest", NOW), spooled="f00")))
    here.reception.turn()
    assert here.uploads.has(number)
    assert here.handed_over == []


def test_cancelling_marks_the_running_sync_and_leaves_its_end_to_the_worker(desk):
    here = desk()
    number = here.receive("nginx:latest")
    here.receive("取消", "cancel")
    assert here.answer().startswith(f"ℹ️ 正在取消任务 #{number}（zhangsan）")
    assert here.store.cancelled_by(number) == "zhangsan"
    assert here.hurried == [number]
    assert [record.id for record in here.store.open_jobs()] == [number]


def test_a_waiting_sync_that_was_cancelled_by_a_process_that_died_then_ends_without_a_start(desk):
    here = desk()
    number = here.receive("nginx:latest")
    command = from_record(here.store.job(here.receive("取消", "cancel")))
    here.store.save(to_record(advance(command, events.Ended("succeeded", NOW))), NOW, cancels=number)
    assert here.answer().startswith("⚠️ 已取消\n还没有开始")
    assert here.handed_over == []


def test_a_sync_that_ended_while_it_was_being_cancelled_is_not_ended_again(desk):
    class Stale(Store):
        def save(self, job, now, *, cancels=0, **given):
            if cancels:
                ended = advance(from_record(self.job(cancels)), events.Ended("refused", NOW))
                super().save(to_record(ended), now)
            super().save(job, now, cancels=cancels, **given)

    here = desk(store_type=Stale, is_queueing=True, max_queue=1)
    assert here.slot.take(99)
    here.receive("nginx:latest")
    here.receive("取消", "cancel")
    here.reception.turn()
    assert [text.text.splitlines()[0] for text in here.store.outbox()] == [
        "📥 已加入队列，前面还有 1 个任务", "ℹ️ 正在取消任务 #1（zhangsan）"]
    assert here.store.open_jobs() == []
    assert here.store.job(1).result == "refused"


def test_one_message_that_breaks_the_program_is_answered_and_the_next_one_too(desk):
    class Breaks(Store):
        def jobs(self, **_):
            raise KeyError("broken")

    here = desk(store_type=Breaks)
    here.receive("历史", "history")
    here.receive("帮助", "help")
    here.reception.turn()
    first, second = here.store.outbox()
    assert first.text.startswith("❌ 处理失败\n程序内部错误")
    assert second.text.startswith("ℹ️ 使用帮助")


def test_a_store_that_cannot_be_read_is_the_callers_to_wait_for(desk):
    here = desk()
    here.receive("帮助", "help")
    here.database.close()
    with pytest.raises(StoreFault):
        here.reception.turn()


class TestLocalJobs:
    """What came by the admin API goes the same way, but nobody in the chat hears of it."""

    def local(self, here, text: str, **changes) -> int:
        return here.store.add(to_record(Job(0, "sync", "cli", text, NOW, is_local=True, **changes)))

    def test_the_list_of_members_does_not_hold_for_them(self, desk):
        here = desk(allow_users=("boss",))
        number = self.local(here, "nginx:latest")
        here.reception.turn()
        assert [job.id for job in here.handed_over] == [number]

    def test_their_answer_is_kept_and_not_sent(self, desk):
        here = desk(missing={"mirror": ("github.token",), "upload": ()})
        number = self.local(here, "nginx:latest")
        here.reception.turn()
        assert here.store.outbox() == []
        answer = from_record(here.store.job(number)).answer
        assert answer.startswith("⚠️ 没有开始")
        assert "github.token" in answer

    def test_a_member_of_the_same_name_neither_cancels_nor_repeats_them(self, desk):
        here = desk()
        number = self.local(here, "nginx:latest")
        here.reception.turn()
        here.store.add(to_record(Job(0, "cancel", "cli", "取消", NOW)))
        here.reception.turn()
        assert here.store.cancelled_by(number) == ""
        assert here.store.outbox()[0].text.startswith("ℹ️ 没有可以取消的任务")
        here.store.add(to_record(Job(0, "retry", "cli", "重试", NOW)))
        here.reception.turn()
        assert "你还没有同步过" in here.store.outbox()[1].text

    def test_a_waiting_one_that_was_cancelled_ends_at_the_next_turn(self, desk):
        here = desk(is_queueing=True, max_queue=5)
        self.local(here, "nginx:latest")
        waiting = self.local(here, "redis:7.0")
        here.reception.turn()
        assert here.store.cancel(waiting, "cli")
        here.reception.turn()
        assert from_record(here.store.job(waiting)).result == "cancelled"
        assert not here.store.cancel(waiting, "cli")

    def test_the_name_of_a_file_is_never_read_as_a_message(self, desk):
        here = desk(missing={"mirror": (), "upload": ("qingstor.access_key_id",)})
        number = here.store.add(to_record(Job(0, "upload", "cli", "取消", NOW, is_local=True, spooled="f")))
        here.reception.turn()
        assert "qingstor.access_key_id" in from_record(here.store.job(number)).answer
