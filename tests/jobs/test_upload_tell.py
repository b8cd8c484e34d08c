"""A long upload tells how far it is: after a minute, and once a minute at most."""

from __future__ import annotations

from datetime import datetime, timezone

from tests.support.clock import FakeClock
from wxsync.jobs.job import Job, to_record
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.progress import Amount, Progress
from wxsync.jobs.results import File
from wxsync.jobs.upload.tell import Teller
from wxsync.store.database import Database
from wxsync.store.store import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def test_texts_come_after_a_minute_and_once_a_minute(tmp_path):
    clock, store, progress = FakeClock(NOW), Store(Database(tmp_path / "s")), Progress()
    number = store.add(to_record(Job(0, "upload", "zhangsan", "https://example.com/a.iso", NOW)))
    job = Job(number, "upload", "zhangsan", "https://example.com/a.iso", NOW, state="uploading",
              files=(File("https://example.com/a.iso", name="a.iso"),))
    teller = Teller(Ledger(store, clock, lambda: None, lambda name: None), clock, progress)
    for second in range(1, 131):
        clock.advance(1)
        teller.tell(job, 0, second << 20, 300 << 20)
    assert [text.text for text in store.outbox()] == [
        "⏳ 文件上传仍在进行\na.iso：20%（60.0 MB / 300 MB），1.0 MB/秒，大约还要 4 分\n#1",
        "⏳ 文件上传仍在进行\na.iso：40%（120 MB / 300 MB），1.0 MB/秒，大约还要 3 分\n#1",
    ]
    assert progress.of(number, 1) == [Amount(130 << 20, 300 << 20)]
