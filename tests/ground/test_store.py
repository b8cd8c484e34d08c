"""What the store promises: one transaction each, nothing lost, nothing twice."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from wxsync.errors import Bug
from wxsync.store.database import SCHEMA, Database, StoreFault
from wxsync.store.files import DayList, FileLock
from wxsync.store.records import JobRecord, Ownership
from wxsync.store.store import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def record(text: str = "nginx:latest", kind: str = "sync") -> JobRecord:
    return JobRecord(0, kind, "zhangsan", "accepted", "", {"text": text}, NOW)


@pytest.fixture
def store(tmp_path):
    database = Database(tmp_path / "state.sqlite3")
    yield Store(database)
    database.close()


def ended(job: JobRecord, at: datetime = NOW) -> JobRecord:
    return JobRecord(job.id, job.kind, job.member, "ended", "succeeded", job.data, job.created_at, at)


def test_a_message_and_its_job_are_stored_together_and_only_once(store):
    number = store.accept((b"a", b"b"), record(), NOW)
    assert number == 1
    assert store.accept((b"a", b"c"), record(), NOW) is None
    assert store.accept((b"c", b"b"), record(), NOW) is None
    assert store.accept((b"c", b"c"), None, NOW) == 0
    assert [job.id for job in store.open_jobs()] == [1]
    assert store.job(1).data == {"text": "nginx:latest"}
    assert store.job(2) is None


def test_two_redeliveries_at_once_make_one_job(store):
    numbers = []
    gate = threading.Barrier(8)

    def deliver() -> None:
        gate.wait()
        numbers.append(store.accept((b"same",), record(), NOW))

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for number in numbers if number) == [1]
    assert len(store.open_jobs()) == 1


def test_a_jobs_state_its_texts_and_its_destinations_are_one_transaction(store):
    number = store.add(record())
    job = ended(store.job(number))
    store.save(job, NOW, texts=["eins", "zwei"], owned=[Ownership("nginx", "1", "docker.io/library/nginx")])
    assert [text.text for text in store.outbox()] == ["eins", "zwei"]
    assert store.owners() == [Ownership("nginx", "", "docker.io/library/nginx")]
    assert store.written(["nginx"]) == [Ownership("nginx", "1", "docker.io/library/nginx")]
    with pytest.raises(Bug):
        store.save(job, NOW, texts=["drei"], owned=[Ownership("other", "1", "x/y")])
    assert len(store.outbox()) == 2
    assert len(store.owners()) == 1


def test_the_first_owner_of_a_name_stays_and_the_last_writer_of_a_tag_wins(store):
    arm = frozenset({"linux/arm64", "linux/amd64"})
    number = store.add(record())
    job = store.job(number)
    store.save(job, NOW, owned=[Ownership("redis", "7", "docker.io/library/redis")])
    store.save(job, NOW, owned=[Ownership("redis", "7", "docker.io/library/redis", arm)])
    assert store.owners() == [Ownership("redis", "", "docker.io/library/redis")]
    assert store.written(["redis"]) == [Ownership("redis", "7", "docker.io/library/redis", arm)]


def test_outbox_texts_wait_are_counted_and_leave(store):
    number = store.add(record())
    store.save(store.job(number), NOW, texts=["eins"])
    (text,) = store.outbox()
    store.postpone(text, NOW + timedelta(seconds=9))
    (text,) = store.outbox()
    assert (text.attempts, text.due_at) == (1, NOW + timedelta(seconds=9))
    store.settle(text, NOW)
    assert store.outbox() == []


def test_one_member_to_whom_much_is_owed_hides_nobody_elses_texts(store):
    number = store.add(record())
    store.save(store.job(number), NOW, texts=[f"text {n}" for n in range(500)])
    other = store.add(JobRecord(0, "help", "lisi", "accepted", "", {}, NOW))
    store.save(store.job(other), NOW, texts=["hello"])
    owed = store.outbox()
    assert [text.text for text in owed if text.member == "lisi"] == ["hello"]
    assert len(owed) == 101


def test_jobs_are_listed_newest_first_by_kind_and_before_a_number(store):
    for kind in ("sync", "help", "sync", "upload"):
        store.add(record(kind=kind))
    assert [job.id for job in store.jobs(limit=9)] == [4, 3, 2, 1]
    assert [job.id for job in store.jobs(limit=1, before=3)] == [2]
    assert [job.id for job in store.jobs(limit=9, kinds=("sync", "upload"))] == [4, 3, 1]


def test_tidy_forgets_only_what_is_old(store):
    late = NOW + timedelta(days=100)
    store.accept((b"old",), record(), NOW)
    store.accept((b"new",), record(), late)
    store.save(ended(store.job(1)), NOW, texts=["eins"])
    store.settle(store.outbox()[0], NOW)
    store.tidy(late, history_days=90)
    assert store.job(1) is None
    assert store.job(2) is not None
    assert store.accept((b"new",), None, late) is None
    assert store.accept((b"old",), None, late) == 0


def test_what_was_stored_is_there_after_reopening_and_numbers_go_on(tmp_path):
    first = Database(tmp_path / "s")
    Store(first).accept((b"k",), record(), NOW)
    Store(first).remember("rollover", "x")
    first.close()
    second = Database(tmp_path / "s")
    store = Store(second)
    assert store.fact("rollover") == "x"
    assert store.fact("nothing") is None
    assert store.add(record()) == 2
    second.close()


def test_a_state_file_of_a_newer_version_is_refused_with_the_mend(tmp_path):
    connection = sqlite3.connect(tmp_path / "s")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreFault, match="99"):
        Database(tmp_path / "s")


def test_a_state_file_of_the_first_version_goes_on(tmp_path):
    first = sqlite3.connect(tmp_path / "s")
    first.executescript(SCHEMA.replace(",\n    cancelled_by TEXT NOT NULL DEFAULT ''", "") + "PRAGMA user_version=1;")
    first.execute("INSERT INTO jobs VALUES (1, 'sync', 'zhangsan', 'ended', 'succeeded', '{}', 1.0, 2.0)")
    first.commit()
    first.close()
    for _ in range(2):
        again = Database(tmp_path / "s")
        assert Store(again).job(1).cancelled_by == ""
        again.close()
    # What a return to the first version would take up.
    copy = sqlite3.connect(tmp_path / "s.schema-1")
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    assert copy.execute("SELECT member FROM jobs").fetchall() == [("zhangsan",)]
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
    assert not (tmp_path / "s.schema-1.part").exists()


def test_a_state_that_cannot_be_copied_keeps_its_schema(tmp_path):
    first = sqlite3.connect(tmp_path / "s")
    first.executescript(SCHEMA + "PRAGMA user_version=1;")
    first.close()
    (tmp_path / "s.schema-1" / "in the way").mkdir(parents=True)
    with pytest.raises(StoreFault):
        Database(tmp_path / "s")
    first = sqlite3.connect(tmp_path / "s")
    assert first.execute("PRAGMA user_version").fetchone() == (1,)
    first.close()


def test_a_request_to_cancel_is_kept_whatever_the_job_saves_later_and_not_after_its_end(store):
    store.add(record())
    store.add(record())
    store.save(ended(store.job(2)), NOW, cancels=1)
    store.save(replace(record(), id=1), NOW)
    assert store.cancelled_by(1) == store.job(1).cancelled_by == store.job(2).member
    assert store.cancelled_by(2) == store.cancelled_by(99) == ""
    store.add(record())
    store.save(ended(store.job(3)), NOW, cancels=2)
    assert store.cancelled_by(2) == ""


def test_jobs_of_one_member_are_found(store):
    store.add(record())
    assert [job.id for job in store.jobs(limit=9, member=record().member)] == [1]
    assert store.jobs(limit=9, member="nobody") == []


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "s").write_text("no database " * 100)
    with pytest.raises(StoreFault):
        Database(tmp_path / "s")


def test_a_failing_statement_changes_nothing(store, tmp_path):
    with pytest.raises(StoreFault), store._database.transaction() as sql:
        sql.execute("INSERT INTO facts VALUES ('a', 'b')")
        sql.execute("INSERT INTO nowhere VALUES (1)")
    assert store.fact("a") is None
    with pytest.raises(StoreFault):
        store._database.rows("SELECT * FROM nowhere")


def test_the_day_list_is_replaced_whole(tmp_path):
    day_list = DayList(tmp_path / "images.txt")
    assert day_list.read() == ""
    day_list.write("# request a\r\nnginx -> nginx:latest\n")
    assert day_list.read() == "# request a\r\nnginx -> nginx:latest\n"
    assert [path.name for path in tmp_path.iterdir()] == ["images.txt"]


def test_a_day_list_that_cannot_be_read_or_written_is_a_clear_fault(tmp_path):
    (tmp_path / "images.txt").write_bytes(b"# \xc4\xe3\nnginx\n")
    assert DayList(tmp_path / "images.txt").read() == "# \ufffd\ufffd\nnginx\n"
    (tmp_path / "directory").mkdir()
    with pytest.raises(StoreFault):
        DayList(tmp_path / "directory").read()
    with pytest.raises(StoreFault):
        DayList(tmp_path / "missing" / "images.txt").write("x")


def test_a_lock_excludes_other_holders_and_names_its_own(tmp_path):
    one, two = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert one.acquire()
    assert one.acquire()
    assert not two.acquire()
    assert two.holder().isdigit()
    one.release()
    one.release()
    assert two.acquire()
    two.release()
    assert FileLock(tmp_path / "none").holder() == ""
    with pytest.raises(StoreFault):
        FileLock(tmp_path / "missing" / "lock").acquire()
